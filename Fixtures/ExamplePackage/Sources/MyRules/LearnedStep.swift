import OptCheck

/// Gradient descent with one learned number, x ← x - θ ∇f(x) / βᵢ.
public struct LearnedStep: LearnedUpdateRule {
  public let name = "learned-step"
  public var parameters: Parameters

  public init(theta: Double = 1) { parameters = Parameters([("theta", Tensor(theta))]) }

  /// The factor on the step in every coordinate, and room for a gradient.
  public struct State: Sendable {
    var steps: Vector
    var gradient: Vector
  }

  public func initialState<P: Problem>(for problem: P) -> State {
    let theta = parameters.tensors[0].elements[0]
    return State(
      steps: problem.spread(problem.smoothness.map { theta / $0 }),
      gradient: Vector(zeros: problem.dimension))
  }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    problem.gradient(at: x, into: &state.gradient)
    for j in 0..<x.count { x[j] -= state.steps[j] * state.gradient[j] }
  }

  public func metaObjective<P: TwiceDifferentiableProblem>(
    on problem: P, from start: Vector, horizon: Int, loss: MetaLoss
  ) -> any MetaObjective {
    LearnedStepObjective(self, problem, start, loss.weights(horizon: horizon))
  }
}

/// The training loss of ``LearnedStep`` with its derivative, by the chain rule along the run.
final class LearnedStepObjective<P: TwiceDifferentiableProblem>: MetaObjective, SurrogateLoss {
  private let rule: LearnedStep
  private let problem: P
  private let start: Vector
  private let weights: [Double]

  init(_ rule: LearnedStep, _ problem: P, _ start: Vector, _ weights: [Double]) {
    self.rule = rule
    self.problem = problem
    self.start = start
    self.weights = weights
  }

  private func rule(at parameters: Parameters) -> LearnedStep {
    var copy = rule
    copy.parameters = parameters
    return copy
  }

  func evaluate(_ parameters: Parameters, gradient: inout Parameters) -> MetaEvaluation {
    let rule = rule(at: parameters)
    let steps = problem.spread(problem.smoothness.map { 1 / $0 })
    let theta = parameters.tensors[0].elements[0]
    var state = rule.initialState(for: problem)
    var x = start
    // ẋ = dx/dθ, and H ẋ.
    var (tangent, bent) = (Vector(zeros: x.count), Vector(zeros: x.count))
    var result = MetaEvaluation(loss: 0, finalValue: 0)
    var slope = 0.0
    for (t, weight) in weights.enumerated() {
      problem.hessianProduct(tangent, at: x, into: &bent)
      rule.step(&x, &state, on: problem)
      for j in 0..<x.count { tangent[j] -= steps[j] * (state.gradient[j] + theta * bent[j]) }
      result.finalValue = problem.value(at: x)
      result.loss += weight * result.finalValue
      slope += weight * problem.gradient(at: x).dot(tangent)
      if result.firstNonFinite == nil, !x.isFinite { result.firstNonFinite = t + 1 }
    }
    gradient.tensors[0].elements[0] = slope
    return result
  }

  func unroll(_ parameters: Parameters) -> Trajectory {
    OptCheck.unroll(
      rule(at: parameters), on: problem, from: start, horizon: weights.count,
      recordingIterates: true)
  }

  // The loss is smooth and nothing in it is held constant: it may be differenced as it is.
  func surrogate(at base: Parameters) -> any SurrogateLoss { self }

  func loss(at parameters: Parameters) -> Double {
    var unused = parameters
    return evaluate(parameters, gradient: &unused).loss
  }
}
