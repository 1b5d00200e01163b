/// A number with its error bar.
public struct Estimate: Sendable, Hashable {
  /// The number.
  public var value: Double
  /// How far off it may be; infinite where nothing was learnt.
  public var error: Double

  /// Creates an estimate.
  public init(value: Double, error: Double) {
    self.value = value
    self.error = error
  }
}

/// The slope of an analytic function at 0 by central differences that know their error.
///
/// Differences D(h) = (f(h) - f(-h)) / 2h have an expansion in h², so extrapolation over a window
/// of steps (Richardson; Neville's scheme) removes the leading terms. No step is assumed: coarse
/// probes find the scale on which f bends, steps a factor 3.7 apart are added below it, the rounding
/// of f is measured, and of all windows the one with the smallest sum of truncation and rounding
/// is taken.
/// - Extrapolation must be earned: it only uses steps below which all differences behave as their
///   leading terms say, down to steps far below any feature that the ladder could miss.
/// - *Truncation* is what the widest step of a window changes, but not less than what windows one
///   step wider or shorter foretell: one small difference may be an accident.
/// - *Rounding* is measured from third to fifth differences of six values a few millionths of that
///   scale apart (Moré and Wild 2011), and is not less than that of one rounding of f.
///
/// On 120,000 functions of six kinds the bar held the error in 99.8% or more of each kind, and was
/// on median 14 to 37 times as wide.
public struct FiniteDifference: Sendable, Hashable {
  /// The slope.
  public let slope: Estimate
  /// The part of the error bar that is rounding.
  public let roundingError: Double
  /// Standard deviation of the rounding in one value of f.
  public let noise: Double
  /// The largest and smallest step behind the slope.
  public let steps: ClosedRange<Double>
  /// The order of the truncation error in h.
  public let order: Int
  /// How often f was evaluated.
  public let evaluations: Int

  /// The most evaluations that one slope may cost.
  public static let budget = 20

  /// The slope with an error bar for a rounding in f of standard deviation `noise`, if larger.
  ///
  /// Six values measure the rounding poorly; several directions at one point share it.
  public func slope(withNoise noise: Double) -> Estimate {
    guard noise > self.noise, self.noise > 0 else { return slope }
    let widening = roundingError * (noise / self.noise - 1)
    return Estimate(value: slope.value, error: slope.error + widening)
  }

  /// Estimates the slope of `f` at 0.
  ///
  /// - Parameters:
  ///   - f: analytic around 0; may be infinite or NaN far away.
  ///   - scale: the step to try first.
  ///   - noise: a standard deviation of the rounding in f known from elsewhere; the larger of it
  ///     and the measured one counts.
  public init(of f: (Double) -> Double, scale: Double = 1, noise known: Double = 0) {
    precondition(scale > 0 && scale.isFinite, "scale \(scale) is not positive")
    var ladder = Ladder(center: f(0))
    let top = ladder.findScale(of: f, from: scale)
    ladder.add(top / Ladder.ratio, f)
    ladder.measureNoise(of: f, around: top)
    ladder.noise = max(ladder.noise, known)
    var finer = top / (Ladder.coarse * Ladder.ratio)
    var best = ladder.best()
    while ladder.evaluations + 2 <= Self.budget {
      guard let window = best, window.truncation <= window.rounding else {
        ladder.add(finer, f)
        finer /= Ladder.ratio
        best = ladder.best()
        continue
      }
      // Rounding governs: a wider step is the only cure, and worth one trial.
      let wider = top * Ladder.ratio
      guard !ladder.contains(wider) else { break }
      ladder.add(wider, f)
      best = ladder.best()
    }
    best = best.flatMap { ladder.bestWithProbes(around: $0) } ?? ladder.bestWithMoreNoise()
    noise = ladder.noise
    evaluations = ladder.evaluations
    guard let best = best ?? ladder.best(usingProbes: true) else {
      slope = Estimate(value: 0, error: .infinity)
      roundingError = .infinity
      steps = top...top
      order = 0
      return
    }
    slope = Estimate(value: best.value, error: best.error)
    roundingError = best.rounding
    steps = best.smallest...best.largest
    order = 2 * best.count
  }
}

/// Central differences at decreasing steps, and what follows from them.
private struct Ladder {
  /// Values at ±h, as what is odd in h and what is even.
  struct Rung {
    var step: Double
    /// (f(h) - f(-h)) / 2h.
    var difference: Double
    /// (f(h) + f(-h)) / 2 - f(0).
    var bend: Double
    /// The larger of |f(h)| and |f(-h)|.
    var magnitude: Double
  }

  /// An extrapolation over consecutive rungs.
  struct Window {
    var value: Double
    var truncation: Double
    var rounding: Double
    var largest: Double
    var smallest: Double
    var count: Int
    var error: Double { truncation + rounding }
  }

