import Foundation

/// The order with which f(h) - f(0) - h s vanishes: 2 for the right slope s, 1 for a wrong one.
///
/// Steps come from a ``FiniteDifference``, which knows the scale on which f bends and the rounding in
/// f: only remainders well above the rounding count, and only on steps below the scale.
public struct TaylorOrder {
  private var steps: [Double] = []
  private var values: [Double] = []
  private let center: Double
  private let noise: Double
  private let bar: Double
  private let slope: Double

  /// Evaluates f at twelve steps; `value` is f(0).
  public init(of f: (Double) -> Double, value: Double, difference: FiniteDifference) {
    center = value
    noise = difference.noise
    bar = difference.slope.error
    slope = difference.slope.value
    var h = difference.steps.upperBound
    for _ in 0..<12 {
      steps.append(h)
      // The even part alone would hide a wrong slope, so both sides count.
      values.append((f(h) - f(-h)) / 2)
      h /= 2
    }
  }

  /// Whether `slope` is the slope of f: holds, violated, or inconclusive where rounding hides the order.
  ///
  /// Of the odd part of f, h s is what it should be up to terms of third order: remainders that fall
  /// with order 1 down to the smallest step above the rounding show a wrong slope.
  public func verdict(slope s: Double) -> Verdict {
    let remainders = zip(steps, values).map { (h: $0, r: abs($1 - $0 * s)) }
    let clear = remainders.filter { $0.r > 16 * noise }
    // All remainders drown: the slope is right as far as rounding lets anyone see.
    guard clear.count >= 3 else {
      let resolution = 16 * noise / (steps[0] * max(abs(s), .leastNormalMagnitude))
      return resolution < 5e-3 ? .holds : .inconclusive
    }
    let tail = clear.suffix(4)
    guard let first = tail.first, let last = tail.last, first.h > last.h else {
      return .inconclusive
    }
    let order = log(first.r / last.r) / log(first.h / last.h)
    if order >= 2 { return .holds }
    if order <= 1.5 { return abs(s - slope) > bar ? .violated : .inconclusive }
    return .inconclusive
  }
}
