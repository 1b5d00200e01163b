import Checks
public import Engine
import Foundation

/// Target R1: the rate analysis on series whose truth is known.
///
/// log F_k for k from 0 to K - 1 is a course plus AR(1) noise of standard deviation σ and correlation φ.
/// No series is dropped for what the analysis says of it. A series that not even one who knows φ and σ
/// could tell from a plainer shape (its curve lies within ``separation`` standard deviations of the nearest
/// such curve, measured in the noise's own metric) is called unresolved. The right name of an unresolved series is its own or
/// that of the plainer shape; "flat" is plainer than any slope. Coverage counts every
/// series whose course is a line, with or without a periodic part, since the interval of its slope is
/// given even where it contains 0; of courses that bend (floor, two phases) it counts the resolved ones, since
/// the rate of a part that cannot be seen is no property of the data; the others are counted beside it.
/// Where few are resolved, more are drawn for coverage alone, until it rests on as many series as elsewhere.
/// A missing interval covers nothing.
public struct RateCalibration: Sendable {
  /// Standard deviations from a plainer shape below which a series is unresolved.
  public static let separation = 6.0
  /// Series of each cell, and resolved series of each cell with a rate.
  public var series: Int
  /// Seed of all draws.
  public var seed: UInt64
  /// Threads; results do not depend on them.
  public var threads: Int
  /// The cells, in order.
  public var settings: [Setting]

  /// One row of the table to be.
  public struct Setting: Sendable, Hashable, Codable {
    /// The course.
    public var course: SyntheticCourse
    /// σ; 0 for the row without noise.
    public var sigma: Double
    /// φ.
    public var phi: Double
    /// K, the number of points.
    public var count: Int

    /// Creates a setting.
    public init(_ course: SyntheticCourse, sigma: Double, phi: Double, count: Int) {
      (self.course, self.sigma, self.phi, self.count) = (course, sigma, phi, count)
    }
  }

  /// The settings of target R1: courses by σ by φ by K, and those without noise.
  public static let all: [Setting] = SyntheticCourse.allCases.flatMap { course in
    [5000, 200].flatMap { count in
      [Setting(course, sigma: 0, phi: 0, count: count)]
        + [0.01, 0.3].flatMap { sigma in
          [0, 0.5, 0.9].map { Setting(course, sigma: sigma, phi: $0, count: count) }
        }
    }
  }

  /// Creates the study.
  public init(
    series: Int = 1000, seed: UInt64 = 1, threads: Int = Parallel.coreCount,
    settings: [Setting] = RateCalibration.all
  ) {
    (self.series, self.seed, self.threads, self.settings) = (series, seed, threads, settings)
  }

  /// The cells' results, in order; a row without noise takes a tenth of the series.
  public func run(progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }) throws
    -> [RateCell]
  {
    let root = SplitMix64(seed: seed)
    let total = settings.count
    return try settings.enumerated().map { index, setting in
      let count = setting.sigma == 0 ? max(1, series / 10) : series
      let stream = root.derived(Self.all.firstIndex(of: setting) ?? -1 - index)
      let trials = try inChunks(0..<count) { RateTrial(setting, stream.derived($0)) }
      var further: [RateTrial] = []
      if SyntheticCourse.rated.contains(setting.course) {
        let missing = trials.count { !$0.isResolved }
        var next = count
        while missing > further.count, next < Self.limit * count {
          further += try inChunks(next..<next + count) { i in
            RateTrial.isResolved(setting, stream.derived(i))
              ? RateTrial(setting, stream.derived(i)) : nil
          }
          next += count
        }
        further = Array(further.prefix(missing))
      }
      progress(index + 1, total)
      return RateCell(setting, trials, further: further)
    }
  }

  /// At most so many times the series of a cell are drawn.
  private static let limit = 60

  /// What `trial` makes of every index, in order; in chunks, so that threads meet rarely.
  private func inChunks(
    _ range: Range<Int>, _ trial: @Sendable (Int) -> RateTrial?
  ) throws -> [RateTrial] {
    let chunks = stride(from: range.lowerBound, to: range.upperBound, by: 10).map {
      $0..<min(range.upperBound, $0 + 10)
    }
    return try Parallel.map(chunks, threads: threads) { $0.compactMap(trial) }.flatMap(\.self)
  }
}

