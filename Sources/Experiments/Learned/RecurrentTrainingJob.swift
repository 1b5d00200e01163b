import Engine
public import Foundation
public import Optimization
import Storage

/// Training on fresh problems by truncated backpropagation, with its files: MS4L2O's `main.py`.
///
/// Files: `config.yaml`, `train.log`, `train_loss` (the loss of every segment before its update),
/// `validation` (problems used, value), each text with an `.npy` beside it, `<rule>.safetensors`
/// with the best weights by validation, and the checkpoint that `resuming` goes on from.
public struct RecurrentTrainingJob: Sendable {
  /// What validation runs on, and how.
  public struct Validation: Sendable {
    /// The instances.
    public var problem: any SeparableProblem
    /// Steps of every run; the value is the mean of the objectives after each of them.
    public var horizon: Int
    /// Training problems from one validation to the next.
    public var interval: Int
    /// Validations without a new best one after which training stops; nil for none.
    public var patience: Int?

    /// Creates it.
    public init(
      problem: any SeparableProblem, horizon: Int, interval: Int, patience: Int? = nil
    ) {
      precondition(horizon >= 1 && interval >= 1, "horizon \(horizon), interval \(interval)")
      self.problem = problem
      self.horizon = horizon
      self.interval = interval
      self.patience = patience
    }
  }

  /// The rule with its initial weights.
  public var rule: any FormulaRule
  /// Training problem number k, from 0: the same k, the same problem.
  public var problem: @Sendable (Int) throws -> any LinearModelProblem
  /// How many of them.
  public var count: Int
  /// How weights move.
  public var plan: TruncatedTraining
  /// What tells the best weights; nil for the last ones.
  public var validation: Validation?
  /// The seed of the runs' initial states.
  public var seed: UInt64
  /// The settings that determine the run: it can only be resumed with the same.
  public var settings: [String: String]
  /// The contents of `config.yaml`.
  public var configuration: String
  /// The folder for all files.
  public var folder: URL
  /// Threads; no bit of a result depends on it.
  public var threads = Parallel.coreCount

  /// Creates a run; nothing is written yet.
  public init(
    rule: any FormulaRule, problem: @escaping @Sendable (Int) throws -> any LinearModelProblem,
    count: Int, plan: TruncatedTraining, validation: Validation?, seed: UInt64,
    settings: [String: String], configuration: String, folder: URL
  ) {
    self.rule = rule
    self.problem = problem
    self.count = count
    self.plan = plan
    self.validation = validation
    self.seed = seed
    self.settings = settings
    self.configuration = configuration
    self.folder = folder
  }

  /// The file with the weights.
  public var weightsFile: URL { folder.appendingPathComponent("\(rule.name).safetensors") }

  /// Trains to the end, or until `isInterrupted` says so after a problem; files are complete then.
  ///
  /// - Returns: the state reached.
  /// - Throws: `StorageError`, ``CheckpointError``, or what is wrong with a problem.
  public func run(
    resuming: Bool, isInterrupted: () -> Bool = { false },
    progress: (TruncatedTraining.State) -> Void = { _ in }
  ) throws -> TruncatedTraining.State {
    var state = plan.initialState(rule.parameters)
    if resuming, Checkpoint.exists(in: folder) {
      state = try TrainingArchive.read(from: folder, model: rule.parameters, settings: settings)
    } else {
      try TrainingArchive.start(folder, configuration: configuration)
      try TrainingArchive.write(state, to: folder, settings: settings)
    }
    progress(state)
    while !isFinished(state), !isInterrupted() {
      try advance(&state, rule)
      if let validation, state.problems.isMultiple(of: validation.interval), state.stop == nil {
        state.validate(Self.value(of: rule, state.parameters, validation, seed, threads))
        try save(state)
      } else if state.problems.isMultiple(of: 20) {
        try save(state)
      }
      progress(state)
    }
    try save(state)
    return state
  }

  /// Whether nothing is left to do.
  public func isFinished(_ state: TruncatedTraining.State) -> Bool {
    if state.stop != nil || state.problems >= count { return true }
    guard let patience = validation?.patience else { return false }
    return state.validationsSinceBest > patience
  }

  private func advance(
    _ state: inout TruncatedTraining.State, _ rule: some FormulaRule
  ) throws {
    func train(_ problem: some LinearModelProblem) {
      plan.advance(
        &state, rule, on: problem, from: Vector(zeros: problem.dimension),
        seed: SplitMix64(seed: seed).derived(state.problems).state, threads: threads)
    }
    train(try problem(state.problems))
  }

