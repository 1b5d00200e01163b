import Catalog
import Checks
import Engine
import Foundation
import Optimization

/// What the learned biases of paper B's full scheme do along a run (E6).
struct BiasExperiment {
  /// The trained rules of the package.
  var trained: URL

  private static let steps = 100
  private static let parts = ["b1", "b2"]
  private static let source = FreshProblems(
    .lasso, size: SparseRegressionSize(instances: 128, rows: 25, columns: 50, sparsity: 5),
    weight: 0.1, seed: 118)

  var experiment: Experiment {
    let name = "coordmathlstm-pba12-lasso-small"
    let run = ExperimentRun(
      id:
        "biases of \(TrainedRule.words(name, in: trained)), \(Self.steps) steps on "
        + Self.source.words,
      seconds: 2
    ) { _ in
      Self.means(
        try TrainedRule(named: name, in: trained).rule,
        on: try Self.source.test(0, instances: Self.source.size.instances))
    }
    let x = (1...Self.steps).map(Double.init)
    return Experiment(
      name: "biases", title: "Learned biases of the full scheme along a run",
      source: "paper B, figure 2",
      referenceCommand:
        "python main.py --config configs/1_lasso_training.yaml --optimizer CoordMathLSTM "
        + "--p-use --a-use --b-use --b1-use --b2-use",
      quantity: "mean of |b|", abscissa: "iteration", isLogarithmic: true,
      closeness: .shape("no curve of it was published as numbers"),
      notes: [
        "Means over all coordinates of \(Self.source.size.instances) fresh instances of LASSO 25 x 50, the "
          + "family that it was trained on."
      ],
      runs: [run],
      curves: Self.parts.enumerated().map { i, part in
        Experiment.Curve(
          label: part, x: x, runs: [run.id],
          values: { Array($0[0].dropFirst(i * Self.steps).prefix(Self.steps)) })
      })
  }

  /// The mean of |b1| after each step, then that of |b2|.
  private static func means(
    _ rule: CoordMathLSTM, on problem: any LinearModelProblem
  ) -> [Double] {
    func means(_ problem: some LinearModelProblem) -> [Double] {
      let observations = Observations()
      var state = FormulaState(
        stepSizes: rule.stepRule.stepSizes(for: problem),
        carry: rule.initialCarry(for: problem, seed: source.seed))
      var x = Vector(zeros: problem.dimension)
      for _ in 0..<steps { rule.step(&x, &state, on: problem, observer: observations) }
      return parts.flatMap { part in
        (observations.values["raw_\(part)"] ?? []).map { matrix in
          matrix.elements.reduce(0) { $0 + abs($1) } / Double(max(1, matrix.elements.count))
        }
      }
    }
    return means(problem)
  }
}
