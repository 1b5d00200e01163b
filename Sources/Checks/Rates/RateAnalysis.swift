import Foundation

/// What kind of course a positive series takes.
public enum Regime: String, Sendable, Hashable, Codable, CaseIterable {
  /// log F_k is a line, or bends by no more than ``RateAnalysis/bend``.
  case linear
  /// F_k - F_∞ falls linearly, F_∞ > 0.
  case linearWithFloor = "linear with floor"
  /// log F_k is close to a line on a part of the curve only.
  case piecewise
  /// F_k falls like a power of k: no rate exists.
  case sublinear
  /// A periodic component carries most of what a smooth curve leaves.
  case oscillating
  /// F_k grows, or is not finite.
  case diverging
  /// No change above noise or rounding.
  case flat
  /// None of these.
  case irregular
  /// Fewer than ``RateAnalysis/leastCount`` points.
  case tooShort = "too short"
}

/// The linear rate of a series, if it has one: F_k ~ e^{-λ k} on a stretch of k.
public struct RateEstimate: Sendable, Hashable, Codable {
  /// λ, per step: the median of its distribution.
  public var decay: Double
  /// The lower end of the 95% interval of λ.
  public var lower: Double
  /// The upper end of the 95% interval of λ.
  public var upper: Double
  /// The first step of the stretch.
  public var start: Int
  /// The last step of the stretch; with a floor, where the falling part is down to it or to 5%.
  public var end: Int
  /// The share of the variance of log F_k on the stretch that the fitted curve explains.
  public var determination: Double
  /// The correlation of neighbouring errors, φ.
  public var correlation: Double
  /// F_∞, if the curve levels off.
  public var plateau: Double?

  /// The factor per step, q = e^{-λ}.
  public var factor: Double { exp(-decay) }

  /// The width of the interval over λ.
  var relativeWidth: Double { (upper - lower) / decay }
}

/// T4's measurement: the regime of a positive series, and its rate where there is one.
///
/// Four shapes of log F_k (constant, line, line with floor, power) compete by Bayes' criterion under
/// AR(1) errors. Where none leaves errors of that kind, the longest window that is close to a line is
/// looked for: its slope changes by at most a tenth from end to end, and the interval is widened by
/// that change. A series without a linear stretch gets no rate.
public struct RateAnalysis: Sendable, Hashable, Codable {
  /// The fewest points that are analysed.
  public static let leastCount = 20
  /// How much the slope of a stretch may change from end to end, relative to itself.
  public static let bend = 0.1
  /// The criterion's difference that counts as decisive.
  static let decisive = 10.0

  /// The course.
  public var regime: Regime
  /// The rate; nil where the course has none.
  public var rate: RateEstimate?
  /// The period in steps of an oscillation.
  public var period: Double?
  /// How much of the curve the rate speaks for, from 0 to 1.
  ///
  /// The share of the steps on which log F_k itself is close to a line; on a part of the curve only,
  /// that share or the part's share of the whole range of log F_k, whichever is less.
  public var coverage: Double

  /// Analyses F_0, F_1 and so on (less the minimum, if that is not zero).
  ///
  /// A series that reaches zero is analysed up to there.
  public init(_ values: [Double]) {
    (regime, rate, period, coverage) = (.irregular, nil, nil, 0)
    guard values.allSatisfy(\.isFinite) else {
      regime = .diverging
      return
    }
    let logs = values.prefix { $0 > 0 }.map { log($0) }
    guard logs.count >= Self.leastCount else {
      regime = .tooShort
      return
    }
    analyse(logs)
    coverage *= Double(logs.count - 1) / Double(values.count - 1)
  }

