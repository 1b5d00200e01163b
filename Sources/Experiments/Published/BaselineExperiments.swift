import Catalog
import Engine
import Optimization
import Storage

/// What paper A holds its rule against, trained on the same quadratics by the same descent (E4).
struct BaselineExperiments {
  /// Published curves, where there are any.
  var published: PublishedCurves

  /// All of them.
  var all: [Experiment] { [recurrent, pair, unfolded, ends] }

  /// The experiment that looks where published curves end.
  static let endsName = "figure-2-ends"
  /// The curve of gradient descent.
  static let descent = "gradient descent"

  private static let tolerance = 1e-3
  private static let horizons = Array(stride(from: 5, through: 100, by: 5))
  /// Training steps after which the loss is read.
  private static let steps = 400

  private static func problem() throws -> LeastSquares {
    try TrainingSetting.large(horizon: 1, scale: 1).problem()
  }

  private static func id(_ name: String, _ horizon: Int, _ eta: String) -> String {
    "\(name), d = 512, b = 400, N = 10, problem seed 895, seed 118, T = \(horizon), "
      + "eta = \(eta), \(steps) steps"
  }

  private func experiment(
    _ name: String, title: String, referenceCommand: String, notes: [String],
    quantity: String = "F(X_T) after \(steps) training steps", abscissa: String = "T",
    runs: [ExperimentRun], curves: [Experiment.Curve]
  ) -> Experiment {
    Experiment(
      name: name, title: title,
      source: "paper A, "
        + (published[name]?.paperFigure.map { "figure \($0)" } ?? "scripts of the repository"),
      referenceCommand: referenceCommand, quantity: quantity, abscissa: abscissa,
      isLogarithmic: true, closeness: .relative(Self.tolerance), notes: notes, runs: runs,
      curves: curves)
  }

  /// The published curves of trainings.
  private func trained(_ name: String) -> [(label: String, eta: Double, x: [Int], y: [Double])] {
    (published[name]?.curves ?? []).compactMap { curve in
      curve.eta.map { (curve.label, $0, curve.x, curve.y) }
    }
  }

  // MARK: Math-L2O

  /// Which heads a rule of this family has.
  private enum Heads: String {
    /// The fair rule.
    case p = "CoordMathLSTM, head p"
    /// The published "Math-L2O", which has b, b₁ and b₂ beside p.
    case published = "CoordMathLSTM, head p and the script's extra heads"
    /// The scripts named after both p and a.
    case pair = "CoordMathLSTM, heads p and a and the script's extra heads"

    var architecture: RecurrentParts.Architecture {
      let head = RecurrentParts.Head(.twiceSigmoid, scale: 1)
      return switch self {
      case .p: .init(network: RecurrentNetwork(), heads: [.p: head])
      case .published: .paperABaseline([.p: head])
      case .pair: .paperABaseline([.p: head, .a: head])
      }
    }
  }

  /// F(W^0) and F(W^400) of one training; NaN once training ended in numbers that are not finite.
  private static func math(_ heads: Heads, _ horizon: Int, _ eta: Double) -> ExperimentRun {
    mathRun(heads, horizon, eta, "") { [$0[0], $0.count > steps ? $0[steps] : .nan] }
  }

  /// A training from the authors' stream, of whose losses `kept` are kept.
  private static func mathRun(
    _ heads: Heads, _ horizon: Int, _ eta: Double, _ suffix: String,
    kept: @escaping @Sendable ([Double]) -> [Double]
  ) -> ExperimentRun {
    ExperimentRun(
      id: id(heads.rawValue, horizon, "\(eta)") + ", states drawn at every step" + suffix,
      seconds: secondsPerMathStep * Double(horizon * steps)
    ) { progress in kept(try losses(heads, horizon, eta, progress)) }
  }

  private static let secondsPerMathStep = 1.1e-2

  /// The loss at every training step from 0 to 400, or to the first that is not finite.
  private static func losses(
    _ heads: Heads, _ horizon: Int, _ eta: Double, _ progress: RunProgress
  ) throws -> [Double] {
    let problem = try problem()
    let architecture = heads.architecture
    var stream = ReferenceStream(seed: 118)
    let rule = CoordMathLSTM(
      try RecurrentParts(architecture, parameters: architecture.initialParameters(&stream)),
      form: .reference, stepRule: .reference)
    let objective = FormulaObjective(
      rule, on: problem, from: Vector(zeros: problem.dimension), horizon: horizon,
      loss: .objective(MetaLoss.last.weights(horizon: horizon)))
    return try MetaTraining(stepSize: eta, stepsPerEpoch: steps + 1).losses(
      from: rule.parameters, objective,
      DrawnStates(architecture.network, coordinates: problem.dimension, stream), progress)
  }

