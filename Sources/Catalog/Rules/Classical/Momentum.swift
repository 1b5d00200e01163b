public import Engine
public import Optimization

/// Gradient descent with constant momentum, and a proximal step where r is not 0.
///
/// Heavy ball (Polyak 1964) is x⁺ = prox(x - s ∇f(x) + m (x - x⁻)), with r iPiano (Ochs et al.
/// 2014); Nesterov's method takes the gradient at the point that momentum leads to,
/// y = x + m (x - x⁻), x⁺ = prox(y - s ∇f(y)).
public struct MomentumDescent: UpdateRule {
  /// Where the gradient is taken.
  public enum Form: String, Sendable, Hashable, CaseIterable {
    /// At x.
    case heavyBall = "heavy-ball"
    /// At the extrapolated point.
    case nesterov
  }

  /// Where the gradient is taken.
  public var form: Form
  /// How the step sizes sᵢ follow from the problem.
  public var stepRule: StepRule
  /// m, in [0, 1).
  public var momentum: Double

  public var name: String { form.rawValue }

  /// Creates the rule with a given momentum.
  public init(_ form: Form, stepRule: StepRule = .instance, momentum: Double) {
    precondition((0..<1).contains(momentum), "momentum \(momentum)")
    self.form = form
    self.stepRule = stepRule
    self.momentum = momentum
  }

  /// The textbook's parameters for curvatures between `curvature` (μ > 0) and `smoothness` (L).
  ///
  /// Heavy ball: s = 4/(√L + √μ)², m = ((√L - √μ)/(√L + √μ))²; optimal on quadratics, and not
  /// convergent on every other function. Nesterov: s = 1/L, m = (√L - √μ)/(√L + √μ).
  public init(_ form: Form, smoothness: Double, curvature: Double) {
    precondition(0 < curvature && curvature <= smoothness, "0 < \(curvature) <= \(smoothness)")
    let (l, m) = (smoothness.squareRoot(), curvature.squareRoot())
    let ratio = (l - m) / (l + m)
    switch form {
    case .heavyBall:
      self.init(form, stepRule: .constant(4 / ((l + m) * (l + m))), momentum: ratio * ratio)
    case .nesterov: self.init(form, stepRule: .constant(1 / smoothness), momentum: ratio)
    }
  }

  /// The iterate before, the steps, and room for a gradient.
  public struct State: Sendable {
    let steps: Vector
    var previous: Vector?
    var gradient: Vector
    let regularizer: any Regularizer
  }

  public func initialState<P: Problem>(for problem: P) -> State {
    State(
      steps: problem.spread(stepRule.stepSizes(for: problem)),
      gradient: Vector(zeros: problem.dimension), regularizer: problem.regularizer)
  }

  public func settle(_ state: inout State, at x: Vector) -> Bool {
    state.previous = x
    return true
  }

  public func remembered(in state: State) -> [Vector] { state.previous.map { [$0] } ?? [] }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    // The point that momentum leads to takes the place of the iterate before, and then of x.
    var y = state.previous ?? x
    state.previous = nil
    for j in y.elements.indices { y[j] = x[j] + momentum * (x[j] - y[j]) }
    problem.gradient(at: form == .heavyBall ? x : y, into: &state.gradient)
    for j in y.elements.indices { y[j] -= state.steps[j] * state.gradient[j] }
    state.regularizer.prox(&y, steps: state.steps)
    swap(&x, &y)
    state.previous = y
  }
}
