import Catalog
import Engine
import Optimization

/// LISTA-CPSS (matrices only) trained layer by layer on 2,048 instances with a matrix each (figure 7, the
/// third curve): its first pass over the layers, and all of them.
struct SeparateLayersExperiment {
  /// Published curves, where there are any.
  var published: PublishedCurves

  private static let (instances, rows, columns, layers) = (2048, 400, 512, 100)
  private static let eta = 5e-4
  /// Passes over all layers.
  private static let passes = 50
  /// The problems' seed, that of training and 777.
  private static let seed: UInt64 = 118 + 777
  private static let name = "LISTA-CPSS, matrices only"
  private static let secondsPerPass = 2100.0

  /// What a training goes through, `losses` at a time: the losses of all layers, pass by pass.
  private static func training(passes: Int) -> ExperimentRun {
    ExperimentRun(
      id: "LISTACPSSWOnly layer by layer, d = \(columns), b = \(rows), N = \(instances), "
        + "a matrix each, drawn first, seed \(seed), \(layers) layers, eta = \(eta), \(passes) passes",
      seconds: secondsPerPass * Double(passes)
    ) { progress in
      let start = try LISTACPSSWOnly.scriptStart(
        seed: seed, instances: instances, rows: rows, columns: columns, layers: layers)
      let problem = try LeastSquares.authors(
        seed: seed, instances: instances, rows: rows, columns: columns, matricesFirst: true,
        gradientForm: .residual)
      var (weights, losses) = progress.resumed(start)
      let training = UnfoldedLayers(
        map: problem.matrix, target: problem.target, weights: weights.tensors.map(\.elements),
        stepSize: eta, precision: Double(Float.ulpOfOne) / 2)
      func share(_ layer: Int) -> Double {
        Double(losses.count + layer) / Double(layers * passes)
      }
      while losses.count < passes * layers {
        losses += try training.advance { try progress(share($0)) }
        try progress(share(0), losses: losses) {
          for t in 0..<layers { weights.tensors[t].elements = training.weights(at: t) }
          return weights
        }
      }
      return losses
    }
  }

  /// The first pass, and all of them.
  var all: [Experiment] { [firstPass, everyPass] }

  private static let referenceCommand =
    "python main_unroll_listas.py --optimizer LISTACPSSWOnly --identical-dict --input-dim 512 "
    + "--output-dim 400 --train-batch-size 2048 --val-size 2048 --layers 100 --train-size 50 "
    + "--init-lr 5e-4"

  private static let notes = [
    "Of the plot only ends were noted. A layer's step is η times the sign of its gradient.",
    "Steps that a weight in single precision would not notice, those of layers 14 and more before the one "
      + "that is trained, are left out.",
  ]

  private func experiment(
    _ name: String, _ title: String, abscissa: String, x: [Double], passes: Int,
    notes: [String], published: [Double]?, values: @escaping @Sendable ([Double]) -> [Double]
  ) -> Experiment {
    let run = Self.training(passes: passes)
    return Experiment(
      name: name, title: title, source: "paper A, figure 7",
      referenceCommand: Self.referenceCommand, quantity: "F(X_l)", abscissa: abscissa,
      isLogarithmic: true, closeness: .relative(1e-3), notes: Self.notes + notes, runs: [run],
      curves: [
        Experiment.Curve(
          label: Self.name, x: x, runs: [run.id], values: { values($0[0]) }, published: published)
      ])
  }

  private var curve: PublishedCurves.Curve? { published["figure-7-lista"]?.curves[0] }

  private var firstPass: Experiment {
    let x = (1...Self.layers).map(Double.init)
    return experiment(
      "figure-7-first-pass", "LISTA-CPSS on 2,048 matrices, the first of 50 passes, d = 512",
      abscissa: "layer l", x: x, passes: 1,
      notes: ["The plot begins with the last layer's loss in this pass."],
      published: curve.map { curve in
        x.map { Int($0) == Self.layers ? curve.y[0] : .nan }
      }
    ) { $0 }
  }

  private var everyPass: Experiment {
    let x = (0..<Self.passes).map(Double.init)
    return experiment(
      "figure-7-lista", "LISTA-CPSS trained layer by layer on 2,048 matrices, d = 512",
      abscissa: "pass k over all layers", x: x, passes: Self.passes, notes: [],
      published: curve.map { LargeBatchExperiment.values($0, at: x) }
    ) { losses in
      x.map { losses[Int($0) * Self.layers + Self.layers - 1] }
    }
  }
}
