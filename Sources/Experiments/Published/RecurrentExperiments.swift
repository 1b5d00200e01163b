import Catalog
import Checks
import Engine
import Optimization
import Storage

/// Paper B's rule in its seven variants, trained here and run on fresh instances (E5, E6).
struct RecurrentExperiments {
  /// What is trained and tested on.
  struct Setting: Sendable {
    var name: String
    var title: String
    var source: FreshProblems
    var head: RecurrentParts.Head
    var stepSize: Double
    /// Seconds of one training problem on one core.
    var secondsPerProblem: Double
    var testInstances: Int

    var id: String {
      "\(source.words), eta = \(stepSize)"
    }
  }

  private static let training = (problems: 500, horizon: 100, segment: 20)
  private static let variants = ["PBA12", "PBA1", "PBA2", "PBA", "PA", "P", "A"]
  /// Iterations of a test.
  private static let testHorizon = 1000

  private static func lasso(_ rows: Int, _ columns: Int, _ sparsity: Int) -> FreshProblems {
    FreshProblems(
      .lasso,
      size: SparseRegressionSize(instances: 64, rows: rows, columns: columns, sparsity: sparsity),
      weight: 0.1, seed: 118)
  }

  /// All of them.
  var all: [Experiment] {
    let small = Setting(
      name: "ablation-small", title: "Seven variants of paper B's rule on LASSO 25 x 50",
      source: Self.lasso(25, 50, 5), head: .init(), stepSize: 1e-2, secondsPerProblem: 0.7,
      testInstances: 128)
    let full = Setting(
      name: "ablation", title: "Seven variants of paper B's rule on LASSO 250 x 500",
      source: Self.lasso(250, 500, 50), head: .init(), stepSize: 1e-2, secondsPerProblem: 11,
      testInstances: 128)
    return [ablation(small), ablation(full), biases(small)]
  }

  // MARK: Training

  private static func rule(_ variant: String, _ setting: Setting) throws -> CoordMathLSTM {
    guard
      let architecture = RecurrentParts.Architecture.variant(variant, head: setting.head)
    else { preconditionFailure("\(variant) is one of the seven") }
    return CoordMathLSTM(
      try RecurrentParts(
        architecture, parameters: architecture.initialParameters(seed: setting.source.seed)),
      form: .paper, stateSeed: setting.source.seed)
  }

  /// The rule after training, on one thread; the last weights, as nothing is held out.
  private static func trained(
    _ variant: String, _ setting: Setting, _ progress: (Double) throws -> Void
  ) throws -> CoordMathLSTM {
    var rule = try rule(variant, setting)
    let plan = TruncatedTraining(
      optimizer: .adam(), stepSize: setting.stepSize, horizon: training.horizon,
      segment: training.segment)
    var state = plan.initialState(rule.parameters)
    while state.problems < training.problems, state.stop == nil {
      func train(_ problem: some LinearModelProblem) {
        plan.advance(
          &state, rule, on: problem, from: Vector(zeros: problem.dimension),
          seed: SplitMix64(seed: setting.source.seed).derived(state.problems).state, threads: 1)
      }
      train(try setting.source.training(state.problems))
      try progress(Double(state.problems) / Double(training.problems))
    }
    rule.parameters = state.parameters
    return rule
  }

  private static func curve(_ rule: any UpdateRule, _ setting: Setting) throws -> [Double] {
    try GapExperiment.gaps(
      of: rule, on: setting.source.test(0, instances: setting.testInstances), horizon: testHorizon)
  }

  private static func run(_ variant: String, _ setting: Setting) -> ExperimentRun {
    ExperimentRun(
      id:
        "CoordMathLSTM \(variant) on \(setting.id), \(training.problems) problems of \(training.horizon) "
        + "steps in segments of \(training.segment), mean gap over \(setting.testInstances) fresh instances",
      seconds: setting.secondsPerProblem * Double(training.problems)
    ) { progress in
      let rule = try trained(variant, setting) { try progress(0.95 * $0) }
      return try curve(rule, setting)
    }
  }

  // MARK: Experiments

  private func ablation(_ setting: Setting) -> Experiment {
    let runs = Self.variants.map { ($0, Self.run($0, setting)) }
    let classical: [(String, ExperimentRun)] = [
      ("ISTA", ProximalGradient(stepRule: .instance) as any UpdateRule),
      ("FISTA", FISTA(stepRule: .instance)),
    ].map { name, rule in
      (
        name,
        ExperimentRun(
          id: "\(name) on \(setting.id), mean gap over \(setting.testInstances) fresh instances",
          seconds: 20
        ) { _ in try Self.curve(rule, setting) }
      )
    }
    let marks = GapExperiment.marks(to: Self.testHorizon)
    return Experiment(
      name: setting.name, title: setting.title, source: "paper B, figure 1",
      referenceCommand:
        "python main.py --config configs/1_lasso_training.yaml --optimizer CoordMathLSTM "
        + "--p-use --a-use --b-use --b1-use --b2-use",
      quantity: "mean of (F - F*) / F*", abscissa: "iteration", isLogarithmic: true,
      closeness: .shape("no curve of it was published as numbers"),
      notes: [
        "Gaps are taken with respect to certified minima. Curves stop being distances from the minimum where "
          + "they reach the certificates' rounding, about 1e-14."
      ],
      runs: runs.map(\.1) + classical.map(\.1),
      curves: (runs + classical).map { GapExperiment.curve($0, $1, at: marks) })
  }

  /// Figure 2: what the learned biases do along a run.
  private func biases(_ setting: Setting) -> Experiment {
    let steps = 100
    let run = ExperimentRun(
      id: "biases of CoordMathLSTM PBA12 on \(setting.id), \(Self.training.problems) problems",
      seconds: setting.secondsPerProblem * Double(Self.training.problems)
    ) { progress in
      let rule = try Self.trained("PBA12", setting) { try progress(0.95 * $0) }
      let problem = try setting.source.test(0, instances: setting.testInstances)
      func observed(_ problem: some LinearModelProblem) -> [Double] {
        let observations = Observations()
        var state = FormulaState(
          stepSizes: rule.stepRule.stepSizes(for: problem),
          carry: rule.initialCarry(for: problem, seed: setting.source.seed))
        var x = Vector(zeros: problem.dimension)
        for _ in 0..<steps { rule.step(&x, &state, on: problem, observer: observations) }
        return ["raw_b1", "raw_b2"].flatMap { name in
          (observations.values[name] ?? []).map { matrix in
            matrix.elements.reduce(0) { $0 + abs($1) } / Double(max(1, matrix.elements.count))
          }
        }
      }
      return observed(problem)
    }
    let x = (1...steps).map(Double.init)
    return Experiment(
      name: "biases", title: "Learned biases of the full scheme along a run",
      source: "paper B, figure 2",
      referenceCommand:
        "python main.py --config configs/1_lasso_training.yaml --optimizer CoordMathLSTM "
        + "--p-use --a-use --b-use --b1-use --b2-use",
      quantity: "mean of |b|", abscissa: "iteration", isLogarithmic: true,
      closeness: .shape("no curve of it was published as numbers"),
      notes: [
        "Means over all coordinates of \(setting.testInstances) fresh instances of LASSO 25 x 50."
      ],
      runs: [run],
      curves: ["b1", "b2"].enumerated().map { i, name in
        Experiment.Curve(
          label: name, x: x, runs: [run.id],
          values: { outcomes in
            x.indices.map { k in
              let place = i * steps + k
              return place < outcomes[0].count ? outcomes[0][place] : .nan
            }
          }, published: nil)
      })
  }
}
