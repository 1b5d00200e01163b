public import Engine
public import Optimization

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
