import Catalog
import Engine
import Optimization

/// LISTA-CPSS (matrices only) trained layer by layer on 2,048 instances of one matrix (figure 6a), and the
/// trained layers on instances of other matrices (figure 6b).
struct UnrolledExperiment {
  /// Published curves, where there are any.
  var published: PublishedCurves

  private typealias Script = LayerwiseScript

  private static let testInstances = 32

  private static let setting =
    "d = \(Script.columns), b = \(Script.rows), one matrix, seed \(Script.seed), \(Script.layers) layers"

  private static func draw() throws -> (unscaled: Matrix, matrix: Matrix, targets: Matrix) {
    try LeastSquares.authorsOneMatrix(
      seed: Script.seed, instances: Script.instances, rows: Script.rows, columns: Script.columns)
  }

  /// F of gradient descent after as many steps as there are layers.
  private static var descent: ExperimentRun {
    ExperimentRun(
      id: "gradient descent, \(setting), N = \(Script.instances)", seconds: 10
    ) { _ in
      let data = try draw()
      let step = 0.9999 / (try data.matrix.squaredSpectralNorm())
      // A step maps residuals y - M x, as rows, by I - s M Mᵀ.
      var map = Matrix(identity: Script.rows)
      let squares = Matrix.product(data.matrix, .plain, data.matrix, .transposed)
      for k in map.elements.indices { map.elements[k] -= step * squares.elements[k] }
      var residuals = data.targets
      for _ in 0..<Script.layers { residuals = Matrix.product(residuals, .plain, map, .plain) }
      return [residuals.elements.reduce(0) { $0 + $1 * $1 } / 2]
    }
  }

  /// The losses of the last layer pass by pass, then F of the trained layers at every step of the test.
  private static var training: ExperimentRun {
    ExperimentRun(
      id:
        "LISTACPSSWOnly layer by layer, \(setting), N = \(Script.instances), eta = \(Script.eta), "
        + "\(Script.passes) passes, then \(testInstances) instances of other matrices",
      seconds: 70 * Double(Script.passes)
    ) { progress in
      let data = try draw()
      // Where their layers start is asked of one instance: all have the same matrix.
      let one = try LeastSquares(
        name: "one instance", matrices: [data.matrix],
        target: Vector(Array(data.targets.elements.prefix(Script.rows))))
      let start = try LISTACPSSWOnly.initialParameters(
        for: one, layers: Script.layers, start: .reference(), dictionary: data.unscaled)
      let (weights, losses) = try Script.train(start, passes: Script.passes, progress) { weights in
        try UnfoldedLayers(
          matrix: data.matrix, targets: data.targets, weights: weights, stepSize: Script.eta,
          precision: Script.precision)
      }
      let test = try LeastSquares.authors(
        seed: Script.seed, instances: testInstances, rows: Script.rows, columns: Script.columns)
      let rule = try LISTACPSSWOnly(layers: Script.layers, parameters: weights)
      return Script.ofLastLayer(losses)
        + unroll(rule, on: test, from: Vector(zeros: test.dimension), horizon: Script.layers).totals
    }
  }

  /// Both of them; they share their training.
  var all: [Experiment] { [trained, tested] }

  private static let referenceCommand = Script.referenceCommand("--fixed-dict")

  private static let factorNote =
    "All instances have one matrix: their losses and gradients follow from the sum of y yᵀ, exactly."

  private var trained: Experiment {
    let plot = published["figure-6a"]
    let x = (0..<Script.passes).map(Double.init)
    return Experiment(
      name: "figure-6a", title: "LISTA-CPSS trained layer by layer on one matrix, d = 512",
      source: "paper A, figure 6a", referenceCommand: Self.referenceCommand,
      quantity: "F(X_100)", abscissa: "pass k over all layers", isLogarithmic: true,
      closeness: .relative(1e-3),
      notes: [
        Self.factorNote,
        "Where the loss has shrunk to rounding of its start, curves need not agree.",
      ] + Script.notes, runs: [Self.descent, Self.training],
      curves: [
        Experiment.Curve(
          label: BaselineExperiments.descent, x: x, runs: [Self.descent.id],
          values: { outcomes in x.map { _ in outcomes[0].first ?? .nan } },
          published: plot.map { LargeBatchExperiment.values($0.curves[0], at: x) }),
        Experiment.Curve(
          label: Script.label, x: x, runs: [Self.training.id],
          values: { Array($0[0].prefix(x.count)) },
          published: plot.map { LargeBatchExperiment.values($0.curves[1], at: x) }),
      ])
  }

  private var tested: Experiment {
    let x = (0...Script.layers).map(Double.init)
    return Experiment(
      name: "figure-6b",
      title: "LISTA-CPSS trained on one matrix, tested on \(Self.testInstances) others",
      source: "paper A, figure 6b",
      referenceCommand: Self.referenceCommand + " --test --test-size 32 --test-batch-size 32",
      quantity: "F(X_t)", abscissa: "step t", isLogarithmic: true,
      closeness: .shape("of the plot only its end is known, about 1e29"),
      notes: [
        Self.factorNote,
        "The paper's test goes on for 5,000 steps with the last layer's matrix; its plot shows 100.",
      ], runs: [Self.training],
      curves: [
        Experiment.Curve(
          label: Script.label, x: x, runs: [Self.training.id],
          values: { Array($0[0].dropFirst(Script.passes)) })
      ])
  }
}
