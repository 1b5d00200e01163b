import Catalog
import Engine
import Optimization
import Storage

/// The trained rule against gradient descent and Adam on fresh instances (E8).
struct InferenceExperiment {
  /// Published curves.
  var published: PublishedCurves

  /// The sizes of both experiments.
  private struct Size {
    /// The experiment's name.
    var name: String
    var source: String
    /// Steps of a test.
    var horizon: Int
    var rows: Int
    var columns: Int
    var gradientForm: LeastSquares.GradientForm
    /// How the rule was trained.
    var training: TrainingSetting
    /// Adam's step in all runs, and the momenta of the authors' baseline.
    var adamStep: (rule: StepRule, words: String)
    var momenta: (Double, Double)
    /// Seconds of a classical rule on one core, and of a trained one.
    var seconds: (classical: Double, learned: Double)
    /// η of the published learned curve; nil where published curves are means over all runs of a kind.
    var publishedEta: Double?
    /// Whether the grid of momenta that reaches down to β₂ = 0.1 is run too.
    var hasCoarseGrid: Bool
    var notes: [String]
  }

  /// How its curves are named, for the claim that reads them.
  static let learned = "learned, eta = "
  static let relaxed = "gradient descent, 1.9 x step"
  static let bestAdam = "Adam, best of "

  private static let instances = 32
  /// The seed of the authors' first test batch.
  private static let seed: UInt64 = 118 + 7777

  /// Both sizes: that of the plot in the repository, and that of the paper's figure 8.
  var all: [Experiment] { [experiment(Self.small), experiment(Self.large)] }

  /// Names of the experiments, for the claim that reads them.
  static let names = ["inference", "figure-8"]

  private static let small = Size(
    name: names[0], source: "paper A, section on inference", horizon: 5000, rows: 25, columns: 32,
    gradientForm: .residual,
    training: TrainingSetting(horizon: 100, scale: 100, metaStepSize: 1e-3),
    adamStep: (.constant(1e-2), "1e-2"), momenta: (0.9, 0.999), seconds: (0.5, 12),
    publishedEta: 1e-3, hasCoarseGrid: true,
    notes: [
      "The published curves end in a float32 floor and are compared above 1e-6 only.",
      "The published learned curve has η = 1e-3, as the name of its folder says.",
      "Twins have η, or Adam's step, off by 1e-6 and 1e-7 of itself, up and down; Adam's have their iterates in "
        + "single precision, too, as the authors' are.",
    ])

  private static let large: Size = {
    var training = TrainingSetting.large(horizon: 100, scale: 100)
    training.steps = 500
    return Size(
      name: names[1], source: "paper A, figure 8", horizon: 3000, rows: 400, columns: 512,
      gradientForm: .gram, training: training,
      adamStep: (.reference, "0.9999/L"), momenta: (0.7, 0.7), seconds: (3, 30),
      publishedEta: nil, hasCoarseGrid: false,
      notes: [
        "Of the plot only ends were noted; those at a float32 floor, below 1e-6, are not compared.",
        "Adam's published curve is the mean over its momenta; it rises and falls by some per cent from step to "
          + "step, in single precision by others than here.",
      ])
  }()

  private static func problem(_ size: Size) throws -> LeastSquares {
    try LeastSquares.authors(
      seed: seed, instances: instances, rows: size.rows, columns: size.columns,
      gradientForm: size.gradientForm)
  }

  /// What is tested on and where values are kept, for the ids of runs.
  private static func words(_ size: Size, _ marks: [Int]) -> String {
    "\(size.horizon) steps on \(instances) instances of d = \(size.columns), b = \(size.rows), "
      + "problem seed \(seed), at \(marks.count) steps, \(ResultCache.hash(marks.map(Double.init)))"
  }

  /// F at `marks`, increasing, from 0; every instance by itself, while its matrix stays in cache.
  private static func course(
    of rule: some UpdateRule, on problem: LeastSquares, at marks: [Int]
  ) -> [Double] {
    var sums = [Double](repeating: 0, count: marks.count)
    for i in 0..<problem.instanceCount {
      let one = problem.instances(i..<i + 1)
      var x = Vector(zeros: one.dimension)
      var state = rule.initialState(for: one)
      var t = 0
      for (place, mark) in marks.enumerated() {
        while t < mark {
          rule.step(&x, &state, on: one)
          t += 1
        }
        sums[place] += one.values(at: x)[0]
      }
    }
    return sums
  }

