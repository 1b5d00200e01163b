public import Catalog
public import Engine
import Foundation
public import Optimization

/// What a finished training run left behind.
public struct TrainingRun: Sendable {
  /// What was run.
  public var setting: TrainingSetting
  /// F(X_T) before each training step, `steps` of them unless the run stopped early.
  public var losses: [Double]
  /// The weights before training step k, for the recorded k, in order.
  public var snapshots: [(step: Int, parameters: Parameters)]
  /// W^1, the weights after the first training step.
  public var secondWeights: Parameters?
  /// The weights after the last training step.
  public var lastWeights: Parameters?
  /// max over k of ‖W_l^k - W_l^0‖₂ for each layer.
  public var travel: [Double]
  /// ‖∇F‖ at the initial weights, per layer.
  public var initialGradientNorms: [Double]
  /// Why training ended.
  public var stop: StopReason

  /// Creates what a run left behind.
  public init(
    setting: TrainingSetting, losses: [Double],
    snapshots: [(step: Int, parameters: Parameters)] = [], travel: [Double] = [],
    initialGradientNorms: [Double] = [], stop: StopReason
  ) {
    self.setting = setting
    self.losses = losses
    self.snapshots = snapshots
    self.travel = travel
    self.initialGradientNorms = initialGradientNorms
    self.stop = stop
  }

  /// F_GD(X_T): the loss at the initial weights, where the rule is gradient descent.
  public var baseline: Double { losses[0] }

  /// Whether the loss falls, or stands still, at every training step.
  public var isDescending: Bool { zip(losses, losses.dropFirst()).allSatisfy { $1 <= $0 } }

  /// (F_GD - F_k) / F_GD for every training step k.
  public var ratios: [Double] { losses.map { (baseline - $0) / baseline } }

  /// Trains `setting` on `problem`, its own problem unless a twin is given.
  ///
  /// - Parameters:
  ///   - start: X_0; the origin if it is nil.
  ///   - recordingEvery: a snapshot of the weights is kept every so many steps; nil for none.
  ///   - progress: called now and then with the number of further training steps done; what it throws
  ///     ends the run.
  /// - Throws: ``RuleError`` or ``ProblemError`` for a setting that cannot be run.
  public static func run(
    _ setting: TrainingSetting, on problem: LeastSquares? = nil, from start: Vector? = nil,
    recordingEvery: Int? = nil, measuringTravel: Bool = false,
    progress: (Int) throws -> Void = { _ in }
  ) throws -> TrainingRun {
    let problem = try problem ?? setting.problem()
    let rule = try setting.rule()
    let objective = try rule.metaObjective(
      on: problem, from: start ?? Vector(zeros: problem.dimension), horizon: setting.horizon,
      loss: .last)
    let plan = setting.plan
    var state = plan.initialState(rule.parameters)
    var memory = MetaTraining.Memory(for: rule.parameters)
    var run = TrainingRun(
      setting: setting, losses: [], snapshots: [],
      travel: rule.parameters.tensors.map { _ in 0 }, initialGradientNorms: [],
      stop: .horizonReached(0))
    while !state.isFinished(plan) {
      let k = state.losses.count
      if let recordingEvery, k.isMultiple(of: recordingEvery) {
        run.snapshots.append((k, state.parameters))
      }
      plan.advance(&state, objective, memory: &memory)
      if k == 0 {
        run.secondWeights = state.parameters
        run.initialGradientNorms = memory.gradient.tensors.map { Vector($0.elements).norm }
      }
      if measuringTravel {
        for (l, (now, start)) in zip(state.parameters.tensors, rule.parameters.tensors).enumerated()
        {
          run.travel[l] = max(run.travel[l], try spectralDistance(now, start))
        }
      }
      if k % 100 == 99 { try progress(100) }
    }
    run.losses = state.losses
    run.lastWeights = state.parameters
    run.stop = state.stop ?? .horizonReached(state.losses.count)
    return run
  }

  /// ‖a - b‖₂ of two matrices, by the Gram matrix of the shorter side.
  ///
  /// Squaring costs half the digits of the *smaller* singular values only. Where both sides are
  /// long it is the Frobenius norm: an upper bound, which is all that a radius must be.
  static func spectralDistance(_ a: Tensor, _ b: Tensor) throws -> Double {
    guard a.elements != b.elements else { return 0 }
    let difference = Matrix(
      rows: a.shape[0], columns: a.shape[1],
      elements: zip(a.elements, b.elements).map { $0 - $1 })
    let side = min(difference.rows, difference.columns)
    if side == 1 || side > 64 { return difference.frobeniusNorm }
    let isWide = difference.columns > difference.rows
    let gram =
      isWide
      ? Matrix.product(difference, .plain, difference, .transposed)
      : Matrix.product(difference, .transposed, difference)
    if side == 2 {
      // The larger root of a quadratic; called once a training step.
      let (mean, half) = ((gram[0, 0] + gram[1, 1]) / 2, (gram[0, 0] - gram[1, 1]) / 2)
      return (mean + hypot(half, gram[0, 1])).squareRoot()
    }
    return try (gram.symmetricEigenvalues().elements.last ?? 0).squareRoot()
  }
}
