import Foundation
import OptCheck

extension TrainSettings {
  /// How weights move in the programs with a fixed batch.
  func plan() throws -> MetaTraining {
    let steps = try integer("global-training-steps")
    let schedule: MetaSchedule =
      switch try text("scheduler") {
      case "step": .step()
      case "cosine": .cosine(period: steps)
      default: .constant
      }
    return MetaTraining(
      optimizer: try text("meta-optimizer") == "Adam" ? .adam() : .sgd,
      stepSize: try number("init-lr"), schedule: schedule, clipNorm: isOn("clip-grad") ? 1 : nil,
      stepsPerEpoch: steps, epochs: try integer("epochs"))
  }

  func loss() throws -> MetaLoss {
    guard let loss = MetaLoss(rawValue: try text("loss-func")) else {
      preconditionFailure("choices and enumerations differ")
    }
    return loss
  }
}

extension TrainingJob {
  /// The run that `settings` describe; nothing is written yet.
  init(_ settings: TrainSettings) throws {
    let problem = try settings.problem(
      seed: try settings.integer("seed") + 777,
      instances: try settings.integer("train-batch-size"))
    let rule = try settings.learnedRule(for: problem)
    let horizon = try settings.integer("optimizer-training-steps")
    let loss = try settings.loss()
    if try settings.integer("unroll-length") < horizon, loss != .last {
      throw SettingError.badValue(
        "unroll-length", value: try settings.text("unroll-length"),
        accepted: "\(horizon) (optimizer-training-steps) or more: this program never truncates",
        source: "")
    }
    self.init(
      rule: rule, problem: problem, start: Vector(zeros: problem.dimension), horizon: horizon,
      loss: loss, plan: try settings.plan(),
      checkpointInterval: try settings.integer(
        settings.has("checkpoint-every") ? "checkpoint-every" : "val-freq"),
      settings: settings.identity, configuration: settings.yaml, folder: try settings.folder)
  }
}

extension RecurrentTrainingJob {
  /// The run that `settings` describe; nothing is written yet.
  init(_ settings: TrainSettings) throws {
    let source = try settings.freshProblems(
      instances: try settings.integer("train-batch-size"))
    let horizon = try settings.integer("optimizer-training-steps")
    let segment = try settings.integer("unroll-length")
    guard segment <= horizon else {
      throw SettingError.badValue(
        "unroll-length", value: "\(segment)",
        accepted: "1...\(horizon), the optimizer-training-steps; a longer one trains nothing",
        source: "")
    }
    let rule = try settings.learnedRule(for: try source.test(0, instances: 1))
    guard let rule = rule as? any FormulaRule else {
      throw UsageError(
        "\(rule.name) cannot be trained on fresh problems; use --script main_train_anlys")
    }
    // A user's own problem takes the place of fresh ones, in training and in validation.
    let own = try settings.fileProblem()
    let held: any LinearModelProblem =
      try own ?? source.validation(instances: try settings.integer("val-size"))
    self.init(
      rule: rule, problem: { k in try own ?? source.training(k) },
      count: try settings.integer("global-training-steps"),
      plan: TruncatedTraining(
        optimizer: .adam(), stepSize: try settings.number("init-lr"), horizon: horizon,
        segment: segment),
      validation: Validation(
        problem: held, horizon: try settings.integer("val-length"),
        interval: try settings.integer("val-freq")), seed: source.seed,
      settings: settings.identity, configuration: settings.yaml, folder: try settings.folder)
  }
}

extension TrainSettings {
  /// What a rule is trained on, in words.
  var problemInWords: String {
    get throws {
      let (d, b) = (try integer("input-dim"), try integer("output-dim"))
      var words = "\(try text("optimizee-type")) \(b) x \(d)"
      let isSparse = try text("optimizee-type") != "QuadraticUnconstrained"
      if isSparse, try integer("sparsity") > 0 {
        words += " with \(try integer("sparsity")) nonzeros"
      }
      if isSparse { words += ", ρ = \(try number("rho"))" }
      words += ", \(try integer("train-batch-size")) instances a problem"
      let (horizon, segment) = (
        try integer("optimizer-training-steps"), try integer("unroll-length")
      )
      return words + ", T = \(horizon)" + (segment < horizon ? " in segments of \(segment)" : "")
    }
  }
}

