public import Engine
public import Optimization

/// FISTA (Beck and Teboulle 2009): proximal gradient from an extrapolated point.
///
/// x⁺ = prox(z - s ∇f(z)), τ⁺ = (1 + √(1 + 4 τ²))/2, z⁺ = x⁺ + (τ - 1)/τ⁺ (x⁺ - x); τ₀ = 1, z₀ = x₀.
/// Where r = 0 it is Nesterov's method for convex functions.
public struct FISTA: UpdateRule {
  public let name = "fista"
  /// How the step sizes sᵢ follow from the problem.
  public var stepRule: StepRule

  /// Creates the rule.
  public init(stepRule: StepRule = .instance) { self.stepRule = stepRule }

  /// The extrapolated point, τ, the steps, and room for a gradient.
  public struct State: Sendable {
    /// z, n entries; nil before the first step, where it is x.
    public internal(set) var extrapolated: Vector?
    /// τ.
    public internal(set) var tau = 1.0
    let steps: Vector
    var gradient: Vector
    let regularizer: any Regularizer
  }

  public func initialState<P: Problem>(for problem: P) -> State {
    State(
      steps: problem.spread(stepRule.stepSizes(for: problem)),
      gradient: Vector(zeros: problem.dimension), regularizer: problem.regularizer)
  }

  public func settle(_ state: inout State, at x: Vector) -> Bool {
    state.extrapolated = x
    return true
  }

  public func remembered(in state: State) -> [Vector] { state.extrapolated.map { [$0] } ?? [] }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    var z = state.extrapolated ?? x
    state.extrapolated = nil
    problem.gradient(at: z, into: &state.gradient)
    for j in z.elements.indices { z[j] -= state.steps[j] * state.gradient[j] }
    state.regularizer.prox(&z, steps: state.steps)
    let next = (1 + (1 + 4 * state.tau * state.tau).squareRoot()) / 2
    let momentum = (state.tau - 1) / next
    // x takes the new point, z the extrapolation from it.
    for j in z.elements.indices {
      let new = z[j]
      z[j] = new + momentum * (new - x[j])
      x[j] = new
    }
    state.tau = next
    state.extrapolated = z
  }
}