  private mutating func analyse(_ y: [Double]) {
    let k = y.indices.map(Double.init)
    // A value is rounded to 2⁻⁵³ of itself and its logarithm to 2⁻⁵³ of that.
    let floor = Double.ulpOfOne * max(1, y.map { abs($0) }.reduce(0, max))
    let range = (y.max() ?? 0) - (y.min() ?? 0)
    guard range > 64 * floor else {
      regime = .flat
      return
    }
    let fits = CurveModel.allCases.compactMap {
      CurveFit($0, steps: k, logs: y, floor: floor)
    }
    guard let line = fits.first(where: { $0.model == .line }),
      var best = fits.min(by: { $0.fit.criterion < $1.fit.criterion })
    else { return }
    // A line that is exact to rounding needs no competition, which would be about rounding.
    if Self.isExact(line, floor)
      || best.model != .flat && line.fit.criterion - best.fit.criterion < Self.decisive
    {
      best = line
    }
    if !Self.isExact(best, floor),
      let period = Self.period(best.residuals, best.fit.correlation)
    {
      (regime, self.period) = (.oscillating, period)
      if line.interval.upper < 0, Self.grows(y) { regime = .diverging }
      return
    }
    if best.model == .line, !Self.isExact(best, floor),
      let clipped = CurveFit(.line, steps: k, logs: Self.withoutOutliers(y), floor: floor)
    {
      best = clipped
    }
    let isSound = Self.isExact(best, floor) || best.fit.correlation < 0.98
    if !(isSound && conclude(best, y)) {
      if Self.grows(y) {
        regime = .diverging
      } else if best.model == .power, best.parameters[2] > 0,
        Self.determination(best, y, 0, y.count - 1) > 0.995
      {
        regime = .sublinear
      } else {
        findStretch(y, floor, range)
      }
    }
  }

  /// Reads regime and rate off a curve that leaves nothing but noise; false if it does not after all.
  private mutating func conclude(_ best: CurveFit, _ y: [Double]) -> Bool {
    let last = y.count - 1
    switch best.model {
    case .flat: regime = .flat
    case .power: regime = best.parameters[2] > 0 ? .sublinear : .diverging
    case .line:
      let interval = best.interval
      if interval.lower <= 0, interval.upper >= 0 {
        regime = .flat
      } else if interval.upper < 0 {
        regime = .diverging
      } else {
        regime = .linear
        rate = Self.estimate(best, y, 0, last)
        coverage = 1
      }
    case .floor:
      let (f, c, lambda) = (best.parameters[0], best.parameters[1], best.parameters[2])
      let interval = best.interval
      // A floor that the curve does not reach is an extrapolation; least squares far from the
      // interval means that its linearisation does not carry.
      let decays = lambda * Double(last)
      guard interval.lower > 0, decays >= 3, max(c - f, 3) <= decays,
        interval.lower / 2 <= lambda, lambda <= 2 * interval.upper
      else { return false }
      regime = .linearWithFloor
      rate = Self.estimate(best, y, 0, min(last, Int((max(c - f, 3) / lambda).rounded())))
      rate?.plateau = exp(f)
      coverage = min(1, max(0, c - f) / decays)
    }
    return true
  }

  /// Looks for the longest window that is close to a line, on a grid of sixteenths.
  private mutating func findStretch(_ y: [Double], _ floor: Double, _ range: Double) {
    let parts = 16
    for length in stride(from: parts, through: parts / 4, by: -1) {
      let found = (0...(parts - length)).compactMap { first -> RateEstimate? in
        let start = first * (y.count - 1) / parts
        let end = (first + length) * (y.count - 1) / parts
        return Self.straight(y, start, end, floor)
      }
      if let sharpest = found.min(by: { $0.relativeWidth < $1.relativeWidth }) {
        (regime, rate) = (length == parts ? .linear : .piecewise, sharpest)
        let steps = Double(sharpest.end - sharpest.start)
        coverage = min(steps / Double(y.count - 1), sharpest.decay * steps / range)
        return
      }
    }
  }

  /// The rate on a window whose slope is known to change by at most ``bend``; nil if it is not.
  private static func straight(
    _ y: [Double], _ start: Int, _ end: Int, _ floor: Double
  ) -> RateEstimate? {
    guard end - start + 1 >= leastCount else { return nil }
    let window = Array(y[start...end])
    let k = (start...end).map(Double.init)
    guard let line = CurveFit(.line, steps: k, logs: window, floor: floor) else { return nil }
    let middle = (k[0] + k[k.count - 1]) / 2
    let half = (k[k.count - 1] - k[0]) / 2
    let curved = AutoregressiveFit(
      columns: [
        k.map { _ in 1 }, k.map { -($0 - middle) / half },
        k.map { { $0 * $0 }(($0 - middle) / half) },
      ], y: line.residuals, floor: floor)
    // The slope of a + b u + c u² in u in [-1, 1] changes by 4 c; in k by 4 c / half.
    let change =
      4 * max(abs(curved.quantile(0.025)), abs(curved.quantile(0.975))) / half
    let interval = line.interval
    guard interval.lower > 0, change <= bend * interval.median else { return nil }
    var estimate = estimate(line, window, 0, window.count - 1)
    (estimate.start, estimate.end) = (start, end)
    estimate.lower -= change / 2
    estimate.upper += change / 2
    return estimate.lower > 0 ? estimate : nil
  }

