import Engine

/// How a learned rule is trained: plain descent on its training loss over fixed problems.
public struct MetaTraining: Sendable, Hashable {
  /// What moves the weights.
  public var optimizer: MetaOptimizer
  /// η, the initial step size of training.
  public var stepSize: Double
  /// How the step size changes; it steps once an epoch, as in the reference code.
  public var schedule: MetaSchedule
  /// The largest norm of the gradient over all weights; nil for no clipping.
  public var clipNorm: Double?
  /// Training steps in one epoch.
  public var stepsPerEpoch: Int
  /// Number of epochs.
  public var epochs: Int

  /// Creates a training plan.
  public init(
    optimizer: MetaOptimizer = .sgd, stepSize: Double, schedule: MetaSchedule = .constant,
    clipNorm: Double? = nil, stepsPerEpoch: Int, epochs: Int = 1
  ) {
    precondition(stepsPerEpoch >= 0 && epochs >= 1, "\(stepsPerEpoch) steps, \(epochs) epochs")
    self.optimizer = optimizer
    self.stepSize = stepSize
    self.schedule = schedule
    self.clipNorm = clipNorm
    self.stepsPerEpoch = stepsPerEpoch
    self.epochs = epochs
  }

  /// Number of training steps in all.
  public var stepCount: Int { stepsPerEpoch * epochs }

  /// The state before the first training step.
  public func initialState(_ parameters: Parameters) -> TrainingState {
    TrainingState(
      parameters: parameters, optimizer: optimizer.initialState(for: parameters), losses: [])
  }

  /// Takes the next training step; call it until ``TrainingState/isFinished(_:)``.
  ///
  /// The loss of step k is that of the weights before its update. A loss, iterate or gradient that
  /// is not finite ends the training with the weights of the last good step.
  /// - Returns: the evaluation at the weights before the update, and its gradient.
  @discardableResult
  public func advance(
    _ state: inout TrainingState, _ objective: any MetaObjective, memory: inout Memory
  ) -> MetaEvaluation {
    precondition(!state.isFinished(self), "training is over")
    let evaluation = memory.evaluation(of: state.parameters, objective)
    state.losses.append(evaluation.loss)
    let step = state.losses.count - 1
    guard evaluation.loss.isFinite, evaluation.firstNonFinite == nil, memory.gradient.isFinite
    else {
      state.stop = .nonFinite(step: step)
      return evaluation
    }
    var gradient = memory.gradient
    if let clipNorm { gradient.clip(to: clipNorm) }
    optimizer.update(
      &state.parameters, &state.optimizer, gradient: gradient,
      stepSize: schedule.stepSize(initial: stepSize, epoch: step / stepsPerEpoch))
    if state.losses.count == stepCount { state.stop = .horizonReached(stepCount) }
    return evaluation
  }

  /// Takes all training steps from `parameters`, or as many as stay finite.
  public func train(_ parameters: Parameters, _ objective: any MetaObjective) -> TrainingState {
    train(parameters, objective) { _ in }
  }

  /// Takes all training steps from `parameters`, or as many as stay finite.
  ///
  /// - Parameter afterStep: told the state after each; may throw to end the training.
  public func train(
    _ parameters: Parameters, _ objective: any MetaObjective,
    afterStep: (TrainingState) throws -> Void
  ) rethrows -> TrainingState {
    var state = initialState(parameters)
    var memory = Memory(for: parameters)
    while !state.isFinished(self) {
      advance(&state, objective, memory: &memory)
      try afterStep(state)
    }
    return state
  }

  /// Counts a training step whose gradient is absent: its loss is kept, no weight moves.
  public func skip(_ state: inout TrainingState, loss: Double) {
    precondition(!state.isFinished(self), "training is over")
    state.losses.append(loss)
    let step = state.losses.count - 1
    if !loss.isFinite { state.stop = .nonFinite(step: step) }
    if state.stop == nil, state.losses.count == stepCount {
      state.stop = .horizonReached(stepCount)
    }
  }

  /// The last evaluation: weights that an update left as they were need no second one.
  ///
  /// A saturated network has gradients too small to change a weight; thousands of training steps
  /// then cost nothing, and not a bit of the result changes.
  public struct Memory: Sendable {
    private var parameters: Parameters?
    private var evaluation: MetaEvaluation?
    /// The gradient that belongs to the last evaluation.
    public private(set) var gradient: Parameters

    /// Creates a memory for weights shaped like `parameters`.
    public init(for parameters: Parameters) { gradient = parameters.zeros }

    mutating func evaluation(
      of parameters: Parameters, _ objective: any MetaObjective
    ) -> MetaEvaluation {
      if let evaluation, self.parameters == parameters { return evaluation }
      let fresh = objective.evaluate(parameters, gradient: &gradient)
      self.parameters = parameters
      evaluation = fresh
      return fresh
    }
  }
}

/// Where a training run stands; with its plan and problem it determines all that follows.
public struct TrainingState: Sendable, Equatable {
  /// The weights.
  public var parameters: Parameters
  /// The moments of the meta-optimizer.
  public var optimizer: MetaOptimizer.State
  /// The loss of every step so far, each before its update.
  public var losses: [Double]
  /// Why training ended; nil while it goes on.
  public var stop: StopReason?

  /// Creates a state.
  public init(
    parameters: Parameters, optimizer: MetaOptimizer.State, losses: [Double],
    stop: StopReason? = nil
  ) {
    self.parameters = parameters
    self.optimizer = optimizer
    self.losses = losses
    self.stop = stop
  }

  /// Whether `plan` asks for no further step.
  public func isFinished(_ plan: MetaTraining) -> Bool {
    stop != nil || losses.count >= plan.stepCount
  }
}
