import Foundation

/// Generalised least squares for one who knows the shape and the correlation of the errors.
///
/// Prais and Winsten's whitening, then normal equations by Cholesky's method, written on its own so
/// that it shares nothing with what it judges.
struct RateOracle {
  /// φ.
  var correlation: Double
  /// σ, the standard deviation of the errors; not used for intervals.
  var deviation: Double

  /// The half width of the 95% interval of each rate of `truth`, linearised there, and its centre.
  ///
  /// σ is estimated from what is left, as it would be by one who does not know it.
  func intervals(_ truth: CourseCurve, _ noise: [Double]) -> [(centre: Double, half: Double)] {
    guard
      let fit = solve(noise.indices.map { truth.gradient(Double($0)) }, noise)
    else { return [] }
    let scale = (fit.square / Double(noise.count - truth.parameters.count)).squareRoot()
    return truth.rates.map {
      (truth.parameters[$0] + fit.step[$0], 1.96 * scale * fit.errors[$0])
    }
  }

  /// The distance of `truth` from the nearest curve of another shape, in standard deviations.
  ///
  /// The square of it is by how much the errors' log-likelihood ratio tells the two apart. Looked
  /// for on 200 steps first, then on all.
  func distance(_ truth: CourseCurve, from shape: CourseCurve, count: Int) -> Double {
    let stride = max(1, count / 200)
    let coarse = Swift.stride(from: 0, to: count, by: stride).map(Double.init)
    var thinned = self
    thinned.correlation = pow(correlation, Double(stride))
    let (near, far) = thinned.descend(truth, from: shape, coarse, steps: 40)
    // So far away on a part of the steps alone that the rest need not be looked at.
    guard stride > 1, far < 1e4 * thinned.innovation else {
      return (far / thinned.innovation).squareRoot()
    }
    let square = descend(truth, from: near, (0..<count).map(Double.init), steps: 4).square
    return (square / innovation).squareRoot()
  }

  /// Gauss-Newton with halved steps from `shape` towards `truth` at the steps `k`.
  private func descend(
    _ truth: CourseCurve, from shape: CourseCurve, _ k: [Double], steps: Int
  ) -> (curve: CourseCurve, square: Double) {
    let y = k.map(truth.value)
    var curve = shape
    var current = square(k, y, curve)
    for _ in 0..<steps {
      let rest = zip(k, y).map { $1 - curve.value($0) }
      guard let fit = solve(k.map(curve.gradient), rest) else { break }
      var length = 1.0
      var next = (curve, Double.infinity)
      while length > 1e-3 {
        var trial = curve
        for i in fit.step.indices { trial.parameters[i] += length * fit.step[i] }
        if trial.course == .sublinear {
          trial.parameters[1] = max(trial.parameters[1], curve.parameters[1] / 4)
        }
        next = (trial, square(k, y, trial))
        if next.1 < current { break }
        length /= 2
      }
      guard next.1 < current else { break }
      let gain = (current - next.1) / current
      (curve, current) = next
      if gain < 1e-3 || current < innovation { break }
    }
    return (curve, current)
  }

  private var innovation: Double {
    deviation * deviation * (1 - correlation * correlation)
  }

  private func square(_ k: [Double], _ y: [Double], _ curve: CourseCurve) -> Double {
    var sum = 0.0
    var last = 0.0
    for t in y.indices {
      let r = y[t] - curve.value(k[t])
      let w = t == 0 ? (1 - correlation * correlation).squareRoot() * r : r - correlation * last
      sum += w * w
      last = r
    }
    return sum.isFinite ? sum : .infinity
  }

  /// Least squares of `y` on the rows, whitened: the coefficients, their errors for unit
  /// innovations, and what is left.
  private func solve(
    _ rows: [[Double]], _ y: [Double]
  ) -> (step: [Double], errors: [Double], square: Double)? {
    let p = rows[0].count
    let first = (1 - correlation * correlation).squareRoot()
    let columns = (0...p).map { i in
      let raw = i < p ? rows.map { $0[i] } : y
      return [first * raw[0]] + zip(raw.dropFirst(), raw).map { $0 - correlation * $1 }
    }
    var gram = [Double](repeating: 0, count: (p + 1) * (p + 1))
    for i in 0...p {
      for j in 0...i {
        var sum = 0.0
        for t in y.indices { sum += columns[i][t] * columns[j][t] }
        gram[i * (p + 1) + j] = sum
      }
    }
    // L Lᵀ of the Gram matrix; its last row holds the transformed right side and what is left.
    var l = gram
    for j in 0...p {
      for i in j...p {
        var sum = gram[i * (p + 1) + j]
        for m in 0..<j { sum -= l[i * (p + 1) + m] * l[j * (p + 1) + m] }
        if i > j {
          l[i * (p + 1) + j] = sum / l[j * (p + 1) + j]
        } else if j < p {
          guard sum > 0 else { return nil }
          l[j * (p + 1) + j] = sum.squareRoot()
        } else {
          l[p * (p + 1) + p] = max(sum, 0)
        }
      }
    }
    // The columns of L⁻¹ give coefficients and errors.
    var inverse = [Double](repeating: 0, count: p * p)
    for column in 0..<p {
      for i in column..<p {
        var sum = i == column ? 1.0 : 0
        for m in column..<i { sum -= l[i * (p + 1) + m] * inverse[m * p + column] }
        inverse[i * p + column] = sum / l[i * (p + 1) + i]
      }
    }
    let step = (0..<p).map { c in
      (c..<p).reduce(0) { $0 + inverse[$1 * p + c] * l[p * (p + 1) + $1] }
    }
    let errors = (0..<p).map { c in
      (c..<p).reduce(0) { $0 + inverse[$1 * p + c] * inverse[$1 * p + c] }.squareRoot()
    }
    return (step, errors, l[p * (p + 1) + p])
  }
}
