import Engine
import Foundation
import Optimization

extension SolvedProblem {
  /// Solves `problem` to the last digits: proximal gradient with momentum finds signs and zeros,
  /// Newton steps on what is left find the values, by LAPACK.
  ///
  /// - Parameters:
  ///   - near: where to start; a minimiser where one is known.
  ///   - others: further minimisers.
  ///   - projection: the nearest minimiser; without it there is only one.
  /// - Throws: ``SuiteError/unsolved(problem:residual:)``.
  static func solved(
    _ problem: Regression, name: String, kind: Kind, near: Vector, others: [Vector] = [],
    projection: (@Sendable (Vector) -> Vector)? = nil, dominance: Double? = nil
  ) throws -> SolvedProblem {
    let point =
      problem.loss == .zero || !others.isEmpty ? near : try Polish(problem).minimiser(from: near)
    var result = SolvedProblem(
      name: name, problem: problem, kind: kind, minimumValue: problem.value(at: point),
      minimisers: [point] + others, projection: projection ?? { _ in point }, residual: 0,
      certificate: "signs and zeros by proximal gradient, values by LAPACK",
      hardDirections: try ProblemFamily.directions(problem.matrix), gradientDominance: dominance)
    result.residual = result.minimisers.map(result.stationarity).max() ?? 0
    // What the rounding of one gradient leaves, with the condition of the worst family to spare.
    guard result.residual <= 1e-13 * max(result.length, 1e-3) else {
      throw SuiteError.unsolved(problem: name, residual: result.residual)
    }
    return result
  }
}

/// The way to a minimiser of a small problem.
private struct Polish {
  let problem: Regression
  let step: Double

  init(_ problem: Regression) {
    self.problem = problem
    step = 1 / problem.smoothness[0]
  }

  private func proximalStep(_ x: Vector) -> Vector {
    var next = x
    next.add(-step, problem.gradient(at: x))
    problem.regularizer.prox(
      &next, steps: Vector([Double](repeating: step, count: x.count)))
    return next
  }

  func minimiser(from start: Vector) throws -> Vector {
    var x = problem.regularizer is NoRegularizer ? start : active(from: start)
    var best = (point: x, residual: (x - proximalStep(x)).norm)
    for _ in 0..<60 {
      guard let next = try newton(x), next.isFinite else { break }
      x = next
      let residual = (x - proximalStep(x)).norm
      if residual < best.residual { best = (x, residual) }
    }
    return best.point
  }

  /// FISTA with restarts until the signs have settled.
  private func active(from start: Vector) -> Vector {
    var x = proximalStep(start)
    var z = x
    var tau = 1.0
    for _ in 0..<100_000 {
      let next = proximalStep(z)
      if (next - z).norm <= 1e-14 * max(next.norm, 1e-3) { return next }
      let tauNext = (1 + (1 + 4 * tau * tau).squareRoot()) / 2
      let isUphill = (z - next).dot(next - x) > 0
      z = next.moved(isUphill ? 0 : (tau - 1) / tauNext, next - x)
      tau = isUphill ? 1 : tauNext
      x = next
    }
    return x
  }

  /// A Newton step on the entries that are not held at a kink or a bound; shortened on smooth f.
  private func newton(_ x: Vector) throws -> Vector? {
    let regularizer = problem.regularizer
    let free = (0..<x.count).filter { regularizer is NoRegularizer || x[$0] != 0 }
    guard !free.isEmpty else { return nil }
    var g = problem.gradient(at: x)
    if let l1 = regularizer as? L1Norm {
      for j in free { g[j] += x[j] > 0 ? l1.weight : -l1.weight }
    }
    let isTied = regularizer is Simplex
    let h = problem.hessian(at: x)
    let n = free.count + (isTied ? 1 : 0)
    var system = Matrix(zeros: n, n)
    var rhs = Vector(zeros: n)
    // The tie is scaled like the rest, or it would be taken for rounding.
    let tie = problem.smoothness[0]
    for (a, i) in free.enumerated() {
      for (b, j) in free.enumerated() { system[a, b] = h[i, j] }
      rhs[a] = -g[i]
      if isTied { (system[a, n - 1], system[n - 1, a]) = (tie, tie) }
    }
    if isTied { rhs[n - 1] = tie * (1 - free.reduce(0) { $0 + x[$1] }) }
    let move = try system.minimumNormSolution(rhs)
    var next = x
    for (a, j) in free.enumerated() { next[j] += move[a] }
    guard regularizer is NoRegularizer else { return next }
    var length = 1.0
    let value = problem.value(at: x)
    while problem.value(at: next) > value + 4 * value.ulp, length > 1e-9 {
      length /= 2
      next = x
      for (a, j) in free.enumerated() { next[j] += length * move[a] }
    }
    return next
  }
}
