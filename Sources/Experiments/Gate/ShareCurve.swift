import Foundation

/// What share of a set is reached by x: a step function that never falls and is continuous from the
/// right.
///
/// The set may hold members that are never reached; then the share stays below 1.
public struct ShareCurve: Sendable, Hashable, Codable {
  /// Where members are reached, ascending; equal ones as often as they occur.
  public let positions: [Double]
  /// All members, those that are never reached too.
  public let total: Int

  /// - Parameter reached: for each member of the set where it is reached; nil if it never is.
  public init(_ reached: [Double?]) {
    precondition(!reached.isEmpty, "a share of nothing")
    positions = reached.compactMap(\.self).sorted()
    total = reached.count
  }

  /// The share that is reached at or before `x`.
  public func share(at x: Double) -> Double {
    Double(positions.prefix { $0 <= x }.count) / Double(total)
  }

  /// The share that is ever reached.
  public var end: Double { Double(positions.count) / Double(total) }

  /// Where half of the set is reached, nil if that never happens: the lower median.
  public var median: Double? {
    let middle = (total - 1) / 2
    return middle < positions.count ? positions[middle] : nil
  }

  /// The mean share over log x on `range`, 1 for a set that is reached at its lower end.
  ///
  /// - Precondition: 0 < lower bound < upper bound.
  public func area(_ range: ClosedRange<Double>) -> Double {
    precondition(range.lowerBound > 0 && range.lowerBound < range.upperBound, "\(range)")
    let width = log(range.upperBound / range.lowerBound)
    let reached = positions.prefix { $0 < range.upperBound }.reduce(0) {
      $0 + log(range.upperBound / max($1, range.lowerBound))
    }
    return reached / width / Double(total)
  }

  /// Corners of the curve from one end of `range` to the other, to draw it with straight lines.
  public func corners(_ range: ClosedRange<Double>) -> (x: [Double], y: [Double]) {
    var corners = [(range.lowerBound, share(at: range.lowerBound))]
    for x in Set(positions).sorted() where x > range.lowerBound && x <= range.upperBound {
      corners += [(x, corners[corners.count - 1].1), (x, share(at: x))]
    }
    corners.append((range.upperBound, share(at: range.upperBound)))
    return (corners.map(\.0), corners.map(\.1))
  }
}
