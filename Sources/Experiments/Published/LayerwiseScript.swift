import Catalog
import Engine
import Optimization

/// What the authors' `main_unroll_listas.py` does in figures 6 and 7: LISTA-CPSS with matrices only, trained
/// layer by layer on 2,048 instances, in 50 passes over 100 layers.
enum LayerwiseScript {
  static let (instances, rows, columns, layers) = (2048, 400, 512, 100)
  /// η on one matrix.
  static let eta = 5e-4
  /// Passes over all layers.
  static let passes = 50
  /// The problems' seed, that of training and 777.
  static let seed: UInt64 = 118 + 777
  /// The rule, as curves name it.
  static let label = "LISTA-CPSS, matrices only"
  /// The half of a step in single precision, below which a weight does not notice it.
  static let precision = Double(Float.ulpOfOne) / 2

  /// What must be known beside the curves of either figure.
  static let notes = [
    "Of the plot only ends were noted. A layer's step is η times the sign of its gradient, in single precision "
      + "there.",
    "Steps of earlier layers that a weight in single precision would not notice are left out.",
  ]

  /// The authors' command; `options` choose the matrices.
  static func referenceCommand(_ options: String, stepSize: String = "5e-4") -> String {
    "python main_unroll_listas.py --optimizer LISTACPSSWOnly --identical-dict \(options) "
      + "--input-dim 512 --output-dim 400 --train-batch-size 2048 --layers 100 --train-size 50 "
      + "--init-lr \(stepSize)"
  }

  /// Trains from `start`, or from where it was cut, with what `make` puts the weights into.
  ///
  /// - Returns: the weights, and the losses of all layers, pass by pass.
  /// - Throws: what `make` throws; what ends the run.
  static func train(
    _ start: Parameters, passes: Int, _ progress: RunProgress,
    _ make: (_ weights: [[Double]]) throws -> UnfoldedLayers
  ) throws -> (weights: Parameters, losses: [Double]) {
    var (weights, losses) = progress.resumed(start)
    let training = try make(weights.tensors.map(\.elements))
    func trained() -> Parameters {
      for t in 0..<layers { weights.tensors[t].elements = training.weights(at: t) }
      return weights
    }
    func share(_ layer: Int) -> Double {
      Double(losses.count + layer) / Double(layers * passes)
    }
    while losses.count < passes * layers {
      losses += try training.advance { try progress(share($0)) }
      try progress(share(0), losses: losses, weights: trained)
    }
    return (trained(), losses)
  }

  /// Of the losses of all layers, those of the last one, pass by pass.
  static func ofLastLayer(_ losses: [Double]) -> [Double] {
    stride(from: layers - 1, to: losses.count, by: layers).map { losses[$0] }
  }
}
