public import Engine
public import Optimization

/// The minimum of one instance between two numbers: a value that is reached, and a bound from below.
///
/// The bound is the value of a dual point, so weak duality vouches for it whatever found the point,
/// up to the rounding of the two sums. Where no minimiser exists (logistic regression of separable
/// data without a weight) the numbers enclose the infimum.
public struct CertifiedMinimum: Sendable, Hashable {
  /// F at ``point``: an upper bound.
  public let value: Double
  /// A lower bound on F.
  public let lowerBound: Double
  /// A minimiser as far as the gap tells, d entries; others may exist.
  public let point: Vector
  /// Rounds of the search: support changes for LASSO, Newton steps for logistic regression.
  public let iterations: Int
  /// Whether the two numbers agree to ``tolerance`` of the value, or to rounding of F(0).
  public let isCertified: Bool

  /// The relative difference that a certified minimum keeps.
  public static let tolerance = 1e-12

  /// `scale` is F(0), whose rounding no data of that size can get below.
  init(value: Double, gap: Double, point: Vector, iterations: Int, scale: Double) {
    // F is nowhere negative, whatever the dual point says.
    lowerBound = max(value - max(gap, 0), 0)
    self.value = value
    self.point = point
    self.iterations = iterations
    isCertified = value - lowerBound <= max(Self.tolerance * value, .ulpOfOne * scale)
  }

  /// The distance of the two bounds.
  public var gap: Double { value - lowerBound }
}

/// A problem whose minima can be had with a certificate.
public protocol CertifiableProblem: LinearModelProblem {
  /// The minimum of every instance, N of them; those not certified say so.
  ///
  /// - Throws: `EngineError` when a factorization fails.
  func certifiedMinima() throws -> [CertifiedMinimum]
}

extension CertifiableProblem {
  /// M and Y of instance `i`.
  func matrixAndTarget(_ i: Int) -> (m: Matrix, y: Vector) {
    (map.matrix(i), target.block(i..<(i + 1), of: map.blockRows))
  }
}

extension LeastSquares: CertifiableProblem {
  /// The points of least norm; the bound comes from the part of Y outside the range of M.
  public func certifiedMinima() throws -> [CertifiedMinimum] {
    try Parallel.map(Array(0..<instanceCount)) { i in
      let (m, y) = matrixAndTarget(i)
      return try .leastSquares(m, y)
    }
  }
}

extension CertifiedMinimum {
  /// min ½ ‖M x - y‖², by LAPACK.
  static func leastSquares(_ m: Matrix, _ y: Vector) throws -> CertifiedMinimum {
    if let x = try fullRankSolution(m, y) {
      let r = y - m.times(x)
      let value = r.dot(r) / 2
      // Of full row rank, M reaches Y: the minimum is 0.
      return CertifiedMinimum(
        value: value, gap: value, point: x, iterations: 0, scale: y.dot(y) / 2)
    }
    let svd = try m.thinSVD()
    let cut = m.rankTolerance * (svd.values.elements.first ?? 0)
    var coefficients = svd.left.times(y, .transposed)
    for k in 0..<coefficients.count where svd.values[k] <= cut { coefficients[k] = 0 }
    // The dual point is Y less its projection on the range: no residual can be shorter.
    let dual = y - svd.left.times(coefficients)
    for k in 0..<coefficients.count where svd.values[k] > cut {
      coefficients[k] /= svd.values[k]
    }
    let x = svd.rightTransposed.times(coefficients, .transposed)
    let r = y - m.times(x)
    let value = r.dot(r) / 2
    return CertifiedMinimum(
      value: value, gap: value - (y.dot(dual) - dual.dot(dual) / 2), point: x, iterations: 0,
      scale: y.dot(y) / 2)
  }

  /// The point of least norm with M x = y where M has full row rank beyond doubt; else nil.
  private static func fullRankSolution(_ m: Matrix, _ y: Vector) throws -> Vector? {
    guard m.rows <= m.columns, let factor = try? m.transposed.gram().cholesky() else { return nil }
    let diagonal = (0..<m.rows).map { factor.lower[$0, $0] }
    // The pivots bound the condition of M only roughly: stay far from where rank is in doubt.
    guard let least = diagonal.min(), let most = diagonal.max(), least > 1e-6 * most else {
      return nil
    }
    var x = m.times(factor.solve(y), .transposed)
    // Refinement takes back what forming M Mᵀ lost.
    for _ in 0..<3 { x.add(1, m.times(factor.solve(y - m.times(x)), .transposed)) }
    return (y - m.times(x)).norm <= 1e-13 * y.norm ? x : nil
  }
}
