import Foundation

/// Bounds on F(X_T) of gradient descent from loose to sharp, beside the measured value.
///
/// All for steps of at most 1/β: what a theorem states, what the class allows, what quadratics allow,
/// and the last two once more with every instance's own constants.
public enum DescentRung: String, Sendable, Hashable, Codable, CaseIterable {
  /// (β/T) ‖X_0 - X*‖², as paper A states it.
  case paper
  /// β ‖X_0 - X*‖² / (4T + 2): no smooth convex function is worse (Drori and Teboulle 2014).
  case smoothConvex
  /// (2T/(2T+1))^{2T} times that: no quadratic is worse. *Derived.*
  case quadratic
  /// Σᵢ βᵢ Rᵢ² / (4 sᵢ βᵢ T + 2): each instance by itself.
  case instanceSmoothConvex
  /// The worst quadratic for each instance by itself. *Derived.*
  case instanceQuadratic

  /// How a table names it.
  public var name: String {
    switch self {
    case .paper: "paper A"
    case .smoothConvex: "smooth convex, tight"
    case .quadratic: "quadratic, tight"
    case .instanceSmoothConvex: "smooth convex, per instance"
    case .instanceQuadratic: "quadratic, per instance"
    }
  }

  /// The bound after `steps` steps of 1/β of `run`.
  public func value(_ run: DescentRun, steps: Int) -> Double {
    let t = Double(steps)
    let tight =
      run.largestSmoothness * run.squaredDistances.reduce(0, +) / (4 * t + 2)
    return switch self {
    case .paper: GradientDescentBound.paper.value(run, steps: steps)
    case .smoothConvex: tight
    case .quadratic: tight * exp(-2 * t * log1p(1 / (2 * t)))
    case .instanceSmoothConvex: GradientDescentBound.smoothConvex.value(run, steps: steps)
    case .instanceQuadratic: GradientDescentBound.quadratic.value(run, steps: steps)
    }
  }

  /// The conditions under which it bounds `run`.
  func premises(_ run: DescentRun) -> [Premise] {
    let isQuadratic = self == .quadratic || self == .instanceQuadratic
    return [GradientDescentBound.paper.premise(run)]
      + (isQuadratic
        ? [
          Premise(
            "quadratic", met: run.isQuadratic, run.isQuadratic ? "quadratic" : "not quadratic")
        ] : [])
  }

  /// This rung beside the values of `run` at every T.
  public func bound(_ run: DescentRun) -> Bound {
    Bound(
      name, .value,
      source: self == .paper
        ? "paper A" : self == .smoothConvex ? "Drori and Teboulle 2014, Theorem 3.1" : "derived",
      premises: premises(run),
      points: (1...run.horizon).map { t in
        let limit = value(run, steps: t)
        return Bound.Point(
          "\(rawValue)/t=\(t)", index: t, logLimit: log(limit), logMeasured: log(run.values[t]),
          logAllowed: log(run.rounding(at: limit, step: t)))
      })
  }
}

extension DescentRun {
  /// The rounding to allow after `step` steps in a value of size `value`.
  func rounding(at value: Double, step: Int) -> Double {
    ResidualRounding.value(
      value,
      residual: ResidualRounding.run(
        dimension: coordinatesPerInstance, step: step, reach: weightedDistance.squareRoot()))
  }
}

/// A run of gradient descent, and the rung that it is said to attain at its last step.
public struct DescentLadder: Sendable, Hashable, Codable {
  /// The run.
  public var run: DescentRun
  /// The rung with no slack; nil if none is said to have none.
  public var attains: DescentRung?

  /// Creates a ladder.
  public init(_ run: DescentRun, attains: DescentRung? = nil) {
    self.run = run
    self.attains = attains
  }

  /// The slack in decades of every rung whose premises are met, after `step` steps.
  public func slacks(step: Int) -> [(rung: DescentRung, slack: Double)] {
    DescentRung.allCases.filter { $0.premises(run).allSatisfy { $0.status == .met } }.map {
      ($0, log10($0.value(run, steps: step) / run.values[step]))
    }
  }
}

/// D2L: the bounds on gradient descent are a ladder, and the tight ones are attained.
///
/// At every T each rung lies at or under the one before and above the measured value; where the
/// run is said to attain a rung, bound and value agree to rounding. Numbers, for each rung `b` whose
/// premises are met: `bSlack` (decades at the last step); `horizon`.
public struct DescentLadderCheck: Check {
  public let claim = Claim(
    id: "D2L", title: "bounds on gradient descent from paper A's to the tight ones, on one axis",
    source: "paper A; Drori and Teboulle 2014; quadratic case derived")