/// One series: what was said of it, and what the oracle said.
struct RateTrial: Sendable {
  /// The regime's name.
  var name: String
  /// Whether the name is the course's own.
  var isStrictlyRight: Bool
  /// Whether the name is right, or that of a plainer shape the series cannot be told from.
  var isRight: Bool
  /// Whether the series can be told from every plainer shape with other rates.
  var isResolved: Bool
  /// For each phase: whether its interval contains the rate.
  var covers: [Bool]
  /// For each phase that has an interval: its width by that of the oracle's, and by the rate.
  var widths: [Double]
  /// The same by the rate.
  var relativeWidths: [Double]
  /// For each phase: whether the oracle's interval contains the rate.
  var oracleCovers: [Bool]
  /// Whether a rate was given.
  var hasRate: Bool

  init(_ setting: RateCalibration.Setting, _ generator: SplitMix64) {
    var rng = generator
    let truth = setting.course.drawn(setting.count - 1, &rng)
    let noise = Self.noise(setting, &rng)
    let analysis = RateAnalysis(noise.indices.map { exp(truth.value(Double($0)) + noise[$0]) })
    name = analysis.regime.rawValue
    hasRate = analysis.rate != nil
    let own = setting.course.regime
    let oracle = RateOracle(correlation: setting.phi, deviation: setting.sigma)
    isStrictlyRight = analysis.regime == own
    var plainer = Self.plainerRegimes(setting, truth, oracle)
    let bends = setting.course.bends
    isResolved = plainer.isEmpty || setting.course == .linear
    if setting.sigma > 0, analysis.regime == .flat, setting.course != .none,
      plainer.contains(.linear) || !bends,
      oracle.isNear(truth, CourseCurve(course: .none, parameters: [truth.value(0)]), setting)
    {
      plainer.insert(.flat)
    }
    isRight = isStrictlyRight || plainer.contains(analysis.regime)
    let phases = analysis.phases
    let rates = truth.rates.map { truth.parameters[$0] }
    let reference = setting.sigma > 0 ? oracle.intervals(truth, noise) : []
    covers = rates.indices.map {
      phases.count == rates.count && phases[$0].lower <= rates[$0]
        && rates[$0] <= phases[$0].upper
    }
    let given = phases.count == rates.count ? Array(rates.indices) : []
    relativeWidths = given.map { (phases[$0].upper - phases[$0].lower) / abs(rates[$0]) }
    widths =
      reference.isEmpty
      ? [] : given.map { (phases[$0].upper - phases[$0].lower) / (2 * reference[$0].half) }
    oracleCovers = zip(reference, rates).map { abs($0.centre - $1) <= $0.half }
  }

  /// Whether a series of this generator would be resolved: its course decides, not its noise.
  static func isResolved(_ setting: RateCalibration.Setting, _ generator: SplitMix64) -> Bool {
    var rng = generator
    let truth = setting.course.drawn(setting.count - 1, &rng)
    let oracle = RateOracle(correlation: setting.phi, deviation: setting.sigma)
    return setting.course == .linear || plainerRegimes(setting, truth, oracle).isEmpty
  }

  /// What plainer shapes a bending course cannot be told from.
  private static func plainerRegimes(
    _ setting: RateCalibration.Setting, _ truth: CourseCurve, _ oracle: RateOracle
  ) -> Set<Regime> {
    guard setting.sigma > 0, setting.course.bends else { return [] }
    return Set(
      truth.plainer(setting.count - 1).filter { oracle.isNear(truth, $0, setting) }
        .map(\.course.regime))
  }

  /// AR(1) noise, stationary from its first value on.
  private static func noise(
    _ setting: RateCalibration.Setting, _ rng: inout SplitMix64
  ) -> [Double] {
    let draws = rng.normals(setting.count).map { setting.sigma * $0 }
    let innovation = (1 - setting.phi * setting.phi).squareRoot()
    var e = draws[0]
    return [e]
      + draws.dropFirst().map { draw in
        e = setting.phi * e + innovation * draw
        return e
      }
  }
}

extension RateOracle {
  /// Whether nobody could tell a series of `truth` from one of `shape`.
  fileprivate func isNear(
    _ truth: CourseCurve, _ shape: CourseCurve, _ setting: RateCalibration.Setting
  ) -> Bool {
    distance(truth, from: shape, count: setting.count) < RateCalibration.separation
  }
}

extension SyntheticCourse {
  /// Whether it is no line, with or without a periodic part.
  fileprivate var bends: Bool { [.linearWithFloor, .twoPhase, .sublinear].contains(self) }

  /// What the analysis should call it.
  var regime: Regime {
    switch self {
    case .linear: .linear
    case .linearWithFloor: .linearWithFloor
    case .twoPhase: .twoPhase
    case .oscillating: .oscillating
    case .sublinear: .sublinear
    case .diverging: .diverging
    case .none: .flat
    }
  }
}
