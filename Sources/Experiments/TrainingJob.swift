public import Engine
public import Foundation
public import Optimization
import Storage

/// A training run with its files: what the reference code leaves in its results folder, and the
/// checkpoints from which it continues bit for bit.
///
/// Files: `train.log`, `train_loss.log`, `config.yaml`, `train_loss` (one loss per step, before its
/// update), `obj_train_iter_<k>` for k = 0, 100, 200, ... (F(X_0) to F(X_T) before update k), and
/// `<rule>.safetensors` with the weights under PyTorch's names.
public struct TrainingJob: Sendable {
  /// The rule with its initial weights.
  public var rule: any LearnedUpdateRule
  /// What it is trained on.
  public var problem: any TwiceDifferentiableProblem
  /// X_0, n entries.
  public var start: Vector
  /// T.
  public var horizon: Int
  /// What is minimised.
  public var loss: MetaLoss
  /// How.
  public var plan: MetaTraining
  /// Training steps from one checkpoint to the next.
  public var checkpointInterval: Int
  /// The settings that determine the run: it can only be resumed with the same.
  public var settings: [String: String]
  /// The contents of `config.yaml`.
  public var configuration: String
  /// The folder for all files.
  public var folder: URL

  /// Creates a run; nothing is written yet.
  public init(
    rule: any LearnedUpdateRule, problem: any TwiceDifferentiableProblem, start: Vector,
    horizon: Int, loss: MetaLoss, plan: MetaTraining, checkpointInterval: Int = 200,
    settings: [String: String], configuration: String, folder: URL
  ) {
    precondition(horizon >= 1 && checkpointInterval >= 1, "\(horizon), \(checkpointInterval)")
    self.rule = rule
    self.problem = problem
    self.start = start
    self.horizon = horizon
    self.loss = loss
    self.plan = plan
    self.checkpointInterval = checkpointInterval
    self.settings = settings
    self.configuration = configuration
    self.folder = folder
  }

  /// Steps from one `obj_train_iter_<k>` to the next.
  public static let curveInterval = 100

  /// The file with the weights.
  public var weightsFile: URL { folder.appendingPathComponent("\(rule.name).safetensors") }

  /// Trains to the end, or until `isInterrupted` says so after a step; files are complete then.
  ///
  /// - Parameters:
  ///   - resuming: whether to go on from the folder's checkpoint; without one, training starts
  ///     from the beginning.
  ///   - progress: called after every step.
  /// - Returns: the state reached; it is finished unless interrupted.
  /// - Throws: `StorageError`, ``CheckpointError``, or what the rule finds wrong with the problem.
  public func run(
    resuming: Bool, isInterrupted: () -> Bool = { false },
    progress: (TrainingState) -> Void = { _ in }
  ) throws -> TrainingState {
    let objective = try rule.metaObjective(
      on: problem, from: start, horizon: horizon, loss: loss)
    var state = plan.initialState(rule.parameters)
    if resuming, Checkpoint.exists(in: folder) {
      state = try resumedState()
      removeLeftovers()
    } else {
      try startFolder()
      try Checkpoint(settings: settings, state: state).write(to: folder)
    }
    progress(state)
    var memory = MetaTraining.Memory(for: rule.parameters)
    while !state.isFinished(plan), !isInterrupted() {
      let step = state.losses.count
      if step.isMultiple(of: Self.curveInterval) {
        try writeCurve(objective.unroll(state.parameters), step: step)
      }
      plan.advance(&state, objective, memory: &memory)
      if state.losses.count.isMultiple(of: checkpointInterval), !state.isFinished(plan) {
        try save(state)
      }
      progress(state)
    }
    try save(state)
    try writeLosses(state)
    removeLeftovers()
    return state
  }

  private func resumedState() throws -> TrainingState {
    let checkpoint = try Checkpoint.read(from: folder, model: rule.parameters)
    try checkpoint.requireSettings(settings, in: folder)
    return checkpoint.state
  }

  /// Makes the folder, empties it of an earlier run, and writes what is known beforehand.
  private func startFolder() throws {
    try OutputFolder.make(folder)
    // Proves that the folder can be written before anything in it is touched.
    try AtomicFile.write(
      Data(configuration.utf8), to: folder.appendingPathComponent("config.yaml"))
    Checkpoint.remove(from: folder)
    removeLeftovers()
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    let outputs = ["train_loss", "train.log", "train_loss.log", weightsFile.lastPathComponent]
    for name in names where outputs.contains(name) || name.hasPrefix(Self.curvePrefix) {
      try? FileManager.default.removeItem(at: folder.appendingPathComponent(name))
    }
  }

  /// Removes what killed processes have left half-written.
  ///
  /// A folder belongs to one job at a time, so no draft in it is anybody else's; asking whether its
  /// writer still runs would spare those of a process that nobody has reaped yet.
  private func removeLeftovers() {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    for name in names where name.hasPrefix(".") && name.contains(".draft.") {
      try? FileManager.default.removeItem(at: folder.appendingPathComponent(name))
    }
  }

  private func save(_ state: TrainingState) throws {
    try Checkpoint(settings: settings, state: state).write(to: folder)
    let weights = zip(state.parameters.names, state.parameters.tensors)
    try Safetensors(Dictionary(uniqueKeysWithValues: weights.map { ($0, $1) }))
      .write(to: weightsFile)
  }

  private static let curvePrefix = "obj_train_iter_"

  private func writeCurve(_ trajectory: Trajectory, step: Int) throws {
    let missing = horizon + 1 - trajectory.values.count
    try TextColumn.write(
      trajectory.totals + [Double](repeating: .nan, count: missing),
      to: folder.appendingPathComponent("\(Self.curvePrefix)\(step)"))
  }

  private func writeLosses(_ state: TrainingState) throws {
    func place(_ name: String) -> URL { folder.appendingPathComponent(name) }
    try TextColumn.write(state.losses, to: place("train_loss"))
    let lines = state.losses.enumerated().map { step, loss in
      let (epoch, iteration) = step.quotientAndRemainder(dividingBy: plan.stepsPerEpoch)
      return "Epoch \(epoch) Iteration \(iteration), training loss \(loss)\n\n"
    }
    try AtomicFile.write(Data(lines.joined().utf8), to: place("train_loss.log"))
    var log = settings.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    log.append("step sizes of training: \(plan.stepSize), \(plan.schedule.name)")
    log.append("steps: \(state.losses.count) of \(plan.stepCount)")
    if case .nonFinite(let step) = state.stop {
      log.append("training loss NaN: step \(step) is not finite, stopped before its update")
    }
    let text = log.map { $0 + "\n" }.joined()
    try AtomicFile.write(Data(text.utf8), to: place("train.log"))
  }
}

/// How a trained rule does on fresh problems, as the reference code's test mode measures it.
public enum TestRun {
  /// The mean of the values F(X_t) over `problems`, for t from 0 to `horizon`, from X_0 = 0.
  ///
  /// Values are NaN from the first step on at which a run leaves the finite numbers.
  public static func meanValues(
    of rule: any UpdateRule, on problems: [any Problem], horizon: Int
  ) -> [Double] {
    precondition(!problems.isEmpty, "no problems to test on")
    var sums = [Double](repeating: 0, count: horizon + 1)
    for problem in problems {
      let start = Vector(zeros: problem.dimension)
      let totals = unroll(rule, on: problem, from: start, horizon: horizon).totals
      for t in sums.indices { sums[t] += t < totals.count ? totals[t] : .nan }
    }
    return sums.map { $0 / Double(problems.count) }
  }
}
