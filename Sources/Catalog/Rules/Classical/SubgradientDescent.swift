public import Engine
public import Optimization

/// Subgradient descent, x ← x - s_k v with v in ∂F(x), the sum of ∇f and the least-norm v of ∂r.
public struct SubgradientDescent: UpdateRule {
  /// How steps shrink with k, counted from 1.
  public enum Schedule: Sendable, Hashable {
    /// s_k = s: ends in a neighbourhood of the minimum.
    case constant
    /// s_k = s / √k: converges, slowly.
    case inverseRoot
    /// s_k = s / k: converges, slower still.
    case inverse
  }

  public let name = "subgradient-descent"
  /// How the step sizes sᵢ follow from the problem.
  public var stepRule: StepRule
  /// How they shrink.
  public var schedule: Schedule

  /// Creates the rule; the reference code has constant steps.
  public init(stepRule: StepRule = .instance, schedule: Schedule = .inverseRoot) {
    self.stepRule = stepRule
    self.schedule = schedule
  }

  /// The steps, their number, and room for a subgradient.
  public struct State: Sendable {
    let steps: Vector
    var count = 0.0
    var subgradient: Vector
  }

  public func initialState<P: Problem>(for problem: P) -> State {
    State(
      steps: problem.spread(stepRule.stepSizes(for: problem)),
      subgradient: Vector(zeros: problem.dimension))
  }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    problem.subgradient(at: x, into: &state.subgradient)
    state.count += 1
    let factor =
      switch schedule {
      case .constant: 1.0
      case .inverseRoot: 1 / state.count.squareRoot()
      case .inverse: 1 / state.count
      }
    for j in x.elements.indices { x[j] -= (factor * state.steps[j]) * state.subgradient[j] }
  }
}
