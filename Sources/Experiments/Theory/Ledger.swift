public import Checks
import Foundation
import Storage

/// The claims of theory.md, each with what was found.
public enum Ledger {
  /// One claim.
  public struct Row: Sendable, Hashable {
    /// Its id.
    public var id: String
    /// What is claimed.
    public var statement: String
    /// Paper and place.
    public var source: String
    /// Subjects by verdict.
    public var counts: [Verdict: Int]
    /// What was found, in one line: the result that matters most.
    public var found: String
    /// The commands that replay it.
    public var replay: [String]

    /// The verdict that matters most; nil where nothing was checked.
    public var verdict: Verdict? {
      [.violated, .premiseFails, .inconclusive, .holdsVacuously, .holds]
        .first { (counts[$0] ?? 0) > 0 }
    }
  }

  /// A number that a paper states beside what was measured.
  public struct Discrepancy: Sendable, Hashable {
    /// The claim.
    public var claim: String
    /// What is compared.
    public var what: String
    /// log10 of what the paper states or promises.
    public var log10Stated: Double
    /// log10 of what was measured.
    public var log10Measured: Double

    /// The distance in decades.
    public var decades: Double { abs(log10Measured - log10Stated) }
  }

  /// Ids in the order of the theory, those of parts after their whole.
  private static let order = [
    "I1", "I2", "I3", "I4", "D1", "D2", "D2L", "D3", "T1", "T2", "T2g", "T3", "T3c", "T4", "T5",
    "T5e",
    "T5r", "T5k", "T6", "T7", "G", "FP1", "FP2", "FP3", "FP4", "GC1", "GC2", "GC3", "GC4", "S1",
    "S2", "S3",
    "S4", "S5", "S6", "D1P", "PROX", "E1", "E1b", "E2", "E3", "E4", "E5", "E5a", "E5u", "E5l",
    "E5t", "E5h", "E5s", "E6", "E7", "E8",
  ]

  /// Claim by claim.
  public static func rows(_ results: TheoryResults) -> [Row] {
    let checks = Dictionary(grouping: results.checks, by: \.claim.id)
    let conditions = Dictionary(grouping: results.conditions, by: \.claim.id)
    let known = Set(checks.keys).union(conditions.keys)
    let rest = known.subtracting(order).sorted()
    return (order + rest).filter(known.contains).map { id in
      checks[id].map { row(id, $0) } ?? row(id, conditions[id] ?? [])
    }
  }

  private static func row(_ id: String, _ checks: [CheckResult]) -> Row {
    var row = Row(
      id: id, statement: checks[0].claim.title, source: checks[0].claim.source,
      counts: Dictionary(grouping: checks, by: \.verdict).mapValues(\.count), found: "",
      replay: [])
    let worst = checks.filter { $0.verdict == row.verdict }
    let first = worst.max { most($0) < most($1) } ?? checks[0]
    row.found = "\(first.subject): \(first.reason)"
    row.replay = first.replay.map { [$0] } ?? []
    return row
  }

  private static func most(_ result: CheckResult) -> Double {
    result.evidence.map(\.excess).max() ?? 0
  }

  private static func row(_ id: String, _ conditions: [TheoryResults.Condition]) -> Row {
    let decided = conditions.filter { $0.verdict != .notApplicable }
    var row = Row(
      id: id, statement: conditions[0].claim.title, source: conditions[0].claim.source,
      counts: Dictionary(grouping: conditions, by: \.verdict).mapValues(\.count), found: "",
      replay: ["optcheck verify \(decided.map(\.candidate).joined(separator: " ")) --checks \(id)"])
    func names(_ verdict: Verdict) -> String? {
      let rules = decided.filter { $0.verdict == verdict }.map(\.rule)
      return rules.isEmpty ? nil : "\(verdict.name): \(rules.joined(separator: ", "))"
    }
    row.found = [.violated, .premiseFails, .inconclusive, .holdsVacuously, .holds]
      .compactMap(names).joined(separator: "; ")
    return row
  }

  /// Stated against measured, the farthest first; one entry a claim.
  ///
  /// Bounds whose constants had to be derived here (T1, T2) are no statements of a paper.
  public static func discrepancies(_ results: TheoryResults) -> [Discrepancy] {
    var all: [Discrepancy] = []
    for row in results.bounds.scales where row.depth == 3 && row.horizon == 100 {
      // The published runs use e up to 100.
      if let asked = row.log10Scales.compactMap(\.self).max() {
        all.append(
          Discrepancy(
            claim: "T7",
            what:
              "scale e: what Lemma \(row.strictest) asks for at T = 100, L = 3 (constants 1), and the "
              + "largest that was published", log10Stated: asked, log10Measured: 2))
      }
    }
    for check in results.checks {
      if check.claim.id == "I4", let rank = check.numbers["rank"],
        let needed = check.numbers["coordinates"], rank > 0
      {
        all.append(
          Discrepancy(
            claim: "I4", what: "rank of G_{L-1,T}, \(check.subject)", log10Stated: log10(needed),
            log10Measured: log10(rank)))
      }
      if check.claim.id == "T3", let slack = check.numbers["rateSlack"],
        let promised = check.numbers["log10OneMinusQ"]
      {
        all.append(
          Discrepancy(
            claim: "T3", what: "linear rate 1 - q, \(check.subject)", log10Stated: promised,
            log10Measured: promised + slack))
      }
    }
    let finite = all.filter(\.decades.isFinite).sorted { $0.decades > $1.decades }
    var seen: Set<String> = []
    return finite.filter { seen.insert($0.claim).inserted }
  }
}
