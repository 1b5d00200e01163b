import Catalog
import Checks
import Engine
import Optimization

/// What the learned biases of paper B's full scheme do along a run (E6).
struct BiasExperiment {
  private static let steps = 100
  private static let parts = ["b1", "b2"]
  private static let source = FreshProblems(
    .lasso, size: SparseRegressionSize(instances: 64, rows: 25, columns: 50, sparsity: 5),
    weight: 0.1, seed: 118)
  private static let (problems, testInstances) = (500, 128)
  private static let stepSize = 1e-2

  var experiment: Experiment {
    let run = ExperimentRun(
      id:
        "biases of CoordMathLSTM PBA12 on \(Self.source.words), eta = \(Self.stepSize), "
        + "\(Self.problems) problems", seconds: 0.7 * Double(Self.problems)
    ) { progress in
      let rule = try Self.source.trained(
        CoordMathLSTM.variant("PBA12", seed: Self.source.seed), stepSize: Self.stepSize,
        count: Self.problems
      ) { try progress(0.95 * $0) }
      return Self.means(rule, on: try Self.source.test(0, instances: Self.testInstances))
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
        "Means over all coordinates of \(Self.testInstances) fresh instances of LASSO 25 x 50."
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
