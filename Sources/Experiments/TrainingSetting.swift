public import Catalog
public import Optimization
import Storage

/// One training run of paper A's quadratic experiments: all that determines its numbers.
public struct TrainingSetting: Sendable, Hashable {
  /// N, instances in the training batch.
  public var instances = 32
  /// b, rows of an instance.
  public var rows = 25
  /// d, unknowns of an instance.
  public var columns = 32
  /// n_2, units in the wide hidden layer.
  public var width = 1024
  /// T, unrolled steps.
  public var horizon: Int
  /// e, scale of the initial weights.
  public var scale: Double
  /// η, step size of the training.
  public var metaStepSize: Double
  /// Number of training steps.
  public var steps = 5000
  /// How the step sizes of the unrolled rule follow from the problem.
  public var stepRule = StepRule.reference
  /// In which shape the authors' stream draws W_2.
  public var layout = CoordMathDNN.WeightLayout.outIn
  /// The authors' main seed; the problems use `seed + 777`.
  public var seed: UInt64 = 118

  /// Creates the published setting for a horizon, a scale and a training step size.
  public init(horizon: Int, scale: Double, metaStepSize: Double) {
    self.horizon = horizon
    self.scale = scale
    self.metaStepSize = metaStepSize
  }

  /// The seed of the problems.
  public var problemSeed: UInt64 { seed + 777 }

  /// The training problems.
  ///
  /// - Throws: ``ProblemError`` for sizes out of range.
  public func problem() throws -> LeastSquares {
    try .authors(seed: problemSeed, instances: instances, rows: rows, columns: columns)
  }

  /// The rule at its initial weights.
  ///
  /// - Throws: ``RuleError`` for a scale below 1.
  public func rule() throws -> CoordMathDNN {
    let architecture = CoordMathDNN.Architecture(widths: [2, width])
    return try CoordMathDNN(
      architecture: architecture,
      parameters: CoordMathDNN.initialParameters(
        architecture, .orthogonal(layout), scale: scale, seed: seed),
      stepRule: stepRule)
  }

  /// The training plan.
  public var plan: MetaTraining {
    MetaTraining(optimizer: .sgd, stepSize: metaStepSize, stepsPerEpoch: steps)
  }

  /// A short name for tables and files.
  public var name: String {
    "T=\(horizon) e=\(Number.short(scale)) η=\(Number.short(metaStepSize)) \(layout.rawValue) "
      + "step \(stepRule.name)"
  }

  /// The command that runs this setting alone.
  public var command: String {
    "optcheck train --input-dim \(columns) --output-dim \(rows) --train-batch-size \(instances) "
      + "--lstm-hidden-size \(width) --optimizer-training-steps \(horizon) "
      + "--e \(Number.short(scale)) --init-lr \(Number.short(metaStepSize)) "
      + "--global-training-steps \(steps) --loss-func last --weight-layout \(layout.rawValue) "
      + "--step-rule \(stepRule == .theory ? "theory" : "reference") --seed \(seed)"
  }
}
