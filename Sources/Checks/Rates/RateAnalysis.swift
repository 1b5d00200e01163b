import Foundation

/// What kind of course a positive series takes.
public enum Regime: String, Sendable, Hashable, Codable, CaseIterable {
  /// log F_k is a line, or bends by no more than ``RateAnalysis/bend``.
  case linear
  /// F_k - F_∞ falls linearly, F_∞ > 0.
  case linearWithFloor = "linear with floor"
  /// log F_k is one line and then another.
  case twoPhase = "two-phase"
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
/// Six shapes of log F_k (constant, line, line with floor, power, two lines, line with a periodic
/// part) compete by Bayes' criterion under AR(1) errors; a richer shape must win by ``decisive``.
/// Where none leaves errors of that kind, the longest window that is close to a line is
/// looked for: its slope changes by at most a tenth from end to end, and the interval is widened by
/// that change. A series without a linear stretch gets no rate.
public struct RateAnalysis: Sendable, Hashable, Codable {
  /// The fewest points that are analysed.
  public static let leastCount = 20
  /// How much the slope of a stretch may change from end to end, relative to itself.
  public static let bend = 0.1
  /// The criterion's difference that counts as decisive.
  static let decisive = 4.0
  /// The most harmonics of a periodic part.
  static let mostHarmonics = 8

  /// The course.
  public var regime: Regime
  /// The rate; nil where the course has none.
  ///
  /// Of two phases it is that of the longer one that falls.
  public var rate: RateEstimate?
  /// The slopes of log F_k from stretch to stretch, with their intervals.
  ///
  /// Two of a two-phase course. A slope may be 0 within its interval (flat) or negative (growth):
  /// then it is no rate of convergence, but it says what the series allows. Empty where log F_k has
  /// no straight stretch.
  public var phases: [RateEstimate]
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
    (regime, rate, phases, period, coverage) = (.irregular, nil, [], nil, 0)
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
    guard var best = Self.bestFit(k, y, floor) else { return }
    if best.model == .line, !best.isExact,
      let clipped = CurveFit(.line, steps: k, logs: Self.withoutOutliers(y), floor: floor)
    {
      best = clipped
    }
    let isSound = best.isExact || best.fit.correlation < 0.98
    if isSound { conclude(best, y) }
    guard !isSound || regime == .irregular else { return }
    if case .wave = best.model {
      conclude(best, y)
    } else if Self.grows(y) {
      regime = .diverging
    } else if best.model == .power, best.parameters[2] > 0,
      Self.determination(best, y, 0, y.count - 1) > 0.995
    {
      regime = .sublinear
    } else {
      findStretch(y, floor, range)
    }
  }

  /// The plainest shape that no richer one beats decisively.
  private static func bestFit(_ k: [Double], _ y: [Double], _ floor: Double) -> CurveFit? {
    var best: CurveFit?
    for model in CurveModel.smooth {
      guard let fit = CurveFit(model, steps: k, logs: y, floor: floor) else { continue }
      // A curve that is exact to rounding needs no competition, which would be about rounding.
      if fit.isExact { return fit }
      guard let old = best else {
        best = fit
        continue
      }
      if old.fit.criterion - fit.fit.criterion > margin(of: model, over: old.model) { best = fit }
    }
    guard let smooth = best else { return nil }
    return wave(k, y, floor, against: smooth) ?? smooth
  }

  /// By how much the criterion of `model` must be less than that of the plainer `old`.
  private static func margin(of model: CurveModel, over old: CurveModel) -> Double {
    switch (model, old) {
    // A slope may be small.
    case (.line, _): decisive / 2
    // A power is as rich as a floor.
    case (.power, .floor): 0
    // Where a curve bends by itself, a corner that may be anywhere must do much better.
    case (.broken, .floor), (.broken, .power): 2 * decisive
    // So must a period, of which there are hundreds.
    case (.wave, _): 1.5 * decisive
    default: decisive
    }
  }

