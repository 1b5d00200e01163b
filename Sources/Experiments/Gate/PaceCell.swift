import Foundation
import Storage

/// How fast a rule closes the gap on one problem from one seed.
///
/// The gap is (F(x_k) - F*) / (F(x_0) - F*).
public struct PaceCell: Sendable, Hashable, Codable {
  /// The family.
  public var family: String
  /// Of data and start.
  public var seed: UInt64
  /// K.
  public var horizon: Int
  /// The step, interpolated in log gap, from which on the gap stays at or below each level.
  ///
  /// NaN where it does not by K. Levels beyond the last that is kept are left out.
  public var times: [Double]
  /// The mean of these steps over all gaps from 1 down to each level, evenly in log gap.
  ///
  /// A gap that is not reached counts with K, so that this is a lower bound there.
  public var means: [Double]
  /// The standard deviation of the logarithm of each mean over the run and its twins.
  public var spreads: [Double]
  /// Whether the run and all twins come to each level for good.
  public var isSure: [Bool]
  /// The gap after 1, 10, 100 and 1,000 steps, as far as K goes.
  public var gaps: [Double]
  /// The linear rate's factor per step with its 95 % interval; nil without linear rate.
  public var rate: Rate?
  /// The least log10 of L ‖x_0 - x*‖² / (2 k) over F(x_k) - F*: the slack of gradient descent's bound.
  public var slack: Double
  /// The first step whose iterate is not finite.
  public var firstNonFinite: Int?
  /// Of the bits of all gaps.
  public var hash: String

  /// A factor per step and where it lies with 95 %.
  public struct Rate: Sendable, Hashable, Codable {
    public var factor: Double
    public var lower: Double
    public var upper: Double
  }

  /// Family and seed.
  public var key: String { "\(family)#\(seed)" }

  /// The step, interpolated, from which on the gap stays at or below `level`, one of 10^{-j/2}; nil if
  /// it does not by K.
  public func steps(to level: Double) -> Double? {
    guard let j = GateSuite.levels.firstIndex(where: { abs(log10($0 / level)) < 1e-9 }),
      j < times.count, times[j].isFinite
    else { return nil }
    return times[j]
  }

  /// The mean of the steps to gaps down to level number `j`, and the spread of its logarithm.
  ///
  /// A level that neither the run nor a twin comes to has no mean of its own: that of the last one is
  /// stretched by K for every further decade.
  func mean(_ j: Int) -> (value: Double, spread: Double) {
    guard let last = means.indices.last else { return (Double(horizon), 0) }
    guard j > last else { return (max(means[j], 1e-3), spreads[j]) }
    let (own, all) = (Double(last + 1), Double(j + 1))
    return ((means[last] * own + Double(horizon) * (all - own)) / all, spreads[last])
  }

  func reachesSurely(_ j: Int) -> Bool { j < isSure.count && isSure[j] }
}

/// The gaps of one run, k = 0 to K.
struct GapCourse {
  var gaps: [Double]
  var firstNonFinite: Int?

  /// log of the largest gap from each step on: it never grows, and hides no late rise.
  ///
  /// First passages would depend on where the whole steps fall in an oscillation. A run that left the
  /// finite numbers has an infinite gap throughout.
  var envelope: [Double] {
    var largest = firstNonFinite == nil ? -Double.infinity : .infinity
    var logs = gaps.map { log(max($0, 0)) }
    for k in logs.indices.reversed() {
      largest = max(largest, logs[k].isNaN ? .infinity : logs[k])
      logs[k] = largest
    }
    return logs
  }

  var hash: String { ResultCache.hash(gaps) }
}

extension GapCourse {
  /// The step from which on a log gap with this envelope stays at or below `level` (a logarithm).
  static func time(_ envelope: [Double], to level: Double) -> Double? {
    guard let k = envelope.firstIndex(where: { $0 <= level }) else { return nil }
    guard k > 0, envelope[k].isFinite, envelope[k - 1].isFinite else { return Double(k) }
    return Double(k) - (level - envelope[k]) / (envelope[k - 1] - envelope[k])
  }

  /// The mean over gaps from 1 down to `level` of the steps to them, evenly in log gap: the area
  /// between the envelope and the level, by trapezoids over `horizon` steps.
  static func mean(_ envelope: [Double], to level: Double, horizon: Int) -> Double {
    // Above 1 counts as 1, so that a first rise does not weigh more than the way down.
    func height(_ k: Int) -> Double {
      k < envelope.count ? min(max(envelope[k] - level, 0), -level) : 0
    }
    var area = (height(0) + height(horizon)) / 2
    for k in 1..<horizon where k < envelope.count { area += height(k) }
    return area / -level
  }
}
