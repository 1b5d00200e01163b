import ArgumentParser
import Foundation
import OptCheck

/// Time per step of two executables, measured in turns so that what else the machine does hits both.
struct GateTiming {
  /// Turns: enough for an interval whose ends are not the extremes.
  static let turns = 15

  private let rows: [(rule: String, comparison: PairedComparison)]

  /// Measures the rules that run in both processes themselves.
  init(base: BuiltTool, head: BuiltTool, rules: [RuleSource]) throws {
    rows = try rules.filter { !$0.isExternal }.map { rule in
      func seconds(_ tool: BuiltTool) throws -> Double {
        let text = try tool.run(["baseline", "time", rule.text])
        guard let value = Double(text.trimmingCharacters(in: .whitespacesAndNewlines)), value > 0
        else { throw UsageError("\(tool.path) baseline time printed '\(text)'; accepted: seconds") }
        return value
      }
      var pairs: [(Double, Double)] = []
      for turn in 0..<Self.turns {
        // Who goes first changes, so that a drift favours nobody.
        if turn % 2 == 0 {
          let first = try seconds(base)
          pairs.append((first, try seconds(head)))
        } else {
          let second = try seconds(head)
          pairs.append((try seconds(base), second))
        }
      }
      return (rule.text, PairedComparison(pairs.map(\.1), pairs.map(\.0)))
    }
  }

  /// The ratio of times, the median of the turns with its 95 % interval.
  var words: String {
    rows.map { row in
      func ratio(_ decades: Double) -> String { Number.fixed(pow(10, decades), decimals: 3) }
      let range = row.comparison.interval
      return "\(row.rule): time per step \(ratio(row.comparison.median)) x "
        + "[\(ratio(range.lowerBound)), \(ratio(range.upperBound))] in \(row.comparison.count) turns"
    }.joined(separator: "\n")
  }
}

extension BaselineCommand {
  /// `optcheck baseline time`: what another build is asked for by `compare --time`.
  struct Time: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Prints the seconds that one step of a rule takes.", shouldDisplay: false)

    @Argument(help: ArgumentHelp("The rule.", valueName: "rule"))
    var rule: String

    func run() async throws {
      let candidate = try NamedRules.candidate(rule)
      let kinds: [SolvedProblem.Kind] = [.smooth, .composite]
      guard
        let problem = try ProblemSuite.families.reversed().filter({ kinds.contains($0.kind) })
          .map({ try $0.problem() }).first(where: { candidate.objection(to: $0.problem) == nil })
      else { throw UsageError("\(rule) runs on no problem of the suite") }
      let start = problem.minimisers[0].moved(
        1, Vector(problem.minimisers[0].elements.map { _ in 1 }))
      let run = try candidate.start(on: problem.problem, from: start, seed: 1)
      var best = Double.infinity
      let clock = ContinuousClock()
      let deadline = clock.now + .milliseconds(60)
      while clock.now < deadline {
        let before = clock.now
        for _ in 0..<50 { try run.advance() }
        best = min(best, (clock.now - before) / .seconds(1) / 50)
      }
      print(best)
    }
  }
}
