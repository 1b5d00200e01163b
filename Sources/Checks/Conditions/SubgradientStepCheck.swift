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
    let steps = Trend(worst.largestSteps)
    let trends = runs.map { $0.hasStopped ? .stays : Trend($0.distances) }
    let iterates: Trend =
      trends.contains(.undecided)
      ? .undecided
      : steps == .stays
        ? (trends.contains(.vanishes) ? .vanishes : .stays)
        : trends.contains(.stays) ? .stays : .vanishes
    let kinks = runs.reduce(0) { $0 + $1.kinks }
    result.numbers = [
      "largestStep": worst.largestSteps.last ?? .nan, "smallestStep": worst.smallestStep,
      "distance": worst.distances.last ?? .nan, "meanDistance": worst.meanDistance,
      "halfStep": worst.halfStep, "stepRatio": Trend.ratio(worst.largestSteps),
      "distanceRatio": Trend.ratio(worst.distances), "sum": worst.sums.reduce(0, +),
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

  private static func words(_ steps: Trend, _ iterates: Trend, _ numbers: [String: Double])
    -> String
  {
    func number(_ key: String) -> String { (numbers[key] ?? .nan).brief }
    return "steps \(steps.rawValue) (\(number("largestStep"))), iterates \(iterates.rawValue) "
      + "(distance \(number("meanDistance")) on average, half a step \(number("halfStep")))"
  }

  private static func rank(_ a: Matrix) -> Int? { try? a.rank() }

  /// A of ‖A x‖₁ and of |x|.
  private static let plane = Matrix(rows: 3, columns: 2, elements: [1, 0.3, -0.4, 1.2, 0.5, -0.8])
  private static let line = Matrix(identity: 1)

  public var mutants: [Mutant<Subject>] {
    let constant: @Sendable (Int) -> Double = { _ in 0.1 }
    let inverse: @Sendable (Int) -> Double = { 0.5 / Double($0) }
    func subject(
      _ label: String, on matrix: Matrix = Self.plane,
      declared: @escaping @Sendable (Int) -> Double,
      _ move: @escaping @Sendable (_ k: Int, _ x: Vector, _ v: Vector) -> Vector
    ) -> Subject {
      Subject(
        label: label, matrix: matrix, steps: declared, rule: MadeUpRule(name: label, move: move))
    }
    func along(_ p: @escaping @Sendable (Int) -> Double)
      -> @Sendable (Int, Vector, Vector) -> Vector
    {
      { k, x, v in x.moved(-p(k), v) }
    }
    let sizes = [1, 1e-2, 1e-4, 1e-6]
    return [
      Mutant(
        "a proximal step that calls itself a subgradient step",
        subject("proximal", on: Self.line, declared: constant) { _, x, _ in
          [abs(x[0]) > 0.1 ? x[0] - (x[0] > 0 ? 0.1 : -0.1) : 0]
        }),
      Mutant(
        "declares constant steps and takes 1/√k",
        subject("root", declared: constant, along { 0.1 / Double($0).squareRoot() })),
      Mutant(
        "declares 1/k and takes constant steps",
        subject("constant", declared: inverse, along(constant))),
      Mutant(
        "one row is left out",
        subject("two-rows", declared: inverse) { k, x, v in
          let z = Self.plane[2, 0] * x[0] + Self.plane[2, 1] * x[1]
          var v = v
          for j in 0..<2 { v[j] -= Self.plane[2, j] * (z > 0 ? 1 : z < 0 ? -1 : 0) }
          return x.moved(-inverse(k), v)
        }),
      Mutant(
        "not a number",
        subject("nan", declared: inverse) { k, x, v in
          k == 50 ? [.nan, 0] : x.moved(-inverse(k), v)
        }),
    ]
      + sizes.map { size in
        Mutant(
          "steps are longer than declared", size: size,
          subject("long", declared: inverse, along { (1 + size) * inverse($0) }))
      }
      + sizes.map { size in
        Mutant(
          "a share of a step along one coordinate", size: size,
          subject("biased", declared: inverse) { k, x, v in
            var next = x.moved(-inverse(k), v)
            next[0] += size * inverse(k)
            return next
          })
      }
  }

  public var cleanCases: [CleanCase<Subject>] {
    func both(_ name: String, _ steps: @escaping @Sendable (Int) -> Double) -> [CleanCase<Subject>]
    {
      [("|x|", Self.line), ("‖A x‖₁", Self.plane)].map { function, matrix in
        CleanCase(
          "\(name) on \(function)",
          Subject(label: "\(name) on \(function)", matrix: matrix, steps: steps))
      }
    }
    return both("constant steps") { _ in 0.1 }
      + both("steps 1/√k") { 0.3 / Double($0).squareRoot() }
      + both("steps 1/k") { 0.5 / Double($0) }
      + both("steps that oscillate") { 0.1 * (1 + 0.5 * sin(Double($0))) }
      + both("steps of which few are long") { $0 & ($0 - 1) == 0 ? 0.1 : 0.5 / Double($0) }
      + [
        CleanCase(
          "steps 1/k² within reach",
          Subject(label: "1/k² on |x|", matrix: Self.line, steps: { 1 / Double($0 * $0) })),
        CleanCase(
          "steps 1/k² from too far", expected: .premiseFails,
          Subject(
            label: "1/k² on |x|", matrix: Self.line, steps: { 1 / Double($0 * $0) },
            starts: [[3.3]])),
        CleanCase(
          "a start on the lattice", expected: .premiseFails,
          Subject(
            label: "constant on |x|", matrix: Self.line, steps: { _ in 0.125 }, starts: [[0.5]])),
        CleanCase(
          "steps that vanish too slowly to see", expected: .inconclusive,
          Subject(
            label: "1/log k on |x|", matrix: Self.line,
            steps: { 0.1 / log(2 + Double($0)) })),
      ]
  }
}

