import Catalog
import Engine
import Optimization

/// What the repository's other scripts train on matrices drawn first (`--identical-dict`): baselines,
/// and paper A's rule with e = 5,000; no plot of the paper shows them.
struct ScriptExperiment {
  static let (instances, rows, columns, horizon) = (10, 400, 512, 100)
  /// The problems' seed, that of training and 777.
  static let seed: UInt64 = 118 + 777
  /// Losses are kept at every so many training steps.
  private static let stride = 100

  /// A curve, and its training.
  private struct Entry {
    var label: String
    var eta: Double
    var steps: Int
    var secondsPerStep: Double
    var losses: @Sendable (_ eta: Double, _ steps: Int, RunProgress) throws -> [Double]

    var run: ExperimentRun {
      ExperimentRun(
        id: "\(label), d = \(columns), b = \(rows), N = \(instances), --identical-dict, "
          + "seed \(seed), T = \(horizon), eta = \(eta), \(steps) steps",
        seconds: secondsPerStep * Double(steps)
      ) { [self] progress in
        let losses = try losses(eta, steps, progress)
        return Swift.stride(from: 0, to: steps, by: ScriptExperiment.stride).map {
          $0 < losses.count && losses[$0].isFinite ? losses[$0] : .nan
        }
      }
    }

    var curve: Experiment.Curve {
      let x = Array(Swift.stride(from: 0, to: steps, by: ScriptExperiment.stride))
      return Experiment.Curve(
        label: label, x: x.map(Double.init), runs: [run.id], values: { $0[0] })
    }
  }

  /// A training on a tape, of what `make` yields.
  private static func taped(
    _ label: String, eta: Double, steps: Int, secondsPerStep: Double,
    _ make: @escaping @Sendable () throws -> (weights: Parameters, any MetaObjective)
  ) -> Entry {
    Entry(label: label, eta: eta, steps: steps, secondsPerStep: secondsPerStep) {
      eta, steps, progress in
      let (weights, objective) = try make()
      return try MetaTraining(stepSize: eta, stepsPerEpoch: steps)
        .losses(from: weights, objective, progress)
    }
  }

  static func several() throws -> LeastSquares {
    try LeastSquares.authors(
      seed: seed, instances: instances, rows: rows, columns: columns, matricesFirst: true)
  }

  /// One matrix for all instances, as with `--fixed-dict`.
  static func one() throws -> LeastSquares {
    let data = try LeastSquares.authorsOneMatrix(
      seed: seed, instances: instances, rows: rows, columns: columns)
    return try LeastSquares(
      name: "authors-\(seed)-one-matrix",
      matrices: Array(repeating: data.matrix, count: instances),
      target: Vector(data.targets.elements))
  }

  static func objective(
    _ rule: some LearnedUpdateRule, on problem: LeastSquares
  ) throws -> (weights: Parameters, any MetaObjective) {
    (
      rule.parameters,
      try rule.metaObjective(
        on: problem, from: Vector(zeros: problem.dimension), horizon: horizon, loss: .last)
    )
  }

  /// Paper A's rule; `matrices` of them were drawn before its weights.
  static func own(
    matrices: Int
  ) throws -> CoordMathDNN {
    let architecture = CoordMathDNN.Architecture(widths: [2, 5120])
    let weights = try CoordMathDNN.initialParameters(
      architecture, .orthogonal(.inOut), scale: 5000, seed: seed,
      after: matrices * rows * columns)
    return try CoordMathDNN(
      architecture: architecture, parameters: weights, stepRule: .reference)
  }

  private static func math() throws -> CoordMathLSTM {
    let head = RecurrentParts.Head(.twiceSigmoid, scale: 1)
    let architecture = RecurrentParts.Architecture.paperABaseline([.p: head, .a: head])
    return CoordMathLSTM(
      try RecurrentParts(architecture, parameters: architecture.initialParameters(seed: 118)),
      form: .reference, stepRule: .reference, stateSeed: 118)
  }

  /// An unfolded rule from the authors' start with dictionaries.
  private static func unfolded<Rule: InitializedUnfoldedRule>(
    shared: Set<String> = [], _ make: (Parameters) throws -> Rule
  ) throws -> (weights: Parameters, any MetaObjective) {
    let problem = try several()
    let start = try Rule.initialParameters(
      for: problem, layers: horizon, shared: shared, start: .reference())
    return try objective(make(start), on: problem)
  }

