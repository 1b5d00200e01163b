import Catalog
import Checks
import Engine
import Foundation
import Optimization

extension BoundStudy {
  /// One row of the table on Lemma 4.2's growth: pairs of weights, scaled by ever larger e.
  struct GrowthCase: Sendable {
    var widths: [Int]
    var horizon: Int
    var scalesLast: Bool

    /// From the published scales to where the bound's leading power is all that counts.
    static let scales = [25, 50, 100, 1e3, 1e4, 1e6, 1e8]
    static let seeds: [UInt64] = [1, 2, 3, 4, 5, 6]

    func run() throws -> (BoundResults.GrowthRow, CheckResult) {
      var setting = TrainingSetting(horizon: horizon, scale: 1, metaStepSize: 0)
      setting.widths = widths
      if widths.count > 2 { setting.initialization = .qr }
      setting.stepRule = .theory
      setting.instances = 8
      let probe = try WeightProbe(setting, on: setting.problem())
      let depth = widths.count + 1
      let scaled = scalesLast ? depth : depth - 1
      let curves = try Self.seeds.map { try curve(probe, scaledLayers: scaled, seed: $0) }
      let name = "T=\(horizon) L=\(depth), \(scalesLast ? "W_L scaled too" : "W_L fixed")"
      let check = GrowthCheck().run(
        GrowthRecord(
          label: name, depth: depth, scaledLayers: scaled, scales: Self.scales, curves: curves))
      func mean(_ logarithms: (GrowthRecord.Curve) -> [[Double]]) -> [Double] {
        Self.scales.indices.map { i in
          curves.map { logarithms($0)[i][horizon - 1] }.reduce(0, +) / Double(curves.count)
            / log(10)
        }
      }
      return (
        BoundResults.GrowthRow(
          run: name, widths: widths, depth: depth, horizon: horizon, scaledLayers: scaled,
          scales: Self.scales,
          log10Limits: mean(\.logLimits), log10Measured: mean(\.logMeasured),
          numbers: check.numbers), check
      )
    }

    /// Orthonormal factors, ‖W_L‖ = 1e-3, and the pair 1e-6 away in every layer.
    private func curve(
      _ probe: WeightProbe, scaledLayers: Int, seed: UInt64
    ) throws -> GrowthRecord.Curve {
      var base = probe.initial
      let last = base.tensors.count - 1
      base.tensors[last].elements =
        probe.direction(seed: 1000 + seed).tensors[last].elements.map { 1e-3 * $0 }
      var step = probe.direction(seed: seed)
      // W_L is a thousandth of the others, and so is the change of it.
      step.tensors[last].elements = step.tensors[last].elements.map { 1e-3 * $0 }
      let other = base.moved(1e-6, step)
      var curve = GrowthRecord.Curve(logLimits: [], logMeasured: [])
      for scale in Self.scales {
        let pair = try probe.pair(
          "", index: 0, base.scaling(scaledLayers, by: scale),
          other.scaling(scaledLayers, by: scale))
        curve.logLimits.append(probe.pairRecord("", []).logLimits(pair))
        curve.logMeasured.append(pair.differences.map { log($0) })
      }
      return curve
    }
  }

  static let growthCases =
    [false, true].flatMap { scalesLast in
      [
        ([2, 1024], 100), ([2, 1024], 20), ([2, 1024], 5), ([2, 16, 256], 20), ([2, 16, 256], 5),
      ]
      .map { GrowthCase(widths: $0.0, horizon: $0.1, scalesLast: scalesLast) }
    }
}
