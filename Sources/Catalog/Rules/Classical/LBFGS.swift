public import Engine
public import Optimization

/// L-BFGS (Nocedal 1980): the yardstick for smooth problems, r = 0.
///
/// Every instance is a run of its own, with its own pairs and its own search. The search (Lewis and
/// Overton 2013) doubles and bisects the step until the value falls by 1e-4 of what the slope
/// promises and nine tenths of the slope or less are left, the weak conditions of Wolfe. It also
/// takes kinks: where r is not 0 the rule follows subgradients of F, which it never increases
/// beyond rounding, but it may come to rest short of the minimum.
public struct LBFGS: UpdateRule {
  public let name = "l-bfgs"
  /// Number of pairs kept.
  public var memory: Int

  /// A line search asks for values and gradients several times.
  public var cost: Double { 8 }

  /// Creates the rule.
  public init(memory: Int = 10) {
    precondition(memory >= 1, "memory \(memory)")
    self.memory = memory
  }

  /// The pairs of every instance, and what is known at the iterate.
  public struct State: Sendable {
    /// How often values and gradients were found, those of all instances counted as one.
    public internal(set) var evaluations = 0
    /// How long the last step of every instance was, in units of its direction -H ∇f.
    public internal(set) var lengths: [Double] = []
    var pairs: [[Pair]]
    var last: Evaluation?
    let firstSteps: [Double]
  }

  /// A displacement with its change of gradient.
  struct Pair: Sendable {
    var s: Vector
    var y: Vector
    var curvature: Double
  }

  /// Values (N) and gradient (n) at one point.
  struct Evaluation: Sendable {
    var values: [Double]
    var gradient: Vector
  }

  public func initialState<P: Problem>(for problem: P) -> State {
    State(
      pairs: Array(repeating: [], count: problem.instanceCount),
      firstSteps: problem.smoothness.map { 1 / $0 })
  }

  /// What is known belongs to the iterate before; the pairs are differences and stay.
  public func settle(_ state: inout State, at x: Vector) -> Bool {
    state.last = nil
    return true
  }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    let d = problem.coordinatesPerInstance
    let here = state.last ?? evaluation(at: x, &state, on: problem)
    var directions = Vector(zeros: x.count)
    for i in state.pairs.indices {
      let p = direction(
        here.gradient.block(i..<(i + 1), of: d), state.pairs[i], firstStep: state.firstSteps[i])
      for j in 0..<d { directions[i * d + j] = p[j] }
    }
    let (next, there) = search(x, here, directions, &state, on: problem)
    let (s, y) = (next - x, there.gradient - here.gradient)
    for i in state.pairs.indices {
      let (s, y) = (s.block(i..<(i + 1), of: d), y.block(i..<(i + 1), of: d))
      let curvature = s.dot(y)
      // Wolfe's conditions make it positive; what is lost in rounding would spoil the metric.
      guard curvature > .ulpOfOne * s.norm * y.norm else { continue }
      state.pairs[i].append(Pair(s: s, y: y, curvature: curvature))
      if state.pairs[i].count > memory { state.pairs[i].removeFirst() }
    }
    x = next
    state.last = there
  }

  /// -H g by the two-loop recursion.
  private func direction(_ g: Vector, _ pairs: [Pair], firstStep: Double) -> Vector {
    var q = g
    var weights: [Double] = []
    for pair in pairs.reversed() {
      let a = pair.s.dot(q) / pair.curvature
      weights.append(a)
      q.add(-a, pair.y)
    }
    q.scale(by: pairs.last.map { $0.curvature / $0.y.dot($0.y) } ?? firstStep)
    for (pair, a) in zip(pairs, weights.reversed()) {
      q.add(a - pair.y.dot(q) / pair.curvature, pair.s)
    }
    q.scale(by: -1)
    return q
  }

  private func evaluation<P: Problem>(
    at x: Vector, _ state: inout State, on problem: P
  ) -> Evaluation {
    state.evaluations += 1
    var gradient = Vector(zeros: x.count)
    problem.subgradient(at: x, into: &gradient)
    return Evaluation(values: problem.values(at: x), gradient: gradient)
  }

  /// Where the searches of all instances end; an instance without descent stays.
  private func search<P: Problem>(
    _ x: Vector, _ here: Evaluation, _ directions: Vector, _ state: inout State, on problem: P
  ) -> (Vector, Evaluation) {
    let d = problem.coordinatesPerInstance
    func slopes(_ gradient: Vector) -> [Double] {
      var sums = [Double](repeating: 0, count: state.pairs.count)
      for j in 0..<x.count { sums[j / d] += gradient[j] * directions[j] }
      return sums
    }
    func point(_ searches: [Search]) -> Vector {
      var result = x
      for j in 0..<x.count where searches[j / d].length != 0 {
        result[j] += searches[j / d].length * directions[j]
      }
      return result
    }
    let start = slopes(here.gradient)
    var searches = start.indices.map { Search(value: here.values[$0], slope: start[$0]) }
    defer { state.lengths = searches.map(\.length) }
    guard searches.contains(where: { !$0.isOver }) else { return (x, here) }
    for _ in 0..<Search.limit {
      let next = point(searches)
      let there = evaluation(at: next, &state, on: problem)
      let ends = slopes(there.gradient)
      for i in searches.indices { searches[i].learn(there.values[i], ends[i]) }
      if searches.allSatisfy(\.isOver) { return (next, there) }
    }
    for i in searches.indices { searches[i].giveUp() }
    let next = point(searches)
    return (next, evaluation(at: next, &state, on: problem))
  }
}

/// One instance's search along its direction, in units of the direction.
private struct Search {
  /// Trials, after which the longest step that was seen to descend enough is taken.
  static let limit = 40

  let value: Double
  let slope: Double
  /// Descends enough, but the slope there is still steep.
  var low = 0.0
  /// Does not descend enough.
  var high = Double.infinity
  /// The step to try, or the one that was found.
  var length = 1.0
  var isOver = false

  init(value: Double, slope: Double) {
    self.value = value
    self.slope = slope
    if !(slope < 0) { (length, isOver) = (0, true) }
  }

  /// Takes note of value and slope at `length`.
  mutating func learn(_ found: Double, _ end: Double) {
    guard !isOver else { return }
    // The slack lets searches end near a minimum, where the descent drowns in rounding.
    if !(found <= value + 1e-4 * length * slope + 4 * value.ulp) {
      high = length
    } else if end < 0.9 * slope {
      low = length
    } else {
      isOver = true
      return
    }
    length = high < .infinity ? (low + high) / 2 : 2 * length
  }

  mutating func giveUp() {
    if !isOver { (length, isOver) = (low, true) }
  }
}