  private static func estimate(
    _ fit: CurveFit, _ y: [Double], _ start: Int, _ end: Int
  ) -> RateEstimate {
    let interval = fit.interval
    return RateEstimate(
      decay: interval.median, lower: interval.lower, upper: interval.upper, start: start,
      end: end, determination: determination(fit, y, start, end),
      correlation: fit.fit.correlation)
  }

  /// R² of `fit` on the steps from `start` to `end`, over all of which it was fitted.
  private static func determination(
    _ fit: CurveFit, _ y: [Double], _ start: Int, _ end: Int
  ) -> Double {
    let window = Array(y[start...end])
    let mean = window.reduce(0, +) / Double(window.count)
    let total = window.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let left = fit.residuals[start...end].reduce(0) { $0 + $1 * $1 }
    return 1 - left / total
  }

  /// Whether `fit` leaves no more than rounding.
  ///
  /// If neither that nor noise is left, but errors so correlated that they wander, a shape is missing.
  private static func isExact(_ fit: CurveFit, _ floor: Double) -> Bool {
    let n = Double(fit.residuals.count)
    return (fit.residuals.reduce(0) { $0 + $1 * $1 } / n).squareRoot() <= 8 * floor
  }

  /// Whether the last tenth lies above the first by more than either spreads.
  private static func grows(_ y: [Double]) -> Bool {
    let part = max(2, y.count / 10)
    let (head, tail) = (y.prefix(part), y.suffix(part))
    return (tail.min() ?? 0) > (head.max() ?? 0)
  }

  /// The period of a line in the spectrum of the whitened residuals; nil if none stands out.
  ///
  /// Fisher's test: the line's share g of the whole periodogram of m frequencies has p-value
  /// about m (1 - g)^(m - 1). Fewer than three periods are a shape and no oscillation.
  private static func period(_ residuals: [Double], _ correlation: Double) -> Double? {
    let w = zip(residuals.dropFirst(), residuals).map { $0 - correlation * $1 }
    let n = w.count
    let m = n / 2
    var best = (power: 0.0, frequency: 0)
    var total = 0.0
    for frequency in 1...m {
      // Goertzel's recurrence.
      let factor = 2 * cos(2 * .pi * Double(frequency) / Double(n))
      var (a, b) = (0.0, 0.0)
      for value in w { (a, b) = (value + factor * a - b, a) }
      let power = a * a + b * b - factor * a * b
      total += power
      if power > best.power { best = (power, frequency) }
    }
    guard total > 0, best.frequency >= 3 else { return nil }
    let share = best.power / total
    let significance = log(Double(m)) + Double(m - 1) * log1p(-min(share, 1 - 1e-15))
    guard share > 0.25, significance < log(1e-6) else { return nil }
    return Double(n) / Double(best.frequency)
  }

  /// The series with what lies beyond four robust deviations from a robust line moved there.
  ///
  /// The line has the median slope of the pairs half a series apart (Theil and Sen, incomplete).
  private static func withoutOutliers(_ y: [Double]) -> [Double] {
    let half = y.count / 2
    let slope = median((0..<(y.count - half)).map { (y[$0 + half] - y[$0]) / Double(half) })
    let rest = y.indices.map { y[$0] - slope * Double($0) }
    let level = median(rest)
    let limit = 4 * 1.4826 * median(rest.map { abs($0 - level) })
    return y.indices.map { k in
      slope * Double(k) + min(max(rest[k], level - limit), level + limit)
    }
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let n = sorted.count
    return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2
  }
}
