import Foundation

/// An upper bound on F(X_T) of gradient descent, T >= 1.
public enum GradientDescentBound: String, Sendable, Hashable, CaseIterable {
  /// (β/T) ‖X_0 - X*‖², as paper A states it, for steps 1/β.
  case paper
  /// Σᵢ βᵢ Rᵢ² / (4 hᵢ T + 2) with hᵢ = sᵢ βᵢ <= 1: tight for smooth convex f.
  ///
  /// Drori and Teboulle, *Performance of first-order methods for smooth convex minimization*, 2014,
  /// Theorem 3.1; attained on a Huber function.
  case smoothConvex
  /// The exact worst case over quadratics, for 0 < hᵢ < 2.
  ///
  /// A mode of curvature λ contributes λ (1 - sλ)^{2T} R² / 2, greatest at λ = 1 / (s (2T + 1)) or at
  /// λ = β. For h = 1 this is (2T / (2T + 1))^{2T} times the bound for smooth convex f. *Derived.*
  case quadratic

  /// The bound after `steps` steps of `run`.
  public func value(_ run: DescentRun, steps: Int) -> Double {
    let t = Double(steps)
    let instances = run.smoothness.indices
    switch self {
    case .paper:
      return run.largestSmoothness / t * run.squaredDistances.reduce(0, +)
    case .smoothConvex:
      return instances.reduce(0) { sum, i in
        let beta = run.smoothness[i]
        return sum + beta * run.squaredDistances[i] / (4 * run.stepSizes[i] * beta * t + 2)
      }
    case .quadratic:
      return instances.reduce(0) { sum, i in
        let (beta, s) = (run.smoothness[i], run.stepSizes[i])
        let contribution = { (lambda: Double) in lambda / 2 * pow(1 - s * lambda, 2 * t) }
        let worst = max(contribution(beta), contribution(min(beta, 1 / (s * (2 * t + 1)))))
        return sum + worst * run.squaredDistances[i]
      }
    }
  }

  /// The condition under which the bound holds for `run`.
  func premise(_ run: DescentRun) -> Premise {
    let steps = zip(run.smoothness, run.stepSizes).map { $0 * $1 }
    let (least, largest) = (steps.reduce(.infinity, min), steps.reduce(0, max))
    let range = "s_i β_i in [\(least.precise), \(largest.precise)]"
    let rounded = 1 + 4 * Double.ulpOfOne
    switch self {
    case .paper:
      return Premise(
        "step 1/β (\(rawValue))", met: run.isTheoryStep && largest <= rounded,
        run.isTheoryStep ? range : "other step rule: \(run.stepRule)")
    case .smoothConvex:
      return Premise("0 < s_i <= 1/β_i (\(rawValue))", met: least > 0 && largest <= rounded, range)
    case .quadratic:
      return Premise(
        "quadratic and 0 < s_i < 2/β_i (\(rawValue))",
        met: run.isQuadratic && least > 0 && largest < 2, run.isQuadratic ? range : "not quadratic")
    }
  }
}

/// D2: gradient descent obeys the bound of paper A and the two sharper ones, at every T of the run.
///
/// A bound whose own premise fails is reported and not judged; if none can be judged the premises
/// fail. Numbers, per bound `b` in `paper`, `smoothConvex`, `quadratic`: `bSlack` (decades,
/// log10(bound / value), at the T where it is least) and `bStep` (that T). Also `horizon`,
/// `value` (F(X_T)) and `weightedDistance` (Σ βᵢ Rᵢ²).
public struct GradientDescentBoundCheck: Check {
  public let claim = Claim(
    id: "D2", title: "F(X_T) of gradient descent is at most (β/T) ‖X_0 - X*‖²",
    source: "paper A; Drori and Teboulle 2014; quadratic case derived")

  public let equation =
    "F(X_T) ≤ (β/T) ‖X_0 - X*‖², and the tight bounds β R²/(4T + 2) and the quadratic's"

  public let tolerance =
    "rounding of F(X_T) relative to F(X_0)"

  public let blindSpots =
    "other steps than 1/β; horizons beyond the run"

  /// Creates the check.
  public init() {}

  public func run(_ subject: DescentRun) -> CheckResult {
    var numbers = [
      "horizon": Double(subject.horizon), "value": subject.values[subject.horizon],
      "weightedDistance": subject.weightedDistance,
    ]
    var premises: [Premise] = []
    var evidence: [Evidence] = []
    var slacks: [String] = []
    var isUnjudged = true
    for bound in GradientDescentBound.allCases {
      let premise = bound.premise(subject)
      premises.append(premise)
      let sharpest = sharpest(bound, subject)
      numbers[bound.rawValue + "Slack"] = sharpest.slack
      numbers[bound.rawValue + "Step"] = Double(sharpest.step)
      slacks.append("\(bound.rawValue) \(sharpest.slack.brief) at T=\(sharpest.step)")
      if premise.status == .met {
        isUnjudged = false
        evidence += faults(bound, subject)
      }
    }
    // A bound that asks for another step rule or another class takes no part in the verdict.
    let deciding = isUnjudged ? premises : premises.filter { $0.status == .met }
    let anyFault = GradientDescentBound.allCases.contains { !faults($0, subject).isEmpty }
    let isFalse = isUnjudged ? anyFault : !evidence.isEmpty
    let mark = subject.isTheoryStep ? "" : "other step rule (\(subject.stepRule)); "
    let worst = evidence.max { $0.excess < $1.excess }
    return CheckResult(
      claim: claim, subject: subject.label,
      verdict: .decide(deciding, isFalse ? .isFalse : .isTrue(slack: nil)),
      reason: mark
        + (worst.map {
          "\($0.path): \($0.actual.precise) above \($0.reference.precise) ± \($0.allowed.brief)"
        }
          ?? "decades of slack where sharpest: " + slacks.joined(separator: ", ")),
      premises: premises, numbers: numbers, evidence: evidence)
  }