/// The explicit subgradient rule x ← x - p_k v with given steps; v is what the problem calls its
/// subgradient.
public struct ScheduledSubgradient: UpdateRule {
  public let name = "scheduled-subgradient"
  /// p_k, k from 1.
  public var steps: @Sendable (_ k: Int) -> Double

  /// Creates the rule.
  public init(steps: @escaping @Sendable (_ k: Int) -> Double) { self.steps = steps }

  /// k, and room for a subgradient.
  public struct State: Sendable {
    var count = 0
    var subgradient: Vector
  }

  public func initialState<P: Problem>(for problem: P) -> State {
    State(subgradient: Vector(zeros: problem.dimension))
  }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    state.count += 1
    problem.subgradient(at: x, into: &state.subgradient)
    let p = steps(state.count)
    for j in x.elements.indices { x[j] -= p * state.subgradient[j] }
  }
}

/// What the largest entries of doublings do.
private enum Trend: String {
  case vanishes = "vanish"
  case stays = "stay"
  case undecided = "do neither within the horizon"

  /// Of the maxima of all doublings, at least nine.
  init(_ maxima: [Double]) {
    let n = maxima.count
    guard n >= 9, maxima.allSatisfy(\.isFinite) else {
      self = .undecided
      return
    }
    let pairs = [(maxima[n - 1], maxima[n - 5]), (maxima[n - 5], maxima[n - 9])]
    self =
      pairs.allSatisfy { $0.0 <= 0.6 * $0.1 }
      ? .vanishes : pairs.allSatisfy { $0.0 >= 0.9 * $0.1 } ? .stays : .undecided
  }

  /// The last maximum over that of four doublings before.
  static func ratio(_ maxima: [Double]) -> Double {
    guard maxima.count >= 5, let last = maxima.last, last > 0 else { return 0 }
    return last / maxima[maxima.count - 5]
  }
}

/// One run, looked at move by move.
private struct SubgradientRun {
  /// Per doubling: the largest p, the sum of p, the largest ‖x_k‖ / ‖x_0‖.
  private(set) var largestSteps: [Double] = []
  private(set) var sums: [Double] = []
  private(set) var distances: [Double] = []
  /// The sum of p ‖v‖ of every doubling.
  private var paths: [Double] = []
  private var lastDistance = 0.0
  /// Of the last doubling.
  private(set) var smallestStep = Double.infinity
  private(set) var meanDistance = 0.0
  private(set) var halfStep = 0.0
  private(set) var unlawful = 0
  private(set) var kinks = 0
  private(set) var evidence: [Evidence] = []

  /// Whether Σ p is finite.
  var isSummable: Bool { Self.falls(sums) }

  /// Whether what is left of the way is too short: the sums fall on as a geometric series.
  var hasStopped: Bool {
    guard isSummable, Self.falls(paths), let last = paths.last else { return false }
    let before = paths[paths.count - 2]
    let ratio = before > 0 ? last / before : 0
    return lastDistance > 2 * last * ratio / (1 - ratio)
  }

  private static func falls(_ sums: [Double]) -> Bool {
    let tail = sums.suffix(5)
    return tail.count == 5 && zip(tail, tail.dropFirst()).allSatisfy { $0 >= 1.25 * $1 }
  }

