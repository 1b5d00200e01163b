import Engine
import Foundation

/// A curve whose rate of convergence is asked for.
public struct LossCurve: Sendable, Hashable, Codable {
  /// Rule, problem and setting.
  public var label: String
  /// F_0, F_1 and so on, less the minimum if that is not zero.
  public var values: [Double]

  /// Names a curve.
  public init(label: String, values: [Double]) {
    self.label = label
    self.values = values
  }
}

/// T4: training converges at a linear rate, as far as the measured curve shows.
///
/// Holds if log F_k is close to a line on at least half of the curve (steps, and fall if there is a
/// part only) and the 95% interval of its slope excludes 0; violated if the curve grows. Any other course is inconclusive and named: a finite
/// curve does not refute a rate that may come later, and a sublinear one gets no rate.
/// Numbers, all absent without a rate: `decay` (λ per step, with `decayLower` and `decayUpper`),
/// `oneMinusRate` (1 - e^{-λ}, with `oneMinusRateLower` and `oneMinusRateUpper`), `stretchStart`,
/// `stretchEnd`, `coverage`, `determination` (R²), `correlation` (AR(1) φ of the errors), `plateau`
/// (F_∞). Also `steps`, and `period` of an oscillation.
public struct TrainingRateCheck: Check {
  public let claim = Claim(
    id: "T4", title: "training converges at a linear rate",
    source: "measured, after paper A, Theorem 4.3")

  public let equation =
    "log F_k = a - λ k + AR(1) error on at least half of the curve"

  public let tolerance =
    "the 95 % interval of λ excludes 0"

  public let blindSpots =
    "what a longer training would show: no finite curve refutes a later rate"

  /// Creates the check.
  public init() {}

  public func run(_ subject: LossCurve) -> CheckResult {
    let analysis = RateAnalysis(subject.values)
    var numbers = ["steps": Double(max(0, subject.values.count - 1))]
    numbers["period"] = analysis.period
    var reason = "regime: \(analysis.regime.rawValue)"
    var conclusion = Conclusion.undecided
    var evidence: [Evidence] = []
    if let rate = analysis.rate {
      numbers["decay"] = rate.decay
      numbers["decayLower"] = rate.lower
      numbers["decayUpper"] = rate.upper
      numbers["oneMinusRate"] = -expm1(-rate.decay)
      numbers["oneMinusRateLower"] = -expm1(-rate.lower)
      numbers["oneMinusRateUpper"] = -expm1(-rate.upper)
      numbers["stretchStart"] = Double(rate.start)
      numbers["stretchEnd"] = Double(rate.end)
      numbers["coverage"] = analysis.coverage
      numbers["determination"] = rate.determination
      numbers["correlation"] = rate.correlation
      numbers["plateau"] = rate.plateau
      reason +=
        ", 1 - q = \((-expm1(-rate.decay)).precise) [\((-expm1(-rate.lower)).precise), \((-expm1(-rate.upper)).precise)] on "
        + "k = \(rate.start)-\(rate.end), for \(analysis.coverage.brief) of the curve"
      if let plateau = rate.plateau { reason += ", then level at \(plateau.precise)" }
      if analysis.coverage >= 0.5, rate.lower > 0 { conclusion = .isTrue(slack: nil) }
    } else {
      reason += ", no rate"
    }
    if analysis.regime == .diverging {
      conclusion = .isFalse
      let last = subject.values.firstIndex { !$0.isFinite } ?? (subject.values.count - 1)
      evidence = [
        Evidence(
          "k=\(last)", actual: subject.values[last], reference: subject.values[0], allowed: 0)
      ]
    }
    return CheckResult(
      claim: claim, subject: subject.label, verdict: .decide([], conclusion), reason: reason,
      numbers: numbers, evidence: evidence)
  }

  public var mutants: [Mutant<LossCurve>] {
    [
      Mutant("1/k", expected: .inconclusive, Self.curve("1/k") { 1 / ($0 + 1) }),
      Mutant(
        "1/k² with noise", expected: .inconclusive,
        Self.curve("1/k², noise", noise: 0.01) { 1 / (($0 + 20) * ($0 + 20)) }),
      Mutant(
        "an oscillation that does not die", expected: .inconclusive,
        Self.curve("oscillation", noise: 0.01) { 1 + 0.5 * sin($0 / 3) }),
      Mutant("grows by 1% a step", size: 0.01, Self.curve("growth") { exp(0.01 * $0) }),
      Mutant(
        "is not finite in the end", Self.curve("overflow") { $0 < 390 ? exp(-0.01 * $0) : .nan }),
      Mutant(
        "noise around a level", expected: .inconclusive,
        Self.curve("level", noise: 0.01) { _ in 1 }),
    ]
  }

  public var cleanCases: [CleanCase<LossCurve>] {
    [
      CleanCase("0.99 per step", Self.curve("geometric") { pow(0.99, $0) }),
      CleanCase(
        "0.99 per step with noise", Self.curve("geometric, noise", noise: 0.1) { pow(0.99, $0) }),
      CleanCase(
        "1e-4 per step with little noise",
        Self.curve("slow, noise", noise: 1e-4) { exp(-1e-4 * $0) }),
      CleanCase(
        "down to a floor late", Self.curve("floor", noise: 0.01) { exp(-0.03 * $0) + 1e-4 }),
    ]
  }

  /// 401 points of `shape` with relative noise.
  private static func curve(
    _ label: String, noise: Double = 0, _ shape: (Double) -> Double
  ) -> LossCurve {
    var rng = SplitMix64(seed: 11)
    return LossCurve(
      label: label, values: (0...400).map { shape(Double($0)) * exp(noise * rng.normal()) })
  }
}
