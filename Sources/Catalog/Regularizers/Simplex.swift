public import Engine
public import Optimization

/// r = 0 on the unit simplex {x ≥ 0, Σ xⱼ = 1} of every instance, else infinite.
///
/// In the metric 1/p the prox is max(xⱼ - pⱼ τ, 0) with τ such that the entries sum to 1: a root of a
/// decreasing piecewise linear function, found from the sorted kinks xⱼ/pⱼ. Where pⱼ = 0 entry j stays.
public struct Simplex: Regularizer {
  public let name = "simplex"
  /// d, the number of unknowns of one instance.
  public let size: Int

  /// Creates it for instances of `size` unknowns.
  public init(size: Int) {
    precondition(size >= 1, "size \(size)")
    self.size = size
  }

  /// 0 within rounding of the simplex.
  public func value(at x: ArraySlice<Double>) -> Double {
    let sum = x.reduce(0, +)
    let slack = 8 * Double(size) * Double.ulpOfOne
    return x.allSatisfy { $0 >= -slack } && abs(sum - 1) <= slack ? 0 : .infinity
  }

  /// The least-norm element of the normal cone is 0.
  public func addSubgradient(at x: Vector, to g: inout Vector) {}

  public func prox(_ x: inout Vector, steps: Vector) {
    for first in stride(from: 0, to: x.count, by: size) {
      let range = first..<(first + size)
      let tau = Self.root(x.elements[range], steps.elements[range])
      var (sum, weight) = (0.0, 0.0)
      for j in range where steps[j] != 0 || tau.isNaN {
        x[j] = tau.isNaN ? .nan : max(x[j] - steps[j] * tau, 0)
        if x[j] > 0 { weight += steps[j] }
      }
      for j in range { sum += x[j] }
      // Entries that were large have left their rounding in the sum.
      guard weight > 0 else { continue }
      let rest = (sum - 1) / weight
      for j in range where steps[j] != 0 && x[j] > 0 { x[j] = max(x[j] - steps[j] * rest, 0) }
    }
  }

  /// τ with Σ max(xⱼ - pⱼ τ, 0) = 1, where entries with pⱼ = 0 count as they are.
  private static func root(_ x: ArraySlice<Double>, _ p: ArraySlice<Double>) -> Double {
    var (sum, weight, tau) = (-1.0, 0.0, 0.0)
    for (x, p) in zip(x, p) where p == 0 { sum += x }
    let kinks = zip(x, p).filter { $1 != 0 }.map { (kink: $0 / $1, x: $0, p: $1) }
      .sorted { $0.kink > $1.kink }
    guard sum.isFinite, kinks.allSatisfy({ $0.kink.isFinite }) else { return .nan }
    for (k, entry) in kinks.enumerated() {
      sum += entry.x
      weight += entry.p
      tau = sum / weight
      if k + 1 < kinks.count, tau >= kinks[k + 1].kink { break }
    }
    return tau
  }

  public func value(of x: Traced) -> Traced { x.constant(Matrix(zeros: x.rows, 1)) }
  public func subgradient(of x: Traced) -> Traced {
    x.constant(Matrix(zeros: x.rows, x.columns))
  }

  /// On the face that the point is sent to, τ is a quotient of sums.
  public func prox(of x: Traced, steps: Traced) -> Traced {
    let ones = x.constant(
      Matrix(
        rows: x.rows, columns: x.columns,
        elements: [Double](repeating: 1, count: x.rows * x.columns)))
    let p = steps * ones
    var image = x.vector
    prox(&image, steps: p.vector)
    let face = x.constant(
      Matrix(
        rows: x.rows, columns: x.columns, elements: image.elements.map { $0 > 0 ? 1 : $0 }))
    // Where every entry on the face stays there is no level, and 0 / 1 stands for it.
    let weight = (face * p).rowSums
    let guarded =
      weight
      + x.constant(
        Matrix(
          rows: x.rows, columns: 1, elements: weight.value.elements.map { $0 == 0 ? 1 : 0 }))
    let tau = ((face * x).rowSums - 1) / guarded
    return (face * (x - p * tau)).relu
  }
}
