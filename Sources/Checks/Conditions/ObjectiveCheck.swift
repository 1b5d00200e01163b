import Engine
import Foundation
public import Optimization

/// A solved problem is what it says: gradient, smoothness, convexity and minimum of one objective.
///
/// A rule cannot be judged on a problem that lies, and a user's own problem is code like any other.
/// At points around the minimiser, at eight distances, four things are asked of f and its gradient g:
/// slopes of f along random directions and coordinates are g·v within the error bars of finite
/// differences; ‖g(x) - g(y)‖ <= L ‖x - y‖, along random and the problem's hard directions; f lies
/// above its tangents; and no value of F, along proximal gradient steps either, lies below F*, which
/// is F at the minimiser, where such a step does not move.
///
/// Numbers: `evaluations` of f, `steepest` (the largest ‖g(x) - g(y)‖ / (L ‖x - y‖)), `lowest` (the
/// smallest F - F*), `stationarity` (of the minimiser, in units of x).
public struct ObjectiveCheck: Check {
  /// A problem on trial.
  public struct Subject: Sendable {
    /// The problem with its solution.
    public var solved: SolvedProblem
    /// Of the points and directions.
    public var seed: UInt64

    /// Puts a problem on trial.
    public init(_ solved: SolvedProblem, seed: UInt64 = 1) {
      self.solved = solved
      self.seed = seed
    }
  }

  public let claim = Claim(
    id: "F", title: "gradient, smoothness, convexity and minimum are those of the objective",
    source: "derived: what every check of a rule takes for granted")

  public let equation =
    "∂_v f = g·v; ‖g(x) - g(y)‖ ≤ L ‖x - y‖; f(y) ≥ f(x) + g(x)·(y - x); F ≥ F* = F(x*)"

  public let tolerance =
    "error bars of the differences; 16 times what values and gradients move by when x "
    + "moves by an ulp"

  public let blindSpots =
    "points not visited: eight distances from the minimiser, random directions and the "
    + "problem's hard ones"

  /// Creates the check.
  public init() {}

  public func run(_ subject: Subject) -> CheckResult {
    let solved = subject.solved
    var result = CheckResult(
      claim: claim, subject: solved.name, verdict: .notApplicable, reason: "f is not smooth",
      seed: subject.seed)
    guard solved.kind != .nonsmooth else { return result }
    var audit = Audit(solved, SplitMix64(seed: subject.seed))
    audit.lookAround()
    audit.lookAtMinimum()
    result.numbers = [
      "evaluations": Double(audit.evaluations), "steepest": audit.steepest,
      "lowest": audit.lowest, "stationarity": audit.stationarity,
    ]
    let broken = audit.evidence.filter { $0.excess > 1 }.sorted { $0.excess > $1.excess }
    result.evidence = Array((broken.isEmpty ? audit.evidence : broken).prefix(10))
    result.verdict = .decide([], broken.isEmpty ? .isTrue(slack: nil) : .isFalse)
    result.qualifier = broken.isEmpty ? "tested" : nil
    result.reason =
      broken.first.map {
        "\($0.path): \($0.actual.precise), should be \($0.reference.precise) "
          + "± \($0.allowed.brief)"
      }
      ?? "\(audit.slopes) slopes, \(audit.pairs) pairs of points and \(audit.values) values of F"
    return result
  }

  /// What is found about one problem.
  private struct Audit {
    let solved: SolvedProblem
    var rng: SplitMix64
    var evidence: [Evidence] = []
    var evaluations = 0
    var (slopes, pairs, values) = (0, 0, 0)
    var steepest = 0.0
    var lowest = Double.infinity
    var stationarity = 0.0

    var problem: any Problem { solved.problem }
    var minimiser: Vector { solved.minimisers[0] }

    init(_ solved: SolvedProblem, _ rng: SplitMix64) {
      self.solved = solved
      self.rng = rng
    }

    private func smoothValue(_ x: Vector) -> Double {
      if let smooth = problem as? any TwiceDifferentiableProblem {
        return smooth.smoothValuesAndGradient(at: x).values[0]
      }
      return problem.smoothValues(at: x)[0]
    }

    /// A random unit vector.
    private mutating func direction() -> Vector {
      let draw = rng.vector(problem.dimension)
      return draw.scaled(by: 1 / draw.norm)
    }

