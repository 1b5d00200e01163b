import ArgumentParser
import EventFiles
import Foundation
import History
import OptCheck

/// `optcheck train`.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Trains a learned rule, or tests a trained one.",
    discussion: """
      Settings come from the command line, else from the YAML file under the same names, else from \
      the defaults. Outputs go to --save-dir: train.log, train_loss.log, config.yaml, train_loss, \
      obj_train_iter_<k>, <rule>.safetensors, and a checkpoint.

      Example:
        optcheck train --p-use --p-norm sigmoid --loss-func last --input-dim 32 --output-dim 25 \
      --train-batch-size 32 --lstm-hidden-size 1024 --e 50 --init-lr 1e-7 --epochs 1 \
      --optimizer-training-steps 20 --global-training-steps 200 --save-dir example
      """)

  @Option(name: .shortAndLong, help: ArgumentHelp("YAML file.", valueName: "file"))
  var config: String?

  @Flag(help: "Go on from the checkpoint in --save-dir, bit for bit.")
  var resume = false

  @OptionGroup(title: "Rule and problem") var model: ModelOptions
  @OptionGroup(title: "Training") var training: TrainingOptions
  @OptionGroup(title: "Files and tests") var files: FileOptions
  @OptionGroup(title: "Further settings") var others: OtherOptions
  @OptionGroup var history: HistoryOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let settings = try TrainSettings(
      config: config,
      flags: model.given + training.given + files.given + (try others.given))
    let console = Console(common)
    try history.recorded(
      "train", seed: try settings.seed(), threads: try settings.integer("threads"),
      settings: settings.comparable, console
    ) { record in
      try TrainingProgram(settings: settings, console: console, isResuming: resume)
        .run(into: &record)
    }
  }
}

/// `optcheck evaluate`.
struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Tests a rule on fresh instances: the same as train --test.",
    discussion: """
      Writes test_losses.txt and test_losses.npy: the mean objective (with --gap the mean relative gap to \
      the certified minimum) for t from 0 to --test-length.

      Example:
        optcheck evaluate -c Fixtures/Configs/2_lasso_testing.yaml --ckpt-path \
      Fixtures/Trained/coordmathlstm-pa-lasso.safetensors --test-size 64 --gap
      """)

  @Option(name: .shortAndLong, help: ArgumentHelp("YAML file.", valueName: "file"))
  var config: String?

  @OptionGroup(title: "Rule and problem") var model: ModelOptions
  @OptionGroup(title: "Files and tests") var files: FileOptions
  @OptionGroup(title: "Further settings") var others: OtherOptions
  @OptionGroup var history: HistoryOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let settings = try TrainSettings(
      config: config,
      flags: model.given + files.given + (try others.given) + [("test", "true")])
    let console = Console(common)
    try history.recorded(
      "evaluate", seed: try settings.seed(), threads: try settings.integer("threads"),
      settings: settings.comparable, console
    ) { record in
      try TrainingProgram(settings: settings, console: console, isResuming: false)
        .run(into: &record)
    }
  }
}

/// Trains or tests what settings describe.
struct TrainingProgram {
  let settings: TrainSettings
  let console: Console
  let isResuming: Bool

  /// Runs, and adds what is worth following to `history`.
  func run(into history: inout HistoryRecord) throws {
    if settings.isOn("test") { return try test(into: &history) }
    switch settings.script {
    case .mainTrainAnlys: try trainOnFixedBatch(into: &history)
    case .mainTrainNN: try trainOnNetwork(into: &history)
    case .main: try trainOnFreshProblems(into: &history)
    case .mainUnrollListas, .mainUnroll: try trainLayerwise(into: &history)
    }
  }

  // MARK: Training

  /// What a finished or interrupted training run tells.
  private struct Outcome: Encodable {
    var schema = 1
    var folder: String
    var steps: Int
    var planned: Int
    var interrupted: Bool
    var nonFiniteStep: Int?
    var firstLoss: Double?
    var lastLoss: Double?
  }