  /// The mean over steps and instances of the objective, a few instances at a time.
  static func value(
    of rule: some FormulaRule, _ parameters: Parameters, _ validation: Validation, _ seed: UInt64,
    _ threads: Int
  ) -> Double {
    func mean(_ problem: some SeparableProblem) -> Double {
      let count = problem.instanceCount
      let ranges = stride(from: 0, to: count, by: 2).map { $0..<min(count, $0 + 2) }
      let stepSizes = rule.stepRule.stepSizes(for: problem)
      let sums: [Double] =
        (try? Parallel.map(ranges, threads: threads) { range in
          var rule = rule
          rule.parameters = parameters
          let part = problem.instances(range)
          let draw = SplitMix64(seed: seed).derived(-1 - range.lowerBound).state
          var state = FormulaState(
            stepSizes: Array(stepSizes[range]), carry: rule.initialCarry(for: part, seed: draw))
          var x = Vector(zeros: part.dimension)
          var sum = 0.0
          for _ in 0..<validation.horizon {
            rule.step(&x, &state, on: part, observer: nil)
            sum += part.value(at: x)
          }
          return sum
        }) ?? []
      return sums.reduce(0, +) / Double(count * validation.horizon)
    }
    return mean(validation.problem)
  }

  private func save(_ state: TruncatedTraining.State) throws {
    try TrainingArchive.write(state, to: folder, settings: settings)
    let weights = state.chosen
    try Safetensors(
      Dictionary(uniqueKeysWithValues: zip(weights.names, weights.tensors).map { ($0, $1) })
    ).write(to: weightsFile)
    func place(_ name: String) -> URL { folder.appendingPathComponent(name) }
    try TextColumn.write(state.losses, to: place("train_loss"))
    try NpyFile.write(
      Tensor(shape: [state.losses.count], elements: state.losses), to: place("train_loss.npy"))
    try TextColumn.write(state.validations.map(\.value), to: place("validation"))
    try NpyFile.write(
      Tensor(shape: [state.validations.count], elements: state.validations.map(\.value)),
      to: place("validation.npy"))
    try AtomicFile.write(Data(log(state).utf8), to: place("train.log"))
  }

  private func log(_ state: TruncatedTraining.State) -> String {
    var lines = settings.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    for validation in state.validations {
      let isBest = validation.problems == state.best?.problems
      lines.append(
        "problems \(validation.problems): validation \(validation.value)\(isBest ? ", best" : "")")
    }
    lines.append("problems: \(state.problems) of \(count)")
    if case .nonFinite(let segment) = state.stop {
      lines.append("training loss NaN: segment \(segment) is not finite, stopped before its update")
    }
    return lines.map { $0 + "\n" }.joined()
  }
}

/// A state of truncated training on disk, in the format of ``Checkpoint``.
enum TrainingArchive {
  static func start(_ folder: URL, configuration: String) throws {
    try OutputFolder.make(folder)
    try AtomicFile.write(
      Data(configuration.utf8), to: folder.appendingPathComponent("config.yaml"))
    Checkpoint.remove(from: folder)
  }

  /// The state as a training state: what is best and what validation said go with the weights.
  static func write(
    _ state: TruncatedTraining.State, to folder: URL, settings: [String: String]
  ) throws {
    let training = TrainingState(
      parameters: state.parameters, optimizer: state.optimizer, losses: state.losses,
      stop: state.stop)
    var extra: [String: Tensor] = [
      "problems": Tensor(Double(state.problems)),
      "validation.problems": Tensor(
        shape: [state.validations.count], elements: state.validations.map { Double($0.problems) }),
      "validation.values": Tensor(
        shape: [state.validations.count], elements: state.validations.map(\.value)),
    ]
    if let best = state.best {
      extra["best"] = Tensor(shape: [2], elements: [best.value, Double(best.problems)])
      for (name, tensor) in zip(best.parameters.names, best.parameters.tensors) {
        extra["best.\(name)"] = tensor
      }
    }
    try Checkpoint(settings: settings, state: training, extra: extra).write(to: folder)
  }

  static func read(
    from folder: URL, model: Parameters, settings: [String: String]
  ) throws -> TruncatedTraining.State {
    let checkpoint = try Checkpoint.read(from: folder, model: model)
    try checkpoint.requireSettings(settings, in: folder)
    var state = TruncatedTraining.State(
      parameters: checkpoint.state.parameters, optimizer: checkpoint.state.optimizer)
    state.losses = checkpoint.state.losses
    state.stop = checkpoint.state.stop
    func damaged(_ name: String) -> CheckpointError {
      .damaged(
        path: Checkpoint.manifest(in: folder).path, reason: "array '\(name)' is missing")
    }
    guard let problems = checkpoint.extra["problems"]?.elements.first else {
      throw damaged("problems")
    }
    state.problems = Int(problems)
    guard let places = checkpoint.extra["validation.problems"]?.elements,
      let values = checkpoint.extra["validation.values"]?.elements, places.count == values.count
    else { throw damaged("validation.values") }
    state.validations = zip(places, values).map { .init(problems: Int($0), value: $1) }
    if let best = checkpoint.extra["best"]?.elements, best.count == 2 {
      let weights = Parameters(
        try zip(model.names, model.tensors).map { name, tensor in
          guard let found = checkpoint.extra["best.\(name)"], found.shape == tensor.shape else {
            throw damaged("best.\(name)")
          }
          return (name, found)
        })
      state.best = .init(parameters: weights, value: best[0], problems: Int(best[1]))
    }
    return state
  }
}
