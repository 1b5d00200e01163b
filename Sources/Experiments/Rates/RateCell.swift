import Foundation

/// A cell of the calibration: one course, σ, φ and K.
public struct RateCell: Sendable, Hashable, Codable {
  /// Course, σ, φ and K.
  public var setting: RateCalibration.Setting
  /// Number of series, without those drawn for coverage alone.
  public var series: Int
  /// Series that coverage counts: the resolved ones, and those drawn for it.
  public var seen: Int
  /// Intervals that coverage counts: one for each phase of each series that ``RateCalibration`` counts.
  public var counted: Int
  /// Those of them that contain the rate.
  public var covered: Int
  /// Those that the oracle's interval contains.
  public var oracleCovered: Int
  /// Median of the intervals' widths over the oracle's; nil without any.
  public var width: Double?
  /// Series that cannot be told from a plainer shape with other rates.
  public var unresolved: Int
  /// Intervals on those that contain the rate, one for each phase.
  public var unresolvedCovered: Int
  /// Series with the course's own name.
  public var strictlyNamed: Int
  /// Series with a right name.
  public var named: Int
  /// Series that coverage counts for which a rate was given.
  public var rated: Int
  /// The largest width over the rate.
  public var largestRelativeWidth: Double?
  /// How often each name was given.
  public var names: [String: Int]

  init(
    _ setting: RateCalibration.Setting, _ trials: [RateTrial], further: [RateTrial] = []
  ) {
    self.setting = setting
    series = trials.count
    unresolved = trials.count { !$0.isResolved }
    let resolved = trials.filter(\.isResolved) + further
    seen = resolved.count
    counted = resolved.reduce(0) { $0 + $1.covers.count }
    covered = resolved.reduce(0) { $0 + $1.covers.count { $0 } }
    oracleCovered = resolved.reduce(0) { $0 + $1.oracleCovers.count { $0 } }
    let widths = resolved.flatMap(\.widths).sorted()
    width = widths.isEmpty ? nil : (widths[(widths.count - 1) / 2] + widths[widths.count / 2]) / 2
    unresolvedCovered = trials.filter { !$0.isResolved }.reduce(0) { $0 + $1.covers.count { $0 } }
    strictlyNamed = trials.count { $0.isStrictlyRight }
    named = trials.count { $0.isRight }
    rated = resolved.count { $0.hasRate }
    largestRelativeWidth = resolved.flatMap(\.relativeWidths).max()
    names = trials.reduce(into: [:]) { $0[$1.name, default: 0] += 1 }
  }

  /// The share of intervals that contain the rate; nil without any.
  public var coverage: Double? { counted == 0 ? nil : Double(covered) / Double(counted) }

  /// The standard error of ``coverage``, √(p (1 - p) / n) with n the number of series, not of phases.
  public var coverageError: Double? {
    coverage.map { ($0 * (1 - $0) / Double(max(1, seen))).squareRoot() }
  }

  /// The share of right names.
  public var namedShare: Double { Double(named) / Double(series) }

  /// Whether coverage lies in 93-97%.
  public var meetsCoverage: Bool { coverage.map { $0 >= 0.93 && $0 <= 0.97 } ?? true }

  /// Whether intervals are on median at most 1.5 times as wide as the oracle's.
  public var meetsWidth: Bool { width.map { $0 <= 1.5 } ?? true }

  /// Whether at least 95% have a right name.
  public var meetsNaming: Bool { namedShare >= 0.95 }

  /// Without noise: whether every interval contains the rate and is narrower than 1e-6 of it.
  public var meetsExactness: Bool {
    covered == counted && (largestRelativeWidth ?? 0) < 1e-6
  }
}

extension RateCell {
  /// Whether coverage is within two standard errors of 93-97%; for cells with few series.
  public var isCoverageCompatible: Bool {
    guard let coverage else { return true }
    let error = 2 * (0.95 * 0.05 / Double(max(1, seen))).squareRoot()
    return coverage >= 0.93 - error && coverage <= 0.97 + error
  }

  /// The parts of target R1 that this cell misses.
  public var misses: [String] {
    if setting.sigma == 0 { return meetsExactness && meetsNaming ? [] : ["exactness"] }
    let isRated = SyntheticCourse.rated.contains(setting.course)
    return [
      (isRated && !meetsCoverage, "coverage"), (isRated && !meetsWidth, "width"),
      (!meetsNaming, "name"), (setting.course == .sublinear && rated > 0, "refusal"),
    ].filter(\.0).map(\.1)
  }
}
