import Foundation
import OptCheck

typealias Rule = any UpdateRule

/// A rule for every choice of steps.
typealias Twins = @Sendable (StepRule) -> Rule

/// A rule on a problem that can be built anew.
struct RuleCase: Sendable {
  var data: ProblemData
  var start: Vector
  var horizon: Int
  var rule: Rule

  func run(_ rule: Rule) throws -> Trajectory {
    unroll(rule, on: try data.problem(), from: start, horizon: horizon, recordingIterates: true)
  }

  /// How far iterates move when every entry of M and Y moves by a relative 1e-12, three times.
  ///
  /// Other orders of sums do no more to a run than data off by some units in the last place. Steps
  /// that hardly depend on the size of slopes (Adam's) add what forming them rounds: some sixteen
  /// operations a step, on numbers no larger than the iterates.
  func sensitivity(_ rule: Rule) throws -> Double {
    let clean = try run(rule).iterates
    let moved = try (1...3).map { (seed: UInt64) in
      var twin = self
      twin.data = data.perturbed(by: 1e-12, seed: seed)
      return distance(try twin.run(rule).iterates, clean)
    }.reduce(0, max)
    let sizes = clean.map(\.maxMagnitude).reduce(0, +)
    return moved + 16 * unitRoundoff * sizes
  }
}

/// The largest distance between iterates.
func distance(_ ours: [Vector], _ theirs: [Vector]) -> Double {
  zip(ours, theirs).reduce(ours.count == theirs.count ? 0 : .infinity) {
    max($0, ($1.0 - $1.1).maxMagnitude)
  }
}

/// Where two runs part, as numbers, so that -0 is 0; nil if they are one.
func parting(_ ours: [Vector], _ theirs: [Vector]) -> String? {
  guard ours.count == theirs.count else { return "\(ours.count) and \(theirs.count) iterates" }
  for (t, (a, b)) in zip(ours, theirs).enumerated() {
    for j in 0..<a.count where a[j] != b[j] { return "x_\(t)[\(j)] is \(a[j]), want \(b[j])" }
  }
  return nil
}

extension SplitMix64 {
  /// Every classical rule, with steps that each instance chooses for itself.
  mutating func classicalRule(_ d: Int) -> Rule {
    let steps = choose([StepRule.instance, .reference])
    let momentum = 0.9 * uniform()
    switch pick(11) {
    case 0: return GradientDescent(stepRule: steps, relaxation: 0.5 + uniform())
    case 1: return ProximalGradient(stepRule: steps)
    case 2: return ProximalGradient(stepRule: steps, metric: vector(d) { 0.1 + 0.9 * $0.uniform() })
    case 3: return FISTA(stepRule: steps)
    case 4: return MomentumDescent(.heavyBall, stepRule: steps, momentum: momentum)
    case 5: return MomentumDescent(.nesterov, stepRule: steps, momentum: momentum)
    case 6:
      return SubgradientDescent(
        stepRule: steps, schedule: choose([.constant, .inverseRoot, .inverse]))
    case 7: return Adam(stepRule: .constant(0.1 * uniform()))
    case 8: return Adam(stepRule: .constant(0.1), hyperDescent: .init(rate: 1e-3 * uniform()))
    case 9: return LBFGS(memory: integer(1...4))
    default: return Shampoo(stepRule: steps)
    }
  }

  mutating func classicalCase(
    _ kinds: [ProblemData.Kind] = ProblemData.Kind.allCases, instances: ClosedRange<Int> = 1...4,
    horizon: ClosedRange<Int> = 1...8, sharing: Bool = true, rule: Rule? = nil
  ) -> RuleCase {
    let data = problemData(kinds, instances: instances, sharing: sharing)
    let drawn = classicalRule(data.columns)
    return RuleCase(
      data: data, start: point(data.dimension), horizon: integer(horizon), rule: rule ?? drawn)
  }
}

let smoothKinds: [ProblemData.Kind] = [.leastSquares, .gram]

/// What rounding can do to one proximal step with steps `s` from `y`, entry by entry: the gradient's
/// error, a product and a difference, the two roundings of the prox.
func stepRounding(
  _ data: ProblemData, at y: Vector, gradient g: Vector, steps s: Vector
) -> Vector {
  let bars = RoundingBounds(data, at: y).gradient
  var result = Vector(zeros: y.count)
  for j in 0..<y.count {
    let size: Double = abs(y[j]) + s[j] * (abs(g[j]) + data.weight)
    result[j] = s[j] * bars[j] + 5 * unitRoundoff * size
  }
  return result
}