    /// `x` with every coordinate moved by a unit in its last place: what rounding cannot tell from it.
    private mutating func shaken(_ x: Vector) -> Vector {
      Vector(x.elements.map { rng.next() & 1 == 0 ? $0.nextUp : $0.nextDown })
    }

    /// How far rounding moves a value: 16 times what it moves by when x does, and 64 eps of it.
    private mutating func rounding(_ value: (Vector) -> Double, at x: Vector) -> Double {
      let center = value(x)
      let moved = (0..<4).map { _ in abs(value(shaken(x)) - center) }.max() ?? 0
      return 16 * moved + 64 * .ulpOfOne * abs(center)
    }

    private mutating func rounding(ofGradientAt x: Vector) -> Double {
      let g = problem.gradient(at: x)
      let moved = (0..<4).map { _ in (problem.gradient(at: shaken(x)) - g).norm }.max() ?? 0
      return 16 * moved + 64 * .ulpOfOne * g.norm
    }

    // MARK: Slopes, curvature, convexity

    mutating func lookAround() {
      for exponent in stride(from: 1.0, through: -2.5, by: -0.5) {
        let reach = solved.length * pow(10, exponent)
        let x = minimiser.moved(reach, direction())
        let place = "at distance \(reach.brief)"
        let noise = rounding(ofGradientAt: x)
        for (name, v) in directions() { slope(name, v, at: x, reach, noise, place) }
        for (name, v) in [("random", direction())] + hardDirections() {
          pair(name, x, x.moved(reach, v), noise, place)
        }
      }
    }

    private mutating func directions() -> [(String, Vector)] {
      var result = [("random", direction())]
      let n = problem.dimension
      for j in Set([0, n - 1, Int(rng.next() % UInt64(n))]).sorted() {
        var unit = Vector(zeros: n)
        unit[j] = 1
        result.append(("coordinate \(j)", unit))
      }
      return result
    }

    private func hardDirections() -> [(String, Vector)] {
      solved.hardDirections.enumerated().map { ("hard direction \($0.offset)", $0.element) }
    }

    private mutating func slope(
      _ name: String, _ v: Vector, at x: Vector, _ reach: Double, _ noise: Double, _ place: String
    ) {
      let actual = problem.gradient(at: x).dot(v)
      var found: Evidence?
      // Nobody is accused on one ladder of steps.
      for scale in [0.1 * reach, 0.03 * reach] where found.map({ $0.excess > 1 }) ?? true {
        let difference = FiniteDifference(of: { smoothValue(x.moved($0, v)) }, scale: scale)
        evaluations += difference.evaluations
        let next = Evidence(
          "slope along \(name) \(place)", actual: actual, reference: difference.slope.value,
          allowed: difference.slope.error + noise)
        if found.map({ next.excess < $0.excess }) ?? true { found = next }
      }
      slopes += 1
      if let found { evidence.append(found) }
    }

    private mutating func pair(
      _ name: String, _ x: Vector, _ y: Vector, _ noise: Double, _ place: String
    ) {
      let (gx, gy) = (problem.gradient(at: x), problem.gradient(at: y))
      let move = y - x
      let bend = (gy - gx).norm / (solved.smoothness * move.norm)
      let bar = (noise + rounding(ofGradientAt: y)) / (solved.smoothness * move.norm)
      pairs += 1
      steepest = max(steepest, bend)
      // L itself comes from a singular value, good to a few units in its last place times n.
      let allowed = bar + 64 * Double(problem.dimension) * .ulpOfOne
      evidence.append(
        Evidence(
          "‖∇f(x) - ∇f(y)‖ / (L ‖x - y‖) along \(name) \(place)", actual: max(bend, 1),
          reference: 1,
          allowed: allowed))
      let (fx, fy) = (smoothValue(x), smoothValue(y))
      let slack = fy - fx - gx.dot(move)
      let values = rounding(smoothValue, at: x) + rounding(smoothValue, at: y)
      evidence.append(
        Evidence(
          "f(y) above its tangent at x along \(name) \(place)", actual: min(slack, 0), reference: 0,
          allowed: values + noise * move.norm))
    }

    // MARK: Minimum