extension NetworkTraining {
  /// The run that `settings` describe.
  init(_ settings: TrainSettings) throws {
    guard settings.has("data") else {
      throw SettingError.missing(
        "data", accepted: "a folder with MNIST's images and labels, idx or idx.gz")
    }
    let problem = try settings.problem(
      seed: 0, instances: try settings.integer("train-batch-size"))
    var stream = ReferenceStream(seed: UInt64(try settings.integer("seed")))
    self.init(
      rule: try settings.learnedRule(for: problem), problem: problem,
      start: MnistCNN.initialParameters(&stream),
      horizon: try settings.integer("optimizer-training-steps"), loss: try settings.loss(),
      plan: try settings.plan(), backward: settings.isOn("reference") ? .reference : .connected)
  }
}

/// Layer-wise training as the two programs for unfolded rules do it.
struct LayerwiseTraining {
  let rule: any LearnedUpdateRule
  let layers: Int
  private let plan: StagedTraining
  private let batches: [Lasso]
  private let validation: Lasso?
  private let isSupervised: Bool
  private let validationStart: ValidationStart

  init(_ settings: TrainSettings) throws {
    let batch = try settings.integer("train-batch-size")
    let seed = try settings.integer("seed")
    func lasso(_ seed: Int, _ instances: Int) throws -> Lasso {
      guard let lasso = try settings.problem(seed: seed, instances: instances) as? Lasso else {
        throw SettingError.badValue(
          "optimizee-type", value: try settings.text("optimizee-type"),
          accepted: "LASSO, LASSO_LISTA (unfolded rules need a dictionary)", source: "")
      }
      return lasso
    }
    isSupervised = settings.script == .mainUnroll
    if isSupervised {
      // train-size counts samples, which are drawn once and used again.
      let count = max(1, try settings.integer("train-size") / batch)
      batches = try (0..<count).map { try lasso(seed + 1 + $0, batch) }
      validation = try lasso(seed + 77, try settings.integer("val-size"))
    } else {
      batches = [try lasso(seed + 777, batch)]
      validation = nil
    }
    let first = batches[0]
    let rule = try settings.learnedRule(for: first)
    self.rule = rule
    layers = (rule as? any UnfoldedRule)?.layers ?? 1
    plan = StagedTraining(
      optimizer: .adam(), stepSize: try settings.number("init-lr"),
      layerDecay: try settings.number("lr-decay-layer"),
      stageFactors: [
        1, try settings.number("lr-decay-stage2"), try settings.number("lr-decay-stage3"),
      ],
      length: isSupervised
        ? .patience(wait: try settings.integer("best-wait"))
        : .epochs(1), seed: UInt64(seed))
    validationStart = settings.isOn("reference") ? .reference : .first
  }

  /// Trains; `progress` is called after every layer with its number and the weights.
  func run(
    progress: (Int, Parameters) -> Void
  ) throws -> (rule: any LearnedUpdateRule, epochs: [StagedTraining.Epoch], stop: StopReason) {
    guard let rule = rule as? any UnfoldedRule else {
      throw UsageError("\(rule.name) is not made of layers; accepted: the LISTA family, AdaLISTA")
    }
    return try run(rule, progress)
  }

  private func run(
    _ rule: some UnfoldedRule, _ progress: (Int, Parameters) -> Void
  ) throws -> (rule: any LearnedUpdateRule, epochs: [StagedTraining.Epoch], stop: StopReason) {
    let solutions =
      isSupervised ? try batches.map { try $0.certifiedMinima().flatMap(\.point.elements) } : []
    var trained = rule
    var done = 0
    let outcome = try plan.train(
      rule.parameters, layers: 1...layers,
      progress: { epoch, weights in
        if epoch.layer > done {
          done = epoch.layer
          progress(done, weights)
        }
        return true
      },
      layer: { layer in
        var next = 0
        return try rule.training(
          of: layer, on: batches, validation: validation, validationStart: validationStart,
          target: { _ in
            guard isSupervised else { return nil }
            next += 1
            return Vector(solutions[(next - 1) % solutions.count])
          })
      })
    trained.parameters = outcome.parameters
    return (trained, outcome.epochs, outcome.stop)
  }
}
