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
  /// The step, interpolated in log gap, at which each level of ``GateSuite`` is reached first; NaN
  /// where it is not. Levels beyond the last that is reached are left out.
  public var times: [Double]
  /// The standard deviation of the logarithm of each time over the run and its twins; one that does
  /// not reach the level counts with K.
  public var spreads: [Double]
  /// Whether the run and all twins reach the level.
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

  /// The step, interpolated, at which the gap is at most `level`, one of 10^{-j/2}; nil if it never is.
  public func steps(to level: Double) -> Double? {
    guard let j = GateSuite.levels.firstIndex(where: { abs(log10($0 / level)) < 1e-9 }),
      j < times.count, times[j].isFinite
    else { return nil }
    return times[j]
  }

  /// The time to level number `j`, at most K: a level that is not reached takes that long at least.
  func time(_ j: Int) -> Double {
    guard j < times.count, times[j].isFinite else { return Double(horizon) }
    return times[j]
  }

  func spread(_ j: Int) -> Double { j < spreads.count ? spreads[j] : 0 }

  func reachesSurely(_ j: Int) -> Bool { j < isSure.count && isSure[j] }
}

/// The gaps of one run, k = 0 to K.
struct GapCourse {
  var gaps: [Double]
  var firstNonFinite: Int?

  /// The first step, interpolated, at which the gap is at most `level`; nil if it never is.
  func time(to level: Double) -> Double? {
    guard let k = gaps.firstIndex(where: { $0 <= level }) else { return nil }
    guard k > 0, gaps[k] > 0 else { return Double(k) }
    let (before, after) = (log(gaps[k - 1]), log(gaps[k]))
    return Double(k) - (log(level) - after) / (before - after)
  }

  var hash: String {
    ResultCache.hash(
      gaps.lazy.flatMap { withBytes(of: $0) })
  }

  private func withBytes(of value: Double) -> [UInt8] {
    let bits = value.bitPattern
    return (0..<8).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt64($0))) }
  }
}
