import OptCheck

/// Polyak's heavy ball, x ← x - ∇f(x) / βᵢ + μ (x - x_previous).
public struct HeavyBall: UpdateRule {
  public let name = "heavy-ball"
  /// μ, in [0, 1).
  public var momentum: Double

  public init(momentum: Double = 0.5) { self.momentum = momentum }

  public struct State: Sendable {
    var steps: Vector
    var gradient: Vector
    var velocity: Vector
  }

  public func initialState<P: Problem>(for problem: P) -> State {
    let zero = Vector(zeros: problem.dimension)
    return State(
      steps: problem.spread(problem.smoothness.map { 1 / $0 }), gradient: zero, velocity: zero)
  }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    problem.gradient(at: x, into: &state.gradient)
    for j in 0..<x.count {
      state.velocity[j] = momentum * state.velocity[j] - state.steps[j] * state.gradient[j]
      x[j] += state.velocity[j]
    }
  }
}