  /// Half width of an error bar in standard deviations of the rounding: six values leave between
  /// two and three degrees of freedom, and Student's t exceeds 16 with probability 4e-3 and 5e-4.
  private static let noiseFactor = 16.0
  /// Half width of an error bar in estimates of the truncation, which know leading terms only: as
  /// much as one more column of the extrapolation would earn.
  private static let caution = coarse
  /// Rungs agree if they differ by no more than this part.
  private static let agreement = 0.25
  /// A factor between coarse probes.
  static let coarse = ratio * ratio
  /// The factor between fine ones; no integer, or a periodic f could look straight on the ladder.
  static let ratio = 3.7
  /// How far a ratio of differences may be off what its leading term says: a quarter, so that
  /// steps are at most about half the radius within which the expansion converges.
  private static let play = 1.25
  /// The most that the widest step of a window is trusted to reduce the error by.
  private static let gain = 1 / (ratio * ratio)

  /// f(0).
  private let center: Double
  /// Finite differences, largest step first.
  private var rungs: [Rung] = []
  /// Steps that were tried, finite or not.
  private var tried: [Double] = []
  /// Standard deviation of the rounding in a value of f near 0.
  var noise = 0.0
  /// How many rungs, the smallest ones, come from measuring the rounding.
  private var probes = 0
  /// How often f was evaluated.
  private(set) var evaluations = 1

  init(center: Double) { self.center = center }

  func contains(_ step: Double) -> Bool { tried.contains(step) }

  /// The rung at `step`, kept if it is finite.
  @discardableResult
  mutating func add(_ step: Double, _ f: (Double) -> Double) -> Rung {
    evaluations += 2
    tried.append(step)
    return insert(step, f(step), f(-step))
  }

  @discardableResult
  private mutating func insert(_ step: Double, _ up: Double, _ down: Double) -> Rung {
    let rung = Rung(
      step: step, difference: (up - down) / (2 * step), bend: (up + down) / 2 - center,
      magnitude: max(abs(up), abs(down)))
    if rung.difference.isFinite {
      rungs.insert(rung, at: rungs.firstIndex { $0.step < step } ?? rungs.count)
    }
    return rung
  }

  /// The largest coarse step at which f looks straight: D at h and at the next probe agree.
  mutating func findScale(of f: (Double) -> Double, from scale: Double) -> Double {
    var h = scale
    var wide = add(h, f)
    var narrow = add(h / Self.coarse, f)
    if agree(wide, narrow) {
      for _ in 0..<2 {
        let wider = add(h * Self.coarse, f)
        guard agree(wider, wide) else { break }
        (h, wide) = (h * Self.coarse, wider)
      }
      return h
    }
    // Three more probes leave two rungs for the extrapolation.
    for _ in 0..<3 {
      h /= Self.coarse
      wide = narrow
      narrow = add(h / Self.coarse, f)
      if agree(wide, narrow) { break }
    }
    return h
  }

  private func agree(_ wide: Rung, _ narrow: Rung) -> Bool {
    let rounding = 4 * Double.ulpOfOne * narrow.magnitude
    return abs(wide.difference - narrow.difference)
      <= Self.agreement * abs(narrow.difference) + rounding / narrow.step
      && bendsAsSquare(wide, narrow, rounding: rounding)
  }

  /// Whether the even part falls like h² at least; where f has saturated it does not.
  private func bendsAsSquare(_ wide: Rung, _ narrow: Rung, rounding: Double) -> Bool {
    let ratio = narrow.step / wide.step
    return abs(narrow.bend) <= Self.play * ratio * ratio * abs(wide.bend) + rounding
  }

  /// Measures the rounding in f by differences of order 3 to 5 of values 2^-18 `scale` apart.
  ///
  /// There the smooth part is below 2^-54 of what f varies on `scale`, while every value is
  /// rounded anew. A k-th difference of independent errors has variance σ² (2k)! / (k!)².
  mutating func measureNoise(of f: (Double) -> Double, around scale: Double) {
    let spacing = scale * 0x1p-18
    var row = (-2...3).map { $0 == 0 ? center : f(Double($0) * spacing) }
    evaluations += row.count - 1
    // Two rungs for free, too small to be precise, but no larger feature of f can deceive them.
    let before = rungs.count
    insert(2 * spacing, row[4], row[0])
    insert(spacing, row[3], row[1])
    probes = rungs.count - before
    var sum = 0.0
    var samples = 0.0
    for (k, growth) in zip(1..., [2.0, 6, 20, 70, 252]) {
      row = zip(row.dropFirst(), row).map { $0 - $1 }
      guard k >= 3 else { continue }
      sum += row.reduce(0) { $0 + $1 * $1 } / growth
      samples += Double(row.count)
    }
    // One rounding of f: uniform over a unit in the last place.
    noise = max((sum / samples).squareRoot(), abs(center) * .ulpOfOne / 12.0.squareRoot())
  }

