public import Engine
import Foundation
public import Optimization

extension SolvedProblem {
  /// Solves a small problem from its data alone, with all its minimisers.
  ///
  /// There may be one, or for least squares an affine space of them, or for LASSO a segment where the
  /// last column repeats another.
  ///
  /// - Parameter near: where to start; a minimiser where one is known.
  /// - Throws: ``SuiteError``, `EngineError`.
  public static func solving(_ problem: Regression, near: Vector) throws -> SolvedProblem {
    let name = problem.name
    let n = problem.dimension
    let svd = try problem.matrix.thinSVD()
    let largest = svd.values.elements.first ?? 0
    let positive = svd.values.elements.filter { $0 > problem.matrix.rankTolerance * largest }
    let least = positive.last ?? 0
    switch problem.loss {
    case .absolute:
      guard positive.count == n, problem.target.elements.allSatisfy({ $0 == 0 }) else {
        throw SuiteError.unsolvable(problem: name, reason: "‖M x‖₁ needs y = 0 and full rank")
      }
      return try .norm(problem)
    case .squared where problem.regularizer is NoRegularizer && positive.count < n:
      let space = try AffineMinimisers(problem)
      var rng = SplitMix64(seed: 1)
      let others = [1.0, 3].map { space.nearest(rng.vector(n).scaled(by: $0)) }
      return try .solved(
        problem, name: name, kind: .smooth, near: space.shortest, others: others,
        projection: space.nearest, dominance: least * least)
    case .squared where problem.regularizer is L1Norm && problem.repeatedColumn != nil:
      let segment = try SplitMinimisers(problem)
      return try .solved(
        problem, name: name, kind: .composite, near: segment.split(0.5),
        others: [segment.split(0.125), segment.split(0.75)], projection: segment.nearest)
    default:
      let isSmooth = problem.loss == .squared && problem.regularizer is NoRegularizer
      let solved = try SolvedProblem.solved(
        problem, name: name, kind: problem.kind, near: near,
        dominance: isSmooth ? least * least : nil)
      guard try problem.isStrictlyMinimal(at: solved.minimisers[0]) else {
        throw SuiteError.unsolvable(problem: name, reason: "its minimiser may not be the only one")
      }
      return solved
    }
  }

  /// ‖M x‖₁ with M of full column rank, whose minimiser is 0.
  static func norm(_ problem: Regression) throws -> SolvedProblem {
    let zero = Vector(zeros: problem.dimension)
    return SolvedProblem(
      name: problem.name, problem: problem, kind: .nonsmooth, minimumValue: 0,
      minimisers: [zero], projection: { _ in zero }, residual: 0, certificate: "F is a norm",
      hardDirections: try ProblemFamily.directions(problem.matrix))
  }
}

extension Regression {
  /// Which conditions the problem is for.
  var kind: SolvedProblem.Kind {
    if loss == .absolute { return .nonsmooth }
    if loss == .zero { return .implicit }
    if regularizer is NoRegularizer { return .smooth }
    return regularizer is L1Norm ? .composite : .constrained
  }

  /// The first column that the last one repeats; nil if it repeats none.
  var repeatedColumn: Int? {
    let last = dimension - 1
    return (0..<max(last, 0)).first { j in
      (0..<matrix.rows).allSatisfy { matrix[$0, j] == matrix[$0, last] }
    }
  }

  /// Whether F grows in every direction away from `x`: curvature on the entries that are free.
  func isStrictlyMinimal(at x: Vector) throws -> Bool {
    if loss == .zero { return regularizer.l1Weight > 0 }
    let free = (0..<x.count).filter { regularizer is NoRegularizer || x[$0] != 0 }
    guard !free.isEmpty else { return true }
    let h = hessian(at: x)
    var reduced = Matrix(zeros: free.count, free.count)
    for (a, i) in free.enumerated() {
      for (b, j) in free.enumerated() { reduced[a, b] = h[i, j] }
    }
    // Labels that a plane separates leave a curvature that dies with the distance.
    let least = try reduced.symmetricEigenvalues().elements.min() ?? 0
    return least > 1e-9 * smoothness[0]
  }
}

/// The minimisers of least squares with fewer equations than unknowns: an affine space.
struct AffineMinimisers: Sendable {
  /// The one of least norm.
  let shortest: Vector
  /// σ, without those that are 0, and the rows of Vᵀ that belong to them.
  let values: [Double]
  private let directions: Matrix

  init(_ problem: Regression) throws {
    let svd = try problem.matrix.thinSVD()
    let n = problem.dimension
    shortest = try problem.matrix.minimumNormSolution(problem.target)
    let cut = problem.matrix.rankTolerance * (svd.values.elements.first ?? 0)
    values = svd.values.elements.filter { $0 > cut }
    directions = Matrix(
      rows: values.count, columns: n,
      elements: Array(svd.rightTransposed.elements[..<(values.count * n)]))
  }

  /// x minus what M x - y forces out of it.
  func nearest(_ x: Vector) -> Vector {
    let excess = directions.times(x - shortest)
    return x - directions.times(excess, .transposed)
  }
}

/// The minimisers of a LASSO whose last column repeats one that is in use: a segment.
struct SplitMinimisers: Sendable {
  private let single: Vector
  private let column: Int
  private let total: Double

  init(_ problem: Regression) throws {
    guard let column = problem.repeatedColumn else { preconditionFailure("no column is repeated") }
    let n = problem.dimension
    var part = Matrix(zeros: problem.matrix.rows, n - 1)
    for i in 0..<part.rows {
      for j in 0..<(n - 1) { part[i, j] = problem.matrix[i, j] }
    }
    let alone = try Regression(
      name: problem.name, matrix: part, target: problem.target, loss: .squared,
      regularizer: problem.regularizer)
    single = try SolvedProblem.solved(
      alone, name: problem.name, kind: .composite, near: Vector(zeros: n - 1)
    ).minimisers[0]
    guard try alone.isStrictlyMinimal(at: single), alone.repeatedColumn == nil else {
      throw SuiteError.unsolvable(
        problem: problem.name, reason: "its minimisers may be more than a segment")
    }
    self.column = column
    total = single[column]
  }

  /// The minimiser in which the last column carries `share` of what both carry.
  func split(_ share: Double) -> Vector {
    var x = Vector(single.elements + [0])
    x[single.count] = share * total
    x[column] = total - x[single.count]
    return x
  }

  /// The minimiser nearest to `x`.
  func nearest(_ x: Vector) -> Vector {
    guard total != 0 else { return split(0) }
    return split(min(max(((x[single.count] - x[column]) / total + 1) / 2, 0), 1))
  }
}
