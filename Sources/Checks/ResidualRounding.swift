import Foundation

/// How far rounding can push values and gradients of f(x) = ½ ‖M x - y‖², from what is known of M.
///
/// Worst cases, with u = 2⁻⁵³ and b <= d. A product of length d in any order errs by at most
/// d u |M| |x| (Higham, *Accuracy and Stability*, §3.5), and ‖|M|‖₂ <= ‖M‖_F <= √(d β). Everything is
/// relative to `scale` = √(d β) ‖x‖ + ‖y‖, hence to F(X_0) and not to the value at hand.
struct ResidualRounding {
  /// d, the number of unknowns of one instance.
  var dimension: Int
  /// β of the instance.
  var smoothness: Double

  /// √(d β) ‖x‖ + ‖y‖, with `size` = ‖x‖ and `target` = ‖y‖.
  func scale(size: Double, target: Double) -> Double { factor * size + target }

  /// The bound on ‖δr‖ at `scale`: d products and sums, one subtraction.
  func residual(_ scale: Double) -> Double { Double(dimension + 2) * unit * scale }

  /// The bound on ‖δg‖ at `scale`, for Mᵀ(M x - y) and for A x - c with A and c formed beforehand.
  func gradient(_ scale: Double) -> Double { Double(2 * dimension + 3) * unit * factor * scale }

  private var factor: Double { (Double(dimension) * smoothness).squareRoot() }
  private var unit: Double { Double.ulpOfOne / 2 }

  /// The bound on ‖δr_t‖ after `step` rounded steps of x - S P ∇f, P in [0, 2], S <= 1/β, from a start
  /// no farther from 0 than from the minimiser, with `reach` = √β ‖x_0 - x*‖.
  ///
  /// No step amplifies an error (I - M S P Mᵀ has norm at most 1), so the errors of t steps add up:
  /// each is √β (2 s ‖δg‖ + u ‖x‖) with ‖x‖ <= 3 ‖x_0 - x*‖ and ‖y‖ <= 2 reach, so scale <= 5 √d reach.
  static func run(dimension d: Int, step: Int, reach: Double) -> Double {
    let rounding = ResidualRounding(dimension: d, smoothness: 1)
    let scale = 5 * Double(d).squareRoot() * reach
    return 2 * Double(step) * rounding.gradient(scale) + rounding.residual(scale)
  }

  /// What an error `residual` of r (norm) makes of F = ½ ‖r‖² = `value`.
  static func value(_ value: Double, residual: Double) -> Double {
    (2 * max(0, value)).squareRoot() * residual + residual * residual / 2
  }
}
