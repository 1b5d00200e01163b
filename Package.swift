// swift-tools-version: 6.2
import Foundation
import PackageDescription

// SwiftPM refuses `unsafeFlags` in versioned dependencies, so the flags that give plain
// `swift test` full speed apply only where this package is the root or a path dependency.
let isDependency = Context.packageDirectory.contains("/checkouts/")

let swiftSettings: [SwiftSetting] =
  [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
  ]
  + (isDependency
    ? []
    : [
      .treatAllWarnings(as: .error),
      .unsafeFlags(["-O"], .when(configuration: .debug)),
    ])

let cSettings: [CSetting] =
  isDependency ? [] : [.unsafeFlags(["-O3"], .when(configuration: .debug))]

let testSettings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .treatAllWarnings(as: .error),
]

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

/// The library's modules, in the direction in which data flows.
let library: [Target] = [
  .systemLibrary(
    name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
  .systemLibrary(
    name: "CLAPACKE", pkgConfig: "lapacke", providers: [.apt(["liblapacke-dev"])]),
  .target(name: "CKernels", cSettings: cSettings),
  .target(
    name: "Engine", dependencies: ["COpenBLAS", "CLAPACKE", "CKernels"],
    swiftSettings: swiftSettings),
  .target(name: "Storage", dependencies: ["Engine"], swiftSettings: swiftSettings),
  .target(name: "Optimization", dependencies: ["Engine", "Storage"], swiftSettings: swiftSettings),
  .target(
    name: "Catalog", dependencies: ["Engine", "Storage", "Optimization"],
    swiftSettings: swiftSettings),
  .target(
    name: "Checks", dependencies: ["Engine", "Storage", "Optimization"],
    swiftSettings: swiftSettings),
  .target(
    name: "Experiments",
    dependencies: ["Engine", "Storage", "Optimization", "Catalog", "Checks"],
    swiftSettings: swiftSettings),
  .target(
    name: "Reporting",
    dependencies: ["Engine", "Storage", "Optimization", "Catalog", "Checks", "Experiments"],
    swiftSettings: swiftSettings),
  .target(
    name: "OptCheck",
    dependencies: [
      "Engine", "Storage", "Optimization", "Catalog", "Checks", "Experiments", "Reporting",
    ],
    swiftSettings: swiftSettings),
]

/// For the tests of rules; imports Swift Testing.
let testing: [Target] = [
  .target(name: "OptCheckTesting", dependencies: ["OptCheck"], swiftSettings: swiftSettings)
]

/// Rules in other processes.
let foreign: [Target] = [
  .target(name: "CChildren", cSettings: cSettings),
  .target(
    name: "ForeignRules", dependencies: ["CChildren", "Engine", "Optimization"],
    swiftSettings: swiftSettings),
]

/// What only the commands need: files of other programs, through matio and zlib, and runs in SQLite.
let commands: [Target] = [
  .target(
    name: "CDataFiles", cSettings: cSettings,
    linkerSettings: [.linkedLibrary("matio"), .linkedLibrary("z")]),
  .target(
    name: "Datasets",
    dependencies: ["CDataFiles", "Engine", "Storage", "Optimization", "Catalog"],
    swiftSettings: swiftSettings),
  .target(
    name: "EventFiles", dependencies: [protobuf], exclude: ["event.proto"],
    swiftSettings: swiftSettings),
  .target(
    name: "History", dependencies: ["Storage", "Checks", "Experiments", grdb],
    swiftSettings: swiftSettings),
  .target(
    name: "OptCheckCommands",
    dependencies: [
      "OptCheck", "Datasets", "EventFiles", "ForeignRules", "History", argumentParser, yams,
    ],
    swiftSettings: swiftSettings),
  .executableTarget(
    name: "OptCheckTool", dependencies: ["OptCheckCommands"], swiftSettings: swiftSettings),
]

let tests: [Target] = [
  .target(
    name: "TestSupport", dependencies: ["OptCheck"], swiftSettings: swiftSettings),
  .testTarget(
    name: "EngineTests", dependencies: ["Engine", "TestSupport"], swiftSettings: testSettings),
  .testTarget(
    name: "StorageTests", dependencies: ["Storage", "TestSupport"], swiftSettings: testSettings),
  .testTarget(
    name: "OptimizationTests", dependencies: ["OptCheck", "TestSupport"],
    swiftSettings: testSettings),
  .testTarget(
    name: "CatalogTests", dependencies: ["OptCheck", "TestSupport"], swiftSettings: testSettings),
  .testTarget(
    name: "ChecksTests", dependencies: ["OptCheck", "TestSupport"], swiftSettings: testSettings),
  .testTarget(
    name: "ReportingTests", dependencies: ["OptCheck", "TestSupport"],
    swiftSettings: testSettings),
  .testTarget(
    name: "CommandTests",
    dependencies: [
      "OptCheckCommands", "OptCheckTool", "EventFiles", "History", "TestSupport", argumentParser,
      yams,
    ],
    swiftSettings: testSettings),
  .testTarget(
    name: "DatasetsTests", dependencies: ["Datasets", "OptCheck", "TestSupport"],
    swiftSettings: testSettings),
  .testTarget(
    name: "HistoryTests", dependencies: ["History", "Checks", "Experiments", "Storage", grdb],
    swiftSettings: testSettings),
  .testTarget(
    name: "ArchitectureTests",
    dependencies: ["OptCheck", "OptCheckTesting", "OptCheckCommands", "TestSupport"],
    swiftSettings: testSettings),
  .testTarget(
    name: "Properties", dependencies: ["OptCheck", "TestSupport"], path: "Properties",
    swiftSettings: testSettings),
]

let package = Package(
  name: "OptCheck",
  products: [
    .library(name: "OptCheck", targets: ["OptCheck"]),
    .library(name: "OptCheckTesting", targets: ["OptCheckTesting"]),
    .library(name: "OptCheckCommands", targets: ["OptCheckCommands"]),
    .executable(name: "optcheck", targets: ["OptCheckTool"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: library + testing + foreign + commands + tests,
  swiftLanguageModes: [.v6]
)
