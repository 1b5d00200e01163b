import Engine

/// Training layer by layer, each in stages: how LISTA and its relatives are trained.
///
/// For layer l = 1 ... T the rule runs l layers. Stage 1 moves the weights of layer l alone, later
/// stages those of the earlier layers too, more gently the further back. Every stage has a fresh
/// optimizer. Source: Chen and others 2018; rates as in the reference code's `get_meta_optimizer`.
public struct StagedTraining: Sendable, Hashable {
  /// When a stage ends.
  public enum Length: Sendable, Hashable {
    /// After so many epochs; 1 in NetX-lab's script, whose batch never changes.
    case epochs(Int)
    /// When the validation loss has not improved for more than `wait` epochs, or the layer has seen
    /// more than `perStage` times the number of the stage, counted from 1; MS4L2O's script.
    ///
    /// The weights at the end are kept, not the best ones.
    case patience(wait: Int = 5, perStage: Int = 200)
  }

  /// What moves the weights.
  public var optimizer: MetaOptimizer
  /// η, of the current layer in the first stage.
  public var stepSize: Double
  /// The factor on η per layer back; weights that layers share get one per layer trained.
  public var layerDecay: Double
  /// The factor on η in every stage.
  public var stageFactors: [Double]
  /// When a stage ends.
  public var length: Length
  /// Of the order of batches, drawn once a stage.
  public var seed: UInt64

  /// Creates a plan.
  public init(
    optimizer: MetaOptimizer = .adam(), stepSize: Double, layerDecay: Double = 0.3,
    stageFactors: [Double] = [1, 0.2, 0.02], length: Length = .patience(), seed: UInt64 = 0
  ) {
    precondition(!stageFactors.isEmpty, "no stages")
    self.optimizer = optimizer
    self.stepSize = stepSize
    self.layerDecay = layerDecay
    self.stageFactors = stageFactors
    self.length = length
    self.seed = seed
  }

  /// The step size of every weight when `layer` is trained in `stage`, both from 1; nil for a weight
  /// that takes no part.
  public func stepSizes(of names: [String], layer: Int, stage: Int) -> [Double?] {
    precondition(layer >= 1 && (1...stageFactors.count).contains(stage), "\(layer), \(stage)")
    let first = stepSize * stageFactors[stage - 1]
    func decayed(_ layers: Int) -> Double {
      (0..<layers).reduce(first) { rate, _ in rate * layerDecay }
    }
    return names.map { name in
      guard let own = Self.layer(of: name) else { return decayed(layer - 1) }
      if own == layer { return first }
      return own < layer && stage > 1 ? decayed(layer - own) : nil
    }
  }

  /// The layer, from 1, to which a weight such as `We.0` belongs; nil if all share it.
  public static func layer(of name: String) -> Int? {
    guard let dot = name.lastIndex(of: "."), let k = Int(name[name.index(after: dot)...]) else {
      return nil
    }
    return k + 1
  }

  /// What the training of a layer is given.
  public struct Layer {
    /// The training losses of the batches, for the rule run to this layer.
    public var batches: [any MetaObjective]
    /// The loss that decides when a stage ends; nil for the mean training loss of the epoch.
    public var validation: ((Parameters) -> Double)?

    /// Creates it.
    public init(
      batches: [any MetaObjective], validation: ((Parameters) -> Double)? = nil
    ) {
      precondition(!batches.isEmpty, "no batches")
      self.batches = batches
      self.validation = validation
    }
  }

  /// Where training stands after an epoch.
  public struct Epoch: Sendable, Hashable, Codable {
    /// The layer, from 1.
    public var layer: Int
    /// The stage, from 1.
    public var stage: Int
    /// The losses of the batches in the order in which they were taken, each before its update.
    public var losses: [Double]
    /// The loss that decides when the stage ends.
    public var validation: Double

    /// The mean of ``losses``.
    public var meanLoss: Double { losses.reduce(0, +) / Double(losses.count) }
  }

  /// What training leaves.
  public struct Outcome: Sendable {
    /// The weights.
    public var parameters: Parameters
    /// Every epoch in order.
    public var epochs: [Epoch]
    /// Why training ended; the last weights before a loss that is not finite are kept.
    public var stop: StopReason
  }

  /// Trains the layers in `range`, from 1, starting from `parameters`.
  ///
  /// `layer` makes what a layer is trained on; `progress` sees the weights after every epoch and
  /// says whether to go on.
  public func train(
    _ parameters: Parameters, layers range: ClosedRange<Int>,
    progress: (Epoch, Parameters) -> Bool = { _, _ in true },
    layer make: (Int) throws -> Layer
  ) rethrows -> Outcome {
    var result = Outcome(
      parameters: parameters, epochs: [], stop: .horizonReached(range.upperBound))
    for layer in range {
      let data = try make(layer)
      var epoch = 0
      for stage in 1...stageFactors.count {
        var run = StageRun(self, names: parameters.names, layer: layer, stage: stage)
        run.start(result.parameters, batches: data.batches.count)
        while !run.isOver(epoch: epoch) {
          guard let record = run.epoch(&result.parameters, data) else {
            result.stop = .nonFinite(step: result.epochs.count)
            return result
          }
          epoch += 1
          run.note(record.validation, epoch: epoch)
          result.epochs.append(record)
          if !progress(record, result.parameters) { return result }
        }
      }
    }
    return result
  }
}

/// One stage of one layer.
private struct StageRun {
  let plan: StagedTraining
  let layer: Int
  let stage: Int
  let stepSizes: [Double?]
  var optimizer: MetaOptimizer.State?
  var gradient: Parameters?
  var order: [Int] = []
  var epochs = 0
  var best = Double.infinity
  var bestEpoch = 0

  init(_ plan: StagedTraining, names: [String], layer: Int, stage: Int) {
    self.plan = plan
    self.layer = layer
    self.stage = stage
    stepSizes = plan.stepSizes(of: names, layer: layer, stage: stage)
  }

  mutating func start(_ parameters: Parameters, batches: Int) {
    optimizer = plan.optimizer.initialState(for: parameters)
    gradient = parameters.zeros
    var rng = SplitMix64(seed: plan.seed).derived(3 * layer + stage)
    order = (0..<batches).shuffled(using: &rng)
  }

  /// `epoch` counts those of the layer.
  func isOver(epoch: Int) -> Bool {
    switch plan.length {
    case .epochs(let count): epochs >= count
    case .patience(let wait, let perStage):
      epochs > 0 && (epoch - bestEpoch > wait || epoch > perStage * stage)
    }
  }

  mutating func note(_ validation: Double, epoch: Int) {
    epochs += 1
    if epochs == 1 || validation < best { (best, bestEpoch) = (validation, epoch) }
  }

  /// Takes a step on every batch; nil if a loss or gradient is not finite.
  mutating func epoch(
    _ parameters: inout Parameters, _ data: StagedTraining.Layer
  ) -> StagedTraining.Epoch? {
    guard var state = optimizer, var gradient else { return nil }
    var losses: [Double] = []
    for index in order {
      let evaluation = data.batches[index].evaluate(parameters, gradient: &gradient)
      guard evaluation.loss.isFinite, gradient.isFinite else { return nil }
      losses.append(evaluation.loss)
      plan.optimizer.update(
        &parameters, &state, gradient: gradient, stepSizes: stepSizes)
    }
    optimizer = state
    let mean = losses.reduce(0, +) / Double(losses.count)
    return StagedTraining.Epoch(
      layer: layer, stage: stage, losses: losses,
      validation: data.validation?(parameters) ?? mean)
  }
}
