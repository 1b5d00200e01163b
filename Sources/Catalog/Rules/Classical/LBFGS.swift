public import Engine
public import Optimization

/// L-BFGS (Nocedal 1980) with a backtracking search: the yardstick for smooth problems, r = 0.
///
/// Every instance is a run of its own, with its own pairs and its own search. A pair without
/// positive curvature is skipped. The search halves the step until the value falls by the fraction
/// 1e-4 of what the slope promises (Armijo); values are counted.
public struct LBFGS: UpdateRule {
  public let name = "l-bfgs"
  /// Number of pairs kept.
  public var memory: Int

  /// Creates the rule.
  public init(memory: Int = 10) {
    precondition(memory >= 1, "memory \(memory)")
    self.memory = memory
  }

  /// The pairs of every instance.
  public struct State: Sendable {
    /// Evaluations of the objective so far, all instances together counted as one.
    public internal(set) var evaluations = 0
    var pairs: [[Pair]]
    var gradient: Vector?
    let firstSteps: [Double]
  }

  /// A displacement with its change of gradient.
  struct Pair: Sendable {
    var s: Vector
    var y: Vector
    var curvature: Double
  }

  public func initialState<P: Problem>(for problem: P) -> State {
    State(
      pairs: Array(repeating: [], count: problem.instanceCount), gradient: nil,
      firstSteps: problem.smoothness.map { 1 / $0 })
  }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    let d = problem.coordinatesPerInstance
    let g = state.gradient ?? problem.gradient(at: x)
    var directions = Vector(zeros: x.count)
    var slopes = [Double](repeating: 0, count: problem.instanceCount)
    for i in slopes.indices {
      let gi = g.part(i, d)
      let p = direction(gi, state.pairs[i], firstStep: state.firstSteps[i])
      slopes[i] = p.dot(gi)
      for j in 0..<d { directions[i * d + j] = p[j] }
    }
    let next = search(x, directions, slopes, &state, on: problem)
    let newGradient = problem.gradient(at: next)
    for i in slopes.indices {
      let (s, y) = (next.part(i, d) - x.part(i, d), newGradient.part(i, d) - g.part(i, d))
      let curvature = s.dot(y)
      guard curvature > .ulpOfOne * s.norm * y.norm else { continue }
      state.pairs[i].append(Pair(s: s, y: y, curvature: curvature))
      if state.pairs[i].count > memory { state.pairs[i].removeFirst() }
    }
    x = next
    state.gradient = newGradient
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

  /// The point that every instance's search ends at; an instance without descent stays.
  private func search<P: Problem>(
    _ x: Vector, _ directions: Vector, _ slopes: [Double], _ state: inout State, on problem: P
  ) -> Vector {
    let d = problem.coordinatesPerInstance
    let values = problem.values(at: x)
    var lengths = slopes.map { $0 < 0 ? 1.0 : 0 }
    for _ in 0..<60 {
      var trial = x
      for j in 0..<x.count { trial[j] += lengths[j / d] * directions[j] }
      let found = problem.values(at: trial)
      state.evaluations += 1
      let bad = slopes.indices.filter { i in
        lengths[i] > 0
          && !(found[i] <= values[i] + 1e-4 * lengths[i] * slopes[i] + 4 * values[i].ulp)
      }
      if bad.isEmpty { return trial }
      for i in bad { lengths[i] /= 2 }
    }
    return x
  }
}

extension Vector {
  /// The entries of instance `i`, `length` each.
  fileprivate func part(_ i: Int, _ length: Int) -> Vector {
    Vector(Array(elements[(i * length)..<((i + 1) * length)]))
  }
}
