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
    var misses = [Double](repeating: 0, count: m.rows)
    var sum = 0.0
    for j in 0..<m.rows {
      sum += LogisticL1.loss(z[j], label: labels[j])
      misses[j] = labels[j] == 1 ? 1 / (1 + exp(z[j])) : 1 / (1 + exp(-z[j]))
    }
    let l1 = weight * x.elements.reduce(0) { $0 + abs($1) }
    return Point(
      x: x, misses: misses, value: sum / rows + l1,
      gradient: m.times(residual(misses), .transposed))
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
    let target = modelMinimiser(from: p)
    let direction = target - p.x
    guard direction.isFinite, direction.maxMagnitude > 0 else { return nil }
    let l1 = { (x: Vector) in weight * x.elements.reduce(0) { $0 + abs($1) } }
    let decrease = p.gradient.dot(direction) + l1(target) - l1(p.x)
    var length = 1.0
    while length > 1e-10 {
      let next = evaluate(length == 1 ? target : p.x.moved(length, direction))
      // At the minimum the true decrease is lost in the rounding of F.
      let slack = 4 * .ulpOfOne * p.value
      if next.value <= p.value + 1e-4 * length * min(decrease, 0) + slack { return next }
      length /= 2
    }
    return nil
  }

  /// The minimiser of the quadratic model with the l1 term.
  private func modelMinimiser(from p: Point) -> Vector {
    let h = curvature(p.misses)
    guard weight > 0 else { return p.x - (pseudoInverse(h, p.gradient) ?? p.gradient) }
    var model = L1Quadratic(
      curvature: h, linear: h.times(p.x) - p.gradient, weight: weight, start: p.x)
    model.minimise(
      tolerance: 64 * .ulpOfOne * max(weight, model.linear.maxMagnitude), limit: 50)
    return model.x
  }

  /// The shortest u with H u = g, as far as H reaches.
  private func pseudoInverse(_ h: Matrix, _ g: Vector) -> Vector? {
    guard let eigen = try? h.symmetricEigen() else { return nil }
    let cut = Double(g.count) * .ulpOfOne * (eigen.values.elements.last ?? 0)
    var c = eigen.vectors.times(g, .transposed)
    for k in 0..<c.count { c[k] = eigen.values[k] > cut ? c[k] / eigen.values[k] : 0 }
    return eigen.vectors.times(c)
  }

  /// The dual value, minus the mean of e ln e + (1 - e) ln(1 - e) over dual misses e.
  ///
  /// They are the misses times s, so that |Mᵀ residual| ≤ ρ; near a minimum they are first
  /// corrected, so that Mᵀ residual = -ρ sign x on the support to the last digits.
  private func lowerBound(_ p: Point) -> Double {
    let plain = weight > 0 ? dualValue(p.misses, p.gradient) : 0
    // Far from a minimum a correction is of no use; where the bounds agree, of no need.
    guard weight == 0 || p.value - plain <= 1e-6 * p.value, p.value - plain > 1e-14 * p.value,
      let misses = corrected(p)
    else { return plain }
    return max(plain, dualValue(misses, m.times(residual(misses), .transposed)))
  }

  private func dualValue(_ misses: [Double], _ gradient: Vector) -> Double {
    let largest = gradient.maxMagnitude
    let scale = weight > 0 && largest > weight ? weight / largest : 1
    var sum = 0.0
    for miss in misses {
      let e = scale * miss
      // The limit is 0 at both ends.
      if e > 0, e < 1 { sum -= e * log(e) + (1 - e) * log1p(-e) }
    }
    return sum / rows
  }

  /// σ(z) - y over b, from the misses.
  private func residual(_ misses: [Double]) -> Vector {
    Vector(misses.indices.map { (labels[$0] == 1 ? -misses[$0] : misses[$0]) / rows })
  }

  /// The misses after a Newton step on the support, to first order, and so without its rounding.
  private func corrected(_ p: Point) -> [Double]? {
    let support = (0..<p.x.count).filter { weight == 0 || p.x[$0] != 0 }
    guard !support.isEmpty else { return nil }
    let slope = Vector(
      support.map { j in
        p.gradient[j] + (weight == 0 ? 0 : p.x[j] > 0 ? weight : -weight)
      })
    let h = curvature(p.misses)
    let restricted = Matrix(
      rows: support.count, columns: support.count,
      elements: support.flatMap { i in support.map { h[i, $0] } })
    guard let step = pseudoInverse(restricted, slope) else { return nil }
    var u = Vector(zeros: p.x.count)
    for (k, j) in support.enumerated() { u[j] = step[k] }
    let shift = m.times(u)
    let misses = p.misses.indices.map { j in
      let e = p.misses[j]
      return e - (labels[j] == 1 ? -1 : 1) * e * (1 - e) * shift[j]
    }
    return misses.allSatisfy { (0...1).contains($0) } ? misses : nil
  }
}
