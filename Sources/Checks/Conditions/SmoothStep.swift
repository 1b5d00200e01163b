import Engine
import Optimization

/// One step of a black box on a smooth problem, taken apart: d_k = P_k ∇f + b_k.
struct SmoothStep {
  /// ‖b_k‖.
  var bias = 0.0
  /// ‖P_k‖_F.
  var norm = 0.0
  /// √n times the largest norm of a row of the Jacobian, summed as in Lemma 1.
  var bound = 0.0
  /// The error that differences leave in b_k.
  var error = 0.0
  /// The error that they leave in ‖P_k‖_F; infinite where there is no gradient to scale steps with.
  var normError = 0.0
  var probes = 0

  /// Nodes and weights of Gauss and Legendre on [0, 1].
  private static let nodes = [
    (0.046910077030668, 0.118463442528095), (0.230765344947158, 0.239314335249683),
    (0.5, 0.284444444444444), (0.769234655052841, 0.239314335249683),
    (0.953089922969332, 0.118463442528095),
  ]

  init(
    _ run: any CandidateRun, at x: Vector, of problem: SolvedProblem, near minimiser: Vector,
    _ precision: Precision
  ) throws {
    let n = x.count
    let g = problem.problem.gradient(at: x)
    let move = x - (try run.probe(at: x, gradient: g, settled: false, steps: 1)[0])
    let size = g.norm
    guard size > 0 else {
      bias = move.norm
      normError = .infinity
      return
    }
    var mean = Matrix(zeros: n, n)
    let step = 1e-3 * size / Double(n).squareRoot()
    for (t, weight) in Self.nodes {
      let point = minimiser.moved(t, x - minimiser)
      let slope = g.scaled(by: t)
      var jacobian = Matrix(zeros: n, n)
      var squares = 0.0
      for j in 0..<n {
        let column = try CentralDifference(step: step, size: point) { h in
          var shifted = slope
          // d = x - x⁺: what x⁺ loses.
          shifted[j] -= h
          probes += 1
          return try run.probe(at: point, gradient: shifted, settled: false, steps: 1)[0]
        }
        for i in 0..<n {
          jacobian[i, j] = column.values[i]
          mean[i, j] += weight * column.values[i]
          error += weight * (column.change[i] + column.rounding[i]) * abs(g[j])
          let bar = column.change[i] + column.rounding[i] * precision.factor
          squares += bar * bar
        }
      }
      normError += weight * squares.squareRoot()
      let rows = (0..<n).map { i in
        Vector((0..<n).map { jacobian[i, $0] }).norm
      }
      bound = max(bound, Double(n).squareRoot() * (rows.max() ?? 0))
    }
    norm = mean.frobeniusNorm
    bias = (move - mean.times(g)).norm
  }
}