    mutating func lookAtMinimum() {
      let value: (Vector) -> Double = { [problem] in problem.value(at: $0) }
      let steps = Vector([Double](repeating: 1 / solved.smoothness, count: problem.dimension))
      // What the stored residual of the minimiser leaves open, to first order.
      let open = 4 * solved.residual * solved.length
      let bar = rounding(value, at: minimiser) + open
      evidence.append(
        Evidence(
          "F at the minimiser", actual: value(minimiser), reference: solved.minimumValue,
          allowed: bar))
      stationarity = solved.stationarity(at: minimiser)
      let still = rounding(ofGradientAt: minimiser) / solved.smoothness
      evidence.append(
        Evidence(
          "move of a proximal gradient step at the minimiser", actual: stationarity, reference: 0,
          allowed: 2 * solved.residual / solved.smoothness + still
            + 64 * .ulpOfOne * minimiser.norm))
      for exponent in stride(from: 1.0, through: -6, by: -1) {
        var x = minimiser.moved(solved.length * pow(10, exponent), direction())
        problem.regularizer.prox(&x, steps: steps)
        for k in 0..<20 {
          let found = value(x)
          values += 1
          lowest = min(lowest, found - solved.minimumValue)
          if found < solved.minimumValue {
            evidence.append(
              Evidence(
                "F after \(k) steps from distance 1e\(Int(exponent)): not below F*", actual: found,
                reference: solved.minimumValue, allowed: rounding(value, at: x) + bar))
          }
          x = solved.proximalStep(from: x)
        }
      }
    }
  }

  // MARK: Its own cases

  public var mutants: [Mutant<Subject>] {
    let quadratic = DiagonalQuadratic(curvature: [2, 0.5, 1], target: [1, -2, 0.5]).solved
    let sizes = [1, 1e-2, 1e-4, 1e-6]
    func altered(
      _ base: SolvedProblem, gradient: @escaping @Sendable (Vector, inout Vector) -> Void
    ) -> Subject {
      var twin = base
      twin.problem = AlteredProblem(base: base.problem, changeGradient: gradient)
      return Subject(twin)
    }
    var result = [
      Mutant("sign of a partial derivative", altered(quadratic) { _, g in g[0].negate() }),
      Mutant(
        "two partial derivatives are swapped",
        altered(SmallComposite.composite) { _, g in g.elements.swapAt(0, 1) }),
      Mutant("a partial derivative is missing", altered(quadratic) { _, g in g[2] = 0 }),
    ]
    for s in sizes {
      result += [
        Mutant(
          "gradient with a factor", size: s, altered(quadratic) { _, g in g.scale(by: 1 + s) }),
        Mutant("a constant in the gradient", size: s, altered(quadratic) { _, g in g[1] += s }),
        Mutant(
          "gradient with a term that falls off", size: s,
          altered(SmallComposite.composite) { x, g in g[0] += s * x[0] }),
      ]
      var (tight, high, moved) = (quadratic, quadratic, SmallComposite.composite)
      tight.problem = AlteredProblem(base: quadratic.problem, smoothnessFactor: 1 / (1 + s))
      tight.hardDirections = [[1, 0, 0]]
      high.minimumValue += s
      moved.minimisers[0][0] += s
      result += [
        Mutant("L is too small", size: s, Subject(tight)),
        Mutant("the minimum is too large", size: s, Subject(high)),
        Mutant("the minimiser is moved", size: s, Subject(moved)),
      ]
    }
    return result
  }

  public var cleanCases: [CleanCase<Subject>] {
    [
      CleanCase("a quadratic", Subject(DiagonalQuadratic(dimension: 5, seed: 4).solved)),
      CleanCase("a quadratic with an l1 term", Subject(SmallComposite.composite)),
      CleanCase("an l1 term alone", Subject(SmallComposite.implicit)),
    ]
  }
}

/// A problem whose gradient or constants are not what they should be.
struct AlteredProblem: Problem {
  let base: any Problem
  var changeGradient: @Sendable (_ x: Vector, _ g: inout Vector) -> Void = { _, _ in }
  var smoothnessFactor = 1.0

  var name: String { base.name }
  var dimension: Int { base.dimension }
  var smoothness: [Double] { base.smoothness.map { $0 * smoothnessFactor } }
  var minimumValue: Double? { base.minimumValue }
  var regularizer: any Regularizer { base.regularizer }
  func values(at x: Vector) -> [Double] { base.values(at: x) }
  func gradient(at x: Vector, into g: inout Vector) {
    base.gradient(at: x, into: &g)
    changeGradient(x, &g)
  }
}
