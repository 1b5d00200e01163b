public import Engine
import Foundation
public import Optimization

/// S6: an explicit subgradient rule on |x| or ‖A x‖₁ converges only with steps that vanish.
///
/// Propositions 1 and 2 of paper B are checked on a rule from both sides. The rule declares its
/// steps p_k. Every move must be -p_k v with v in ∂F(x_k), beyond kinks, where v is not unique. Then
/// what the steps do is set against what the iterates do: both tend to 0, or neither does. A rule
/// that converges with steps that stay contradicts the propositions; it does so lawfully only from
/// a start on the lattice of its steps, where it hits a kink, so starts are generic.
/// With steps that vanish and sum up, an iterate may stop short: the propositions say nothing there.
///
/// A sequence tends to 0 if its largest entry over 2ʲ ≤ k < 2ʲ⁺¹ is at most 0.6 of what it was four
/// doublings before, at the end and four doublings before the end; it stays if it is at least 0.9.
/// Steps sum up if their sums over doublings fall by a factor of 1.25 at least, four times in a row; an
/// iterate farther away than twice what is left of the sum has stopped.
///
/// Since ‖x_k‖ + ‖x_{k+1}‖ ≥ p_k ‖v_k‖, distances are half a step on average at least; on |x| they are
/// just that once the sign changes with every step: p/2 for constant steps.
///
/// Numbers, of the last doubling and the worst start: `largestStep`, `smallestStep` (of p),
/// `distance` (the largest, relative to the start's), `meanDistance` and `halfStep` (means of ‖x_k‖ and of
/// p_k ‖v_k‖ / 2); `stepRatio` and `distanceRatio` (over the last four doublings), `sum` (of p),
/// `unlawful` (moves that are none of a subgradient rule), `kinks` (iterates that hit one).
public struct SubgradientStepCheck: Check {
  /// A rule on ‖A x‖₁, with the steps that it says it takes.
  public struct Subject: Sendable {
    /// Rule and function.
    public var label: String
    /// A, of full column rank; 1 x 1 for |x|.
    public var matrix: Matrix
    /// p_k, k from 1, as the rule declares it.
    public var steps: @Sendable (_ k: Int) -> Double
    /// The rule, which sees v = Aᵀ sign(A x) as the gradient.
    public var rule: any UpdateRule
    /// Where runs begin, away from kinks and from the lattice of the steps; none is 0.
    public var starts: [Vector]
    /// Number of steps, a power of two from 2¹² on.
    public var horizon: Int

    /// Creates a subject; without `rule` it is x - p_k v itself, without `starts` three random ones.
    public init(
      label: String, matrix: Matrix, steps: @escaping @Sendable (_ k: Int) -> Double,
      rule: (any UpdateRule)? = nil, starts: [Vector]? = nil, horizon: Int = 1 << 14
    ) {
      precondition(
        horizon >= 1 << 12 && horizon & (horizon - 1) == 0, "horizon \(horizon)")
      self.label = label
      self.matrix = matrix
      self.steps = steps
      self.rule = rule ?? ScheduledSubgradient(steps: steps)
      self.starts = starts ?? Self.genericStarts(dimension: matrix.columns)
      self.horizon = horizon
    }

    /// Random starts of length 1/2, 3/4 and 1.
    public static func genericStarts(dimension: Int, seed: UInt64 = 6) -> [Vector] {
      var rng = SplitMix64(seed: seed)
      return [0.5, 0.75, 1].map { length in
        let draw = rng.vector(dimension)
        // |x| has two directions only: there the length is random.
        return draw.scaled(by: length / draw.norm * (dimension == 1 ? 1 - rng.uniform() / 8 : 1))
      }
    }
  }

  public let claim = Claim(
    id: "S6", title: "x - p_k ∂F(x) on |x| and ‖A x‖₁ converges only if p_k → 0",
    source: "Liu et al., ICML 2023, Propositions 1 and 2")

  public let equation =
    "x⁺ = x - p_k ∂F(x) converges on |x| and ‖Ax‖₁ only with p_k → 0"