  private static func classical(
    _ size: Size, _ name: String, at marks: [Int],
    _ rule: @escaping @Sendable () -> some UpdateRule
  ) -> ExperimentRun {
    ExperimentRun(id: "\(name), \(words(size, marks))", seconds: size.seconds.classical) { _ in
      course(of: rule(), on: try problem(size), at: marks)
    }
  }

  private static func adam(
    _ size: Size, _ momenta: (Double, Double), at marks: [Int]
  ) -> ExperimentRun {
    let (first, second) = momenta
    let (step, words) = size.adamStep
    return classical(
      size, "Adam, \(words), \(Number.short(first)), \(Number.short(second))", at: marks
    ) { Adam(stepRule: step, beta1: first, beta2: second) }
  }

  /// The same of Adam's twins, one after another: their steps are off, and their iterates are rounded to single
  /// precision, as the authors' are.
  private static func adamTwins(
    _ size: Size, at marks: [Int]
  ) -> ExperimentRun? {
    guard case .constant(let step) = size.adamStep.rule else { return nil }
    let offsets = RoundingTwins.offsets
    let (first, second) = size.momenta
    return ExperimentRun(
      id:
        "Adam, \(size.adamStep.words), \(Number.short(first)), \(Number.short(second)), twins in single "
        + "precision, \(words(size, marks))",
      seconds: Double(offsets.count) * size.seconds.classical
    ) { _ in
      let problem = try problem(size)
      return offsets.flatMap { offset in
        let adam = Adam(stepRule: .constant(step * (1 + offset)), beta1: first, beta2: second)
        return course(of: SinglePrecision(rule: adam), on: problem, at: marks)
      }
    }
  }

  private static func setting(_ size: Size, _ eta: Double) -> TrainingSetting {
    var setting = size.training
    setting.metaStepSize = eta
    return setting
  }

  private static func learned(_ size: Size, _ eta: Double, at marks: [Int]) -> ExperimentRun {
    ExperimentRun(
      id: "\(setting(size, eta).command), then \(words(size, marks))",
      seconds: size.seconds.learned
    ) { progress in try course(size, eta, at: marks) { try progress($0) } }
  }

  /// The same of the rule's twins, one after another.
  private static func twins(_ size: Size, _ eta: Double, at marks: [Int]) -> ExperimentRun {
    let offsets = RoundingTwins.offsets
    return ExperimentRun(
      id: "\(setting(size, eta).command), twins, then \(words(size, marks))",
      seconds: Double(offsets.count) * size.seconds.learned
    ) { progress in
      try offsets.enumerated().flatMap { twin, offset in
        try course(size, eta * (1 + offset), at: marks) {
          try progress((Double(twin) + $0) / Double(offsets.count))
        }
      }
    }
  }

  /// F at `marks`, increasing, of a rule that is trained first.
  private static func course(
    _ size: Size, _ eta: Double, at marks: [Int], _ progress: (Double) throws -> Void
  ) throws -> [Double] {
    let setting = setting(size, eta)
    var done = 0
    let run = try TrainingRun.run(setting) { steps in
      done += steps
      try progress(0.5 * Double(done) / Double(setting.steps))
    }
    let rule = try setting.rule()
    let problem = try problem(size)
    var sums = [Double](repeating: 0, count: marks.count)
    for i in 0..<instances {
      let one = problem.instances(i..<i + 1)
      let values = try rule.metaObjective(
        on: one, from: Vector(zeros: one.dimension), horizon: size.horizon, loss: .last
      ).unroll(run.lastWeights ?? rule.parameters).totals
      for (place, mark) in marks.enumerated() {
        sums[place] += mark < values.count ? values[mark] : .nan
      }
      try progress(0.5 + 0.5 * Double(i + 1) / Double(instances))
    }
    return sums
  }

  /// Momenta of the authors' grid, without β₂ = 1, which divides 0 by 0.
  private static let grid = [0.1, 0.3, 0.5, 0.7, 0.9].flatMap { first in
    stride(from: 0.95, to: 0.9999, by: 0.005).map { (first, $0) }
  }
  /// Those of their first grid, `3_qp_baseline_adam_tune`.
  private static let coarseGrid = [0.1, 0.3, 0.5, 0.7, 0.9].flatMap { first in
    stride(from: 0.1, to: 0.9501, by: 0.05).map { (first, $0) }
  }

