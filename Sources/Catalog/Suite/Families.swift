import Engine
import Foundation
import Optimization

extension ProblemFamily {
  /// ½ ‖M x - y‖² with curvatures from 2.5 down to 2.5 / `condition`, evenly spaced on a log scale;
  /// along the axes, or along random directions.
  static func quadratic(
    _ name: String, dimension: Int, condition: Double, isRotated: Bool = false
  ) -> ProblemFamily {
    ProblemFamily(name, .smooth, dimension: dimension) { draw, n, name in
      var rng = SplitMix64(seed: draw.seed)
      let roots = (0..<n).map { j in
        draw.scale * (2.5 * pow(condition, n == 1 ? 0 : -Double(j) / Double(n - 1))).squareRoot()
      }
      let turn = isRotated ? try rng.matrix(n, n).orthonormalFactor() : Matrix(identity: n)
      var m = turn.transposed
      for i in 0..<n {
        for j in 0..<n { m[i, j] *= roots[i] }
      }
      let point = rng.vector(n)
      return try .solved(
        Regression(name: name, matrix: m, target: m.times(point), loss: .squared), name: name,
        kind: .smooth, near: point, dominance: roots[n - 1] * roots[n - 1])
    }
  }

  /// Least squares with half as many equations as unknowns: an affine space of minimisers.
  static let underdetermined = ProblemFamily(
    "quadratic-wide", .smooth, dimension: 6, least: 2
  ) { draw, n, name in
    var rng = SplitMix64(seed: draw.seed)
    let m = rng.matrix(max(1, n / 2), n, by: { draw.scale * 0.5 * $0.normal() })
    let problem = try Regression(
      name: name, matrix: m, target: m.times(rng.vector(n)), loss: .squared)
    let space = try AffineMinimisers(problem)
    let least = space.values.last ?? 0
    return try .solved(
      problem, name: name, kind: .smooth, near: space.shortest,
      others: [space.nearest(rng.vector(n)), space.nearest(rng.vector(n).scaled(by: 3))],
      projection: space.nearest, dominance: least * least)
  }

  /// Least squares with curvatures from 2.5 to 0.025 and a last column of zeros: no gradient ever sees
  /// the last unknown, which stays where it started.
  public static let unseenLeastSquares = ProblemFamily(
    "least-squares-unseen", .smooth, dimension: 3, least: 2
  ) { draw, n, name in
    var rng = SplitMix64(seed: draw.seed)
    var m = Matrix(zeros: n - 1, n)
    for j in 0..<(n - 1) {
      m[j, j] = draw.scale * (2.5 * pow(100, -Double(j) / Double(max(n - 2, 1)))).squareRoot()
    }
    return try .solving(
      Regression(name: name, matrix: m, target: m.times(rng.vector(n)), loss: .squared),
      near: Vector(zeros: n))
  }

  /// Logistic regression of labels that no plane separates.
  static let logistic = ProblemFamily("logistic", .smooth, dimension: 4) { draw, n, name in
    let (m, y) = labelled(draw, n)
    return try .solved(
      Regression(name: name, matrix: m, target: y, loss: .logistic), name: name, kind: .smooth,
      near: Vector(zeros: n))
  }

  /// Huber's loss with outliers, δ half the size of the noise.
  static let huber = ProblemFamily("huber", .smooth, dimension: 4) { draw, n, name in
    var rng = SplitMix64(seed: draw.seed)
    let m = rng.matrix(4 * n, n, by: { draw.scale * $0.normal() })
    let point = rng.vector(n)
    var y = m.times(point)
    for i in 0..<y.count { y[i] += draw.scale * (i % 5 == 0 ? 4 : 0.3) * rng.normal() }
    return try .solved(
      Regression(name: name, matrix: m, target: y, loss: .huber(draw.scale)), name: name,
      kind: .smooth, near: point)
  }

  /// LASSO with more equations than unknowns: one minimiser.
  static let lasso = ProblemFamily("lasso", .composite, dimension: 5) { draw, n, name in
    let (m, y) = sparse(draw, n)
    let weight = 0.2 * m.times(y, .transposed).maxMagnitude
    return try .solved(
      Regression(
        name: name, matrix: m, target: y, loss: .squared, regularizer: L1Norm(weight: weight)),
      name: name, kind: .composite, near: Vector(zeros: n))
  }

  /// LASSO whose last column repeats one that is in use: a segment of minimisers.
  static let lassoRepeated = ProblemFamily(
    "lasso-repeated", .composite, dimension: 5, least: 2
  ) { draw, n, name in
    let (part, y) = sparse(draw, n - 1)
    let weight = 0.2 * part.times(y, .transposed).maxMagnitude
    let single = try SolvedProblem.solved(
      Regression(
        name: name, matrix: part, target: y, loss: .squared,
        regularizer: L1Norm(weight: weight)),
      name: name, kind: .composite, near: Vector(zeros: n - 1)
    ).minimisers[0]
    let column = single.elements.enumerated().max { abs($0.1) < abs($1.1) }?.0 ?? 0
    var m = Matrix(zeros: part.rows, n)
    for i in 0..<part.rows {
      for j in 0..<n { m[i, j] = part[i, j == n - 1 ? column : j] }
    }
    let problem = try Regression(
      name: name, matrix: m, target: y, loss: .squared, regularizer: L1Norm(weight: weight))
    let segment = try SplitMinimisers(problem)
    return try .solved(
      problem, name: name, kind: .composite, near: segment.split(0.5),
      others: [segment.split(0.125), segment.split(0.75)], projection: segment.nearest)
  }

