import Catalog
import Engine
import Optimization
import Storage

/// What paper A holds its rule against, trained on the same quadratics by the same descent (E4).
struct BaselineExperiments {
  /// Published curves, where there are any.
  var published: PublishedCurves

  /// All of them.
  var all: [Experiment] { [recurrent, unfolded] }

  private static let horizons = Array(stride(from: 5, through: 100, by: 5))
  /// Training steps after which the loss is read.
  private static let steps = 400

  private static func problem() throws -> LeastSquares {
    try TrainingSetting.large(horizon: 1, scale: 1).problem()
  }

  /// F(W^0) and F(W^400) of one training; NaN once training ended in numbers that are not finite.
  private static func run(
    _ name: String, horizon: Int, eta: Double, secondsPerStep: Double,
    _ rule: @escaping @Sendable (_ horizon: Int, LeastSquares) throws -> any LearnedUpdateRule
  ) -> ExperimentRun {
    ExperimentRun(
      id: "\(name), d = 512, b = 400, N = 10, problem seed 895, seed 118, T = \(horizon), "
        + "eta = \(eta), \(steps) steps",
      seconds: secondsPerStep * Double(horizon) * Double(steps)
    ) { progress in
      let problem = try problem()
      let rule = try rule(horizon, problem)
      let objective = try rule.metaObjective(
        on: problem, from: Vector(zeros: problem.dimension), horizon: horizon, loss: .last)
      let plan = MetaTraining(optimizer: .sgd, stepSize: eta, stepsPerEpoch: steps + 1)
      var state = plan.initialState(rule.parameters)
      var memory = MetaTraining.Memory(for: rule.parameters)
      while !state.isFinished(plan) {
        plan.advance(&state, objective, memory: &memory)
        try progress(Double(state.losses.count) / Double(steps + 1))
      }
      let last = state.losses.count > steps ? state.losses[steps] : .nan
      return [state.losses[0], last]
    }
  }

  private func experiment(
    _ name: String, title: String, referenceCommand: String, notes: [String],
    extra: [Experiment.Curve] = [], extraRuns: [ExperimentRun] = [],
    _ run: (_ horizon: Int, _ eta: Double) -> ExperimentRun
  ) -> Experiment {
    let plot = published[name]
    let curves = (plot?.curves ?? []).filter { $0.eta != nil }
    var runs: [ExperimentRun] = []
    let learned = curves.map { curve -> Experiment.Curve in
      let own = curve.x.map { run($0, curve.eta ?? 0) }
      runs += own
      return Experiment.Curve(
        label: curve.label, x: curve.x.map(Double.init), runs: own.map(\.id),
        values: { $0.map { $0.count > 1 ? $0[1] : .nan } }, published: curve.y)
    }
    return Experiment(
      name: name, title: title, source: "paper A, figure \(plot?.paperFigure ?? name)",
      referenceCommand: referenceCommand, quantity: "F(X_T) after \(Self.steps) training steps",
      abscissa: "T", isLogarithmic: true, closeness: .relative(1e-3), notes: notes,
      runs: runs + extraRuns, curves: learned + extra)
  }

  // MARK: Math-L2O

  /// The published "Math-L2O" has heads b, b₁ and b₂ beside p; the fair rule has p alone.
  private static func math(_ isFair: Bool, _ horizon: Int, _ eta: Double) -> ExperimentRun {
    run(
      isFair ? "CoordMathLSTM, head p" : "CoordMathLSTM, head p and the script's extra heads",
      horizon: horizon, eta: eta, secondsPerStep: 6.4e-3
    ) { _, _ in
      let heads: [RecurrentParts.Part: RecurrentParts.Head] = [.p: .init(.twiceSigmoid, scale: 1)]
      let architecture: RecurrentParts.Architecture =
        isFair ? .init(network: RecurrentNetwork(), heads: heads) : .paperABaseline(heads)
      return CoordMathLSTM(
        try RecurrentParts(architecture, parameters: architecture.initialParameters(seed: 118)),
        form: .reference, stepRule: .reference, stateSeed: 118)
    }
  }

  private var recurrent: Experiment {
    let fair = [1e-5, 1e-6].map { eta in
      (eta, [5, 20, 50, 100].map { ($0, Self.math(true, $0, eta)) })
    }
    return experiment(
      "figure-2a", title: "Math-L2O trained by plain descent, loss after 400 steps against T",
      referenceCommand:
        "python main_train_anlys.py --config configs/1_qp_training_train_anlys.yaml "
        + "--optimizer CoordMathLSTM --input-dim 512 --output-dim 400 --train-batch-size 10 "
        + "--lstm-hidden-size 20 --lstm-layers 2 --p-use --p-norm sigmoid --loss-func last --init-lr 1e-5",
      notes: [
        "The script leaves the heads b, b1 and b2 of this baseline on; curves named \"p alone\" do not.",
        "Hidden states start from one draw of ours; the authors draw them anew in every training step.",
      ],
      extra: fair.map { eta, runs in
        Experiment.Curve(
          label: "p alone, eta = \(Number.short(eta))", x: runs.map { Double($0.0) },
          runs: runs.map(\.1.id), values: { $0.map { $0.count > 1 ? $0[1] : .nan } },
          published: nil)
      },
      extraRuns: fair.flatMap { $0.1.map(\.1) }
    ) { Self.math(false, $0, $1) }
  }

  // MARK: LISTA-CPSS

  private var unfolded: Experiment {
    experiment(
      "figure-2b", title: "LISTA-CPSS (matrices only) trained by plain descent, loss against T",
      referenceCommand:
        "python main_train_anlys.py --config configs/1_qp_training_train_anlys.yaml "
        + "--optimizer LISTACPSSWOnly --input-dim 512 --output-dim 400 --train-batch-size 10 "
        + "--loss-func last --init-lr 1e-5",
      notes: [
        "Matrices start from our own draw of the authors' size, 1/(b d)² = 2e-11: next to nothing."
      ]
    ) { horizon, eta in
      // Measured at T = 95 and 100: memory for 160 MB of matrices, several times over, sets the pace.
      Self.run("LISTACPSSWOnly", horizon: horizon, eta: eta, secondsPerStep: 2.5e-2) {
        horizon, problem in
        try LISTACPSSWOnly(
          layers: horizon,
          parameters: LISTACPSSWOnly.initialParameters(
            for: problem, layers: horizon,
            start: .referenceWithoutDictionary(seed: 118)))
      }
    }
  }
}