  /// Says which program's rules apply, and what has no effect under them.
  ///
  /// Only once nothing is left that could be refused: a refusal is one line.
  private func announce() {
    console.note("script: \(settings.script.rawValue)")
    if let note = settings.note { console.note("note: \(note)") }
  }

  private func trainOnFixedBatch(into history: inout HistoryRecord) throws {
    let run = try TrainingJob(settings)
    let clock = ContinuousClock()
    let begin = clock.now
    if isResuming, !Checkpoint.exists(in: run.folder) {
      console.note("note: \(run.folder.relativePath) holds no checkpoint; starting from step 0")
    }
    let interruption = Interruption()
    var bar: ProgressBar?
    let state = try run.run(
      resuming: isResuming, isInterrupted: { interruption.isRequested },
      progress: { state in
        let done = state.losses.count
        if bar == nil {
          announce()
          bar = ProgressBar("train", total: run.plan.stepCount, from: done, on: console)
        }
        bar?.update(done, state.losses.last.map { "loss \($0)" } ?? "")
      })
    bar?.finish()
    try saveArrays(["train_loss": state.losses], in: run.folder)
    if state.isFinished(run.plan) {
      // A thousand losses tell how it went.
      let thinning = max(1, state.losses.count / 1000)
      try saveRecord(
        of: run.rule, beside: run.weightsFile, clock.now - begin,
        stride(from: 0, to: state.losses.count, by: thinning).map { state.losses[$0] })
    }
    try report(
      state.losses, of: run.rule.name, planned: run.plan.stepCount, stop: state.stop,
      isFinished: state.isFinished(run.plan), in: run.folder, into: &history)
  }

  /// Columns of text once more as NumPy arrays.
  private func saveArrays(_ columns: [String: [Double]], in folder: URL) throws {
    for (name, values) in columns {
      try NpyFile.write(
        Tensor(shape: [values.count], elements: values),
        to: folder.appendingPathComponent("\(name).npy"))
    }
    try saveEvents(columns, in: folder)
  }

  /// The same for TensorBoard, where it is asked for.
  private func saveEvents(_ columns: [String: [Double]], in folder: URL) throws {
    guard settings.isOn("tensorboard") else { return }
    let now = Date()
    var file = EventFile(time: now)
    for (name, values) in columns.sorted(by: { $0.key < $1.key }) {
      for (step, value) in values.enumerated() { file.add(name, value, step: step) }
    }
    try AtomicFile.write(
      file.data, to: folder.appendingPathComponent(EventFile.name(time: now)))
  }

  /// Tells how training ended.
  private func report(
    _ losses: [Double], of rule: String, planned: Int, stop: StopReason?, isFinished: Bool,
    in folder: URL, into history: inout HistoryRecord
  ) throws {
    history.note(losses: losses, of: rule, on: try settings.text("optimizee-type"))
    var outcome = Outcome(
      folder: folder.relativePath, steps: losses.count, planned: planned,
      interrupted: !isFinished, firstLoss: losses.first, lastLoss: losses.last)
    if case .nonFinite(let step) = stop { outcome.nonFiniteStep = step }
    console.result(outcome, as: Self.sentence)
    if !isFinished { throw Finding(status: .interrupted) }
  }

  private func trainOnFreshProblems(into history: inout HistoryRecord) throws {
    let job = try RecurrentTrainingJob(settings)
    let planned = job.count * job.plan.segmentCount
    let interruption = Interruption()
    let clock = ContinuousClock()
    let begin = clock.now
    var bar: ProgressBar?
    let state = try job.run(
      resuming: isResuming, isInterrupted: { interruption.isRequested },
      progress: { state in
        if bar == nil {
          announce()
          bar = ProgressBar("train", total: job.count, from: state.problems, on: console)
        }
        bar?.update(state.problems, state.losses.last.map { "loss \($0)" } ?? "")
      })
    bar?.finish()
    try saveEvents(
      ["train_loss": state.losses, "validation": state.validations.map(\.value)],
      in: job.folder)
    if job.isFinished(state) {
      let count = job.plan.segmentCount
      let losses = stride(from: 0, to: state.losses.count - count + 1, by: count).map {
        state.losses[$0..<($0 + count)].reduce(0, +) / Double(count)
      }
      try saveRecord(
        of: job.rule, beside: job.weightsFile, clock.now - begin, losses, state.validations)
    }
    try report(
      state.losses, of: job.rule.name, planned: planned, stop: state.stop,
      isFinished: job.isFinished(state), in: job.folder, into: &history)
  }

