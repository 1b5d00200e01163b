import Engine
import Foundation
import Optimization

/// D1: every step of x - S P ∇f with P in (0, 2) and sᵢ <= 1/βᵢ falls, by a certified amount.
///
/// fᵢ(x_t) <= fᵢ(x_{t-1}) - sᵢ Σ_j p_j (1 - sᵢ βᵢ p_j / 2) g_j², hence ‖r_t‖ <= ‖r_{t-1}‖. What the run
/// says of itself, x_t = x_{t-1} - S P_t g, is part of the conclusion: an iterate that its P did not
/// make is a violation, whatever its value.
///
/// Numbers: `minMargin` (the least γ_t = min_j p_j (1 - sᵢ βᵢ p_j / 2)), `minMarginStep` (its t),
/// `minScale` and `maxScale` (of P), `saturated` (entries of P at exactly 2, where the margin is 0 for
/// sᵢ = 1/βᵢ), `worstSlack` (the least of allowed value minus value, over fᵢ(x_0)), `rises` (pairs of
/// step and instance whose value rises beyond rounding), `residualRatio` (‖r_T‖ / ‖r_0‖),
/// `updateExcess` (worst |x_t - (x_{t-1} - S P g)| in units of its rounding), `steps`.
public struct DescentCheck: Check {
  public let claim = Claim(
    id: "D1", title: "every step falls by the certified amount", source: "derived")

  public let equation =
    "f(x_t) ≤ f(x_{t-1}) - s Σ_j p_j (1 - s β p_j / 2) g_j²"

  public let tolerance =
    "worst-case rounding of residual, gradient and update, from d, β and the size of x"

  public let blindSpots =
    "steps not in the run; rules that are not x - S P ∇f"

  /// Creates the check.
  public init() {}

  public func run(_ subject: ScaledGradientRun) -> CheckResult {
    let audit = DescentAudit(subject)
    let worst = audit.evidence.max { $0.excess < $1.excess }
    let saturation =
      audit.saturated == 0
      ? "" : ", exactly 2 in \(audit.saturated) entries (rounding): margin 0 there for s = 1/β"
    let premises = [
      Premise(
        "P in (0, 2), closed in floating point",
        met: audit.minScale >= 0 && audit.maxScale <= 2,
        "P in [\(audit.minScale.brief), \(audit.maxScale.brief)]\(saturation)"),
      Premise(
        "s_i <= 1/β_i", met: audit.largestStep <= 1 + 4 * Double.ulpOfOne,
        "largest s_i β_i is \(audit.largestStep.precise)"),
    ]
    let reason =
      worst.map {
        "\($0.path): \($0.actual.precise) instead of \($0.reference.precise) ± \($0.allowed.brief)"
      }
      ?? "\(audit.steps) steps fall, margin at least \(audit.minMargin.brief), slack at least "
      + "\(audit.worstSlack.brief) of the first value"
    return CheckResult(
      claim: claim, subject: subject.label,
      verdict: .decide(
        premises,
        worst != nil ? .isFalse : audit.steps == 0 ? .undecided : .isTrue(slack: nil)),
      reason: premises.explain(reason), premises: premises, numbers: audit.numbers,
      evidence: audit.evidence)
  }

  public var mutants: [Mutant<ScaledGradientRun>] {
    let problem = Self.problem
    let steps = problem.smoothness.map { 1 / $0 }
    let n = problem.dimension
    let clean = Self.run(problem, steps: steps)
    var ascending = clean
    ascending.iterates[3][4] = 2 * clean.iterates[2][4] - clean.iterates[3][4]
    var unfaithful = clean
    unfaithful.scales?[2][5] *= 1 + 1e-3
    var flipped = problem
    flipped.flippedCoordinate = 1
    var optimistic = problem
    optimistic.smoothness = problem.smoothness.map { 0.4 * $0 }
    let over = ScaledGradientRun(
      "P up to 2.5", on: problem, stepSizes: steps, from: Vector(zeros: n), horizon: 12
    ) { _ in Vector([Double](repeating: 2.5, count: n)) }
    let long = ScaledGradientRun(
      "step 2.1/β", on: problem, stepSizes: steps.map { 2.1 * $0 }, from: Vector(zeros: n),
      horizon: 40
    ) { _ in Vector([Double](repeating: 1, count: n)) }
    return [
      Mutant("one coordinate of one step moves up the gradient", ascending),
      Mutant("one entry of P is not the one that was used", size: 1e-3, unfaithful),
      Mutant("one partial derivative has the wrong sign", Self.run(flipped, steps: steps)),
      Mutant(
        "β is declared too small, the steps follow it", size: 0.4,
        Self.run(optimistic, steps: optimistic.smoothness.map { 1 / $0 })),
      Mutant("P reaches 2.5", size: 0.25, expected: .premiseFails, over),
      Mutant("step 2.1/β", size: 0.05, expected: .premiseFails, long),
    ]
  }

