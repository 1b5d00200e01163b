import Engine
import Foundation

extension LogisticL1: CertifiableProblem {
  /// Newton steps on the smooth part with the l1 term kept, bounds by scaled residuals.
  ///
  /// With ρ = 0 and separable data there is no minimiser, only the infimum, which is enclosed.
  public func certifiedMinima() throws -> [CertifiedMinimum] {
    try Parallel.map(Array(0..<instanceCount)) { i in
      let (m, y) = matrixAndTarget(i)
      return LogisticSearch(m: m, labels: y, weight: weight).minimum()
    }
  }
}

/// The search for the minimum of mean softplus(-margin) + ρ ‖x‖₁.
private struct LogisticSearch {
  let m: Matrix
  let labels: Vector
  let weight: Double

  private var rows: Double { Double(m.rows) }

  /// What is known at a point.
  private struct Point {
    var x: Vector
    /// Probability of the wrong label, row by row.
    var misses: [Double]
    var value: Double
    /// The gradient of the smooth part.
    var gradient: Vector
  }

  func minimum() -> CertifiedMinimum {
    var point = evaluate(Vector(zeros: m.columns))
    let start = point.value
    func result(_ p: Point, _ iterations: Int) -> CertifiedMinimum {
      CertifiedMinimum(
        value: p.value, gap: p.value - lowerBound(p), point: p.x, iterations: iterations,
        scale: start)
    }
    var (best, violation) = (result(point, 0), violation(point))
    for iteration in 1...200 {
      guard let next = step(from: point) else { break }
      point = next
      let found = result(point, iteration)
      let remaining = self.violation(point)
      // Once values agree to rounding, only the conditions of a minimum still tell points apart.
      let isBetter =
        best.isCertified ? found.isCertified && remaining < violation : found.gap < best.gap
      if isBetter { (best, violation) = (found, remaining) }
      // An infimum of 0 would be approached for ever.
      if best.isCertified, !isBetter || best.lowerBound == 0 { break }
    }
    return best
  }

  /// By how much the conditions of a minimum of F fail.
  private func violation(_ p: Point) -> Double {
    (0..<p.x.count).map { j in
      let g = p.gradient[j]
      return p.x[j] == 0 ? max(abs(g) - weight, 0) : abs(g + (p.x[j] > 0 ? weight : -weight))
    }.max() ?? 0
  }

  private func evaluate(_ x: Vector) -> Point {
    let z = m.times(x)
    var residual = Vector(zeros: m.rows)
    var misses = [Double](repeating: 0, count: m.rows)
    var sum = 0.0
    for j in 0..<m.rows {
      sum += LogisticL1.loss(z[j], label: labels[j])
      misses[j] = labels[j] == 1 ? 1 / (1 + exp(z[j])) : 1 / (1 + exp(-z[j]))
      residual[j] = (labels[j] == 1 ? -misses[j] : misses[j]) / rows
    }
    let l1 = weight * x.elements.reduce(0) { $0 + abs($1) }
    return Point(
      x: x, misses: misses, value: sum / rows + l1, gradient: m.times(residual, .transposed))
  }

  /// MᵀWM with the weights of the curvature.
  private func curvature(_ misses: [Double]) -> Matrix {
    var scaled = m
    for j in 0..<m.rows {
      let factor = (misses[j] * (1 - misses[j]) / rows).squareRoot()
      for k in 0..<m.columns { scaled.elements[j * m.columns + k] *= factor }
    }
    return scaled.gram()
  }

  /// A step to the minimiser of the quadratic model with the l1 term, shortened until F falls.
  private func step(from p: Point) -> Point? {
    let h = curvature(p.misses)
    var model = L1Quadratic(
      curvature: h, linear: h.times(p.x) - p.gradient, weight: weight, start: p.x)
    model.minimise(
      tolerance: 64 * .ulpOfOne * max(weight, model.linear.maxMagnitude), limit: 50)
    let direction = model.x - p.x
    guard direction.isFinite, direction.maxMagnitude > 0 else { return nil }
    let l1 = { (x: Vector) in weight * x.elements.reduce(0) { $0 + abs($1) } }
    let decrease = p.gradient.dot(direction) + l1(model.x) - l1(p.x)
    var length = 1.0
    while length > 1e-10 {
      let next = evaluate(length == 1 ? model.x : p.x.moved(length, direction))
      // At the minimum the true decrease is lost in the rounding of F.
      let slack = 4 * .ulpOfOne * p.value
      if next.value <= p.value + 1e-4 * length * min(decrease, 0) + slack { return next }
      length /= 2
    }
    return nil
  }

  /// The dual value, minus the mean of e ln e + (1 - e) ln(1 - e) over dual misses e.
  ///
  /// They are the misses times s, so that |Mᵀ residual| ≤ ρ; without a weight the misses are
  /// corrected within the weighted range instead, so that Mᵀ residual = 0.
  private func lowerBound(_ p: Point) -> Double {
    let largest = p.gradient.maxMagnitude
    let misses: [Double]
    if weight == 0 {
      guard let corrected = balanced(p) else { return 0 }
      misses = corrected
    } else {
      let scale = largest > weight ? weight / largest : 1
      misses = p.misses.map { scale * $0 }
    }
    var sum = 0.0
    // The limit is 0 at both ends.
    for e in misses where e > 0 && e < 1 { sum -= e * log(e) + (1 - e) * log1p(-e) }
    return sum / rows
  }

  /// Misses e - e (1 - e) (±M u) with MᵀW M u = ∇f: their residual is orthogonal to all columns.
  private func balanced(_ p: Point) -> [Double]? {
    guard let factor = try? curvature(p.misses).cholesky() else { return nil }
    let shift = m.times(factor.solve(p.gradient))
    let misses = p.misses.indices.map { j in
      let e = p.misses[j]
      return e - (labels[j] == 1 ? -1 : 1) * e * (1 - e) * shift[j]
    }
    return misses.allSatisfy { (0...1).contains($0) } ? misses : nil
  }
}
