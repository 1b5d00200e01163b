public import Engine
public import Optimization

/// Gradient descent, x ← x - p sᵢ ∇f(x), with a constant over-relaxation p.
///
/// With p = 1 it is the baseline of every published figure; p between 1 and 2 the baseline that
/// nobody plots.
public struct GradientDescent: UpdateRule {
  /// How the step sizes sᵢ follow from the problem.
  public var stepRule: StepRule
  /// p, the factor on every step.
  public var relaxation: Double

  /// Creates the rule.
  public init(stepRule: StepRule = .theory, relaxation: Double = 1) {
    self.stepRule = stepRule
    self.relaxation = relaxation
  }

  public var name: String {
    relaxation == 1 ? "gradient-descent" : "gradient-descent-p\(relaxation)"
  }

  /// The step of every coordinate, and room for a gradient.
  public struct State: Sendable {
    var steps: Vector
    var gradient: Vector
  }

  public func initialState<P: Problem>(for problem: P) -> State {
    State(
      steps: problem.spread(stepRule.stepSizes(for: problem).map { relaxation * $0 }),
      gradient: Vector(zeros: problem.dimension))
  }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    problem.gradient(at: x, into: &state.gradient)
    for j in x.elements.indices { x[j] -= state.steps[j] * state.gradient[j] }
  }
}