  public var cleanCases: [CleanCase<ScaledGradientRun>] {
    let problem = Self.problem
    let steps = problem.smoothness.map { 1 / $0 }
    let n = problem.dimension
    var untold = Self.run(problem, steps: steps)
    untold.scales = nil
    let saturated = ScaledGradientRun(
      "P = 2", on: problem, stepSizes: steps, from: Vector(zeros: n), horizon: 30
    ) { _ in Vector([Double](repeating: 2, count: n)) }
    let converged = ScaledGradientRun(
      "P = 1 down to rounding", on: problem, stepSizes: steps, from: Vector(zeros: n),
      horizon: 400
    ) { _ in Vector([Double](repeating: 1, count: n)) }
    return [
      CleanCase("random P in (0, 2)", Self.run(problem, steps: steps)),
      CleanCase("the same without its P", untold),
      CleanCase("P saturated at 2", saturated),
      CleanCase("down to the floor of rounding", converged),
    ]
  }

  /// Three instances of d = 6 and b = 4 with β = 2.25, 1 and 0.64.
  private static let problem = KnownLeastSquares(
    singularValues: [[1.5, 1, 0.8, 0.6], [1, 0.9, 0.7, 0.5], [0.8, 0.8, 0.5, 0.4]], columns: 6,
    seed: 1)

  private static func run(
    _ problem: KnownLeastSquares, steps: [Double]
  ) -> ScaledGradientRun {
    let rng = SplitMix64(seed: 2)
    return ScaledGradientRun(
      "random P in (0, 2)", on: problem, stepSizes: steps,
      from: Vector(zeros: problem.dimension), horizon: 12
    ) { t in
      var draws = rng.derived(t)
      return draws.vector(problem.dimension) { 0.02 + 1.96 * $0.uniform() }
    }
  }
}

/// One pass over a run: what ``DescentCheck`` measures.
struct DescentAudit {
  var minScale = Double.infinity
  var maxScale = -Double.infinity
  var saturated = 0
  var largestStep = 0.0
  var minMargin = Double.infinity
  var minMarginStep = 0
  var worstSlack = Double.infinity
  var updateExcess = 0.0
  var rises = 0
  var residualRatio = 1.0
  var steps: Int
  /// One entry for each fault.
  var evidence: [Evidence] = []

  init(_ run: ScaledGradientRun) {
    steps = run.iterates.count - 1
    let problem = run.problem
    largestStep = zip(run.stepSizes, problem.smoothness).map { $0 * $1 }.reduce(0, max)
    let d = problem.coordinatesPerInstance
    let initial = problem.values(at: run.iterates[0])
    let targets = initial.indices.map { i in
      (2 * initial[i]).squareRoot()
        + problem.smoothness[i].squareRoot() * norm(run.iterates[0], i, d)
    }
    var values = initial
    var g = Vector(zeros: problem.dimension)
    for t in run.iterates.indices.dropFirst() {
      let (x, next) = (run.iterates[t - 1], run.iterates[t])
      problem.gradient(at: x, into: &g)
      let nextValues = problem.values(at: next)
      for i in initial.indices {
        var step = InstanceStep(
          path: "t=\(t)/instance=\(i)", size: run.stepSizes[i],
          rounding: ResidualRounding(dimension: d, smoothness: problem.smoothness[i]))
        step.measure(
          from: (x, values[i]), to: (next, nextValues[i]), gradient: g,
          scales: run.scales?[t - 1], coordinates: (i * d)..<((i + 1) * d), target: targets[i])
        minScale = min(minScale, step.minScale)
        maxScale = max(maxScale, step.maxScale)
        saturated += step.saturated
        if step.margin < minMargin { (minMargin, minMarginStep) = (step.margin, t) }
        if initial[i] > 0 { worstSlack = min(worstSlack, step.slack / initial[i]) }
        updateExcess = max(updateExcess, step.updateExcess)
        if step.rises { rises += 1 }
        evidence += step.evidence
      }
      values = nextValues
    }
    let (first, last) = (initial.reduce(0, +), values.reduce(0, +))
    residualRatio = first > 0 ? (last / first).squareRoot() : 0
  }

  var numbers: [String: Double] {
    [
      "minMargin": minMargin, "minMarginStep": Double(minMarginStep), "minScale": minScale,
      "maxScale": maxScale, "saturated": Double(saturated), "worstSlack": worstSlack,
      "rises": Double(rises), "residualRatio": residualRatio, "updateExcess": updateExcess,
      "steps": Double(steps),
    ]
  }
}

