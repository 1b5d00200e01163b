public import Catalog
public import Optimization
import Storage

/// One training run of paper A's quadratic experiments: all that determines its numbers.
public struct TrainingSetting: Sendable, Hashable, Codable {
  /// N, instances in the training batch.
  public var instances = 32
  /// b, rows of an instance.
  public var rows = 25
  /// d, unknowns of an instance.
  public var columns = 32
  /// n_1 to n_{L-1}, units in the hidden layers.
  public var widths = [2, 1024]
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
  /// How the hidden layers are drawn; most published curves match this draw of W_2.
  public var initialization = CoordMathDNN.Initialization.orthogonal(.outIn)
  /// The authors' main seed; the problems use `seed + 777`.
  public var seed: UInt64 = 118

  /// Creates the published setting for a horizon, a scale and a training step size.
  public init(horizon: Int, scale: Double, metaStepSize: Double) {
    self.horizon = horizon
    self.scale = scale
    self.metaStepSize = metaStepSize
  }

  /// n_{L-1}, units in the last hidden layer.
  public var width: Int {
    get { widths[widths.count - 1] }
    set { widths[widths.count - 1] = newValue }
  }

  /// In which shape the authors' stream draws W_2; out-in where the draw is our own.
  public var layout: CoordMathDNN.WeightLayout {
    get { if case .orthogonal(let layout) = initialization { layout } else { .outIn } }
    set { initialization = .orthogonal(newValue) }
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
    let architecture = CoordMathDNN.Architecture(widths: widths)
    return try CoordMathDNN(
      architecture: architecture,
      parameters: CoordMathDNN.initialParameters(
        architecture, initialization, scale: scale, seed: seed),
      stepRule: stepRule)
  }

  /// The training plan.
  public var plan: MetaTraining {
    MetaTraining(optimizer: .sgd, stepSize: metaStepSize, stepsPerEpoch: steps)
  }

  /// A short name for tables and files.
  public var name: String {
    "T=\(horizon) e=\(Number.short(scale)) η=\(Number.short(metaStepSize)) "
      + "\(initialization.name) step \(stepRule.name)"
  }

  /// The command that runs this setting alone.
  public var command: String {
    var words = [
      "optcheck train --input-dim \(columns) --output-dim \(rows)",
      "--train-batch-size \(instances) --optimizer-training-steps \(horizon)",
      "--e \(Number.short(scale)) --init-lr \(Number.short(metaStepSize))",
      "--global-training-steps \(steps) --epochs 1 --loss-func last",
      "--p-use --p-norm sigmoid --step-rule \(stepRule == .theory ? "theory" : "reference")",
      "--seed \(seed)",
    ]
    words.append(
      widths.count == 2 && widths[0] == 2
        ? "--lstm-hidden-size \(width)"
        : "--widths \(widths.map(String.init).joined(separator: ","))")
    switch initialization {
    case .orthogonal(let layout): words.append("--weight-layout \(layout.rawValue)")
    case .qr, .qrNonnegative: words.append("--init \(initialization.name)")
    }
    return words.joined(separator: " ")
  }
}