  public let tolerance =
    "a move is lawful within its rounding; → 0 is at most 0.6 and staying at least 0.9 of four "
    + "doublings before, twice in a row"

  public let blindSpots =
    "what begins after the horizon; steps that vanish slower than k^-0.18 and starts other than "
    + "those tried; moves from within rounding of a kink"

  /// Creates the check.
  public init() {}

  public func run(_ subject: Subject) -> CheckResult {
    let runs = subject.starts.map { SubgradientRun(subject, from: $0) }
    var result = CheckResult(
      claim: claim, subject: subject.label, verdict: .inconclusive, reason: "")
    guard
      let worst = runs.max(by: {
        ($0.distances.last ?? .infinity) < ($1.distances.last ?? .infinity)
      })
    else { preconditionFailure("no start") }
    let steps = SubgradientTrend(worst.largestSteps)
    let trends = runs.map { $0.hasStopped ? .stays : SubgradientTrend($0.distances) }
    let iterates: SubgradientTrend =
      trends.contains(.undecided)
      ? .undecided
      : steps == .stays
        ? (trends.contains(.vanishes) ? .vanishes : .stays)
        : trends.contains(.stays) ? .stays : .vanishes
    let kinks = runs.reduce(0) { $0 + $1.kinks }
    result.numbers = [
      "largestStep": worst.largestSteps.last ?? .nan, "smallestStep": worst.smallestStep,
      "distance": worst.distances.last ?? .nan, "meanDistance": worst.meanDistance,
      "halfStep": worst.halfStep, "stepRatio": SubgradientTrend.ratio(worst.largestSteps),
      "distanceRatio": SubgradientTrend.ratio(worst.distances), "sum": worst.sums.reduce(0, +),
      "unlawful": Double(runs.reduce(0) { $0 + $1.unlawful }), "kinks": Double(kinks),
    ]
    result.evidence = runs.flatMap(\.evidence).worst()
    let rank = Self.rank(subject.matrix)
    result.premises = [
      Premise(
        "A has full column rank",
        rank.map { $0 == subject.matrix.columns ? .met : .notMet }
          ?? .unknown, "rank \(rank ?? -1) of \(subject.matrix.columns)")
    ]
    let words = Self.words(steps, iterates, result.numbers)
    if let first = runs.lazy.flatMap(\.evidence).first {
      result.verdict = .decide(result.premises, .isFalse)
      result.reason =
        "first unlawful at \(first.path): \(first.actual), want \(first.reference) by p_k v; \(words)"
      return result
    }
    let conclusion: Conclusion
    switch (steps, iterates) {
    case (.vanishes, .vanishes), (.stays, .stays):
      conclusion = .isTrue(slack: nil)
    case (.stays, .vanishes):
      result.premises.append(
        Premise(
          "starts are generic", met: kinks == 0,
          "\(kinks) iterates hit a kink on the way"))
      result.evidence = [
        Evidence(
          "k=\(subject.horizon)", actual: worst.distances.last ?? .nan,
          reference: (worst.largestSteps.last ?? .nan) / 2, allowed: 0)
      ]
      conclusion = .isFalse
    case (.vanishes, .stays) where worst.isSummable:
      result.premises.append(
        Premise(
          "steps do not end short of the minimiser", met: false,
          "Σ p_k = \(worst.sums.reduce(0, +).precise), finite: not covered"))
      conclusion = .meaningless
    default: conclusion = .undecided
    }
    result.verdict = .decide(result.premises, conclusion)
    result.reason = result.premises.explain(words)
    return result
  }

  private static func words(
    _ steps: SubgradientTrend, _ iterates: SubgradientTrend, _ numbers: [String: Double]
  )
    -> String
  {
    func number(_ key: String) -> String { (numbers[key] ?? .nan).brief }
    return "steps \(steps.rawValue) (\(number("largestStep"))), iterates \(iterates.rawValue) "
      + "(distance \(number("meanDistance")) on average, half a step \(number("halfStep")))"
  }

  private static func rank(_ a: Matrix) -> Int? { try? a.rank() }
}