/// One step of one instance.
private struct InstanceStep {
  var path: String
  var size: Double
  var rounding: ResidualRounding
  var minScale = Double.infinity
  var maxScale = -Double.infinity
  var saturated = 0
  var margin = Double.infinity
  var slack = 0.0
  var updateExcess = 0.0
  var rises = false
  var evidence: [Evidence] = []

  init(path: String, size: Double, rounding: ResidualRounding) {
    self.path = path
    self.size = size
    self.rounding = rounding
  }

  mutating func measure(
    from old: (x: Vector, value: Double), to new: (x: Vector, value: Double), gradient g: Vector,
    scales: Vector?, coordinates: Range<Int>, target: Double
  ) {
    let beta = rounding.smoothness
    let d = rounding.dimension
    let i = coordinates.lowerBound / d
    let oldScale = rounding.scale(size: norm(old.x, i, d), target: target)
    let newScale = rounding.scale(size: norm(new.x, i, d), target: target)
    // Twice: the rule formed its gradient on its own, perhaps from AᵀA.
    let gradientError = 2 * rounding.gradient(oldScale)
    var decrease = 0.0
    var squares = 0.0
    for j in coordinates {
      let moved = old.x[j] - new.x[j]
      // Rounding of the product s p g (two), of the subtraction, and of `moved` itself.
      let local = Double.ulpOfOne * (abs(old.x[j]) + abs(new.x[j]) + 2 * abs(moved))
      if let p = scales?[j] {
        note(scale: p, beta)
        let expected = size * p * g[j]
        let allowed = local + size * abs(p) * gradientError
        let distance = abs(moved - expected)
        if !(distance <= allowed) {
          evidence.append(
            Evidence(
              "\(path)/coordinate=\(j - coordinates.lowerBound)", actual: new.x[j],
              reference: old.x[j] - expected, allowed: allowed))
        }
        updateExcess = max(
          updateExcess, distance.isFinite ? (distance == 0 ? 0 : distance / allowed) : .infinity)
        decrease += expected * g[j]
        squares += expected * expected
      } else {
        // p = moved / (s g) is read off only where rounding leaves it three digits.
        let bar = local + 2 * size * gradientError
        if size * abs(g[j]) >= 1e3 * bar {
          note(scale: moved / (size * g[j]), beta, blur: bar / (size * abs(g[j])))
        } else if !(abs(moved) <= 2 * size * abs(g[j]) + bar) {
          maxScale = .infinity
        }
        decrease += moved * g[j]
        squares += moved * moved
      }
    }
    judge(
      old.value, new.value, decrease: decrease, squares: squares,
      bar: bar(
        old.value, new.value, oldScale, newScale, gradientError: gradientError, squares: squares))
  }

  /// P as given; `blur` is the error of one that was read off.
  private mutating func note(scale p: Double, _ beta: Double, blur: Double = 0) {
    let exact = p < 0 && p >= -blur ? 0 : (p > 2 && p <= 2 + blur ? 2 : p)
    minScale = min(minScale, exact.isNaN ? -.infinity : exact)
    maxScale = max(maxScale, exact.isNaN ? .infinity : exact)
    if exact == 2 { saturated += 1 }
    margin = min(margin, exact * (1 - size * beta * exact / 2))
  }

  private mutating func judge(
    _ old: Double, _ new: Double, decrease: Double, squares: Double, bar: Double
  ) {
    let limit = old - decrease + rounding.smoothness / 2 * squares
    slack = limit - new
    if !(new <= limit + bar) {
      evidence.append(Evidence(path, actual: new, reference: limit, allowed: bar))
    }
    rises = !(new <= old + bar)
    if rises { evidence.append(Evidence(path, actual: new, reference: old, allowed: bar)) }
  }

  /// The rounding of both values, of the new iterate and of the certified decrease.
  private func bar(
    _ old: Double, _ new: Double, _ oldScale: Double, _ newScale: Double, gradientError: Double,
    squares: Double
  ) -> Double {
    let beta = rounding.smoothness
    let eps = Double.ulpOfOne
    let d = Double(rounding.dimension)
    let norms = (2 * old).squareRoot() + (2 * new).squareRoot()
    let shift =
      rounding.residual(oldScale) + rounding.residual(newScale)
      + beta.squareRoot() * 2 * size * gradientError + 2 * eps * (oldScale + newScale)
    let ofDecrease =
      squares.squareRoot() * gradientError
      // βᵢ comes from an SVD: d eps relative.
      + (beta / 2 * squares + beta.squareRoot() * norms * squares.squareRoot()) * 2 * d * eps
    return norms * shift + shift * shift + d * eps * (old + new) + ofDecrease
  }
}

/// ‖x‖ over the coordinates of instance `i` of `d` unknowns.
private func norm(_ x: Vector, _ i: Int, _ d: Int) -> Double {
  Vector(Array(x.elements[(i * d)..<((i + 1) * d)])).norm
}
