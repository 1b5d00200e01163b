public import Engine
public import Optimization

/// Proximal gradient (ISTA), x ← prox_{r,s}(x - s ∇f(x)); plain gradient descent where r = 0.
///
/// Also its variable-metric form with a step of its own for every coordinate.
public struct ProximalGradient: UpdateRule {
  /// How the step sizes sᵢ follow from the problem.
  public var stepRule: StepRule
  /// Factors on the steps, coordinate by coordinate of one instance (d); nil for 1.
  public var metric: Vector?

  /// Creates the rule.
  public init(stepRule: StepRule = .instance, metric: Vector? = nil) {
    self.stepRule = stepRule
    self.metric = metric
  }

  public var name: String {
    metric == nil ? "proximal-gradient" : "variable-metric-proximal-gradient"
  }

  /// The step of every coordinate, and room for a gradient.
  public struct State: Sendable {
    var steps: Vector
    var gradient: Vector
    let regularizer: any Regularizer
  }

  public func initialState<P: Problem>(for problem: P) -> State {
    var steps = problem.spread(stepRule.stepSizes(for: problem))
    if let metric {
      precondition(
        metric.count == problem.coordinatesPerInstance, "metric has \(metric.count) entries")
      for j in 0..<steps.count { steps[j] *= metric[j % metric.count] }
    }
    return State(
      steps: steps, gradient: Vector(zeros: problem.dimension), regularizer: problem.regularizer)
  }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    problem.gradient(at: x, into: &state.gradient)
    for j in x.elements.indices { x[j] -= state.steps[j] * state.gradient[j] }
    state.regularizer.prox(&x, steps: state.steps)
  }
}
