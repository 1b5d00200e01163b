import Engine
import Foundation
import Optimization

/// The learned rule of paper A on f = ½ (m x - y)² from 0, with one hidden layer, by hand.
///
/// The smallest case of Lemmas 4.1 and 4.2, near which their bounds are sharp; it shares no code
/// with any rule of the catalog.
struct ScalarNetwork: Sendable {
  /// m; β = m².
  var slope = 1.0
  /// y; ‖r_0‖ = |y|.
  var target = 1.0
  /// W_1: what each hidden unit makes of ∂f and of x.
  var inner: [(Double, Double)]
  /// W_2.
  var outer: [Double]

  /// z = 0.1 after one unit that sees -∂f.
  static let gentle = ScalarNetwork(inner: [(-1, 0)], outer: [0.1])

  /// Two units with kinks on either side of the run.
  static let steep = ScalarNetwork(
    slope: 0.5, inner: [(-1.4, -0.1), (-0.2, 1.9)], outer: [1.83, 0.08])

  /// One run: inputs (∂f, x) before each step, outputs z, and x_0 to x_T.
  struct Run {
    var inputs: [(g: Double, x: Double)] = []
    var outputs: [Double] = []
    var iterates = [0.0]

    /// ‖u_t‖ for every step.
    var inputNorms: [Double] { inputs.map { hypot($0.g, $0.x) } }
  }

  func run(horizon: Int) -> Run {
    var run = Run()
    for _ in 0..<horizon {
      let x = run.iterates[run.iterates.count - 1]
      let g = slope * (slope * x - target)
      let z = zip(inner, outer).reduce(0) { $0 + $1.1 * max(0, $1.0.0 * g + $1.0.1 * x) }
      run.inputs.append((g, x))
      run.outputs.append(z)
      run.iterates.append(x - 2 / (1 + exp(-z)) * g / (slope * slope))
    }
    return run
  }

  /// ‖W_1‖₂ and ‖W_2‖₂.
  var layerNorms: [Double] {
    let (a, b, c) = inner.reduce((0, 0, 0)) {
      ($0.0 + $1.0 * $1.0, $0.1 + $1.1 * $1.1, $0.2 + $1.0 * $1.1)
    }
    return [((a + b) / 2 + hypot((a - b) / 2, c)).squareRoot(), Vector(outer).norm]
  }

  /// What Lemma 4.1 says of the loss F(x_T), backpropagated by hand.
  func gradientRecord(horizon: Int) -> GradientBoundRecord {
    let run = run(horizon: horizon)
    let last = slope * run.iterates[horizon] - target
    var delta = slope * last
    var outerBar = outer.map { _ in 0.0 }
    var innerBar = inner.map { _ in (0.0, 0.0) }
    for t in (0..<horizon).reversed() {
      let (g, x) = run.inputs[t]
      let p = 2 / (1 + exp(-run.outputs[t]))
      let zBar = -delta * g / (slope * slope) * p * (1 - p / 2)
      for k in inner.indices {
        let sum = inner[k].0 * g + inner[k].1 * x
        guard sum > 0 else { continue }
        outerBar[k] += zBar * sum
        innerBar[k].0 += zBar * outer[k] * g
        innerBar[k].1 += zBar * outer[k] * x
      }
      delta *= 1 - p
    }
    let innerNorm = Vector(innerBar.flatMap { [$0.0, $0.1] }).norm
    return GradientBoundRecord(
      label: "one unknown, T=\(horizon)", stepRule: .theory, widths: [inner.count], unknowns: 1,
      startResidual: abs(target), reach: abs(target),
      snapshots: [
        .init(
          step: 0, loss: last * last / 2, gradientNorms: [innerNorm, Vector(outerBar).norm],
          layerNorms: layerNorms, inputNorms: run.inputNorms)
      ])
  }

  /// |x_T - x'_T| against the weights of `other`, and what Lemma 4.2 needs for its bound.
  func pair(with other: ScalarNetwork, horizon: Int) -> WeightPair {
    let (run, second) = (run(horizon: horizon), other.run(horizon: horizon))
    var difference = self
    difference.inner = zip(inner, other.inner).map { ($0.0 - $1.0, $0.1 - $1.1) }
    difference.outer = zip(outer, other.outer).map { $0 - $1 }
    return WeightPair(
      "T=\(horizon)", index: 0, layerBounds: zip(layerNorms, other.layerNorms).map(max),
      layerDistances: difference.layerNorms, inputRows: run.inputNorms,
      differences: zip(run.iterates, second.iterates).dropFirst().map { abs($0 - $1) })
  }

  /// What Lemma 4.2 says of this network beside `other`.
  func record(_ label: String, with other: ScalarNetwork, horizon: Int) -> SemiSmoothnessRecord {
    SemiSmoothnessRecord(
      label: label, stepRule: .theory, widths: [inner.count], unknowns: 1,
      smoothness: slope * slope, effectiveSmoothness: slope * slope, startResidual: abs(target),
      reach: abs(target), pairs: [pair(with: other, horizon: horizon)])
  }
}