  private var recurrent: Experiment {
    let fair = [1e-5, 1e-6].map { eta in
      (eta, [5, 20, 50, 100].map { ($0, Self.math(.p, $0, eta)) })
    }
    func curve(
      _ label: String, _ x: [Int], _ runs: [ExperimentRun], _ published: [Double]?
    ) -> Experiment.Curve {
      Experiment.Curve(
        label: label, x: x.map(Double.init), runs: runs.map(\.id),
        values: { $0.map { $0.count > 1 ? $0[1] : .nan } }, published: published)
    }
    let own = trained("figure-2a").map { curve in
      (curve, curve.x.map { Self.math(.published, $0, curve.eta) })
    }
    return experiment(
      "figure-2a", title: "Math-L2O trained by plain descent, loss after 400 steps against T",
      referenceCommand:
        "python main_train_anlys.py --config configs/1_qp_training_train_anlys.yaml "
        + "--optimizer CoordMathLSTM --input-dim 512 --output-dim 400 --train-batch-size 10 "
        + "--lstm-hidden-size 20 --lstm-layers 2 --p-use --p-norm sigmoid --loss-func last --init-lr 1e-5",
      notes: [
        "The script leaves the heads b, b1 and b2 of this baseline on; curves named \"p alone\" do not."
      ], runs: own.flatMap(\.1) + fair.flatMap { $0.1.map(\.1) },
      curves: own.map { curve($0.label, $0.x, $1, $0.y) }
        + fair.map { eta, runs in
          curve("p alone, eta = \(Number.short(eta))", runs.map(\.0), runs.map(\.1), nil)
        })
  }

  /// The scripts that train both p and a, of which numbers were noted and no plot exists.
  private var pair: Experiment {
    let plot = published["math-l2o-pa"]
    let x = Self.marks.map(Double.init)
    let trainings = [1e-5, 1e-6, 1e-7].map { ($0, Self.mathCourse(.pair, 100, $0)) }
    return experiment(
      "math-l2o-pa", title: "Math-L2O with heads p and a trained by plain descent, T = 100",
      referenceCommand:
        "python main_train_anlys.py --config configs/1_qp_training_train_anlys.yaml "
        + "--optimizer CoordMathLSTM --input-dim 512 --output-dim 400 --train-batch-size 10 "
        + "--lstm-hidden-size 20 --lstm-layers 2 --optimizer-training-steps 100 --unroll-length 100 "
        + "--p-use --p-norm sigmoid --a-use --a-norm sigmoid --loss-func last --init-lr 1e-5",
      notes: ["The script leaves the heads b, b1 and b2 of this baseline on."],
      quantity: "F(X_T)", abscissa: "training step k", runs: trainings.map(\.1),
      curves: trainings.map { eta, run in
        let curve = plot?.curves.first { $0.eta == eta }
        return Experiment.Curve(
          label: "eta = \(Number.short(eta))", x: x, runs: [run.id], values: { $0[0] },
          published: curve.map { LargeBatchExperiment.values($0, at: x) })
      })
  }

  // MARK: LISTA-CPSS

  private var unfolded: Experiment {
    let curves = trained("figure-2b")
    /// The step sizes that were published for a horizon; one run trains with all of them.
    func etas(_ horizon: Int) -> [Double] {
      curves.filter { $0.x.contains(horizon) }.map(\.eta)
    }
    let runs = Self.horizons.map { Self.unfolded(horizon: $0, etas: etas($0)) }
    // Before training, paper A's own rule is gradient descent (I1 in the ledger).
    let untrained = Self.horizons.map { horizon in
      var setting = TrainingSetting.large(horizon: horizon, scale: 1)
      setting.steps = 1
      return setting.lossRun
    }
    let descent = Experiment.Curve(
      label: Self.descent, x: Self.horizons.map(Double.init), runs: untrained.map(\.id),
      values: { $0.map { $0.first ?? .nan } },
      published: published["figure-2b"]?.curves.first { $0.eta == nil }?.y)
    return experiment(
      "figure-2b", title: "LISTA-CPSS (matrices only) trained by plain descent, loss against T",
      referenceCommand:
        "python main_train_anlys.py --config configs/1_qp_training_train_anlys.yaml "
        + "--optimizer LISTACPSSWOnly --input-dim 512 --output-dim 400 --train-batch-size 10 "
        + "--loss-func last --init-lr 1e-5",
      notes: [
        "Matrices start next to nothing, from the authors' draw of size 1/(b d)² = 2e-11.",
        "Twins store in single precision what they compute, as the authors' programs do; where the first parts "
          + "from ours by more than \(Number.significant(Self.calm, digits: 2)), three more have η off by 1e-6 of itself, up and down, and by 1e-7.",
      ],
      runs: untrained + runs,
      curves: [descent]
        + curves.map { curve in
          let places = curve.x.map { etas($0).firstIndex(of: curve.eta) ?? 0 }
          let ids = curve.x.compactMap { x in
            Self.horizons.firstIndex(of: x).map { runs[$0].id }
          }
          return Experiment.Curve(
            label: curve.label, x: curve.x.map(Double.init), runs: ids,
            values: { zip($0, places).map { $1 < $0.count ? $0[$1] : .nan } }, published: curve.y,
            twins: Experiment.Twins(runs: ids) { outcome, index in
              RoundingTwins.twins(outcome, of: places[index])
            })
        })
  }

