import Catalog
import Engine
import Optimization

/// Paper A's rule with few units on 2,048 instances (figure 7).
///
/// The script's option `--identical-dict` draws the matrices first, from the problems' own seed, and the
/// weights from what the stream yields after them.
struct LargeBatchExperiment {
  /// Published curves, where there are any.
  var published: PublishedCurves

  private static let (instances, rows, columns, width) = (2048, 400, 512, 20)
  private static let horizon = 100
  /// The published curve stands still from k = 400 on.
  private static let steps = 501
  private static let eta = 1e-3
  /// The problems' seed, that of training and 777.
  private static let seed: UInt64 = 118 + 777

  private static func objective() throws -> (weights: Parameters, any MetaObjective) {
    let architecture = CoordMathDNN.Architecture(widths: [2, width])
    let rule = try CoordMathDNN(
      architecture: architecture,
      parameters: CoordMathDNN.initialParameters(
        architecture, .orthogonal(.inOut), scale: 100, seed: seed,
        after: instances * rows * columns), stepRule: .reference)
    let problem = try LeastSquares.authors(
      seed: seed, instances: instances, rows: rows, columns: columns, matricesFirst: true)
    return (
      rule.parameters,
      try rule.metaObjective(
        on: problem, from: Vector(zeros: problem.dimension), horizon: horizon, loss: .last)
    )
  }

  private static func run(
    _ words: String, seconds: Double,
    _ body:
      @escaping @Sendable (Parameters, any MetaObjective, RunProgress) throws -> [Double]
  ) -> ExperimentRun {
    ExperimentRun(
      id:
        "CoordMathDNN, \(width) units, d = \(columns), b = \(rows), N = \(instances), matrices first, "
        + "seed \(seed), T = \(horizon), e = 100, \(words)",
      seconds: seconds
    ) { progress in
      let (weights, objective) = try objective()
      return try body(weights, objective, progress)
    }
  }

  var experiment: Experiment {
    let descent = Self.run("first weights", seconds: 120) { weights, objective, _ in
      [objective.unroll(weights).totals[Self.horizon]]
    }
    // Two gigabytes of Gram matrices are read 200 times in a training step.
    let training = Self.run(
      "eta = \(Self.eta), \(Self.steps) steps", seconds: 20 * Double(Self.steps)
    ) { weights, objective, progress in
      let losses = try MetaTraining(stepSize: Self.eta, stepsPerEpoch: Self.steps)
        .losses(from: weights, objective, progress)
      return stride(from: 0, to: losses.count, by: 100).map { losses[$0] }
    }
    let plot = published["figure-7"]
    let x = stride(from: 0.0, to: Double(Self.steps), by: 100).map(\.self)
    return Experiment(
      name: "figure-7", title: "Training with 20 units on 2,048 instances, d = 512, T = 100",
      source: "paper A, figure 7",
      referenceCommand:
        "python main_train_anlys.py --config configs/1_qp_training_train_anlys.yaml "
        + "--optimizer CoordMathDNN --identical-dict --input-dim 512 --output-dim 400 "
        + "--train-batch-size 2048 --lstm-hidden-size 20 --optimizer-training-steps 100 "
        + "--unroll-length 100 --e 100 --p-use --p-norm sigmoid --loss-func last --init-lr 1e-3",
      quantity: "F(X_T)", abscissa: "training step k", isLogarithmic: true,
      closeness: .relative(1e-3),
      notes: [
        "The plot has 5,000 training steps; its learned curve stands still from k = 400 on.",
        "Its third curve, LISTA-CPSS from 297,514 to 202,829, is `figure-7-lista`; `figure-7-first-pass` is "
          + "the first of its 13 passes.",
      ], runs: [descent, training],
      curves: [
        Experiment.Curve(
          label: BaselineExperiments.descent, x: x, runs: [descent.id],
          values: { outcomes in x.map { _ in outcomes[0].first ?? .nan } },
          published: plot.map { Self.values($0.curves[0], at: x) }),
        Experiment.Curve(
          label: "learned", x: x, runs: [training.id],
          values: { outcomes in
            x.indices.map { $0 < outcomes[0].count ? outcomes[0][$0] : .nan }
          }, published: plot.map { Self.values($0.curves[1], at: x) }),
      ])
  }

  /// What was published at `x`, NaN where nothing was.
  static func values(_ curve: PublishedCurves.Curve, at x: [Double]) -> [Double] {
    x.map { x in curve.x.firstIndex(of: Int(x)).map { curve.y[$0] } ?? .nan }
  }
}
