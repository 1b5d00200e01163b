import Engine
import Optimization

/// Sizes of a random sparse regression problem.
public struct SparseRegressionSize: Sendable, Hashable, Codable {
  /// N, the number of instances.
  public var instances: Int
  /// b, the rows of one instance.
  public var rows: Int
  /// d, its columns.
  public var columns: Int
  /// s, the number of nonzero entries of the point that generates the data.
  public var sparsity: Int

  /// Creates sizes.
  public init(instances: Int, rows: Int, columns: Int, sparsity: Int) {
    self.instances = instances
    self.rows = rows
    self.columns = columns
    self.sparsity = sparsity
  }

  func check(_ name: String) throws(ProblemError) {
    guard instances >= 1, rows >= 1, columns >= 1 else { throw .empty(problem: name) }
    guard (1...columns).contains(sparsity) else {
      throw .size(problem: name, name: "sparsity", value: sparsity, accepted: "1...\(columns)")
    }
  }

  /// One instance's point: normal on a uniformly random support, 0 elsewhere.
  func point(_ rng: inout SplitMix64) -> Vector {
    var x = Vector(zeros: columns)
    for j in (0..<columns).shuffled(using: &rng).prefix(sparsity) { x[j] = rng.normal() }
    return x
  }
}

extension Lasso {
  /// Problems as MS4L2O draws them (`lasso.py`), from our own stream.
  ///
  /// M has normal entries and columns of unit 2-norm, one matrix per instance or one for all; the
  /// generating point is sparse and Y is its image. The authors' own draws of the support cannot
  /// be had again, since their sampler depends on a library's version.
  /// - Throws: ``ProblemError`` for a size out of range.
  public static func generated(
    seed: UInt64, size: SparseRegressionSize, weight: Double = 0.1, isShared: Bool = false
  ) throws -> Lasso {
    let name = "lasso-\(seed)-d\(size.columns)-b\(size.rows)-N\(size.instances)"
    try size.check(name)
    let root = SplitMix64(seed: seed)
    let count = isShared ? 1 : size.instances
    let matrices = try Parallel.map(Array(0..<count)) { i in
      var rng = root.derived(2 * i)
      return unitColumns(
        Matrix(
          rows: size.rows, columns: size.columns,
          elements: rng.normals(size.rows * size.columns)))
    }
    let map: LinearMap =
      isShared
      ? .shared(matrices[0], copies: size.instances) : .blocks(BlockDiagonal(matrices))
    let point = points(root, size)
    return try Lasso(
      name: name, map: map, target: map.times(point), weight: weight, generatingPoint: point)
  }

  /// The authors' data for LISTA, regenerated from their seed (NetX `lasso_lista.py`).
  ///
  /// M is normal from stream `seed + 1`, scaled to unit columns, which undoes its factor 1/√b; the
  /// generating point is normal and *dense*, from stream `seed + 2`. Draws are float32 as there.
  /// - Throws: ``ProblemError`` for a size out of range.
  public static func authors(
    seed: UInt64, instances: Int, rows: Int, columns: Int, weight: Double, isShared: Bool = false
  ) throws -> Lasso {
    let size = SparseRegressionSize(
      instances: instances, rows: rows, columns: columns, sparsity: columns)
    let name = "authors-lasso-\(seed)-d\(columns)-b\(rows)-N\(instances)"
    try size.check(name)
    var stream = ReferenceStream(seed: seed + 1)
    let count = isShared ? 1 : instances
    let draws = stream.normal(count: count * rows * columns)
    let matrices = (0..<count).map { i in
      let start = i * rows * columns
      return LeastSquares.unitColumnsInSingle(
        Matrix(
          rows: rows, columns: columns, elements: Array(draws[start..<(start + rows * columns)])))
    }
    var points = ReferenceStream(seed: seed + 2)
    let point = Vector(points.normal(count: instances * columns))
    let map: LinearMap =
      isShared ? .shared(matrices[0], copies: instances) : .blocks(BlockDiagonal(matrices))
    return try Lasso(
      name: name, map: map, target: map.times(point), weight: weight, generatingPoint: point)
  }
}

extension LogisticL1 {
  /// Problems as MS4L2O draws them (`logistic_l1.py`), from our own stream.
  ///
  /// M has normal entries, the generating point is sparse, and a label is 1 where the row's
  /// product with the point is not negative.
  /// - Throws: ``ProblemError`` for a size out of range.
  public static func generated(
    seed: UInt64, size: SparseRegressionSize, weight: Double = 0.1,
    lipschitz: Lipschitz = .correct
  ) throws -> LogisticL1 {
    let name = "logistic-\(seed)-d\(size.columns)-b\(size.rows)-N\(size.instances)"
    try size.check(name)
    let root = SplitMix64(seed: seed)
    let matrices = try Parallel.map(Array(0..<size.instances)) { i in
      var rng = root.derived(2 * i)
      return Matrix(
        rows: size.rows, columns: size.columns, elements: rng.normals(size.rows * size.columns))
    }
    let map = LinearMap.blocks(BlockDiagonal(matrices))
    let point = points(root, size)
    let labels = Vector(map.times(point).elements.map { $0 >= 0 ? 1 : 0 })
    return try LogisticL1(
      name: name, map: map, target: labels, weight: weight, generatingPoint: point,
      lipschitz: lipschitz)
  }
}

/// The generating points of all instances, N d entries.
private func points(_ root: SplitMix64, _ size: SparseRegressionSize) -> Vector {
  Vector(
    (0..<size.instances).flatMap { i -> [Double] in
      var rng = root.derived(2 * i + 1)
      return size.point(&rng).elements
    })
}

/// Columns divided by their 2-norms.
private func unitColumns(_ matrix: Matrix) -> Matrix {
  var squares = [Double](repeating: 0, count: matrix.columns)
  var result = matrix
  for i in 0..<matrix.rows {
    for j in 0..<matrix.columns {
      let entry = matrix.elements[i * matrix.columns + j]
      squares[j] += entry * entry
    }
  }
  let scales = squares.map { 1 / $0.squareRoot() }
  for i in 0..<matrix.rows {
    for j in 0..<matrix.columns { result.elements[i * matrix.columns + j] *= scales[j] }
  }
  return result
}
