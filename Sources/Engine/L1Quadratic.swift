import COpenBLAS

/// q(x) = ½ xᵀ H x - cᵀ x + ρ ‖x‖₁ with H symmetric and positive semidefinite, and its minimiser.
///
/// Coordinate descent finds the support, a Cholesky factorization the values on it; a step stops
/// where a sign would change, as in feature-sign search (Lee, Battle, Raina and Ng, NIPS 2006), so
/// that no step raises q. Takes memory for H, d x d, and time for its factor on the support.
public struct L1Quadratic: Sendable {
  /// H.
  public let curvature: Matrix
  /// c.
  public let linear: Vector
  /// ρ; lowered step by step it leads from 0 to minimisers with large supports.
  public var weight: Double

  /// Where the search stands.
  public private(set) var x: Vector
  /// H x - c.
  private var gradient: Vector

  /// Starts a search at `start`, or at 0; H is d x d, the vectors have d entries.
  public init(curvature: Matrix, linear: Vector, weight: Double, start: Vector? = nil) {
    let d = curvature.rows
    precondition(
      curvature.columns == d && linear.count == d && (start?.count ?? d) == d && weight >= 0,
      "H of \(d) x \(curvature.columns), c of \(linear.count), weight \(weight)")
    self.curvature = curvature
    self.linear = linear
    self.weight = weight
    x = start ?? Vector(zeros: d)
    gradient = x
    refreshGradient()
  }

  /// Descends until the conditions of a minimum are met to `tolerance`, or for `limit` rounds.
  ///
  /// `tolerance` is absolute, in units of c. Returns the rounds taken.
  @discardableResult
  public mutating func minimise(tolerance: Double, limit: Int = 200) -> Int {
    for round in 1...limit {
      sweep(Array(0..<x.count))
      for _ in 0..<20 {
        let support = support
        sweep(support)
        if support == self.support, violation <= tolerance { break }
      }
      settle(crossings: 20)
      if violation <= tolerance { return round }
    }
    return limit
  }

  /// The step to the minimiser on the support of `x` from a more exact H x - c; 0 off the support.
  ///
  /// Takes back what rounding of H and c has cost; nil where columns depend on each other.
  public func correction(for gradient: Vector) -> Vector? {
    let support = support
    guard let (step, bound) = step(on: support, gradient), bound.isFinite, step.isFinite
    else { return nil }
    var result = Vector(zeros: x.count)
    for (k, j) in support.enumerated() { result[j] = step[k] }
    return result
  }

  /// By how much the conditions of a minimum fail: |H x - c + ρ sign x| on the support and
  /// |H x - c| - ρ off it, where positive.
  public var violation: Double {
    var largest = 0.0
    for j in 0..<x.count {
      let g = gradient[j]
      largest = max(
        largest, x[j] > 0 ? abs(g + weight) : x[j] < 0 ? abs(g - weight) : abs(g) - weight)
    }
    return largest
  }

  private var support: [Int] { (0..<x.count).filter { x[$0] != 0 } }

  private mutating func refreshGradient() { gradient = curvature.times(x) - linear }

  /// Minimises over one coordinate after another.
  private mutating func sweep(_ coordinates: [Int]) {
    let d = x.count
    BLAS.start()
    curvature.elements.withUnsafeBufferPointer { h in
      gradient.elements.withUnsafeMutableBufferPointer { g in
        guard let h = h.baseAddress, let g = g.baseAddress else { return }
        for j in coordinates where h[j * d + j] > 0 {
          let own = h[j * d + j]
          let free = own * x[j] - g[j]
          let rest = abs(free) - weight
          let new = rest > 0 ? (free > 0 ? rest : -rest) / own : 0
          guard new != x[j] else { continue }
          cblas_daxpy(Int32(d), new - x[j], h + j * d, 1, g, 1)
          x[j] = new
        }
      }
    }
  }

  /// Goes to the minimiser on the support with its signs; what reaches 0 on the way leaves it.
  private mutating func settle(crossings: Int) {
    for _ in 0..<crossings {
      let support = support
      guard !support.isEmpty, let (step, bound) = step(on: support, gradient)
      else { return }
      var length = bound
      var leaving: Int?
      for (k, j) in support.enumerated() where step[k] * x[j] < 0 {
        let reach = -x[j] / step[k]
        if reach <= length { (length, leaving) = (reach, j) }
      }
      guard length.isFinite else { return }
      for (k, j) in support.enumerated() { x[j] += length * step[k] }
      if let leaving { x[leaving] = 0 }
      refreshGradient()
      if leaving == nil { return }
    }
  }

  /// The step to the minimiser with these signs and how much of it may be taken: 1; or, where
  /// columns of H depend on each other, a direction of no curvature that does not lead up, without
  /// a bound of its own.
  private func step(
    on support: [Int], _ gradient: Vector
  ) -> (step: Vector, bound: Double)? {
    let slope = Vector(support.map { gradient[$0] + (x[$0] > 0 ? weight : -weight) })
    guard slope.isFinite else { return nil }
    let (factor, rank) = independentPart(of: support)
    guard rank < support.count else {
      return (factor.solve(slope.scaled(by: -1)), 1)
    }
    // The column after those is a combination of them.
    let column = Vector(support[..<rank].map { curvature[$0, support[rank]] })
    var null = Vector(zeros: support.count)
    for (k, entry) in factor.solve(column).elements.enumerated() { null[k] = -entry }
    null[rank] = 1
    return (null.dot(slope) > 0 ? null.scaled(by: -1) : null, .infinity)
  }

  /// The factor of H on the first columns of `support` that are independent, and their number.
  private func independentPart(of support: [Int]) -> (factor: CholeskyFactorization, rank: Int) {
    var rank = support.count
    while true {
      do {
        let factor = try restricted(Array(support[..<rank])).cholesky()
        // A square of a distance this small, relative to the column's, is rounding.
        let last = (0..<rank).first { k in
          let own = curvature[support[k], support[k]]
          return factor.lower[k, k] * factor.lower[k, k] <= 1e-13 * own
        }
        guard let last else { return (factor, rank) }
        rank = last
      } catch .notPositiveDefinite(let minor) {
        rank = minor - 1
      } catch {
        // Not finite: no column is known to be independent of the others.
        rank = 0
      }
    }
  }

  /// The rows and columns of H in `support`.
  private func restricted(_ support: [Int]) -> Matrix {
    Matrix(
      rows: support.count, columns: support.count,
      elements: support.flatMap { i in support.map { curvature[i, $0] } })
  }
}
