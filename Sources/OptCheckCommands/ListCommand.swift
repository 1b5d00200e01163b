import ArgumentParser
import Foundation
import OptCheck

/// `optcheck list`.
struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "Lists rules, problems and checks.",
    discussion: """
      Example:
        optcheck list --json
      """)

  @OptionGroup var common: CommonOptions

  /// One line of a list.
  struct Entry: Encodable {
    var name: String
    var summary: String
  }

  /// The three lists.
  struct Output: Encodable {
    var rules: [Entry]
    var problems: [Entry]
    var checks: [Entry]
  }

  /// What there is: ours and the user's.
  static var output: Output {
    let registry = OptCheckCommand.registry
    return Output(
      rules: Registry.builtInRules.map { Entry(name: $0.name, summary: $0.summary) }
        + registry.rules.map { Entry(name: $0.name, summary: summary(of: $0)) },
      problems: Registry.builtInProblems.map { Entry(name: $0.name, summary: $0.summary) }
        + registry.problems.map { Entry(name: $0.name, summary: summary(of: $0)) },
      checks: allChecks.map { Entry(name: $0.claim.id, summary: $0.claim.title) })
  }

  func run() throws {
    Console(common).result(Self.output) { output in
      let width =
        (output.rules + output.problems + output.checks).map(\.name.count).max() ?? 0
      func section(_ title: String, _ entries: [Entry]) -> [String] {
        guard !entries.isEmpty else { return [] }
        return [title]
          + entries.map {
            "  \($0.name.padding(toLength: width, withPad: " ", startingAt: 0))  \($0.summary)"
          }
      }
      return
        (section("rules", output.rules) + section("problems", output.problems)
        + section("checks", output.checks)).joined(separator: "\n")
    }
  }

  private static func summary(of rule: any UpdateRule) -> String {
    guard let learned = rule as? any LearnedUpdateRule else { return "\(type(of: rule))" }
    return "\(type(of: rule)), learned, \(learned.parameters.count) weights"
  }

  private static func summary(of problem: any Problem) -> String {
    "\(type(of: problem)), \(problem.instanceCount) x \(problem.coordinatesPerInstance) unknowns"
  }
}
