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
    search.correct(with: m.times(m.times(search.x) - y, .transposed))
    let x = search.x
    let r = y - m.times(x)
    let correlations = m.times(r, .transposed)
    let largest = correlations.maxMagnitude
    // s r with ‖Mᵀ s r‖ ≤ ρ in the maximum norm is a dual point.
    let scale = largest > weight ? weight / largest : 1
    var (gap, l1) = ((1 - scale) * (1 - scale) * r.dot(r) / 2, 0.0)
    for j in 0..<x.count {
      l1 += weight * abs(x[j])
      // Not negative, and so free of cancellation between the two objectives.
      gap += weight * abs(x[j]) - scale * x[j] * correlations[j]
    }
    return CertifiedMinimum(
      value: r.dot(r) / 2 + l1, gap: gap, point: x, iterations: rounds, scale: y.dot(y) / 2)
  }
}
