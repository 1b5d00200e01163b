import Catalog
import Engine
import Optimization

/// LISTA-CPSS (matrices only) trained layer by layer on 2,048 instances of one matrix (figure 6a), and the
/// trained layers on instances of other matrices (figure 6b).
struct UnrolledExperiment {
  /// Published curves, where there are any.
  var published: PublishedCurves

  private static let (instances, rows, columns, layers) = (2048, 400, 512, 100)
  private static let eta = 5e-4
  /// Passes over all layers.
  private static let passes = 50
  /// The problems' seed, that of training and 777; the authors' first test batch has the same.
  private static let seed: UInt64 = 118 + 777
  private static let testInstances = 32
  private static let name = "LISTA-CPSS, matrices only"

  private static let setting =
    "d = \(columns), b = \(rows), one matrix, seed \(seed), \(layers) layers"

  /// F of gradient descent after as many steps as there are layers.
  private static var descent: ExperimentRun {
    ExperimentRun(
      id: "gradient descent, \(setting), N = \(instances)", seconds: 10
    ) { _ in
      let data = try LeastSquares.authorsOneMatrix(
        seed: seed, instances: instances, rows: rows, columns: columns)
      let step = 0.9999 / (try data.matrix.squaredSpectralNorm())
      // A step maps residuals y - M x, as rows, by I - s M Mᵀ.
      var map = Matrix(identity: rows)
      let squares = Matrix.product(data.matrix, .plain, data.matrix, .transposed)
      for k in map.elements.indices { map.elements[k] -= step * squares.elements[k] }
      var residuals = data.targets
      for _ in 0..<layers { residuals = Matrix.product(residuals, .plain, map, .plain) }
      return [residuals.elements.reduce(0) { $0 + $1 * $1 } / 2]
    }
  }

  /// The losses of the last layer pass by pass, then F of the trained layers at every step of the test.
  private static var training: ExperimentRun {
    ExperimentRun(
      id: "LISTACPSSWOnly layer by layer, \(setting), N = \(instances), eta = \(eta), "
        + "\(passes) passes, then \(testInstances) instances of other matrices",
      seconds: 70 * Double(passes)
    ) { progress in
      let data = try LeastSquares.authorsOneMatrix(
        seed: seed, instances: instances, rows: rows, columns: columns)
      // Where their layers start is asked of one instance: all have the same matrix.
      let one = try LeastSquares(
        name: "one instance", matrices: [data.matrix],
        target: Vector(Array(data.targets.elements.prefix(rows))))
      var weights = try LISTACPSSWOnly.initialParameters(
        for: one, layers: layers, start: .reference(), dictionary: data.unscaled)
      var losses: [Double]
      (weights, losses) = progress.resumed(weights)
      let training = try UnfoldedLayers(
        matrix: data.matrix, targets: data.targets, weights: weights.tensors.map(\.elements),
        stepSize: eta, precision: Double(Float.ulpOfOne) / 2)
      func share(_ layer: Int) -> Double {
        (Double(losses.count) + Double(layer) / Double(layers)) / Double(passes)
      }
      func trained() -> Parameters {
        for t in 0..<layers { weights.tensors[t].elements = training.weights(at: t) }
        return weights
      }
      while losses.count < passes {
        let ofLayers = try training.advance { try progress(share($0)) }
        losses.append(ofLayers.last ?? .nan)
        try progress(share(0), losses: losses, weights: trained)
      }
      let test = try LeastSquares.authors(
        seed: seed, instances: testInstances, rows: rows, columns: columns)
      let rule = try LISTACPSSWOnly(layers: layers, parameters: trained())
      return losses
        + unroll(rule, on: test, from: Vector(zeros: test.dimension), horizon: layers).totals
    }
  }

  /// Both of them; they share their training.
  var all: [Experiment] { [trained, tested] }

  private static let referenceCommand =
    "python main_unroll_listas.py --optimizer LISTACPSSWOnly --identical-dict --fixed-dict "
    + "--input-dim 512 --output-dim 400 --train-batch-size 2048 --layers 100 --train-size 50 "
    + "--init-lr 5e-4"

  private static let factorNote =
    "All instances have one matrix: their losses and gradients follow from the sum of y yᵀ, exactly."

  private var trained: Experiment {
    let plot = published["figure-6a"]
    let x = (0..<Self.passes).map(Double.init)
    return Experiment(
      name: "figure-6a", title: "LISTA-CPSS trained layer by layer on one matrix, d = 512",
      source: "paper A, figure 6a", referenceCommand: Self.referenceCommand,
      quantity: "F(X_100)", abscissa: "pass k over all layers", isLogarithmic: true,
      closeness: .relative(1e-3),
      notes: [
        Self.factorNote,
        "Of the plot only ends were noted. A layer's step is η times the sign of its gradient, in single "
          + "precision there: where the loss has shrunk to rounding of its start, curves need not agree.",
        "Steps that a weight in single precision would not notice, those of layers 14 and more before the one "
          + "that is trained, are left out.",
      ], runs: [Self.descent, Self.training],
      curves: [
        Experiment.Curve(
          label: BaselineExperiments.descent, x: x, runs: [Self.descent.id],
          values: { outcomes in x.map { _ in outcomes[0].first ?? .nan } },
          published: plot.map { LargeBatchExperiment.values($0.curves[0], at: x) }),
        Experiment.Curve(
          label: Self.name, x: x, runs: [Self.training.id],
          values: { Array($0[0].prefix(x.count)) },
          published: plot.map { LargeBatchExperiment.values($0.curves[1], at: x) }),
      ])
  }

  private var tested: Experiment {
    let x = (0...Self.layers).map(Double.init)
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
          label: Self.name, x: x, runs: [Self.training.id],
          values: { Array($0[0].dropFirst(Self.passes)) })
      ])
  }
}
