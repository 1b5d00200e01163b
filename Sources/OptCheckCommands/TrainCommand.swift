import ArgumentParser
import Foundation
import OptCheck

/// `optcheck train`.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Trains a learned rule, or tests a trained one.",
    discussion: """
      Settings come from the command line, else from the YAML file under the same names, else from
      the defaults. Outputs go to --save-dir: train.log, train_loss.log, config.yaml, train_loss,
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
  @OptionGroup var dead: DeadOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let settings = try TrainSettings(
      config: config, flags: model.given + training.given + files.given + dead.given)
    let console = Console(common)
    if let note = settings.note { console.note("note: \(note)") }
    if settings.isOn("test") {
      try test(settings, console)
    } else {
      try train(settings, console)
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

  private func train(_ settings: TrainSettings, _ console: Console) throws {
    let run = try TrainingJob(settings)
    if resume, !Checkpoint.exists(in: run.folder) {
      console.note("note: \(run.folder.relativePath) holds no checkpoint; starting from step 0")
    }
    let interruption = Interruption()
    var bar: ProgressBar?
    let state = try run.run(
      resuming: resume, isInterrupted: { interruption.isRequested },
      progress: { state in
        let done = state.losses.count
        let known =
          bar ?? ProgressBar("train", total: run.plan.stepCount, from: done, on: console)
        bar = known
        bar?.update(done, state.losses.last.map { "loss \($0)" } ?? "")
      })
    bar?.finish()
    let isFinished = state.isFinished(run.plan)
    var outcome = Outcome(
      folder: run.folder.relativePath, steps: state.losses.count, planned: run.plan.stepCount,
      interrupted: !isFinished, firstLoss: state.losses.first, lastLoss: state.losses.last)
    if case .nonFinite(let step) = state.stop { outcome.nonFiniteStep = step }
    console.result(outcome, as: Self.sentence)
    if !isFinished { throw Finding(status: .interrupted) }
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

  private func test(_ settings: TrainSettings, _ console: Console) throws {
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
    let seed = try settings.integer("seed")
    let problems = try (1...(size / batch)).map { i in
      try settings.problem(seed: seed + 7777 * i, instances: batch)
    }
    let means = TestRun.meanValues(of: rule, on: problems, horizon: horizon)
    let file =
      settings.has("loss-save-path")
      ? URL(fileURLWithPath: try settings.text("loss-save-path"))
      : try settings.folder.appendingPathComponent("test_losses.txt")
    do {
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    } catch {
      throw StorageError.unwritable(
        path: file.deletingLastPathComponent().path, reason: "no folder can be made there")
    }
    try TextColumn.write(means, to: file)
    console.result(TestOutcome(file: file.relativePath, testLosses: means)) { outcome in
      "mean objective \(means[0]) -> \(means[horizon]) over \(horizon) steps, in \(outcome.file)"
    }
  }
}

// MARK: From settings to rules and problems

extension TrainSettings {
  /// The folder of `save-dir`; a relative one lies under `results`.
  var folder: URL {
    get throws {
      let path = try text("save-dir")
      return URL(fileURLWithPath: path.hasPrefix("/") ? path : "results/\(path)")
    }
  }

  /// The problem, with the authors' data for `seed`, or the registered one of that name.
  func problem(seed: Int, instances: Int) throws -> any TwiceDifferentiableProblem {
    let name = try text("optimizee-type")
    if name == "QuadraticUnconstrained" {
      let (rows, columns) = (try integer("output-dim"), try integer("input-dim"))
      // Beyond that the matrices alone take 8 GB.
      guard Double(instances) * Double(rows) * Double(columns) <= 1e9 else {
        throw UsageError(
          "\(instances) matrices of \(rows) x \(columns) are too large; accepted: 1e9 entries in all"
        )
      }
      return try LeastSquares.authors(
        seed: UInt64(seed), instances: instances, rows: rows, columns: columns)
    }
    let problems = OptCheckCommand.registry.problems.compactMap {
      $0 as? any TwiceDifferentiableProblem
    }
    guard let problem = problems.first(where: { $0.name == name }) else {
      let names = Registry.builtInProblems.map(\.name) + problems.map(\.name)
      throw SettingError.badValue(
        "optimizee-type", value: name, accepted: names.joined(separator: ", "), source: "")
    }
    return problem
  }

  /// The learned rule at its initial weights.
  func learnedRule() throws -> any LearnedUpdateRule {
    let name = try text("optimizer")
    if name == "CoordMathDNN" { return try coordMathDNN() }
    let rules = OptCheckCommand.registry.rules.compactMap { $0 as? any LearnedUpdateRule }
    guard let rule = rules.first(where: { $0.name == name }) else {
      let names = ["CoordMathDNN"] + rules.map(\.name)
      throw SettingError.badValue(
        "optimizer", value: name,
        accepted: names.joined(separator: ", ") + " (learned rules; others with --test only)",
        source: "")
    }
    return rule
  }

  /// The rule to test: any rule, a learned one with the weights of a file.
  func testRule() throws -> any UpdateRule {
    let name = try text("optimizer")
    if name == "ProximalGradientDescent" { return GradientDescent(stepRule: try stepRule()) }
    let plain = OptCheckCommand.registry.rules.first { $0.name == name }
    if let plain, !(plain is any LearnedUpdateRule) { return plain }
    var rule = try learnedRule()
    let file =
      has("ckpt-path")
      ? URL(fileURLWithPath: try text("ckpt-path"))
      : try folder.appendingPathComponent("\(rule.name).safetensors")
    let stored = try Safetensors.read(from: file)
    rule.parameters = Parameters(
      try zip(rule.parameters.names, rule.parameters.tensors).map { name, tensor in
        guard let found = stored[name] else { throw RuleError.missingParameter(name) }
        guard found.shape == tensor.shape else {
          throw RuleError.wrongShape(
            parameter: name, found: found.shape, expected: tensor.shape)
        }
        return (name, found)
      })
    return rule
  }

  private func stepRule() throws -> StepRule {
    // As in the reference code, 0 means: not given.
    if has("step-size"), try number("step-size") > 0 {
      return .constant(try number("step-size"))
    }
    return try text("step-rule") == "theory" ? .theory : .reference
  }

  private func coordMathDNN() throws -> CoordMathDNN {
    guard isOn("p-use") else {
      throw UsageError("p-use is off: the rule is then gradient descent, with nothing to train")
    }
    let widths =
      has("widths")
      ? try text("widths").split(separator: ",").compactMap { Int($0) }
      : [2, try integer("lstm-hidden-size")]
    guard let map = OutputMap(rawValue: try text("p-norm")),
      let backward = CoordMathDNN.Backward(rawValue: try text("backward")),
      let evaluator = CoordMathDNN.Evaluator(rawValue: try text("evaluator")),
      let layout = CoordMathDNN.WeightLayout(rawValue: try text("weight-layout"))
    else { preconditionFailure("choices and enumerations differ") }
    let architecture = CoordMathDNN.Architecture(
      widths: widths, map: map, learnsScale: isOn("p-scale-learned"))
    let initialization: CoordMathDNN.Initialization =
      switch try text("init") {
      case "qr": .qr
      case "qrNonnegative": .qrNonnegative
      default: .orthogonal(layout)
      }
    let scale = try number("p-scale")
    var weights = try CoordMathDNN.initialParameters(
      architecture, initialization, scale: try number("e"), seed: UInt64(try integer("seed")))
    if let i = weights.names.firstIndex(of: "p_scale") { weights.tensors[i] = Tensor(scale) }
    var rule = try CoordMathDNN(
      architecture: architecture, parameters: weights, stepRule: try stepRule(), scale: scale,
      backward: backward, evaluator: evaluator)
    rule.threads = try integer("threads")
    return rule
  }
}

extension TrainingJob {
  /// The run that `settings` describe; nothing is written yet.
  init(_ settings: TrainSettings) throws {
    let rule = try settings.learnedRule()
    let steps = try settings.integer("global-training-steps")
    let horizon = try settings.integer("optimizer-training-steps")
    guard let loss = MetaLoss(rawValue: try settings.text("loss-func")) else {
      preconditionFailure("choices and enumerations differ")
    }
    if try settings.integer("unroll-length") < horizon, loss != .last {
      throw SettingError.badValue(
        "unroll-length", value: try settings.text("unroll-length"),
        accepted: "\(horizon) (optimizer-training-steps) or more; truncation is not built yet",
        source: "")
    }
    let problem = try settings.problem(
      seed: try settings.integer("seed") + 777,
      instances: try settings.integer("train-batch-size"))
    let schedule: MetaSchedule =
      switch try settings.text("scheduler") {
      case "step": .step()
      case "cosine": .cosine(period: steps)
      default: .constant
      }
    let plan = MetaTraining(
      optimizer: try settings.text("meta-optimizer") == "Adam" ? .adam() : .sgd,
      stepSize: try settings.number("init-lr"),
      schedule: schedule, clipNorm: settings.isOn("clip-grad") ? 1 : nil,
      stepsPerEpoch: steps, epochs: try settings.integer("epochs"))
    self.init(
      rule: rule, problem: problem, start: Vector(zeros: problem.dimension), horizon: horizon,
      loss: loss, plan: plan,
      checkpointInterval: try settings.integer(
        settings.has("checkpoint-every") ? "checkpoint-every" : "val-freq"),
      settings: settings.identity, configuration: settings.yaml, folder: try settings.folder)
  }
}
