import Catalog
import Checks
import Engine
import Foundation
import Optimization

/// λ_max and the largest stable training step over e, at d = 32 and T = 20.
struct ScaleStudy: Sendable {
  var threads: Int
  /// e; powers of two and others.
  var scales = [1.0, 2, 5, 10, 25, 50, 100]
  /// Training steps of one trial.
  var steps = 100
  /// Points per decade of the grid of η, before bisection.
  var density = 4.0
  /// Decades of η below and above 2/λ_max that are searched.
  var reach = -3.0...4.0

  func run(_ progress: @escaping @Sendable (Double) throws -> Void) throws -> TangentKernelResults {
    let all = TangentKernelStudy.initializations.flatMap { initialization in
      scales.map { scale in
        var setting = TrainingSetting(horizon: 20, scale: scale, metaStepSize: 1e-7)
        setting.initialization = initialization
        return setting
      }
    }
    let problem = try all[0].problem()
    let meter = ProgressMeter(total: Double(all.count), report: progress)
    let found = try Parallel.map(all, threads: threads) { setting in
      try meter.counting { try criticalStep(setting, on: problem) }
    }
    var results = TangentKernelResults()
    for (index, first) in stride(from: 0, to: all.count, by: scales.count).enumerated() {
      let own = Array(found[first..<(first + scales.count)])
      let setting = all[first]
      let label =
        "\(setting.sizes) T=\(setting.horizon) "
        + "\(TangentKernelStudy.initializations[index].name), e from 1 to 100"
      let scaling = KernelScalingCheck().run(
        .init(
          label: label, depth: setting.widths.count + 1,
          samples: zip(scales, own).map { .init(scale: $0, largest: $1.largest) }, isInitial: true))
      let samples = own.map(\.sample)
      // Over all e, and over those of the published runs.
      let slopes = [1.0, 10].map { least in
        CriticalStepCheck().run(
          .init(
            label: label.replacing("e from 1 ", with: "e from \(Int(least)) "),
            depth: setting.widths.count + 1, samples: samples.filter { $0.scale >= least }))
      }
      results.checks += ([scaling] + slopes).map { $0.replayed(by: setting.command) }
      results.critical.append(
        CriticalSteps(
          setting: setting, initialization: setting.initialization.name, horizon: setting.horizon,
          steps: steps,
          samples: samples, islands: own.map(\.islands),
          slopes: zip([1.0, 10], slopes).map { least, check in
            CriticalSteps.Slope(
              from: least, value: check.numbers["slope"] ?? .nan,
              low: check.numbers["slopeLow"] ?? .nan, high: check.numbers["slopeHigh"] ?? .nan)
          }))
    }
    return results
  }

  /// What the search at one e found.
  struct Found: Sendable {
    /// λ_max at the initial weights.
    var largest: Double
    var sample: CriticalStepCheck.Subject.Sample
    var islands: [Double]
  }

  /// λ_max of `setting`, and the largest stable η around 2/λ_max.
  func criticalStep(_ setting: TrainingSetting, on problem: LeastSquares) throws -> Found {
    try search(
      setting, on: problem,
      largest: setting.kernel(on: problem).factor().squaredSpectralNorm())
  }

  /// Upwards on a log grid to the first unstable η, then bisection to a 32nd of a decade.
  ///
  /// Larger steps that look stable again, most of them saturated at once, are kept apart.
  private func search(
    _ setting: TrainingSetting, on problem: LeastSquares, largest: Double
  ) throws -> Found {
    let critical = 2 / largest
    let run = try ResidualRun(setting, on: problem)
    func stability(_ exponent: Double) -> ResidualRun.Stability {
      run.stability(stepSize: critical * pow(10, exponent), steps: steps)
    }
    let count = Int(((reach.upperBound - reach.lowerBound) * density).rounded())
    let grid = (0...count).map { reach.lowerBound + Double($0) / density }
    let outcomes = grid.map(stability)
    let firstBad = outcomes.firstIndex { $0 != .stable }
    let end = firstBad ?? grid.count
    var low = end > 0 ? grid[end - 1] : nil
    var high = firstBad.map { grid[$0] }
    while let a = low, let b = high, b - a > 1.0 / 32 + 1e-9 {
      if stability((a + b) / 2) == .stable { low = (a + b) / 2 } else { high = (a + b) / 2 }
    }
    return Found(
      largest: largest,
      sample: .init(
        scale: setting.scale, critical: critical, stable: low.map { critical * pow(10, $0) } ?? 0,
        unstable: high.map { critical * pow(10, $0) }),
      islands: grid.indices.filter { $0 >= end && outcomes[$0] != .unstable }.map {
        critical * pow(10, grid[$0])
      })
  }
}