  /// LASSO with a last column of zeros: the last unknown is seen by the threshold alone.
  public static let unseenLasso = ProblemFamily(
    "lasso-unseen", .composite, dimension: 5, least: 2
  ) { draw, n, name in
    let (part, y) = sparse(draw, n - 1)
    var m = Matrix(zeros: part.rows, n)
    for i in 0..<part.rows {
      for j in 0..<(n - 1) { m[i, j] = part[i, j] }
    }
    let weight = 0.2 * m.times(y, .transposed).maxMagnitude
    return try .solving(
      Regression(
        name: name, matrix: m, target: y, loss: .squared, regularizer: L1Norm(weight: weight)),
      near: Vector(zeros: n))
  }

  /// Logistic regression with an l1 term.
  static let logisticL1 = ProblemFamily(
    "logistic-l1", .composite, dimension: 5
  ) { draw, n, name in
    let (m, y) = labelled(draw, n)
    var pull = m.times(Vector(y.elements.map { $0 - 0.5 }), .transposed)
    pull.scale(by: 1 / Double(y.count))
    return try .solved(
      Regression(
        name: name, matrix: m, target: y, loss: .logistic,
        regularizer: L1Norm(weight: 0.2 * pull.maxMagnitude)), name: name, kind: .composite,
      near: Vector(zeros: n))
  }

  /// Least squares over x ≥ 0, with some bounds active.
  static let nonNegative = ProblemFamily(
    "non-negative", .constrained, dimension: 5
  ) { draw, n, name in
    let (m, y) = sparse(draw, n)
    return try .solved(
      Regression(
        name: name, matrix: m, target: y, loss: .squared, regularizer: NonNegative()),
      name: name, kind: .constrained, near: Vector(zeros: n))
  }

  /// Least squares over the unit simplex.
  static let simplex = ProblemFamily("simplex", .constrained, dimension: 5, least: 2) {
    draw, n, name in
    let (m, y) = sparse(draw, n)
    return try .solved(
      Regression(
        name: name, matrix: m, target: y, loss: .squared, regularizer: Simplex(size: n)),
      name: name, kind: .constrained, near: Vector([Double](repeating: 1 / Double(n), count: n)))
  }

  /// |x| in one unknown: f = 0.
  public static let absoluteValue = ProblemFamily("absolute", .implicit, dimension: 1) {
    draw, n, name in
    var m = Matrix(identity: n)
    for j in 0..<n { m[j, j] = draw.scale }
    return try .solved(
      Regression(
        name: name, matrix: m, target: Vector(zeros: n), loss: .zero,
        regularizer: L1Norm(weight: 0.05 * draw.scale * draw.scale)), name: name, kind: .implicit,
      near: Vector(zeros: n))
  }

  /// ‖A x‖₁ with A of full column rank: for rules that follow subgradients.
  static let absoluteResiduals = ProblemFamily("absolute-residuals", .nonsmooth, dimension: 2) {
    draw, n, name in
    var rng = SplitMix64(seed: draw.seed)
    let a = rng.matrix(n + 2, n, by: { draw.scale * $0.normal() })
    let problem = try Regression(
      name: name, matrix: a, target: Vector(zeros: n + 2), loss: .absolute)
    return try .norm(problem)
  }

  /// 4n samples of n features whose labels follow a plane, one in five turned round.
  private static func labelled(_ draw: Draw, _ n: Int) -> (Matrix, Vector) {
    var rng = SplitMix64(seed: draw.seed)
    let m = rng.matrix(8 * n, n)
    let plane = rng.vector(n)
    let z = m.times(plane)
    let labels = Vector(
      (0..<z.count).map { i in (z[i] > 0) == (i % 5 != 0) ? 1 : 0 })
    var scaled = m
    for k in scaled.elements.indices { scaled.elements[k] *= draw.scale }
    return (scaled, labels)
  }

  /// 2n equations in n unknowns, half of them with weight in the right-hand side.
  private static func sparse(_ draw: Draw, _ n: Int) -> (Matrix, Vector) {
    var rng = SplitMix64(seed: draw.seed)
    let m = rng.matrix(2 * n, n, by: { draw.scale * $0.normal() })
    let point = Vector((0..<n).map { j in (j % 2 == 0 ? 1 : -0.1) * (1 + abs(rng.normal())) })
    var y = m.times(point)
    for i in 0..<y.count { y[i] += 0.1 * draw.scale * rng.normal() }
    return (m, y)
  }

  /// The steepest and the flattest direction of ‖M x‖.
  static func directions(_ m: Matrix) throws -> [Vector] {
    let svd = try m.thinSVD()
    let n = m.columns
    let rank = svd.values.elements.filter {
      $0 > m.rankTolerance * (svd.values.elements.first ?? 0)
    }.count
    return [max(rank - 1, 0), 0].map { k in
      Vector(Array(svd.rightTransposed.elements[(k * n)..<((k + 1) * n)]))
    }
  }
}