  /// Puts where weights come from beside them; `verify` reads it.
  private func saveRecord(
    of rule: any LearnedUpdateRule, beside weights: URL, _ time: Duration, _ losses: [Double],
    _ validations: [TruncatedTraining.Validation] = []
  ) throws {
    let (parts, machine) = (time.components, RunRecord.current)
    let record = TrainedRule.record(
      of: rule, problem: try settings.problemInWords, command: commandLine,
      seed: UInt64(try settings.integer("seed")), commit: machine.commit,
      machine:
        "\(machine.processor), \(machine.cores) cores, OpenBLAS \(machine.blasCore) kernels",
      date: String(Date().ISO8601Format().prefix(10)),
      seconds: (Double(parts.seconds) + Double(parts.attoseconds) / 1e18).rounded(),
      losses: losses, validations: validations)
    try JSONFile.write(
      record, to: weights.deletingPathExtension().appendingPathExtension("json"))
  }

  /// What was typed, as it can be typed again, but for the folder: weights do not depend on it.
  private var commandLine: String {
    let typed = CommandLine.arguments.dropFirst()
    let words = zip(typed, [""] + typed).filter { word, before in
      before != "--save-dir" && word != "--save-dir" && !word.hasPrefix("--save-dir=")
    }.map { word, _ in
      word.contains { " '\"$*".contains($0) } ? "'\(word)'" : word
    }
    return (["optcheck"] + words).joined(separator: " ")
  }

  private func trainOnNetwork(into history: inout HistoryRecord) throws {
    let training = try NetworkTraining(settings)
    let folder = try settings.folder
    try prepare(folder)
    announce()
    let interruption = Interruption()
    var bar = ProgressBar("train", total: training.plan.stepCount, on: console)
    let curves = Set(stride(from: 0, to: training.plan.stepCount, by: TrainingJob.curveInterval))
    let outcome = try training.run(
      curveSteps: curves, isInterrupted: { interruption.isRequested },
      progress: { bar.update($0.losses.count, $0.losses.last.map { "loss \($0)" } ?? "") })
    bar.finish()
    try TextColumn.write(outcome.state.losses, to: folder.appendingPathComponent("train_loss"))
    for (step, curve) in outcome.curves {
      try TextColumn.write(curve, to: folder.appendingPathComponent("obj_train_iter_\(step)"))
    }
    let weights = outcome.state.parameters
    try save(weights, as: training.rule.name, in: folder)
    try saveArrays(["train_loss": outcome.state.losses], in: folder)
    var moved = 0.0
    for (old, new) in zip(training.rule.parameters.tensors, weights.tensors) {
      moved = max(moved, (Vector(new.elements) - Vector(old.elements)).maxMagnitude)
    }
    console.note(
      moved == 0
        ? "the weights did not move: under --reference no gradient reaches them"
        : "largest change of a weight: \(moved)")
    try report(
      outcome.state.losses, of: training.rule.name, planned: training.plan.stepCount,
      stop: outcome.state.stop, isFinished: outcome.state.isFinished(training.plan), in: folder,
      into: &history)
  }

