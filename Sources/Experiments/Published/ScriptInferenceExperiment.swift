import Catalog
import Engine
import Optimization

/// What the repository's other scripts train, on instances that training never saw and beyond its T
/// (`4_qp_l2o_p_inference4training.sh`), on random matrices and on the one of the training.
struct ScriptInferenceExperiment {
  private typealias Scripts = ScriptExperiment

  private static let instances = 32
  private static let horizon = 5000
  /// The seed of the authors' first test batch.
  private static let seed: UInt64 = 118 + 7777
  private static let marks = Array(stride(from: 0, through: horizon, by: 50))

  /// What is tested on.
  private enum Test: String {
    case several = "random matrices"
    case one = "one matrix"

    func problem() throws -> LeastSquares {
      let (rows, columns) = (Scripts.rows, Scripts.columns)
      switch self {
      case .several:
        return try LeastSquares.authors(
          seed: seed, instances: instances, rows: rows, columns: columns)
      case .one:
        let data = try LeastSquares.authorsOneMatrix(
          seed: Scripts.seed, instances: instances, rows: rows, columns: columns, pointSeed: seed)
        return try LeastSquares(
          name: "authors-\(seed)-one-matrix",
          matrices: Array(repeating: data.matrix, count: instances),
          target: Vector(data.targets.elements))
      }
    }
  }

  private struct Entry {
    var label: String
    var test: Test
    /// How it was trained, for the run's id.
    var training: String
    var seconds: Double
    /// Trains, and yields what tells F of an instance at all steps from 0 on, as far as it is finite.
    var prepare: @Sendable (RunProgress) throws -> (_ instance: LeastSquares) throws -> [Double]

    var run: ExperimentRun {
      ExperimentRun(
        id: "\(label), \(training), then \(horizon) steps on \(instances) instances, "
          + "\(test.rawValue), d = \(Scripts.columns), b = \(Scripts.rows), problem seed \(seed)",
        seconds: seconds
      ) { [self] progress in
        let totals = try prepare(progress)
        let problem = try test.problem()
        // Every instance by itself, while its matrix stays in cache.
        return try (0..<instances).reduce(into: marks.map { _ in 0.0 }) { sums, i in
          let own = try totals(problem.instances(i..<i + 1))
          for (place, mark) in marks.enumerated() {
            sums[place] += mark < own.count && own[mark].isFinite ? own[mark] : .nan
          }
          try progress(1)
        }
      }
    }

    var curve: Experiment.Curve {
      Experiment.Curve(
        label: "\(label), \(test.rawValue)", x: marks.map(Double.init), runs: [run.id],
        values: { $0[0] })
    }
  }

  private static func descent(_ test: Test) -> Entry {
    Entry(label: "gradient descent", test: test, training: "0.9999/L", seconds: 15) { _ in
      { instance in
        unroll(
          GradientDescent(stepRule: .reference), on: instance,
          from: Vector(zeros: instance.dimension), horizon: horizon
        ).totals
      }
    }
  }

  /// Paper A's rule, trained on ten instances of `test`'s kind.
  private static func learned(_ test: Test) -> Entry {
    let (eta, steps) = (1e-3, 5000)
    return Entry(
      label: "learned, e = 5,000", test: test,
      training: "T = \(Scripts.horizon), eta = \(eta), \(steps) steps", seconds: 180
    ) { progress in
      let rule = try Scripts.own(matrices: test == .one ? 1 : Scripts.instances)
      let (start, objective) = try Scripts.objective(
        rule, on: test == .one ? Scripts.one() : Scripts.several())
      let trained = try MetaTraining(stepSize: eta, stepsPerEpoch: steps)
        .trained(from: start, objective, progress).weights
      return { instance in
        try rule.metaObjective(
          on: instance, from: Vector(zeros: instance.dimension), horizon: horizon, loss: .last
        ).unroll(trained).totals
      }
    }
  }

  /// LISTA-CPSS, whose last layer goes on beyond its T.
  private static var unfolded: Entry {
    let (eta, steps) = (1e-7, 5000)
    return Entry(
      label: "LISTA-CPSS, matrices only", test: .one,
      training: "T = \(Scripts.horizon), eta = \(eta), \(steps) steps", seconds: 1600
    ) { progress in
      let trained = try Scripts.matricesOnly(
        on: Scripts.one(), matrices: 1, eta: eta, steps: steps, progress
      ).weights
      let rule = try LISTACPSSWOnly(layers: Scripts.horizon, parameters: trained)
      return { instance in
        unroll(rule, on: instance, from: Vector(zeros: instance.dimension), horizon: horizon).totals
      }
    }
  }

  var experiment: Experiment {
    let entries = [
      Self.descent(.several), Self.learned(.several), Self.descent(.one), Self.learned(.one),
      Self.unfolded,
    ]
    return Experiment(
      name: "inference-scripts",
      title: "What the other scripts train, on \(Self.instances) fresh instances, d = 512",
      source: "paper A, scripts of the repository",
      referenceCommand: "python main_train_anlys.py --config configs/2_qp_testing.yaml --test "
        + "--optimizer CoordMathDNN --identical-dict --fixed-dict --input-dim 512 --output-dim 400 "
        + "--test-size \(Self.instances) --test-batch-size \(Self.instances) --test-length 5000",
      quantity: "F(X_t)", abscissa: "step t", isLogarithmic: true,
      closeness: .shape("no plot shows them"),
      notes: [
        "A test on one matrix has that of the training, and points of its own.",
        "LISTA-CPSS has \(Scripts.horizon) layers and goes on with the last one; its test on random matrices ends "
          + "with an error in the authors' code.",
        "A curve ends before the first value that is not finite.",
      ], runs: entries.map(\.run), curves: entries.map(\.curve))
  }
}
