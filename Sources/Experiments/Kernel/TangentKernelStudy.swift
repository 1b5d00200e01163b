import Catalog
import Checks
public import Engine
import Foundation
import Optimization
import Storage

/// T5 and T6 on the published settings of paper A and where the features have full rank.
public struct TangentKernelStudy: Sendable {
  /// What can be left out, since it takes time.
  public enum Part: String, Sendable, Hashable, CaseIterable {
    /// Spectra and lazy predictions at d = 32.
    case published
    /// The constructed settings with n_1 > Nd.
    case fullRank
    /// λ_max over e, and the largest stable η.
    case scales
    /// 2/λ_max over T and L.
    case depths
    /// d = 512, Nb = 4,000, by Lanczos.
    case large
  }

  /// Threads to use; no number depends on it.
  public var threads: Int
  /// What to do.
  public var parts: Set<Part>
  /// K, training steps of a run beside its linearisation.
  public var lazySteps = 200
  /// Shares of 2/λ_max at which such runs are trained.
  public var shares = [0.5, 0.1, 0.01]

  /// A study of all parts unless told otherwise.
  public init(threads: Int = Parallel.coreCount, parts: Set<Part> = Set(Part.allCases)) {
    self.threads = threads
    self.parts = parts
  }

  /// The two ways of drawing the hidden layers: the authors' code, and paper A's text.
  static let initializations: [CoordMathDNN.Initialization] = [.orthogonal(.outIn), .qrNonnegative]

  /// Runs the study.
  ///
  /// - Parameter progress: called from any thread with the stage and the share of it that is done.
  /// - Throws: ``ProblemError``, ``RuleError`` or ``EngineError`` for what cannot be run.
  public func run(
    progress: @escaping @Sendable (String, Double) throws -> Void = { _, _ in }
  ) throws -> TangentKernelResults {
    var results = TangentKernelResults()
    for part in Part.allCases where parts.contains(part) {
      let start = ContinuousClock.now
      let meter: @Sendable (Double) throws -> Void = { try progress(part.rawValue, $0) }
      let found =
        switch part {
        case .published: try spectra(publishedSettings, meter)
        case .fullRank: try spectra(FullRankStudy(threads: 1).settings, meter)
        case .scales: try ScaleStudy(threads: threads).run(meter)
        case .depths: try depths(meter)
        case .large: try large(meter)
        }
      results.append(found)
      let taken = (ContinuousClock.now - start) / .seconds(1)
      results.seconds.append(StageSeconds(stage: part.rawValue, seconds: taken))
    }
    return results
  }

  /// T = 20 over the published e, and T = 100 at e = 50; both ways of drawing.
  private var publishedSettings: [TrainingSetting] {
    let cases = [(20, [10.0, 25, 50, 100]), (100, [50.0])]
    return cases.flatMap { horizon, scales in
      scales.flatMap { scale in
        Self.initializations.map { initialization in
          var setting = TrainingSetting(horizon: horizon, scale: scale, metaStepSize: 1e-7)
          setting.initialization = initialization
          return setting
        }
      }
    }
  }

  private func spectra(
    _ settings: [TrainingSetting], _ progress: @escaping @Sendable (Double) throws -> Void
  ) throws -> TangentKernelResults {
    let meter = ProgressMeter(total: Double(settings.count), report: progress)
    var all = TangentKernelResults()
    // The longest horizon first.
    for part in try Parallel.map(
      settings.reversed(), threads: threads,
      {
        setting in try meter.counting { try spectrum(setting, isSmall: true) }
      }
    ).reversed() { all.append(part) }
    return all
  }

  /// Spectrum and lazy runs of one setting: all of H by LAPACK, or products alone.
  func spectrum(_ setting: TrainingSetting, isSmall: Bool) throws -> TangentKernelResults {
    isSmall
      ? try SmallKernel(setting).results(shares: shares, steps: min(lazySteps, setting.steps))
      : try LargeKernel(setting, threads: threads).results()
  }

  /// 2/λ_max over T for L = 3, 4, 5: one unrolled run of T = 100 serves all T.
  private func depths(
    _ progress: @escaping @Sendable (Double) throws -> Void
  ) throws -> TangentKernelResults {
    let horizons = [5, 10, 20, 50, 100]
    let settings = [[2, 64, 64, 1024], [2, 64, 1024], [2, 1024]].flatMap { widths in
      Self.initializations.map { initialization in
        var setting = TrainingSetting(horizon: 100, scale: 50, metaStepSize: 1e-7)
        setting.widths = widths
        setting.initialization = initialization
        return setting
      }
    }
    let problem = try TrainingSetting(horizon: 100, scale: 50, metaStepSize: 1e-7).problem()
    let meter = ProgressMeter(total: Double(settings.count), report: progress)
    let rows = try Parallel.map(settings, threads: threads) { setting in
      try meter.counting { try Self.depth(setting, on: problem, horizons: horizons) }
    }
    return TangentKernelResults(depths: rows.reversed())
  }

  /// 2/λ_max of `setting` over T.
  static func depth(
    _ setting: TrainingSetting, on problem: LeastSquares, horizons: [Int]
  ) throws -> DepthRow {
    let kernel = try setting.kernel(on: problem)
    return DepthRow(
      setting: setting, initialization: setting.initialization.name,
      depth: setting.widths.count + 1,
      widths: setting.widths, scale: setting.scale, horizons: horizons,
      critical: try kernel.factors(at: horizons).map { 2 / (try $0.squaredSpectralNorm()) })
  }

  /// d = 512, b = 400, N = 10, width 5120: two kernels one after the other, since each fills memory.
  private func large(
    _ progress: @escaping @Sendable (Double) throws -> Void
  ) throws -> TangentKernelResults {
    var all = TangentKernelResults()
    for (index, initialization) in Self.initializations.enumerated() {
      var setting = TrainingSetting(horizon: 100, scale: 50, metaStepSize: 1e-7)
      (setting.rows, setting.columns, setting.instances) = (400, 512, 10)
      setting.width = 5120
      setting.initialization = initialization
      all.append(try spectrum(setting, isSmall: false))
      try progress(Double(index + 1) / Double(Self.initializations.count))
    }
    return all
  }
}

extension TrainingSetting {
  /// The tangent kernel at the initial weights, from X_0 = 0.
  func kernel(on problem: LeastSquares) throws -> InitialKernel {
    try InitialKernel(
      rule(), on: problem, from: Vector(zeros: problem.dimension), horizon: horizon)
  }

  /// N, b, d and the widths.
  var sizes: String { "d=\(columns) b=\(rows) N=\(instances) n=\(widths)" }
}