  private func experiment(_ size: Size) -> Experiment {
    let plot = published[size.name]
    // Below 1e-6 the published curves are a float32 floor.
    let places = (plot?.curves ?? []).map { curve in
      Dictionary(uniqueKeysWithValues: zip(curve.x, curve.y).filter { $0.1 > 1e-6 })
    }
    // Every curve is looked at on the same grid, whatever of it was published.
    let marks = Set(
      stride(from: 0, through: size.horizon, by: 50).map(\.self)
        + places.flatMap(\.keys)
    ).sorted()
    var runs: [ExperimentRun] = []
    var curves: [Experiment.Curve] = []
    func add(
      _ label: String, _ made: [ExperimentRun], like k: Int? = nil, twins: ExperimentRun? = nil,
      _ merge: @escaping @Sendable ([Double]) -> Double = { $0.first ?? .nan }
    ) {
      runs += made + [twins].compactMap(\.self)
      curves.append(
        Experiment.Curve(
          label: label, x: marks.map(Double.init), runs: made.map(\.id),
          values: { outcomes in marks.indices.map { place in merge(outcomes.map { $0[place] }) } },
          published: k.flatMap { k in
            places.indices.contains(k) ? marks.map { places[k][$0] ?? .nan } : nil
          },
          twins: twins.map { run in
            Experiment.Twins(runs: marks.map { _ in run.id }, values: RoundingTwins.values)
          }))
    }
    let mean: @Sendable ([Double]) -> Double = { $0.reduce(0, +) / Double($0.count) }
    let least: @Sendable ([Double]) -> Double = { $0.filter { !$0.isNaN }.min() ?? .nan }
    let isMean = size.publishedEta == nil
    let (first, second) = size.momenta
    add(
      "gradient descent",
      [
        Self.classical(size, "gradient descent, 0.9999/L", at: marks) {
          GradientDescent(stepRule: .reference)
        }
      ], like: 0)
    add(
      isMean ? "Adam, \(Number.short(first)), \(Number.short(second))" : "Adam",
      [Self.adam(size, size.momenta, at: marks)], like: isMean ? nil : 1,
      twins: isMean ? nil : Self.adamTwins(size, at: marks))
    let trained = DescentExperiments.etas.map { ($0, Self.learned(size, $0, at: marks)) }
    for (eta, run) in trained {
      let isPublished = eta == size.publishedEta
      add(
        Self.learned + Number.short(eta), [run], like: isPublished ? 2 : nil,
        twins: isPublished ? Self.twins(size, eta, at: marks) : nil)
    }
    add(
      Self.relaxed,
      [
        Self.classical(size, "gradient descent, 1.9 x 0.9999/L", at: marks) {
          GradientDescent(stepRule: .reference, relaxation: 1.9)
        }
      ])
    let fine = Self.grid.map { Self.adam(size, $0, at: marks) }
    add(Self.bestAdam + "\(fine.count) momenta at every t", fine, least)
    if isMean {
      add("learned, mean over η", trained.map(\.1), like: 2, mean)
      add("Adam, mean over \(fine.count) momenta", fine, like: 1, mean)
    }
    if size.hasCoarseGrid {
      let coarse = Self.coarseGrid.map { Self.adam(size, $0, at: marks) }
      add(Self.bestAdam + "\(coarse.count) momenta from β₂ = 0.1 at every t", coarse, least)
    }
    return Experiment(
      name: size.name,
      title:
        "Trained rules on \(Self.instances) fresh instances beyond their T, d = \(size.columns)",
      source: size.source,
      referenceCommand: "python main_train_anlys.py --config configs/2_qp_testing.yaml --test "
        + "--optimizer CoordMathDNN --input-dim \(size.columns) --output-dim \(size.rows) "
        + "--test-size \(Self.instances) --test-batch-size \(Self.instances) --test-length 5000",
      quantity: "F(X_t)", abscissa: "step t", isLogarithmic: true, closeness: .relative(1e-3),
      notes: size.notes, runs: runs, curves: curves)
  }
}
