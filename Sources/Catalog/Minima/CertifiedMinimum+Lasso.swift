import Engine

extension Lasso: CertifiableProblem {
  /// Supports by coordinate descent, values by Cholesky factors, bounds by scaled residuals.
  ///
  /// Holds MᵀM, d x d, for every matrix under way.
  public func certifiedMinima() throws -> [CertifiedMinimum] {
    let shared = map.isShared ? map.matrix(0).gram() : nil
    return try Parallel.map(Array(0..<instanceCount)) { i in
      let (m, y) = matrixAndTarget(i)
      return try .lasso(m, y, weight, gram: shared)
    }
  }
}

extension CertifiedMinimum {
  /// min ½ ‖M x - y‖² + ρ ‖x‖₁.
  static func lasso(
    _ m: Matrix, _ y: Vector, _ weight: Double, gram: Matrix? = nil
  ) throws -> CertifiedMinimum {
    guard weight > 0 else { return try leastSquares(m, y) }
    let linear = m.times(y, .transposed)
    var search = L1Quadratic(
      curvature: gram ?? m.gram(), linear: linear, weight: linear.maxMagnitude)
    var rounds = 0
    // A small weight at once would let in far too many coordinates, to be thrown out one by one.
    while search.weight > 8 * weight {
      search.weight /= 4
      rounds += search.minimise(tolerance: 1e-3 * search.weight, limit: 20)
    }
    search.weight = weight
    // c is known no better than to its own rounding.
    rounds += search.minimise(tolerance: 64 * .ulpOfOne * max(linear.maxMagnitude, weight))
    var x = search.x
    // The dual point is corrected by itself: through x it would pick up the rounding of M x - y.
    var dual = y - m.times(x)
    for _ in 0..<2 {
      let gradient = m.times(dual, .transposed).scaled(by: -1)
      guard let step = search.correction(for: gradient) else { break }
      dual.add(-1, m.times(step))
      x.add(1, step)
    }
    if zip(x.elements, search.x.elements).contains(where: { $0 * $1 <= 0 && $1 != 0 }) {
      x = search.x
    }
    return lasso(m, y, weight, at: x, dual: dual, iterations: rounds)
  }

  /// What the point `x` and the dual point `u` = s `dual` prove, with s such that |Mᵀu| ≤ ρ.
  private static func lasso(
    _ m: Matrix, _ y: Vector, _ weight: Double, at x: Vector, dual: Vector, iterations: Int
  ) -> CertifiedMinimum {
    let r = y - m.times(x)
    let largest = m.times(dual, .transposed).maxMagnitude
    let u = dual.scaled(by: largest > weight ? weight / largest : 1)
    let correlations = m.times(u, .transposed)
    let difference = r - u
    var (gap, l1) = (difference.dot(difference) / 2, 0.0)
    for j in 0..<x.count {
      l1 += weight * abs(x[j])
      // Not negative, and so free of cancellation between the two objectives.
      gap += weight * abs(x[j]) - x[j] * correlations[j]
    }
    return CertifiedMinimum(
      value: r.dot(r) / 2 + l1, gap: gap, point: x, iterations: iterations, scale: y.dot(y) / 2)
  }
}
