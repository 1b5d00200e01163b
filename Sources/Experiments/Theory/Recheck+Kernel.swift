import Catalog
import Checks
import Foundation

extension Recheck {
  /// The tangent kernel of a report: a setting, a critical step or a depth at a time.
  static func items(_ kernel: TangentKernelResults, isExact: Bool) -> [Item] {
    kernel.kernels.map { setting(kernel, $0, isExact) }
      + kernel.critical.flatMap { critical($0, isExact) }
      + kernel.depths.map { depth($0, isExact) }
  }

  /// Spectrum and lazy predictions of one setting.
  private static func setting(
    _ kernel: TangentKernelResults, _ row: KernelRow, _ isExact: Bool
  ) -> Item {
    @Sendable func numbers(_ results: TangentKernelResults) -> [Double] {
      let rows = results.kernels.filter { $0.setting == row.setting }.flatMap {
        [Double($0.rank)] + $0.leading
          + [
            $0.smallest ?? .nan, $0.error, $0.critical, $0.floor, $0.decreaseRatio, $0.decreaseBar,
          ]
      }
      let curves = results.curves.filter { $0.isRun(of: row.setting) }
      return rows
        + curves.flatMap { curve in
          [curve.metaStepSize, curve.share]
            + curve.samples.flatMap {
              [$0.departure, $0.motion, $0.lossRatio, $0.lazyLossRatio]
            }
        }
    }
    // By LAPACK a dense Jacobian and 200 training steps a share; by Lanczos 190 products as well.
    let seconds = row.isSmall ? 20.0 : 400
    return Item(
      part: "kernel", name: "kernel, \(row.setting.sizes) \(row.setting.name)", seconds: seconds,
      reported: numbers(kernel), isExact: isExact
    ) { numbers(try TangentKernelStudy(threads: 1).spectrum(row.setting, isSmall: row.isSmall)) }
  }

  private static func critical(_ steps: CriticalSteps, _ isExact: Bool) -> [Item] {
    zip(steps.samples, steps.islands).map { sample, islands in
      @Sendable func numbers(_ sample: CriticalStepCheck.Subject.Sample, _ islands: [Double])
        -> [Double]
      {
        [sample.critical, sample.stable, sample.unstable ?? .nan] + islands
      }
      return Item(
        part: "kernel",
        name:
          "kernel, critical step, \(steps.initialization), T=\(steps.horizon), "
          + "e=\(Int(sample.scale))",
        seconds: 15, reported: numbers(sample, islands), isExact: isExact
      ) {
        var study = ScaleStudy(threads: 1)
        study.steps = steps.steps
        var setting = steps.setting
        setting.scale = sample.scale
        let found = try study.criticalStep(setting, on: setting.problem())
        return numbers(found.sample, found.islands)
      }
    }
  }

  private static func depth(_ row: DepthRow, _ isExact: Bool) -> Item {
    Item(
      part: "kernel", name: "kernel, 2/λ_max, L=\(row.depth), \(row.initialization)", seconds: 10,
      reported: row.critical, isExact: isExact
    ) {
      try TangentKernelStudy.depth(
        row.setting, on: row.setting.problem(), horizons: row.horizons
      ).critical
    }
  }
}

extension KernelRow {
  /// Whether all of H was formed.
  fileprivate var isSmall: Bool { method == "LAPACK" }
}

extension LazyCurve {
  /// Whether it is a run of `setting`, whatever its training step.
  fileprivate func isRun(of setting: TrainingSetting) -> Bool {
    run.hasPrefix(setting.sizes + " ") && initialization == setting.initialization.name
      && horizon == setting.horizon && scale == setting.scale
  }
}
