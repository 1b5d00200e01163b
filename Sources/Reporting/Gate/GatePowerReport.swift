public import Experiments
import Foundation
import Storage

/// How far the regression gate's answers can be trusted.
public struct GatePowerRecord: Sendable, Hashable, Codable {
  /// The command that makes it again.
  public var command: String
  /// The seconds that it took.
  public var seconds: Double
  /// The counts.
  public var results: GateCalibration.Results

  /// Puts the parts together.
  public init(command: String, seconds: Double, results: GateCalibration.Results) {
    (self.command, self.seconds, self.results) = (command, seconds, results)
  }

  /// The parts of target Q1: what was compared, the answer that is right, counts, and whether the
  /// target is met.
  public var targets: [(what: String, expected: GateAnswer, counts: [GateCalibration.Count])] {
    [
      ("same code in two environments", .same, results.same),
      ("same code, disjoint seeds", .same, results.disjoint),
      ("contraction ρ → ρ^0.99", .worse, results.slower),
      ("contraction ρ → ρ^1.01", .better, results.faster),
    ]
  }

  /// Whether `right` of `total` answers meet the target: at most 1 alarm in 1,000, or 99 % found.
  static func isMet(_ expected: GateAnswer, right: Int, total: Int) -> Bool {
    let wrong = total - right
    return total > 0 && (expected == .same ? 1000 * wrong <= total : 100 * wrong <= total)
  }
}

extension Report where Results == GatePowerRecord {
  /// Target Q1.
  public static var gatePower: Report {
    Report(
      name: "gate-power", title: "What the regression gate sees, and how often it is wrong",
      sections: [GatePowerSection(), GatePowerRulesSection()],
      encoded: { JSONFile.encoded(GatePowerFile(record: $0, machine: $1)) })
  }
}

private struct GatePowerFile: Encodable {
  let record: GatePowerRecord
  let machine: RunRecord
}

private func right(_ counts: [GateCalibration.Count], _ expected: GateAnswer) -> (Int, Int) {
  (
    counts.reduce(0) { $0 + ($1.answers[expected.rawValue] ?? 0) },
    counts.reduce(0) { $0 + $1.total }
  )
}

/// The target, met or missed.
struct GatePowerSection: ReportSection {
  let id = "targets"
  let title = "Targets"

  func markdown(_ context: ReportContext<GatePowerRecord>) -> String {
    let record = context.results
    var table = Markdown.Table([
      ("Q1: what was compared", .left), ("right answer", .left), ("comparisons", .right),
      ("answered so", .right), ("others", .left), ("met", .centre),
    ])
    for (what, expected, counts) in record.targets {
      let (right, total) = right(counts, expected)
      let others = GateAnswer.allCases.filter { $0 != expected }.compactMap { answer -> String? in
        let count = counts.reduce(0) { $0 + ($1.answers[answer.rawValue] ?? 0) }
        return count == 0 ? nil : "\(count) \(answer.rawValue)"
      }
      table.add([
        what, expected.rawValue, "\(total)", "\(right)", others.joined(separator: ", "),
        GatePowerRecord.isMet(expected, right: right, total: total) ? "✓" : "✗",
      ])
    }
    let limits = record.results.slower.flatMap(\.limits).filter(\.isFinite).sorted()
    func percent(_ share: Double) -> String {
      limits.isEmpty
        ? Number.dash
        : Number.significant(
          100 * limits[Int(share * Double(limits.count - 1))], digits: 2)
    }
    let environments = record.results.environments.map { "- \(Markdown.literal($0))\n" }
    return """
      \(table.text)
      Asked: at most 1 alarm in 1,000, at least 990 planted changes of 1,000 found. A comparison is one \
      rule on \(GateSuite.standardFamilies.count) families of problems from \
      \(record.results.blockSize) seeds. Detection limit, the least change of the steps to a gap on some \
      family that a comparison would have seen: \(percent(0.5)) % in the median, \(percent(0.99)) % in 99 of \
      100 (a change below 0.1 % is called the same by default). The comparisons of one rule share \
      records, so they are not independent.

      The same code ran in these environments, the first of which is the one that planted changes ran in:

      \(environments.joined())
      It took \(Number.fixed(record.seconds, decimals: 0)) s.

      \(Markdown.commands([record.command]))
      """
  }
}

/// Rule by rule.
struct GatePowerRulesSection: ReportSection {
  let id = "rules"
  let title = "Rule by rule"

  func markdown(_ context: ReportContext<GatePowerRecord>) -> String {
    let targets = context.results.targets
    var table = Markdown.Table(
      "rule", numbers: ["two environments", "disjoint seeds", "ρ^0.99", "ρ^1.01", "limit %"])
    for (index, count) in context.results.results.slower.enumerated() {
      let limits = count.limits.sorted()
      table.add(
        [Markdown.code(count.rule)]
          + targets.map { _, expected, counts in
            let one = counts[index]
            return "\(one.answers[expected.rawValue] ?? 0) of \(one.total)"
          }
          + [
            limits.isEmpty
              ? "" : Number.significant(100 * limits[(limits.count - 1) / 2], digits: 2)
          ])
    }
    let misses = targets.flatMap { what, _, counts in
      counts.flatMap { count in count.misses.map { "- \(count.rule), \(what), \($0)\n" } }
    }
    return table.text
      + (misses.isEmpty
        ? "\nNo comparison was answered wrongly.\n"
        : "\nAnswered wrongly, ten of a kind at most:\n\n" + misses.joined())
  }
}
