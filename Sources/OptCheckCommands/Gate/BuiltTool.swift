import Foundation
import OptCheck

/// An executable with optcheck's commands: this package's or a user's, of some build.
struct BuiltTool: Sendable {
  let path: String

  /// The executable at `path`; nil if there is none.
  init?(_ path: String) {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder),
      !isFolder.boolValue, FileManager.default.isExecutableFile(atPath: path)
    else { return nil }
    self.path = URL(fileURLWithPath: path).path
  }

  private init(this url: URL) { path = url.path }

  /// This process's own.
  static var this: BuiltTool {
    BuiltTool(this: Bundle.main.executableURL ?? URL(fileURLWithPath: CommandLine.arguments[0]))
  }

  /// What it measures of rules; all that it knows if none is named.
  func baseline(of rules: [String], _ options: [String]) throws -> GateBaseline {
    let file = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-baseline-\(UUID().uuidString).json")
    defer { try? FileManager.default.removeItem(at: file) }
    _ = try run(["baseline", "save", file.path] + rules + options + ["--quiet"])
    return try JSONFile.read(from: file)
  }

  /// Runs it; another status than 0 is an error with its own words.
  ///
  /// - Parameter kernel: the kernels that OpenBLAS is told to use; nil for its choice.
  func run(_ arguments: [String], kernel: String? = nil) throws -> String {
    var environment = ProcessInfo.processInfo.environment
    if let kernel { environment["OPENBLAS_CORETYPE"] = kernel }
    let output = try ChildProcess.run(path, arguments, environment: environment)
    guard output.status == 0 else {
      let words = output.standardError.split(separator: "\n").last ?? "no word"
      throw UsageError("\(path) ended with status \(output.status): \(words)")
    }
    return output.standardOutput
  }
}