  private func trainLayerwise(into history: inout HistoryRecord) throws {
    let training = try LayerwiseTraining(settings)
    let folder = try settings.folder
    try prepare(folder)
    announce()
    let (rule, epochs, stop) = try training.run { layer, parameters in
      try? save(parameters, as: training.rule.name, in: folder)
      console.note("layer \(layer) of \(training.layers)")
    }
    try save(rule.parameters, as: rule.name, in: folder)
    let losses = epochs.flatMap(\.losses)
    try TextColumn.write(losses, to: folder.appendingPathComponent("train_loss"))
    // The last stage's loss of every layer.
    let last = Dictionary(grouping: epochs, by: \.layer).sorted { $0.key < $1.key }
      .compactMap { $0.value.last?.losses.last }
    try TextColumn.write(last, to: folder.appendingPathComponent("obj_train_iter_0"))
    try saveArrays(["train_loss": losses], in: folder)
    try report(
      losses, of: rule.name, planned: losses.count, stop: stop, isFinished: true, in: folder,
      into: &history)
  }

  /// Makes the folder and leaves the settings in it.
  private func prepare(_ folder: URL) throws {
    try OutputFolder.make(folder)
    try AtomicFile.write(
      Data(settings.yaml.utf8), to: folder.appendingPathComponent("config.yaml"))
  }

  private func save(_ weights: Parameters, as name: String, in folder: URL) throws {
    try Safetensors(
      Dictionary(uniqueKeysWithValues: zip(weights.names, weights.tensors).map { ($0, $1) })
    ).write(to: folder.appendingPathComponent("\(name).safetensors"))
  }

  private static func sentence(_ outcome: Outcome) -> String {
    var steps = "\(outcome.steps) of \(outcome.planned) steps"
    if let first = outcome.firstLoss, let last = outcome.lastLoss {
      steps += ", loss \(first) -> \(last)"
    }
    if let step = outcome.nonFiniteStep {
      return "training diverged: the loss of step \(step) is not finite; stopped there, "
        + "weights of the step before are in \(outcome.folder)"
    }
    if outcome.interrupted {
      return "interrupted after \(steps), in \(outcome.folder); continue with --resume"
    }
    return "trained \(steps), in \(outcome.folder)"
  }

  // MARK: Testing

  /// What a test tells.
  private struct TestOutcome: Encodable {
    var schema = 1
    var file: String
    var testLosses: [Double]
  }

  private func test(into history: inout HistoryRecord) throws {
    let size = try settings.integer("test-size")
    guard settings.has("test-batch-size") else {
      throw SettingError.missing("test-batch-size", accepted: "whole numbers from 1 to test-size")
    }
    let batch = try settings.integer("test-batch-size")
    guard batch <= size else {
      throw SettingError.badValue(
        "test-batch-size", value: "\(batch)", accepted: "1...\(size), the test-size",
        source: "--")
    }
    let rule = try settings.testRule()
    let horizon = try settings.integer("test-length")
    let measure = try settings.measure()
    let file =
      settings.has("loss-save-path")
      ? URL(fileURLWithPath: try settings.text("loss-save-path"))
      : try settings.folder.appendingPathComponent("test_losses.txt")
    let folder = file.deletingLastPathComponent()
    try OutputFolder.expectWritable(folder)
    // A file of a user's is one batch, whatever its size.
    let batches = Array(0..<(settings.has("problem") ? 1 : size / batch))
    let curves = try Parallel.map(batches) { i in
      let data = try TestBatch(i, instances: batch, settings)
      return try measure.curve(
        of: rule, on: data.problem, from: data.start, minima: data.minima, horizon: horizon)
    }
    let means = (0...horizon).map { t in
      curves.reduce(0) { $0 + $1[t] } / Double(curves.count)
    }
    announce()
    try OutputFolder.make(folder)
    try TextColumn.write(means, to: file)
    try NpyFile.write(
      Tensor(shape: [means.count], elements: means),
      to: file.deletingPathExtension().appendingPathExtension("npy"))
    history.figures += [
      HistoryRecord.Figure(
        "test loss", means[horizon], of: rule.name, in: try settings.text("optimizee-type"))
    ]
    console.result(TestOutcome(file: file.relativePath, testLosses: means)) { outcome in
      "mean \(measure.words) \(means[0]) -> \(means[horizon]) over \(horizon) steps, in "
        + outcome.file
    }
  }
}
