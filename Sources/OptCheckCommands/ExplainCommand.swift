import ArgumentParser
import Foundation
import OptCheck

/// `optcheck explain`.
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Says what a check claims, measures, tolerates and cannot see.",
    discussion: """
      Example:
        optcheck explain GC1
      """)

  @Argument(help: ArgumentHelp("The check's id, as `optcheck list` shows it.", valueName: "check"))
  var check: String

  @OptionGroup var common: CommonOptions

  /// What is said.
  struct Explanation: Encodable {
    var id: String
    var claim: String
    var equation: String
    var source: String
    var tolerance: String
    var blindSpots: String
    var mutants: [String]
    var cleanCases: [String]
  }

  func run() throws {
    guard let found = allChecks.first(where: { $0.claim.id.lowercased() == check.lowercased() })
    else {
      throw UsageError(
        "no check is called '\(check)'; accepted: "
          + allChecks.map(\.claim.id).joined(separator: ", "))
    }
    Console(common).result(Self.explanation(of: found)) { it in
      let lines = [
        ("claim", it.claim), ("equation", it.equation), ("source", it.source),
        ("tolerance", it.tolerance), ("cannot see", it.blindSpots),
        ("must catch", it.mutants.joined(separator: "; ")),
        ("must pass", it.cleanCases.joined(separator: "; ")),
      ]
      return
        ([it.id]
        + lines.map { name, text in
          "  " + name.padding(toLength: 12, withPad: " ", startingAt: 0) + text
        }).joined(separator: "\n")
    }
  }

  private static func explanation(of check: some Check) -> Explanation {
    Explanation(
      id: check.claim.id, claim: check.claim.title, equation: check.equation,
      source: check.claim.source, tolerance: check.tolerance, blindSpots: check.blindSpots,
      mutants: check.mutants.map(\.fault).reduce(into: []) { faults, fault in
        // A fault comes in several sizes.
        if faults.last != fault { faults.append(fault) }
      }, cleanCases: check.cleanCases.map(\.name))
  }
}