  private func sharpest(
    _ bound: GradientDescentBound, _ run: DescentRun
  ) -> (slack: Double, step: Int) {
    (1...run.horizon).map { t in
      let ratio = bound.value(run, steps: t) / run.values[t]
      return (ratio.isNaN ? -.infinity : log10(ratio), t)
    }.min { $0.0 < $1.0 } ?? (.infinity, 0)
  }

  private func faults(_ bound: GradientDescentBound, _ run: DescentRun) -> [Evidence] {
    (1...run.horizon).compactMap { t in
      let limit = bound.value(run, steps: t)
      let allowed = run.rounding(at: limit, step: t)
      guard !(run.values[t] <= limit + allowed) else { return nil }
      return Evidence(
        "\(bound.rawValue)/t=\(t)", actual: run.values[t], reference: limit, allowed: allowed)
    }
  }

  public var mutants: [Mutant<DescentRun>] {
    let clean = DescentRun.worstQuadratic(horizon: 20, step: 1)
    var scaled = clean
    scaled.values = clean.values.map { 1.02 * $0 }
    var narrow = clean
    narrow.squaredDistances = [0.97]
    var huber = DescentRun.huber(horizon: 20)
    huber.isQuadratic = true
    var late = DescentRun.huber(horizon: 20)
    late.values[20] = late.values[19]
    return [
      Mutant("values 2% too high where the bound is attained", size: 0.02, scaled),
      Mutant("the radius is 1.5% short", size: 0.015, narrow),
      Mutant("a Huber function passed off as quadratic", huber),
      Mutant("a step is lost", size: 0.05, late),
      Mutant(
        "step 2.1/β", size: 0.05, expected: .premiseFails,
        DescentRun.mode(curvature: 1, horizon: 60, step: 2.1)),
    ]
  }

  public var cleanCases: [CleanCase<DescentRun>] {
    [
      CleanCase(
        "worst quadratic, 20 steps of 1/β", DescentRun.worstQuadratic(horizon: 20, step: 1)),
      CleanCase("worst quadratic, one step", DescentRun.worstQuadratic(horizon: 1, step: 1)),
      CleanCase(
        "worst quadratic, steps 0.9999/β", DescentRun.worstQuadratic(horizon: 100, step: 0.9999)),
      CleanCase("worst Huber function", DescentRun.huber(horizon: 20)),
      CleanCase("best conditioned", DescentRun.mode(curvature: 1, horizon: 5, step: 1)),
    ]
  }
}

extension DescentRun {
  /// f = ½ λ x² in the class β = 1 from x = 1 with step h: exactly ½ λ (1 - hλ)^{2t}.
  static func mode(curvature: Double, horizon: Int, step: Double) -> DescentRun {
    let stepRule = step == 1 ? "1/β" : "\(step)/β"
    return DescentRun(
      label: "one mode of curvature \(curvature), step \(stepRule)", stepRule: stepRule,
      isTheoryStep: step == 1, coordinatesPerInstance: 2, smoothness: [1], stepSizes: [step],
      squaredDistances: [1],
      values: (0...horizon).map { curvature / 2 * pow(1 - step * curvature, Double(2 * $0)) })
  }

  /// The mode that is worst for `horizon` steps h = `step`: of curvature 1 / (h (2T + 1)).
  static func worstQuadratic(horizon: Int, step: Double) -> DescentRun {
    var run = mode(curvature: 1 / (step * Double(2 * horizon + 1)), horizon: horizon, step: step)
    run.label = "quadratic function, worst for T=\(horizon), step \(run.stepRule)"
    return run
  }

  /// The Huber function that is worst for `horizon` steps of 1/β from x = 1, β = 1.
  ///
  /// With τ = 1 / (2T + 1), f = τ |x| - τ²/2 beyond τ; every step moves by τ, and
  /// f(x_T) = 1 / (4T + 2).
  static func huber(horizon: Int) -> DescentRun {
    let tau = 1 / Double(2 * horizon + 1)
    return DescentRun(
      label: "Huber function, worst for T=\(horizon)", stepRule: "1/β", isTheoryStep: true,
      isQuadratic: false, coordinatesPerInstance: 1, smoothness: [1], stepSizes: [1],
      squaredDistances: [1],
      values: (0...horizon).map { tau * (1 - Double($0) * tau) - tau * tau / 2 })
  }
}