  /// A line with a periodic part, if it beats `smooth`.
  ///
  /// Candidates for the period are the peaks in the spectrum of what a line leaves, under several
  /// whitenings, since the oscillation itself hides the errors' correlation.
  private static func wave(
    _ k: [Double], _ y: [Double], _ floor: Double, against smooth: CurveFit
  ) -> CurveFit? {
    guard let line = CurveFit(.line, steps: k, logs: y, floor: floor) else { return nil }
    var peaks: [Double] = []
    let width = .pi / Double(y.count)
    for phi in [0, 0.9, line.fit.correlation, smooth.fit.correlation] {
      let r = line.residuals
      let white = zip(r.dropFirst(), r).map { $0 - phi * $1 }
      guard let peak = Spectrum.peak(white), peak.ratio > 8 else { continue }
      if !peaks.contains(where: { abs($0 - peak.frequency) < width }) {
        peaks.append(peak.frequency)
      }
    }
    func fit(_ harmonics: Int, _ frequency: Double) -> CurveFit? {
      CurveFit(
        .wave(harmonics: harmonics), steps: k, logs: y, floor: floor, frequency: frequency)
    }
    // One pass over the data each, the frequency fixed: only the best is worth a fit.
    let model = CurveModel.wave(harmonics: 1)
    let fixed = peaks.compactMap { peak -> (criterion: Double, peak: Double)? in
      guard let start = model.starts(k, y, frequency: peak).first else { return nil }
      let rest = zip(y, model.values(start, k)).map { $0 - $1 }
      let own = AutoregressiveFit(columns: model.columns(start, k), y: rest, floor: floor)
      return (own.promisedCriterion, peak)
    }
    guard let first = fixed.min(by: { $0.criterion < $1.criterion }),
      first.criterion < smooth.fit.criterion + decisive, var best = fit(1, first.peak)
    else { return nil }
    for harmonics in 2...mostHarmonics where !best.isExact {
      guard Double(harmonics) * best.parameters[1] < 0.99 * .pi,
        let richer = fit(harmonics, best.parameters[1])
      else { break }
      if best.fit.criterion - richer.fit.criterion > decisive || richer.isExact { best = richer }
    }
    let gain = smooth.fit.criterion - best.fit.criterion
    return gain > margin(of: best.model, over: smooth.model) || best.isExact ? best : nil
  }

  /// Reads regime and rates off a curve that leaves nothing but noise.
  private mutating func conclude(_ best: CurveFit, _ y: [Double]) {
    let last = y.count - 1
    switch best.model {
    case .flat:
      regime = .flat
      let k = y.indices.map(Double.init)
      if let line = CurveFit(.line, steps: k, logs: y, floor: 0) {
        phases = [Self.estimate(line, y, 0, last)]
      }
    case .power: regime = best.parameters[2] > 0 ? .sublinear : .diverging
    case .line:
      phases = [Self.estimate(best, y, 0, last)]
      setRegime(.linear)
    case .wave:
      phases = [Self.estimate(best, y, 0, last)]
      setRegime(.oscillating)
      if regime == .flat { regime = .oscillating }
      period = 2 * .pi / best.parameters[1]
    case .floor:
      let (f, c, lambda) = (best.parameters[0], best.parameters[1], best.parameters[2])
      let fall = max(c - f, 3) / max(lambda, 1e-300)
      var estimate = Self.estimate(best, y, 0, last)
      guard estimate.lower > 0 else { return }
      estimate.end = fall < Double(last) ? Int(fall.rounded()) : last
      estimate.plateau = exp(f)
      (regime, rate, phases) = (.linearWithFloor, estimate, [estimate])
      coverage = min(1, max(0, (c - f) / lambda / Double(last)))
    case .broken:
      let corner = min(max(Int(best.parameters[1]), 0), last)
      phases = [
        Self.estimate(best, y, 0, corner, parameter: 2),
        Self.estimate(best, y, corner, last, parameter: 3),
      ]
      regime = Self.grows(y) ? .diverging : .twoPhase
      guard regime == .twoPhase else { return }
      rate = phases.filter { $0.lower > 0 }.max { $0.end - $0.start < $1.end - $1.start }
      guard let rate else { return }
      let share = Double(rate.end - rate.start) / Double(last)
      let range = (y.max() ?? 0) - (y.min() ?? 0)
      coverage = min(share, rate.decay * Double(rate.end - rate.start) / range)
    }
  }

  /// Takes the whole course for one straight stretch, falling, flat or growing.
  private mutating func setRegime(_ falling: Regime) {
    let slope = phases[0]
    if slope.lower <= 0, slope.upper >= 0 {
      regime = .flat
    } else if slope.upper < 0 {
      regime = .diverging
    } else {
      (regime, rate, coverage) = (falling, slope, 1)
    }
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
        phases = [sharpest]
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
    _ fit: CurveFit, _ y: [Double], _ start: Int, _ end: Int, parameter: Int? = nil
  ) -> RateEstimate {
    let interval = fit.interval(of: parameter ?? fit.parameters.count - 1)
    // However sharp the fit, λ itself and the products λ k are rounded.
    let rounding = 4 * interval.median.ulp
    return RateEstimate(
      decay: interval.median, lower: interval.lower - rounding,
      upper: interval.upper + rounding, start: start,
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

  /// Whether the last tenth lies above the first by more than either spreads.
  private static func grows(_ y: [Double]) -> Bool {
    let part = max(2, y.count / 10)
    let (head, tail) = (y.prefix(part), y.suffix(part))
    return (tail.min() ?? 0) > (head.max() ?? 0)
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