  init(_ subject: SubgradientStepCheck.Subject, from start: Vector) {
    self.init(subject, subject.rule, from: start)
  }

  private init<R: UpdateRule>(
    _ subject: SubgradientStepCheck.Subject, _ rule: R, from start: Vector
  ) {
    let norm = AbsoluteProduct(matrix: subject.matrix)
    let n = subject.matrix.columns
    let reach = start.norm
    let unit = Double.ulpOfOne / 2
    let rows = Double(subject.matrix.rows)
    let columnSums = (0..<n).map { j in
      (0..<subject.matrix.rows).reduce(0) { $0 + abs(subject.matrix[$1, j]) }
    }
    var state = rule.initialState(for: norm)
    var x = start
    var v = Vector(zeros: n)
    var wasLawful = true
    for k in 1...subject.horizon - 1 {
      let before = x
      let isKink = norm.subgradient(at: x, into: &v)
      // A kink that an unlawful move led to is the rule's doing and not the start's.
      if isKink, wasLawful { kinks += 1 }
      rule.step(&x, &state, on: norm)
      let p = subject.steps(k)
      if !isKink {
        wasLawful = true
        for j in 0..<n {
          let expected = before[j] - p * v[j]
          // One product and one difference here and there, v from sums of |A|, p from a few roundings.
          let bar =
            4 * unit * (abs(before[j]) + abs(x[j])) + (2 * rows + 6) * unit * p * columnSums[j]
          guard !(abs(x[j] - expected) <= bar) else { continue }
          unlawful += 1
          wasLawful = false
          if evidence.count < 10 {
            evidence.append(
              Evidence("k=\(k)/coordinate=\(j)", actual: x[j], reference: expected, allowed: bar))
          }
        }
      }
      guard x.isFinite else { return }
      let octave = Int.bitWidth - 1 - k.leadingZeroBitCount
      while distances.count <= octave {
        largestSteps.append(0)
        sums.append(0)
        paths.append(0)
        distances.append(0)
      }
      let distance = x.norm
      largestSteps[octave] = max(largestSteps[octave], p)
      sums[octave] += p
      paths[octave] += p * v.norm
      lastDistance = distance
      distances[octave] = max(distances[octave], distance / reach)
      if 2 * k >= subject.horizon {
        let count = Double(subject.horizon / 2)
        smallestStep = min(smallestStep, p)
        meanDistance += distance / count
        halfStep += p * v.norm / 2 / count
      }
    }
  }
}

/// F(x) = ‖A x‖₁ with its subgradient Aᵀ sign(A x), sign(0) = 0, in plain loops.
private struct AbsoluteProduct: Problem {
  let name = "absolute-product"
  let matrix: Matrix
  var dimension: Int { matrix.columns }
  var smoothness: [Double] { [1] }
  var minimumValue: Double? { 0 }

  func values(at x: Vector) -> [Double] {
    [(0..<matrix.rows).reduce(0) { $0 + abs(product($1, x)) }]
  }

  func gradient(at x: Vector, into g: inout Vector) { subgradient(at: x, into: &g) }

  /// Also says whether a row of A x is 0 within its rounding, so that v is not unique.
  @discardableResult
  func subgradient(at x: Vector, into g: inout Vector) -> Bool {
    var isKink = false
    for j in 0..<g.count { g[j] = 0 }
    for i in 0..<matrix.rows {
      let z = product(i, x)
      var size = 0.0
      for j in 0..<g.count {
        size += abs(matrix[i, j] * x[j])
        g[j] += z > 0 ? matrix[i, j] : z < 0 ? -matrix[i, j] : 0
      }
      isKink = isKink || abs(z) <= Double(g.count + 1) * (Double.ulpOfOne / 2) * size
    }
    return isKink
  }

  private func product(_ i: Int, _ x: Vector) -> Double {
    var sum = 0.0
    for j in 0..<x.count { sum += matrix[i, j] * x[j] }
    return sum
  }
}

/// A rule whose moves are made up from k, x and v.
private struct MadeUpRule: UpdateRule {
  let name: String
  let move: @Sendable (_ k: Int, _ x: Vector, _ v: Vector) -> Vector

  func initialState<P: Problem>(for problem: P) -> Int { 0 }

  func step<P: Problem>(_ x: inout Vector, _ k: inout Int, on problem: P) {
    k += 1
    x = move(k, x, problem.gradient(at: x))
  }
}