  public let equation =
    "F(X_T) ≤ instance-wise ≤ (2T/(2T+1))^{2T} β R²/(4T+2) ≤ β R²/(4T+2) ≤ β R²/T"

  public let tolerance =
    "rounding of F(X_T) relative to F(X_0); 4 ulp between bounds"

  public let blindSpots =
    "steps above 1/β; which function attains a rung is given, not searched for"

  /// Creates the check.
  public init() {}

  public func run(_ subject: DescentLadder) -> CheckResult {
    let run = subject.run
    let rungs = DescentRung.allCases.filter {
      $0.premises(run).allSatisfy { $0.status == .met }
    }
    var evidence = rungs.flatMap { $0.bound(run).faults }
    for (loose, sharp) in Self.steps where rungs.contains(loose) && rungs.contains(sharp) {
      evidence += (1...run.horizon).compactMap { t in
        let (above, below) = (loose.value(run, steps: t), sharp.value(run, steps: t))
        let allowed = 4 * Double.ulpOfOne * above * Double(run.smoothness.count + 2 * t)
        return below <= above + allowed
          ? nil
          : Evidence(
            "\(sharp.rawValue) above \(loose.rawValue)/t=\(t)", actual: below, reference: above,
            allowed: allowed)
      }
    }
    let t = run.horizon
    if let rung = subject.attains {
      let limit = rung.value(run, steps: t)
      let allowed = run.rounding(at: limit, step: t)
      if !(abs(run.values[t] - limit) <= allowed) {
        evidence.append(
          Evidence(
            "\(rung.rawValue) not attained/t=\(t)", actual: run.values[t], reference: limit,
            allowed: allowed))
      }
    }
    var numbers = ["horizon": Double(t)]
    let slacks = subject.slacks(step: t)
    for (rung, slack) in slacks { numbers[rung.rawValue + "Slack"] = slack }
    let premises =
      DescentRung.paper.premises(run)
      + (subject.attains?.premises(run).dropFirst() ?? [])
    let worst = evidence.max { $0.excess < $1.excess }
    return CheckResult(
      claim: claim, subject: run.label,
      verdict: .decide(premises, evidence.isEmpty ? .isTrue(slack: nil) : .isFalse),
      reason: premises.explain(
        worst.map { "\($0.path): \($0.actual.precise) against \($0.reference.precise)" }
          ?? "decades at T=\(t): "
          + slacks.map { "\($0.rung.rawValue) \($0.slack.brief)" }.joined(separator: ", ")),
      premises: premises, numbers: numbers, evidence: evidence)
  }

  /// Loose and sharp; the instance-wise bound for convex f may lie on either side of the quadratic's.
  private static let steps: [(DescentRung, DescentRung)] = [
    (.paper, .smoothConvex), (.smoothConvex, .quadratic),
    (.smoothConvex, .instanceSmoothConvex), (.quadratic, .instanceQuadratic),
    (.instanceSmoothConvex, .instanceQuadratic),
  ]

  public var mutants: [Mutant<DescentLadder>] {
    var above = DescentRun.worstQuadratic(horizon: 20, step: 1)
    above.values[20] *= 1.001
    var below = DescentRun.huber(horizon: 20)
    below.values[20] *= 0.999
    var wrong = DescentRun.worstQuadratic(horizon: 20, step: 1)
    wrong.squaredDistances = [1.01]
    return [
      Mutant("0.1% above the worst quadratic", size: 1e-3, .init(above, attains: .quadratic)),
      Mutant(
        "0.1% below the Huber function that attains the bound", size: 1e-3,
        .init(below, attains: .smoothConvex)),
      Mutant("the radius is 0.5% too long", size: 5e-3, .init(wrong, attains: .quadratic)),
      Mutant(
        "a quadratic is said to attain the bound of the convex class",
        .init(.worstQuadratic(horizon: 5, step: 1), attains: .smoothConvex)),
      Mutant(
        "a Huber function beside the quadratics' bound", expected: .premiseFails,
        .init(.huber(horizon: 5), attains: .quadratic)),
    ]
  }

  public var cleanCases: [CleanCase<DescentLadder>] {
    Self.attained.map { CleanCase($0.run.label, $0) }
  }

  /// The worst functions of both classes for T = 1, 5, 20 and 100.
  public static let attained = [1, 5, 20, 100].flatMap { horizon in
    [
      DescentLadder(.huber(horizon: horizon), attains: .smoothConvex),
      DescentLadder(.worstQuadratic(horizon: horizon, step: 1), attains: .quadratic),
    ]
  }
}
