import COpenBLAS

/// A linear map of N instances: each with a matrix of its own, or all with the same one.
///
/// Vectors hold the instances one after another: n = N d entries in, N b out.
public enum LinearMap: Sendable, Hashable {
  /// One matrix per instance, applied by `dgemv`.
  case blocks(BlockDiagonal)
  /// One matrix (b x d) for `copies` instances, applied to all at once by `dgemm`.
  case shared(Matrix, copies: Int)

  /// N.
  public var instanceCount: Int {
    switch self {
    case .blocks(let m): m.blocks.count
    case .shared(_, let copies): copies
    }
  }

  /// Whether all instances have the same matrix.
  public var isShared: Bool {
    if case .shared = self { true } else { false }
  }

  /// b, the rows of one instance.
  public var blockRows: Int {
    switch self {
    case .blocks(let m): m.blockRows
    case .shared(let m, _): m.rows
    }
  }

  /// d, the columns of one instance.
  public var blockColumns: Int {
    switch self {
    case .blocks(let m): m.blockColumns
    case .shared(let m, _): m.columns
    }
  }

  /// The matrix of instance `i`.
  public func matrix(_ i: Int) -> Matrix {
    switch self {
    case .blocks(let m): m.blocks[i]
    case .shared(let m, _): m
    }
  }

  /// The matrices that differ: N of them, or one.
  public var distinctMatrices: [Matrix] {
    switch self {
    case .blocks(let m): m.blocks
    case .shared(let m, _): [m]
    }
  }

  /// The map of the instances in `range` alone.
  public func instances(_ range: Range<Int>) -> LinearMap {
    switch self {
    case .blocks(let m): .blocks(BlockDiagonal(Array(m.blocks[range])))
    case .shared(let m, _): .shared(m, copies: range.count)
    }
  }

  /// Overwrites `y` with the map, or its transpose, applied to `x`.
  public func multiply(
    _ x: Vector, _ operation: Matrix.Operation = .plain, into y: inout Vector
  ) {
    switch self {
    case .blocks(let m): m.multiply(x, operation, into: &y)
    case .shared(let m, let copies):
      let (rows, columns) =
        operation == .plain ? (m.rows, m.columns) : (m.columns, m.rows)
      precondition(
        x.count == columns * copies && y.count == rows * copies,
        "map of \(copies) times \(rows) x \(columns) with vectors of \(x.count) and \(y.count)")
      BLAS.start()
      // Instances are the rows of X and Y: Y = X Aᵀ.
      cblas_dgemm(
        CblasRowMajor, CblasNoTrans, operation == .plain ? CblasTrans : CblasNoTrans,
        Int32(copies), Int32(rows), Int32(columns), 1, x.elements, Int32(columns), m.elements,
        Int32(m.columns), 0, &y.elements, Int32(rows))
    }
  }

  /// The map, or its transpose, applied to `x`, as a new vector.
  public func times(_ x: Vector, _ operation: Matrix.Operation = .plain) -> Vector {
    let rows = operation == .plain ? blockRows : blockColumns
    var y = Vector(zeros: rows * instanceCount)
    multiply(x, operation, into: &y)
    return y
  }
}
