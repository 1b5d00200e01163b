import Foundation
public import Optimization

/// T3: Theorem 4.3, F(W^k) <= q^k F(W^0) for every k.
///
/// The bound on η and four thresholds on α₀ have constants that are not public: a failing
/// inequality is inconclusive while they are undecided. With α₀ = 0 the bound is F(W^k) <= F(W^0).
/// Numbers: `log10OneMinusQ` (absent when 1 - q = 0), `sharpestStep` (the k with the least
/// log(F(W^0)/F(W^k)) / k among those above rounding), `sharpestDecay` (that quotient, per step),
/// `meanDecay` (the same at K), `rateSlack` (log10 of sharpest decay over -log q, decades),
/// `alpha0`, `delta3`, `log10Theta` (absent if 0), `log10Delta4`, `rank`, `deadFraction`,
/// `firstRelativeDecrease` (1 - F(W^1)/F(W^0)), `steps`.
public struct TrainingBoundCheck: Check {
  public let claim = Claim(
    id: "T3", title: "F(W^k) <= q^k F(W^0)",
    source: "paper A, Theorem 4.3; δ₃ derived, C_l a posteriori")

  public let equation =
    "F(W^k) ≤ q^k F(W^0), q from η, α₀, δ₃ in log domain"

  public let tolerance =
    "rounding of F relative to its first value"

  public let blindSpots =
    "constants that are not public: while they are undecided nothing is called violated"

  /// Creates the check.
  public init() {}

  public func run(_ subject: TrainingRecord) -> CheckResult {
    let bound = TrainingBound(subject)
    let comparison = Comparison(subject, bound)
    let premises = premises(subject, bound)
    let verdict = Verdict.decide(premises, comparison.conclusion)
    return CheckResult(
      claim: claim, subject: subject.label, verdict: verdict,
      qualifier: verdict == .holds && !subject.assumesThresholds
        ? "assuming the thresholds on η and α₀" : nil,
      reason: premises.explain(comparison.reason), premises: premises,
      numbers: numbers(subject, bound, comparison), evidence: comparison.evidence)
  }

  private func premises(_ record: TrainingRecord, _ bound: TrainingBound) -> [Premise] {
    let width = record.widths.last ?? 0
    let columns = record.instances * record.unknowns
    return record.settingPremises + [
      Premise("n_{L-1} >= Nd", met: width >= columns, "\(width) units, \(columns) columns"),
      Premise(
        "β₀ > 0", met: record.rows <= record.unknowns && record.smallestCurvature > 0,
        "β₀ = \(record.smallestCurvature.brief)"),
      Premise(
        "α₀ > 0", met: record.resolvedSingularValue > 0,
        "σ_min \(record.smallestSingularValue.brief), σ_max \(record.largestSingularValue.brief), rank "
          + "\(record.rank), \(record.deadFraction.brief) of the columns zero"),
      Premise(
        "q > 0", met: bound.isMeaningful, "log10(1 - q) = \((bound.logRate / log(10)).brief)"),
      record.undecidable("η below the theorem's bound", "η = \(record.stepSize.brief)"),
      record.undecidable(
        "α₀ above the thresholds of Lemmas 5.1-5.4",
        "α₀ = \(record.resolvedSingularValue.brief), e = \(record.scale.brief)"),
    ]
  }

  private func numbers(
    _ record: TrainingRecord, _ bound: TrainingBound, _ comparison: Comparison
  ) -> [String: Double] {
    var numbers = [
      "alpha0": record.smallestSingularValue, "delta3": bound.inputBound,
      "log10Delta4": bound.logSlope / log(10), "rank": Double(record.rank),
      "deadFraction": record.deadFraction, "steps": Double(record.steps),
    ]
    numbers["log10OneMinusQ"] = bound.isTrivial ? nil : bound.logRate / log(10)
    numbers["log10Theta"] = bound.logLayers.isFinite ? bound.logLayers / log(10) : nil
    numbers["sharpestStep"] = comparison.sharpest.map { Double($0.step) }
    numbers["sharpestDecay"] = comparison.sharpest?.decay
    numbers["meanDecay"] = comparison.meanDecay
    numbers["rateSlack"] = comparison.slack
    numbers["firstRelativeDecrease"] = comparison.firstRelativeDecrease
    return numbers
  }

  public var mutants: [Mutant<TrainingRecord>] {
    let rate = exp(TrainingBound(.synthetic(decay: 1)).logRate)
    var slow = TrainingRecord.synthetic(decay: 0.9 * rate)
    var assumed = slow
    assumed.assumesThresholds = true
    slow.label += ", thresholds undecided"
    var late = TrainingRecord.synthetic(decay: 2 * rate)
    late.assumesThresholds = true
    late.losses[late.steps] = late.losses[0]
    var foreign = assumed
    foreign.stepRule = .reference
    var rising = TrainingRecord.synthetic(decay: -1e-3)
    rising.smallestSingularValue = 0
    var coarse = TrainingRecord.synthetic(decay: 2 * rate)
    coarse.stepSize /= 0.5 * rate
    return [
      Mutant(
        "falls at 0.9 of the promised rate, thresholds undecided", size: 0.1,
        expected: .inconclusive, slow),
      Mutant("falls at 0.9 of the promised rate, thresholds assumed", size: 0.1, assumed),
      Mutant("the last loss jumps back to the first", late),
      Mutant("too slow under another step rule", expected: .premiseFails, foreign),
      Mutant("the loss rises and α₀ is 0", expected: .premiseFails, rising),
      Mutant("η so large that q < 0", expected: .premiseFails, coarse),
    ]
  }

