import Foundation
import OptCheck

/// What is running: printed by `--version`, and part of every report.
struct Version: Codable, CustomStringConvertible {
  /// The version of OptCheck.
  var version = "0.1.0"
  /// The commit of the checkout it was built in, with `-dirty` if files differ from it.
  var commit: String
  /// The Swift toolchain on the path; without one, the standard library it runs on.
  var toolchain: String
  /// The kernels that OpenBLAS chose.
  var blasCore: String
  /// How OpenBLAS was built.
  var blasConfiguration: String
  /// Versions of the file formats.
  var formats: [String: Int]

  /// This process's.
  static var current: Version {
    Version(
      commit: checkoutCommit() ?? "unknown",
      toolchain: firstLine(of: ["swift", "--version"]) ?? "Swift \(_SwiftStdlibVersion.current)",
      blasCore: BLAS.coreName, blasConfiguration: BLAS.configuration,
      formats: [
        "baseline": GateBaseline.currentSchema, "checkpoint": Checkpoint.formatVersion,
        "counterexample": RuleCounterexample.currentFormat,
        "reference case": ReferenceCase.formatVersion,
        "results": Report<ConvergenceResults>.resultsFormat,
      ])
  }

  var description: String {
    let formats = formats.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    return """
      optcheck \(version)
      commit     \(commit)
      toolchain  \(toolchain)
      BLAS       \(blasCore) (\(blasConfiguration))
      formats    \(formats.joined(separator: ", "))
      """
  }

  /// What git says of the checkout whose build folder holds this executable.
  private static func checkoutCommit() -> String? {
    guard let executable = Bundle.main.executableURL?.resolvingSymlinksInPath(),
      let build = executable.pathComponents.lastIndex(of: ".build")
    else { return nil }
    let checkout = "/" + executable.pathComponents[1..<build].joined(separator: "/")
    return firstLine(of: [
      "git", "-C", checkout, "describe", "--always", "--dirty", "--abbrev=12",
    ])
  }

  /// The first line that a program prints; nil if it is not there or fails.
  private static func firstLine(of command: [String]) -> String? {
    guard let output = try? ChildProcess.run(command[0], Array(command[1...])),
      output.status == 0
    else { return nil }
    return output.standardOutput.split(separator: "\n").first.map(String.init)
  }
}
