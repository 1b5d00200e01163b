// swift-tools-version: 6.2
import PackageDescription

// A package of your own takes OptCheck by its address instead of by a path.
let optCheck = Package.Dependency.package(name: "OptCheck", path: "../..")

let package = Package(
  name: "MyOptimizers",
  products: [.executable(name: "myopt", targets: ["myopt"])],
  dependencies: [optCheck],
  targets: [
    .target(name: "MyRules", dependencies: [.product(name: "OptCheck", package: "OptCheck")]),
    .executableTarget(
      name: "myopt",
      dependencies: ["MyRules", .product(name: "OptCheckCommands", package: "OptCheck")]),
    .testTarget(
      name: "MyRulesTests",
      dependencies: [
        "MyRules", .product(name: "OptCheck", package: "OptCheck"),
        .product(name: "OptCheckTesting", package: "OptCheck"),
      ]),
  ],
  swiftLanguageModes: [.v6]
)