  /// F(W^400) of trainings with every one of `etas`, and of their twins; NaN where training left the finite
  /// numbers.
  private static func unfolded(horizon: Int, etas: [Double]) -> ExperimentRun {
    ExperimentRun(
      id: unfoldedId(horizon, etas) + ", with twins in single precision",
      // Five trainings in nine call for three more.
      seconds: secondsPerUnfolded(11 * etas.count / 3) * Double(horizon * steps)
    ) { progress in
      try RoundingTwins.outcome(etas, calm: calm) { trainings, share in
        try losses(horizon: horizon, trainings) {
          try progress(share.lowerBound + $0 * (share.upperBound - share.lowerBound))
        }
      }
    }
  }

  /// Up to here a first twin is enough.
  static let calm = RoundingTwins.calm(tolerance: tolerance, places: horizons.count)

  private static func unfoldedId(_ horizon: Int, _ etas: [Double]) -> String {
    id(blindName, horizon, etas.map { Number.short($0) }.joined(separator: " "))
  }

  private static let blindName = "LISTACPSSWOnly from next to nothing"

  /// Per step and layer: an instance's matrix is read for all step sizes, a weight for its own.
  private static func secondsPerUnfolded(_ count: Int) -> Double { 1e-3 * Double(2 + count) }

  /// F(W^400) of `trainings`, side by side.
  private static func losses(
    horizon: Int, _ trainings: [UnfoldedDescent.Training], _ progress: (Double) throws -> Void
  ) throws -> [Double] {
    let descent = try unfoldedDescent(horizon: horizon, trainings)
    var losses = descent.advance()
    for k in 1...steps {
      losses = descent.advance()
      try progress(Double(k) / Double(steps))
    }
    return losses.map { $0.isFinite ? $0 : .nan }
  }

  private static func unfoldedDescent(
    horizon: Int, _ trainings: [UnfoldedDescent.Training]
  ) throws -> UnfoldedDescent {
    let problem = try problem()
    guard case .blocks(let map) = problem.map else {
      throw RuleError.unsupported(
        setting: "the problem of LISTACPSSWOnly", value: problem.name,
        accepted: "instances with matrices of their own")
    }
    var stream = ReferenceStream(seed: 118)
    let start = LISTACPSSWOnly.blindStart(
      &stream, rows: map.blockRows, columns: map.blockColumns, layers: horizon)
    return UnfoldedDescent(
      map: map, target: problem.target, start: Vector(zeros: problem.dimension),
      weights: start.tensors.map(\.elements), trainings: trainings)
  }

  // MARK: Where the curves end

  /// Training steps whose losses are kept.
  private static let marks = [
    0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 250, 300, 350, 400,
  ]

  /// The first horizon at which a step size has no published point any more.
  ///
  /// The plots leave it open whether their curves end because training failed.
  private var ends: Experiment {
    var runs: [ExperimentRun] = []
    func curves(
      _ figure: String, _ run: (_ horizon: Int, _ eta: Double) -> ExperimentRun
    ) -> [Experiment.Curve] {
      trained("figure-\(figure)").compactMap { curve in
        guard let horizon = Self.horizons.first(where: { $0 > curve.x.last ?? 0 }) else {
          return nil
        }
        let run = run(horizon, curve.eta)
        runs.append(run)
        return Experiment.Curve(
          label: "\(figure), \(curve.label), T = \(horizon)", x: Self.marks.map(Double.init),
          runs: [run.id], values: { $0[0] })
      }
    }
    let all = curves("2a") { Self.mathCourse(.published, $0, $1) } + curves("2b", Self.unfoldedEnd)
    return Experiment(
      name: Self.endsName, title: "Training at the first T beyond the end of a published curve",
      source: "paper A, figures 2a and 2b",
      referenceCommand:
        "python main_train_anlys.py --config configs/1_qp_training_train_anlys.yaml "
        + "--optimizer LISTACPSSWOnly --input-dim 512 --output-dim 400 --train-batch-size 10 "
        + "--optimizer-training-steps 85 --unroll-length 85 --loss-func last --init-lr 4e-5",
      quantity: "F(X_T)", abscissa: "training step k", isLogarithmic: true,
      closeness: .shape("the plots have no point there"),
      notes: ["A curve ends before the first loss that is not finite."], runs: runs, curves: all)
  }

  private static func kept(_ losses: [Double]) -> [Double] {
    marks.map { $0 < losses.count && losses[$0].isFinite ? losses[$0] : .nan }
  }

  private static func mathCourse(
    _ heads: Heads, _ horizon: Int, _ eta: Double
  ) -> ExperimentRun {
    mathRun(heads, horizon, eta, ", course", kept: kept)
  }

  private static func unfoldedEnd(_ horizon: Int, _ eta: Double) -> ExperimentRun {
    // Failures are found within a dozen steps.
    ExperimentRun(
      id: id(blindName, horizon, "\(eta)") + ", course", seconds: 5e-2 * Double(horizon)
    ) { progress in
      let descent = try unfoldedDescent(horizon: horizon, [.init(stepSize: eta)])
      var losses = descent.advance()
      while losses.count <= steps, losses.last?.isFinite == true {
        losses += descent.advance()
        try progress(Double(losses.count) / Double(steps + 1))
      }
      return kept(losses)
    }
  }
}