  /// The window with the smallest error bar; nil if no window is in the asymptotic regime.
  ///
  /// The rungs of the rounding measurement vouch for the others. They are no part of a window
  /// unless nothing else is left: with them rounding seems to govern where a finer rung is due.
  func best(usingProbes: Bool = false) -> Window? {
    guard let widest = widestRegular() else { return nil }
    let end = rungs.count - (usingProbes ? 0 : probes)
    var result: Window?
    for first in widest..<max(widest, end - 1) {
      for count in 2...(end - first) {
        let candidate = window(first, count)
        if candidate.error < result?.error ?? .infinity { result = candidate }
      }
    }
    return result
  }

  /// The best window once the rungs of the rounding measurement have had their say once more.
  ///
  /// At steps that small the slope is known, so that what they are off by is rounding: two more
  /// samples of it, which differences of third order and higher do not see.
  mutating func bestWithProbes(around window: Window) -> Window? {
    let samples = rungs.suffix(probes).map { ($0.difference - window.value) / rounding($0) }
    guard !samples.isEmpty else { return window }
    let factor = (samples.reduce(0) { $0 + $1 * $1 } / Double(samples.count)).squareRoot()
    guard factor > 1, factor.isFinite else { return window }
    noise *= factor
    return best()
  }

  /// The best window at the least rounding that explains why none was regular; nil if none does.
  ///
  /// Six values may miss the rounding by a factor 30, and then rungs seem to disagree. Where it is not
  /// the rounding but f that is irregular, the noise that hides it makes the error bar idle.
  mutating func bestWithMoreNoise() -> Window? {
    let measured = noise
    for _ in 0..<8 {
      noise *= 2
      if let window = best() { return window }
    }
    noise = measured
    return nil
  }

  /// The widest rung from which down all differences behave as their leading terms say.
  private func widestRegular() -> Int? {
    var result: Int?
    for i in (0..<max(0, rungs.count - 2)).reversed() {
      guard isRegular(rungs[i], rungs[i + 1], rungs[i + 2]) else { break }
      result = i
    }
    return result
  }

  /// Whether f behaves on three steps as it should well inside its scale, up to rounding.
  ///
  /// There D(h) - D(h') is c (h² - h'²). Where f saturates or turns it is smaller than what the
  /// next smaller pair foretells, and where higher terms rule it is larger: a polynomial through
  /// such differences says nothing about its own error.
  private func isRegular(_ a: Rung, _ b: Rung, _ c: Rung) -> Bool {
    let expected = (a.step * a.step - b.step * b.step) / (b.step * b.step - c.step * c.step)
    let (wide, narrow) = (abs(a.difference - b.difference), abs(b.difference - c.difference))
    let wideRounding = 8 * (rounding(a) + rounding(b))
    let narrowRounding = 8 * (rounding(b) + rounding(c))
    return expected * max(0, narrow - narrowRounding) <= Self.play * (wide + wideRounding)
      && wide <= Self.play * expected * (narrow + narrowRounding)
      && bendsAsSquare(a, b, rounding: 8 * noise) && bendsAsSquare(b, c, rounding: 8 * noise)
  }

  /// Standard deviation of a difference; errors of f(h) and f(-h) are independent.
  private func rounding(_ rung: Rung) -> Double {
    let growth = center == 0 ? 1 : max(1, rung.magnitude / abs(center))
    return noise * growth / (2.0.squareRoot() * rung.step)
  }

  private func window(_ first: Int, _ count: Int) -> Window {
    let part = rungs[first..<(first + count)]
    var truncation = contribution(first, count)
    if first > 0 {
      let wider = contribution(first - 1, count)
      let shrink = rungs[first + count - 1].step / rungs[first].step
      if wider.isFinite { truncation = max(truncation, wider * shrink * shrink) }
    }
    if count > 2 { truncation = max(truncation, Self.gain * contribution(first + 1, count - 1)) }
    let variance = zip(weights(first, count), part).map { weight, rung in
      weight * rounding(rung) * weight * rounding(rung)
    }
    return Window(
      value: extrapolation(first, count), truncation: Self.caution * truncation,
      rounding: Self.noiseFactor * variance.reduce(0, +).squareRoot(),
      largest: rungs[first].step, smallest: rungs[first + count - 1].step, count: count)
  }

  /// What the widest step of a window contributes to its value.
  private func contribution(_ first: Int, _ count: Int) -> Double {
    abs(extrapolation(first, count) - extrapolation(first + 1, count - 1))
  }

  /// The polynomial in h² through a window's differences, at h = 0.
  private func extrapolation(_ first: Int, _ count: Int) -> Double {
    zip(weights(first, count), rungs[first..<(first + count)]).reduce(0) {
      $0 + $1.0 * $1.1.difference
    }
  }

  private func weights(_ first: Int, _ count: Int) -> [Double] {
    let window = first..<(first + count)
    return window.map { j in
      window.reduce(1) { product, i in
        guard i != j else { return product }
        let ratio = rungs[j].step / rungs[i].step
        return product / (1 - ratio * ratio)
      }
    }
  }
}
