public import Engine
public import Optimization

/// What a run tells of itself while it works, and where it goes on if it was cut.
///
/// A run that takes minutes leaves its state now and then, and before an interruption ends it; the same
/// run, of the same build, begins with what was left last and gives the same bits as one that was not cut.
public final class RunProgress {
  /// The state that was left last; nil for a run that begins.
  public let interim: [String: Tensor]?
  /// Cores that the run has to itself.
  public let threads: Int
  private let interval: Duration
  private let tell: (Double) throws -> Void
  private let keep: ([String: Tensor]) throws -> Void
  private var latest = ContinuousClock.now

  /// Listens to a run.
  ///
  /// - Parameters:
  ///   - interim: the state that was left last.
  ///   - threads: cores that the run has to itself.
  ///   - interval: from one keeping of a state to the next.
  ///   - tell: hears the share that is done; may throw to end the run.
  ///   - keep: stores a state.
  public init(
    interim: [String: Tensor]? = nil, threads: Int = 1, interval: Duration = .seconds(120),
    tell: @escaping (Double) throws -> Void = { _ in },
    keep: @escaping ([String: Tensor]) throws -> Void = { _ in }
  ) {
    self.interim = interim
    self.threads = threads
    self.interval = interval
    self.tell = tell
    self.keep = keep
  }

  /// Says that `share` of the run is done, from 0 to 1.
  ///
  /// - Throws: what ends the run.
  public func callAsFunction(_ share: Double) throws { try tell(share) }

  /// Says that `share` of a training is done, from 0 to 1, and with which weights and losses it could go on.
  ///
  /// - Throws: what ends the run, whose state is kept then; `StorageError` where it cannot be.
  public func callAsFunction(
    _ share: Double, losses: [Double], weights: () -> Parameters
  ) throws {
    try self(share) {
      let weights = weights()
      var arrays = Dictionary(uniqueKeysWithValues: zip(weights.names, weights.tensors))
      arrays[Self.lossesName] = Tensor(shape: [losses.count], elements: losses)
      return arrays
    }
  }

  /// Says that `share` of the run is done, from 0 to 1, and with what it could go on: its ``interim`` then.
  ///
  /// - Throws: what ends the run, whose state is kept then; `StorageError` where it cannot be.
  public func callAsFunction(_ share: Double, state: () -> [String: Tensor]) throws {
    func keepState() throws {
      try keep(state())
      latest = .now
    }
    do { try tell(share) } catch {
      try keepState()
      throw error
    }
    if ContinuousClock.now - latest >= interval { try keepState() }
  }

  /// The weights and losses that a training left, weights named and shaped as `weights`; these and none
  /// where it begins.
  public func resumed(_ weights: Parameters) -> (weights: Parameters, losses: [Double]) {
    guard let interim, let losses = interim[Self.lossesName] else { return (weights, []) }
    var found: [(String, Tensor)] = []
    for (name, tensor) in zip(weights.names, weights.tensors) {
      guard let array = interim[name], array.shape == tensor.shape else { return (weights, []) }
      found.append((name, array))
    }
    return (Parameters(found), losses.elements)
  }

  private static let lossesName = "optcheck.losses"
}

extension MetaTraining {
  /// The losses of plain descent from `parameters`, as many as stay finite; goes on where it was cut.
  ///
  /// - Throws: what ends the run.
  func losses(
    from parameters: Parameters, _ objective: any MetaObjective, _ progress: RunProgress
  ) throws -> [Double] {
    try trained(from: parameters, objective, progress).losses
  }

  /// The losses of plain descent from `parameters` where every training step has first states of its own.
  ///
  /// - Throws: what ends the run.
  func losses<Rule>(
    from parameters: Parameters, _ objective: FormulaObjective<Rule>, _ states: DrawnStates,
    _ progress: RunProgress
  ) throws -> [Double] {
    var states = states
    return try trained(from: parameters, objective, progress) { step in
      states.draw(for: step, into: &objective.start.carry)
    }.losses
  }

  /// The weights of plain descent from `parameters`, and its losses, as many as stay finite; goes on where it
  /// was cut.
  ///
  /// - Parameter beforeStep: changes the objective for training step k; the last evaluation counts no more then.
  /// - Throws: what ends the run.
  func trained(
    from parameters: Parameters, _ objective: any MetaObjective, _ progress: RunProgress,
    beforeStep: ((_ k: Int) -> Void)? = nil
  ) throws -> (weights: Parameters, losses: [Double]) {
    precondition(optimizer == .sgd, "no moments are kept")
    var state = initialState(parameters)
    (state.parameters, state.losses) = progress.resumed(parameters)
    var memory = Memory(for: parameters)
    while !state.isFinished(self) {
      if let beforeStep {
        beforeStep(state.losses.count)
        memory = Memory(for: parameters)
      }
      advance(&state, objective, memory: &memory)
      // Why a training stopped is not kept: a state that has no next step is none to go on from.
      if state.isFinished(self) { break }
      let share = Double(state.losses.count) / Double(stepCount)
      try progress(share, losses: state.losses) { state.parameters }
    }
    return (state.parameters, state.losses)
  }
}
