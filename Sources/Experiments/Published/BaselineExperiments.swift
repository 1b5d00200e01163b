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

  /// An experiment whose learned curves are `learned`, in the order of the published ones.
  private func experiment(
    _ name: String, title: String, referenceCommand: String, notes: [String],
    runs: [ExperimentRun], learned: [Experiment.Curve], extra: [Experiment.Curve] = []
  ) -> Experiment {
    // Before training, paper A's own rule is gradient descent (I1 in the ledger).
    let descent = Self.horizons.map { horizon in
      var setting = TrainingSetting.large(horizon: horizon, scale: 1)
      setting.steps = 1
      return setting.lossRun
    }
    let plot = published[name]
    let untrained = Experiment.Curve(
      label: "gradient descent", x: Self.horizons.map(Double.init), runs: descent.map(\.id),
      values: { $0.map { $0.first ?? .nan } }, published: plot?.curves.first { $0.eta == nil }?.y)
    return Experiment(
      name: name, title: title, source: "paper A, figure \(plot?.paperFigure ?? name)",
      referenceCommand: referenceCommand, quantity: "F(X_T) after \(Self.steps) training steps",
      abscissa: "T", isLogarithmic: true, closeness: .relative(1e-3), notes: notes,
      runs: descent + runs, curves: [untrained] + learned + extra)
  }

  /// The published curves of trainings.
  private func trained(_ name: String) -> [(label: String, eta: Double, x: [Int], y: [Double])] {
    (published[name]?.curves ?? []).compactMap { curve in
      curve.eta.map { (curve.label, $0, curve.x, curve.y) }
    }
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
    func curve(
      _ label: String, _ x: [Int], _ runs: [ExperimentRun], _ published: [Double]?
    ) -> Experiment.Curve {
      Experiment.Curve(
        label: label, x: x.map(Double.init), runs: runs.map(\.id),
        values: { $0.map { $0.count > 1 ? $0[1] : .nan } }, published: published)
    }
    let own = trained("figure-2a").map { curve in
      (curve, curve.x.map { Self.math(false, $0, curve.eta) })
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
      ], runs: own.flatMap(\.1) + fair.flatMap { $0.1.map(\.1) },
      learned: own.map { curve($0.label, $0.x, $1, $0.y) },
      extra: fair.map { eta, runs in
        curve(
          "p alone, eta = \(Number.short(eta))", runs.map(\.0), runs.map(\.1), nil)
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
    return experiment(
      "figure-2b", title: "LISTA-CPSS (matrices only) trained by plain descent, loss against T",
      referenceCommand:
        "python main_train_anlys.py --config configs/1_qp_training_train_anlys.yaml "
        + "--optimizer LISTACPSSWOnly --input-dim 512 --output-dim 400 --train-batch-size 10 "
        + "--loss-func last --init-lr 1e-5",
      notes: [
        "Matrices start from our own draw of the authors' size, 1/(b d)² = 2e-11: next to nothing."
      ], runs: runs,
      learned: curves.map { curve in
        let places = curve.x.map { etas($0).firstIndex(of: curve.eta) ?? 0 }
        return Experiment.Curve(
          label: curve.label, x: curve.x.map(Double.init),
          runs: curve.x.compactMap { x in
            Self.horizons.firstIndex(of: x).map { runs[$0].id }
          }, values: { zip($0, places).map { $0[$1] } }, published: curve.y)
      })
  }

  /// F(W^400) of trainings with every one of `etas`; NaN where training left the finite numbers.
  private static func unfolded(horizon: Int, etas: [Double]) -> ExperimentRun {
    let names = etas.map { Number.short($0) }.joined(separator: " ")
    return ExperimentRun(
      id: "LISTACPSSWOnly, d = 512, b = 400, N = 10, problem seed 895, seed 118, T = \(horizon), "
        + "eta = \(names), \(steps) steps, side by side",
      // Measured at T = 20 and 100: an instance's matrix is read for all step sizes, a weight for its own.
      seconds: 1e-3 * Double((2 + etas.count) * horizon * steps)
    ) { progress in
      let problem = try problem()
      guard case .blocks(let map) = problem.map else {
        throw RuleError.unsupported(
          setting: "the problem of LISTACPSSWOnly", value: problem.name,
          accepted: "instances with matrices of their own")
      }
      let start = try LISTACPSSWOnly.initialParameters(
        for: problem, layers: horizon, start: .referenceWithoutDictionary(seed: 118))
      let descent = UnfoldedDescent(
        map: map, target: problem.target, start: Vector(zeros: problem.dimension),
        weights: start.tensors.map(\.elements), stepSizes: etas)
      var losses = descent.advance()
      for k in 1...steps {
        losses = descent.advance()
        try progress(Double(k) / Double(steps))
      }
      return losses.map { $0.isFinite ? $0 : .nan }
    }
  }
}
