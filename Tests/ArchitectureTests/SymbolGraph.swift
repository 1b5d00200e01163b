import Foundation
import OptCheck
import TestSupport
import Testing

/// What the compiler says is public in a module: the part of its symbol graph that an interface needs.
struct SymbolGraph: Decodable {
  struct Symbol: Decodable {
    struct Identifier: Decodable { var precise: String }
    struct Fragment: Decodable { var spelling: String }
    struct Extension: Decodable { var constraints: [Constraint]? }
    struct Constraint: Decodable { var kind, lhs, rhs: String }

    var identifier: Identifier
    var pathComponents: [String]
    var declarationFragments: [Fragment]
    var swiftExtension: Extension?
  }

  struct Relationship: Decodable {
    var kind, source, target: String
    var targetFallback: String?
  }

  var symbols: [Symbol]
  var relationships: [Relationship]
}

/// The compiler's tool that writes symbol graphs, on the modules beside this test.
struct SymbolGraphTool {
  /// The build folder of a configuration, such as `.build/x86_64-unknown-linux-gnu/debug`.
  private let build: URL

  init() throws {
    build = try #require(Bundle.main.executableURL).resolvingSymlinksInPath()
      .deletingLastPathComponent()
  }

  /// The graph of a module, with those of its extensions of other modules.
  func graphs(of module: String) throws -> [SymbolGraph] {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-symbols-\(UUID().uuidString)", isDirectory: true)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let output = try ChildProcess.run(
      "swift",
      [
        "symbolgraph-extract", "-module-name", module, "-minimum-access-level", "public",
        "-skip-synthesized-members", "-output-dir", folder.path,
        "-target", build.deletingLastPathComponent().lastPathComponent,
        "-module-cache-path", build.appendingPathComponent("ModuleCache").path,
        "-I", build.appendingPathComponent("Modules").path,
      ] + clangOptions())
    try #require(output.status == 0, "\(module): \(output.standardError)")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    return try files.map {
      try JSONDecoder().decode(
        SymbolGraph.self, from: Data(contentsOf: folder.appendingPathComponent($0)))
    }
  }

  /// Where the C modules are: SwiftPM's own maps, those in our sources and in packages we depend on.
  private func clangOptions() throws -> [String] {
    let files = FileManager.default
    func entries(_ folder: URL) -> [URL] {
      let names = (try? files.contentsOfDirectory(atPath: folder.path)) ?? []
      return names.sorted().map { folder.appendingPathComponent($0) }
    }
    let made = entries(build).map { $0.appendingPathComponent("module.modulemap") }
      .filter { files.fileExists(atPath: $0.path) }
      .flatMap { ["-Xcc", "-fmodule-map-file=\($0.path)"] }
    let scratch = build.deletingLastPathComponent().deletingLastPathComponent()
    let packages = entries(scratch.appendingPathComponent("checkouts")) + [Fixtures.packageFolder]
    let written = packages.flatMap { entries($0.appendingPathComponent("Sources")) }
      .flatMap { [$0, $0.appendingPathComponent("include")] }
      .filter { files.fileExists(atPath: $0.appendingPathComponent("module.modulemap").path) }
      .flatMap { ["-I", $0.path] }
    return made + written
  }
}
