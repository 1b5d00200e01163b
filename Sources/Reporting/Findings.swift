import Checks
import Experiments
import Foundation

/// What a report says in its first lines, counted from the results; nothing is judged by hand.
struct Findings: Sendable {
  /// Curves that agree within the tolerance at every published point.
  var within = 0
  /// Curves that agree at every point within the tolerance or inside their band.
  var insideBand = 0
  /// Curves off by up to the loose tolerance.
  var near = 0
  /// Curves that differ.
  var different = 0
  /// Different settings among the curves.
  var settings = 0
  /// Curves that their probe moves so far that they got a band.
  var banded = 0
  /// Curves by the draw of W_2 that comes closest, by the draw's name.
  var draws: [(name: String, count: Int)] = []
  /// Largest difference from a published point among the curves within the tolerance.
  var largestWithin = 0.0
  /// Largest relative difference of gradient descent's values from the published ones.
  var descentError: Double?
  /// Verdicts, by claim.
  var claims: [ClaimSummary]
  /// Per horizon: the factors whose ratio beats the best learned run.
  var baselines: [Baseline]

  /// The baseline nobody plots, at one horizon.
  struct Baseline: Sendable, Hashable {
    var horizon: Int
    var factor: Double
    var ratio: Double
    var bestLearned: Double
    var isBetter: Bool { ratio > bestLearned }
  }

  /// Number of curves.
  var curves: Int { within + insideBand + near + different }

  init(_ results: ConvergenceResults) {
    let all = results.figures.flatMap(\.curves)
    var seen: Set<TrainingSetting> = []
    var counts: [String: Int] = [:]
    for curve in all {
      switch curve.agreement {
      case .within:
        within += 1
        largestWithin = max(largestWithin, curve.largestDifference)
      case .insideBand: insideBand += 1
      case .near: near += 1
      case .differs: different += 1
      }
      if curve.band != nil { banded += 1 }
      seen.insert(curve.run.setting)
      counts[curve.drawName, default: 0] += 1
    }
    settings = seen.count
    draws = counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    descentError = results.descentValues.map { abs($0.value / $0.published - 1) }.max()
    claims = ClaimSummary.all(results.checks)
    baselines = results.constantSteps.map(\.horizon).uniqued.compactMap { horizon in
      let rows = results.constantSteps.filter { $0.horizon == horizon }
      guard let best = rows.max(by: { $0.ratio < $1.ratio }), let learned = best.bestLearned
      else { return nil }
      return Baseline(
        horizon: horizon, factor: best.factor, ratio: best.ratio, bestLearned: learned)
    }
  }
}

/// What was found about one claim on all its subjects.
struct ClaimSummary: Sendable {
  var claim: Claim
  var results: [CheckResult]

  /// Claims in the order in which they first appear.
  static func all(_ results: [CheckResult]) -> [ClaimSummary] {
    results.map(\.claim.id).uniqued.compactMap { id in
      let own = results.filter { $0.claim.id == id }
      return own.first.map { ClaimSummary(claim: $0.claim, results: own) }
    }
  }

  /// Number of subjects with this verdict.
  func count(_ verdict: Verdict) -> Int { results.count { $0.verdict == verdict } }

  /// The result that matters most: by verdict, then by its worst evidence.
  var worst: CheckResult? { Self.worst(results) }

  static func worst(_ results: [CheckResult]) -> CheckResult? {
    func rank(_ result: CheckResult) -> (Int, Double) {
      (result.verdict.severity, result.evidence.map(\.excess).max() ?? 0)
    }
    // The first of equals, so that the order of the results decides.
    return results.reduce(nil as CheckResult?) { best, next in
      guard let best else { return next }
      return rank(next) > rank(best) ? next : best
    }
  }

  /// One entry per subject, in order, with all its results.
  var subjects: [(name: String, results: [CheckResult])] {
    results.map(\.subject).uniqued.map { name in
      (name, results.filter { $0.subject == name })
    }
  }

  /// The statements of all premises, each with how often it was met, not met, or not decidable.
  var premises: [(statement: String, counts: [Premise.Status: Int], example: Premise)] {
    let all = results.flatMap(\.premises)
    return all.map(\.statement).uniqued.compactMap { statement in
      let own = all.filter { $0.statement == statement }
      let counts = Dictionary(grouping: own, by: \.status).mapValues(\.count)
      // A premise that fails somewhere is shown where it fails.
      let example = own.first { $0.status == .notMet } ?? own.first
      return example.map { (statement, counts, $0) }
    }
  }
}

extension Verdict {
  /// From good to bad, as columns of a table.
  static let ordered: [Verdict] = [
    .holds, .holdsVacuously, .premiseFails, .violated, .inconclusive, .notApplicable,
  ]

  /// How much a reader should care; the highest first.
  var severity: Int {
    switch self {
    case .violated: 5
    case .inconclusive: 4
    case .premiseFails: 3
    case .holdsVacuously: 2
    case .holds: 1
    case .notApplicable: 0
    }
  }

  /// The verdict with its mark.
  var marked: String { Markdown.verdict(self) }
}

extension CurveComparison.Agreement {
  /// The status in words with a mark.
  var words: String {
    switch self {
    case .within: "✓ agrees"
    case .insideBand: "✓ agrees within its band"
    case .near: "△ near"
    case .differs: "✗ **differs**"
    }
  }

  /// The status as results.json has it.
  var key: String {
    switch self {
    case .within: "within"
    case .insideBand: "insideBand"
    case .near: "near"
    case .differs: "differs"
    }
  }
}

extension Array where Element: Hashable {
  /// Each element once, in order of first appearance.
  var uniqued: [Element] {
    var seen: Set<Element> = []
    return filter { seen.insert($0).inserted }
  }
}

extension TheoremRow {
  /// Whether the step is the theorem's own.
  var hasTheoryStep: Bool { stepRule == "theory" }

  /// log10(log q_measured / log q_bound), in decades; nil where one of them is not a rate below 1.
  var slack: Double? {
    guard boundLogGap.isFinite, measuredLogGap.isFinite else { return nil }
    // log10(-log(1 - 10^g)), which is g up to rounding where 10^g is tiny.
    func logDecay(_ gap: Double) -> Double {
      gap < -12 ? gap : log10(-log1p(-pow(10, gap)))
    }
    let slack = logDecay(measuredLogGap) - logDecay(boundLogGap)
    return slack.isFinite ? slack : nil
  }
}
