import Catalog
import Engine
import Optimization

/// LISTA-CPSS (matrices only) trained layer by layer on 2,048 instances with a matrix each (figure 7, the
/// third curve): its first pass over the layers, and all of the 13 that the authors' plotting code reads.
struct SeparateLayersExperiment {
  /// Published curves, where there are any.
  var published: PublishedCurves

  private typealias Script = LayerwiseScript

  /// η, from the name of the folder that the authors' plotting code reads.
  private static let eta = 1e-3

  /// Passes over all layers that the plot shows, where one stands for 400 of the other curve's 5,000 steps.
  private static let passes = 13

  /// What a pass takes with the steps that ``coarse`` leaves.
  private static let secondsPerPass = 400.0

  /// The share of η below which all passes leave a step out: those of layers 9 and more back in the second
  /// stage, of 7 and more in the third.
  ///
  /// All of them together, η Σ 0.2 · 0.3^k from k = 9 on and η Σ 0.02 · 0.3^k from k = 7 on, would move a
  /// weight by 1.2e-5 η.
  private static let coarse = 1e-5

  /// The losses of all layers, pass by pass.
  private static func training(passes: Int, precision: Double, secondsPerPass: Double)
    -> ExperimentRun
  {
    ExperimentRun(
      id: "LISTACPSSWOnly layer by layer, d = \(Script.columns), b = \(Script.rows), "
        + "N = \(Script.instances), a matrix each, drawn first, seed \(Script.seed), "
        + "\(Script.layers) layers from next to nothing, eta = \(Self.eta), \(passes) passes, "
        + "steps below \(precision) eta left out",
      seconds: secondsPerPass * Double(passes)
    ) { progress in
      let (n, rows, columns) = (Script.instances, Script.rows, Script.columns)
      var stream = ReferenceStream(seed: Script.seed)
      // The matrices were drawn before: one word of the stream for an entry, where there are 16 and more.
      for _ in 0..<(n * rows * columns) { _ = stream.rawWord() }
      let start = LISTACPSSWOnly.blindStart(
        &stream, rows: rows, columns: columns, layers: Script.layers)
      let problem = try LeastSquares.authors(
        seed: Script.seed, instances: n, rows: rows, columns: columns, matricesFirst: true,
        gradientForm: .residual)
      return try Script.train(start, passes: passes, progress) { weights in
        UnfoldedLayers(
          map: problem.matrix, target: problem.target, weights: weights, stepSize: Self.eta,
          precision: precision, threads: progress.threads)
      }.losses
    }
  }

  private static let stepNote =
    "η = 1e-3 and a start next to nothing are in the name of the folder that the authors' plotting code reads."

  /// The first pass, and all of them.
  var all: [Experiment] { [firstPass, everyPass] }

  private func experiment(
    _ name: String, _ title: String, abscissa: String, x: [Double], run: ExperimentRun,
    notes: [String], published: [Double]?, values: @escaping @Sendable ([Double]) -> [Double]
  ) -> Experiment {
    Experiment(
      name: name, title: title, source: "paper A, figure 7",
      referenceCommand: Script.referenceCommand("--val-size 2048", stepSize: "1e-3"),
      quantity: "F(X_l)",
      abscissa: abscissa, isLogarithmic: true, closeness: .relative(1e-3),
      notes: notes, runs: [run],
      curves: [
        Experiment.Curve(
          label: Script.label, x: x, runs: [run.id], values: { values($0[0]) }, published: published
        )
      ])
  }

  private var curve: PublishedCurves.Curve? { published["figure-7-lista"]?.curves[0] }

  private var firstPass: Experiment {
    let x = (1...Script.layers).map(Double.init)
    return experiment(
      "figure-7-first-pass",
      "LISTA-CPSS on 2,048 matrices, the first of \(Self.passes) passes, d = 512",
      abscissa: "layer l", x: x,
      run: Self.training(passes: 1, precision: Script.precision, secondsPerPass: 600),
      notes: Script.notes + [
        Self.stepNote, "The published point is the first number that was noted of the plot.",
      ],
      published: curve.map { curve in
        x.map { Int($0) == Script.layers ? curve.y[0] : .nan }
      }
    ) { $0 }
  }

  private var everyPass: Experiment {
    let x = (0..<Self.passes).map(Double.init)
    return experiment(
      "figure-7-lista", "LISTA-CPSS trained layer by layer on 2,048 matrices, d = 512",
      abscissa: "pass k over all layers", x: x,
      run: Self.training(
        passes: Self.passes, precision: Self.coarse, secondsPerPass: Self.secondsPerPass),
      notes: [
        Script.notes[0], Self.stepNote,
        "A pass stands for 400 training steps in the plot, which ends with the 13th.",
        "Steps of earlier layers that are less than 1e-5 of the first step of the layer that is trained are "
          + "left out, which `figure-7-first-pass` does not do.",
      ],
      published: curve.map { LargeBatchExperiment.values($0, at: x) }
    ) { Script.ofLastLayer($0) }
  }
}
