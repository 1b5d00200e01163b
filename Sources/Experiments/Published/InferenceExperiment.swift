import Catalog
import Engine
import Optimization
import Storage

/// The trained rule against gradient descent and Adam on fresh instances (E8).
struct InferenceExperiment {
  /// Published curves.
  var published: PublishedCurves

  /// How its curves are named, for the claim that reads them; learned ones begin with `learned`.
  static let learned = "learned"
  static let relaxed = "gradient descent, 1.9 x step"
  static let adam = "Adam, best of 50 momenta at every t"

  private static let horizon = 5000
  /// The seed of the authors' first test batch.
  private static let seed: UInt64 = 118 + 7777

  private static func problem() throws -> LeastSquares {
    var problem = try LeastSquares.authors(seed: seed, instances: 32, rows: 25, columns: 32)
    problem.gradientForm = .residual
    return problem
  }

  private static func totals(_ rule: any UpdateRule) throws -> [Double] {
    func run(_ rule: some UpdateRule) throws -> [Double] {
      let problem = try problem()
      return unroll(rule, on: problem, from: Vector(zeros: problem.dimension), horizon: horizon)
        .totals
    }
    return try run(rule)
  }

  private static func classical(
    _ name: String, seconds: Double, _ rule: @escaping @Sendable () -> any UpdateRule
  ) -> ExperimentRun {
    ExperimentRun(
      id: "\(name), \(horizon) steps on 32 instances, problem seed \(seed)", seconds: seconds
    ) {
      _ in try totals(rule())
    }
  }

  private static func learned(_ eta: Double) -> ExperimentRun {
    let setting = TrainingSetting(horizon: 100, scale: 100, metaStepSize: eta)
    return ExperimentRun(
      id: "\(setting.command), then \(horizon) steps on 32 instances, problem seed \(seed)",
      seconds: 12
    ) { progress in
      var done = 0
      let run = try TrainingRun.run(setting) { steps in
        done += steps
        try progress(0.9 * Double(done) / Double(setting.steps))
      }
      var rule = try setting.rule()
      rule.parameters = run.lastWeights ?? rule.parameters
      return try totals(rule)
    }
  }

  /// The momenta of the grid.
  private static let momenta = [0.1, 0.3, 0.5, 0.7, 0.9].flatMap { first in
    stride(from: 0.95, to: 0.9999, by: 0.005).map { (first, $0) }
  }

  var experiment: Experiment {
    let plot = published["inference"]
    let descent = Self.classical("gradient descent, 0.9999/L", seconds: 0.3) {
      GradientDescent(stepRule: .reference)
    }
    let relaxed = Self.classical("gradient descent, 1.9 x 0.9999/L", seconds: 0.3) {
      GradientDescent(stepRule: .reference, relaxation: 1.9)
    }
    let adam = Self.classical("Adam, 1e-2, 0.9, 0.999", seconds: 0.5) {
      Adam(stepRule: .constant(1e-2), beta1: 0.9, beta2: 0.999)
    }
    let grid = Self.momenta.map { first, second in
      Self.classical("Adam, 1e-2, \(Number.short(first)), \(Number.short(second))", seconds: 0.5) {
        Adam(stepRule: .constant(1e-2), beta1: first, beta2: second)
      }
    }
    let trained = DescentExperiments.etas.map { ($0, Self.learned($0)) }
    let plain = Array(stride(from: 0, through: Self.horizon, by: 50))
    func curve(
      _ label: String, _ runs: [ExperimentRun], like k: Int?,
      _ merge: @escaping @Sendable ([Double]) -> Double = { $0.first ?? .nan }
    ) -> Experiment.Curve {
      // Below 1e-6 the published curves are a float32 floor.
      let known = k.flatMap { plot?.curves[$0] }
      let pairs = known.map { zip($0.x, $0.y).filter { $0.1 > 1e-6 } }
      let places = Dictionary(uniqueKeysWithValues: pairs ?? [])
      // Every curve is looked at on the same grid, whatever of it was published.
      let x = Set(plain + places.keys).sorted()
      return Experiment.Curve(
        label: label, x: x.map(Double.init), runs: runs.map(\.id),
        values: { outcomes in
          x.map { t in merge(outcomes.map { t < $0.count ? $0[t] : .nan }) }
        },
        published: known.map { _ in x.map { places[$0] ?? .nan } })
    }
    return Experiment(
      name: "inference",
      title: "Trained rules on fresh instances, beyond the steps they were trained for",
      source: "paper A, section on inference",
      referenceCommand: "python main_train_anlys.py --config configs/2_qp_testing.yaml --test "
        + "--optimizer CoordMathDNN --input-dim 32 --output-dim 25 --test-size 32 --test-batch-size 32 "
        + "--test-length 5000",
      quantity: "F(X_t)", abscissa: "step t", isLogarithmic: true, closeness: .relative(1e-3),
      notes: [
        "The published curves end in a float32 floor and are compared above 1e-6 only.",
        "The published plot does not say which training step size its learned curve has; η = 1e-3 comes nearest.",
        "Adam's bursts below 1e-5 are rounding that it amplifies; single and double precision part ways there.",
      ],
      runs: [descent, relaxed, adam] + grid + trained.map(\.1),
      curves: [
        curve("gradient descent", [descent], like: 0),
        curve("Adam", [adam], like: 1),
      ]
        + trained.map { eta, run in
          curve("\(Self.learned), eta = \(Number.short(eta))", [run], like: eta == 1e-3 ? 2 : nil)
        } + [
          curve(Self.relaxed, [relaxed], like: nil),
          curve(Self.adam, grid, like: nil) {
            $0.filter { !$0.isNaN }.min() ?? .nan
          },
        ])
  }
}
