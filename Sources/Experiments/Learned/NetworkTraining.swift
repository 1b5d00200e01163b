public import Engine
public import Optimization

/// Training a rule on one problem whose iterate goes on from one training step to the next: how
/// the reference code trains on a neural network's weights (NetX `main_train_nn.py`).
///
/// Training step k unrolls `horizon` steps from where step k - 1 ended, so later steps see ever
/// smaller losses whether or not the rule learns.
public struct NetworkTraining: Sendable {
  /// Whether the training loss depends on the weights.
  public enum Backward: String, Sendable, Hashable, CaseIterable {
    /// It does: the gradient reaches the rule through the unrolled steps.
    case connected
    /// It does not, as in the reference code, where the iterate is copied into the network through
    /// `.data`: every gradient is absent and the weights never move. What looks like training is
    /// the optimizer's own progress over `horizon` more steps.
    case reference
  }

  /// The rule with its initial weights.
  public var rule: any LearnedUpdateRule
  /// What its weights are trained on.
  public var problem: any TwiceDifferentiableProblem
  /// The first iterate, n entries.
  public var start: Vector
  /// T.
  public var horizon: Int
  /// What is minimised.
  public var loss: MetaLoss
  /// How the weights move.
  public var plan: MetaTraining
  /// Whether the loss reaches the weights.
  public var backward: Backward

  /// Creates a training run.
  public init(
    rule: any LearnedUpdateRule, problem: any TwiceDifferentiableProblem, start: Vector,
    horizon: Int, loss: MetaLoss, plan: MetaTraining, backward: Backward = .connected
  ) {
    precondition(start.count == problem.dimension, "start has \(start.count) entries")
    self.rule = rule
    self.problem = problem
    self.start = start
    self.horizon = horizon
    self.loss = loss
    self.plan = plan
    self.backward = backward
  }

  /// What a run leaves.
  public struct Outcome: Sendable {
    /// The weights, losses and moments.
    public var state: TrainingState
    /// The last iterate.
    public var iterate: Vector
    /// F(x_0) to F(x_T) at chosen training steps.
    public var curves: [Int: [Double]]
  }

  /// Trains; keeps the curves of the training steps in `curveSteps`.
  ///
  /// - Throws: ``RuleError`` when the rule cannot be trained on this problem.
  public func run(
    curveSteps: Set<Int> = [], isInterrupted: () -> Bool = { false },
    progress: (TrainingState) -> Void = { _ in }
  ) throws -> Outcome {
    var result = Outcome(
      state: plan.initialState(rule.parameters), iterate: start, curves: [:])
    while !result.state.isFinished(plan), !isInterrupted() {
      let objective = try rule.metaObjective(
        on: problem, from: result.iterate, horizon: horizon, loss: loss)
      let step = result.state.losses.count
      let trajectory = objective.unroll(result.state.parameters)
      if curveSteps.contains(step) { result.curves[step] = trajectory.totals }
      switch backward {
      case .connected:
        var memory = MetaTraining.Memory(for: result.state.parameters)
        plan.advance(&result.state, objective, memory: &memory)
      case .reference:
        plan.skip(&result.state, loss: weighted(trajectory))
      }
      if let last = trajectory.iterates.last { result.iterate = last }
      progress(result.state)
    }
    return result
  }

  /// The loss of a run that is not differentiated.
  private func weighted(_ trajectory: Trajectory) -> Double {
    guard trajectory.values.count == horizon + 1 else { return .nan }
    let values = trajectory.totals.dropFirst()
    return zip(loss.weights(horizon: horizon), values).reduce(0) { $0 + $1.0 * $1.1 }
  }
}