  /// The training of LISTA-CPSS with matrices only, whose start is the mean over `matrices` of them.
  static func matricesOnly(
    on problem: LeastSquares, matrices: Int, eta: Double, steps: Int, _ progress: RunProgress
  ) throws -> (weights: Parameters, losses: [Double]) {
    var (weights, losses) = progress.resumed(
      try LISTACPSSWOnly.scriptStart(
        seed: seed, instances: matrices, rows: rows, columns: columns, layers: horizon))
    let descent = UnfoldedDescent(
      map: problem.matrix, target: problem.target, start: Vector(zeros: problem.dimension),
      weights: weights.tensors.map(\.elements), trainings: [.init(stepSize: eta)])
    func trained() -> Parameters {
      for t in 0..<horizon { weights.tensors[t].elements = descent.weights(of: 0, at: t) }
      return weights
    }
    while losses.count < steps, losses.last?.isFinite ?? true {
      losses += descent.advance()
      try progress(Double(losses.count) / Double(steps), losses: losses, weights: trained)
    }
    return (trained(), losses)
  }

  private static func entries() -> [Entry] {
    // A tape holds 100 matrices, their gradients, and what lies between.
    let perStep = 1.2
    let selection = SupportSelection(group: .reference)
    return [
      taped("learned, e = 5,000", eta: 1e-3, steps: 5000, secondsPerStep: 0.03) {
        try objective(own(matrices: instances), on: several())
      },
      taped("learned, e = 5,000, one matrix", eta: 1e-3, steps: 5000, secondsPerStep: 0.03) {
        try objective(own(matrices: 1), on: one())
      },
      taped("Math-L2O, heads p and a", eta: 1e-3, steps: 501, secondsPerStep: 1.1) {
        try objective(math(), on: several())
      },
      Entry(
        label: "LISTA-CPSS, matrices only", eta: 1e-7, steps: 5000, secondsPerStep: 0.3
      ) { eta, steps, progress in
        try matricesOnly(
          on: several(), matrices: instances, eta: eta, steps: steps, progress
        ).losses
      },
      taped("LISTA-CPSS, shared weights", eta: 1e-3, steps: 501, secondsPerStep: perStep) {
        try unfolded(shared: ["We", "theta"]) {
          try LISTACPSS(layers: horizon, parameters: $0, selection: selection)
        }
      },
      taped(
        "LISTA-CPSS with the problem's step", eta: 1e-3, steps: 501, secondsPerStep: perStep
      ) {
        try unfolded {
          try LISTACPSSStep(
            layers: horizon, parameters: $0, stepRule: .reference, selection: selection)
        }
      },
    ]
  }

  var experiment: Experiment {
    let entries = Self.entries()
    return Experiment(
      name: "identical-dict", title: "What the repository's other scripts train, d = 512, T = 100",
      source: "paper A, scripts of the repository",
      referenceCommand:
        "python main_train_anlys.py --config configs/1_qp_training_train_anlys.yaml "
        + "--optimizer CoordMathDNN --identical-dict --input-dim 512 --output-dim 400 "
        + "--train-batch-size 10 --lstm-hidden-size 5120 --optimizer-training-steps 100 "
        + "--unroll-length 100 --global-training-steps 5000 --e 5000 --p-use --p-norm sigmoid "
        + "--loss-func last --init-lr 1e-3",
      quantity: "F(X_T)", abscissa: "training step k", isLogarithmic: true,
      closeness: .shape("no plot shows them"),
      notes: [
        "A learned rule with e = 5,000 starts as gradient descent: its value at k = 0.",
        "Ten instances, as in the other scripts of this size. A curve ends before the first loss that is not "
          + "finite.",
        "LISTA-CPSS with shared weights starts at matrices 0 and with the problem's step near 0: the threshold lets "
          + "nothing pass, so gradients are 0 and neither learns.",
        "Math-L2O's weights are those of seed 118 and its hidden states one draw of ours; the authors draw weights "
          + "after the matrices, and hidden states anew in every training step.",
      ], runs: entries.map(\.run), curves: entries.map(\.curve))
  }
}
