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

  /// One step to the minimiser on the support from a more exact H x - c, where signs stay.
  ///
  /// Takes back what rounding of H and c has cost.
  public mutating func correct(with gradient: Vector) {
    self.gradient = gradient
    let support = support
    guard let (step, bound) = step(on: support), bound.isFinite,
      support.indices.allSatisfy({
        step[$0].isFinite && (x[support[$0]] + step[$0]) * x[support[$0]] > 0
      })
    else { return }
    for (k, j) in support.enumerated() { x[j] += step[k] }
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
      guard !support.isEmpty, let (step, bound) = step(on: support) else { return }
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
  private func step(on support: [Int]) -> (step: Vector, bound: Double)? {
    let slope = Vector(support.map { gradient[$0] + (x[$0] > 0 ? weight : -weight) })
    do {
      let factor = try restricted(support).cholesky()
      return (factor.solve(Vector(slope.elements.map { -$0 })), 1)
    } catch .notPositiveDefinite(let minor) {
      // Column minor - 1 is a combination of those before it.
      let last = minor - 1
      let before = Array(support[..<last])
      guard let factor = try? restricted(before).cholesky() else { return nil }
      let column = Vector(before.map { curvature[$0, support[last]] })
      var null = Vector(zeros: support.count)
      for (k, entry) in factor.solve(column).elements.enumerated() { null[k] = -entry }
      null[last] = 1
      if null.dot(slope) > 0 { null.scale(by: -1) }
      return (null, .infinity)
    } catch {
      return nil
    }
  }

  /// The rows and columns of H in `support`.
  private func restricted(_ support: [Int]) -> Matrix {
    Matrix(
      rows: support.count, columns: support.count,
      elements: support.flatMap { i in support.map { curvature[i, $0] } })
  }
}