  public var cleanCases: [CleanCase<TrainingRecord>] {
    let rate = exp(TrainingBound(.synthetic(decay: 1)).logRate)
    let contraction = -log1p(-rate)
    var flat = TrainingRecord.synthetic(decay: 0)
    flat.smallestSingularValue = 0
    var saturated = TrainingRecord.synthetic(decay: 1e-3)
    saturated.layerNorms = [50, 50, 0]
    return [
      CleanCase("exactly at the bound", .synthetic(decay: contraction)),
      CleanCase("twice as fast", .synthetic(decay: 2 * contraction)),
      CleanCase("α₀ = 0 and a flat loss", expected: .holdsVacuously, flat),
      CleanCase(
        "δ₄ underflows, so the bound is hundreds of decades loose", expected: .holdsVacuously,
        saturated),
    ]
  }
}

/// The losses of a run beside their bound.
private struct Comparison {
  var evidence: [Evidence] = []
  var sharpest: (step: Int, decay: Double)?
  var meanDecay: Double?
  var firstRelativeDecrease: Double?
  var slack: Double?
  var conclusion = Conclusion.undecided
  var reason = ""

  init(_ record: TrainingRecord, _ bound: TrainingBound) {
    let losses = record.losses
    let first = losses[0]
    let firstRounding = record.rounding(at: first)
    for k in losses.indices.dropFirst() {
      let factor = exp(Double(k) * bound.logContraction)
      let limit = factor * first
      let allowed = record.rounding(at: limit) + factor * firstRounding
      if !(losses[k] <= limit + allowed), bound.isMeaningful {
        evidence.append(
          Evidence("k=\(k)", actual: losses[k], reference: limit, allowed: allowed))
      }
      let decay = log(first / losses[k]) / Double(k)
      let isResolved = abs(first - losses[k]) > record.rounding(at: losses[k]) + firstRounding
      if isResolved, decay < (sharpest?.decay ?? .infinity) { sharpest = (k, decay) }
      if k == record.steps { meanDecay = decay }
    }
    if case .nonFinite(let step) = record.stop {
      evidence.append(
        Evidence("k=\(step)", actual: .infinity, reference: first, allowed: firstRounding))
    }
    if let decrease = record.firstDecrease {
      firstRelativeDecrease = decrease / first
    } else if losses.count > 1 {
      firstRelativeDecrease = (first - losses[1]) / first
    }
    if !bound.isTrivial, bound.isMeaningful, let sharpest, sharpest.decay > 0 {
      slack = (log(sharpest.decay) - bound.logDecay) / log(10)
    }
    conclude(bound)
  }

  private mutating func conclude(_ bound: TrainingBound) {
    let promise =
      bound.isTrivial ? "1 - q = 0" : "log10(1 - q) = \((bound.logRate / log(10)).brief)"
    let measured =
      sharpest.map { "least decay \($0.decay.brief) per step at k=\($0.step)" }
      ?? "the loss stays within rounding"
    reason =
      "\(promise), \(measured)" + (slack.map { ", rates differ by \($0.brief) decades" } ?? "")
    if !bound.isMeaningful {
      conclusion = .meaningless
    } else if let worst = evidence.max(by: { $0.excess < $1.excess }) {
      conclusion = .isFalse
      reason =
        "\(worst.path): \(worst.actual.precise) above \(worst.reference.precise) ± \(worst.allowed.brief); "
        + reason
    } else if bound.isTrivial {
      conclusion = .isTrue(slack: nil)
    } else if let slack {
      conclusion = .isTrue(slack: slack)
    }
  }
}

extension TrainingRecord {
  /// A run of plausible constants whose loss is F_0 e^{-decay k} for k from 0 to 200.
  ///
  /// N = 2, d = 4, b = 3, T = 5, widths (8, 16), α₀ = 0.5, no layer far from the origin, so that the
  /// bound is not vacuous.
  static func synthetic(decay: Double) -> TrainingRecord {
    TrainingRecord(
      label: "synthetic, decay \(decay)", stepRule: .theory, unknowns: 4, rows: 3, instances: 2,
      horizon: 5, widths: [8, 16], scale: 1, stepSize: 0.05, smoothness: [1, 0.8],
      smallestCurvature: 0.5, startNorm: 0, startResidual: 2, squaredDistance: 8,
      smallestSingularValue: 0.5, largestSingularValue: 2, rank: 8, deadFraction: 0,
      layerNorms: [1, 1, 0], travelled: [0.01, 0.01, 0.02],
      losses: (0...200).map { exp(-decay * Double($0)) }, gradientDescentValue: 1,
      stop: .horizonReached(200))
  }
}
