import COpenBLAS

/// A block diagonal matrix with dense blocks of one shape: N instances that do not interact.
public struct BlockDiagonal: Sendable, Hashable {
  /// The blocks, each b x d.
  public let blocks: [Matrix]
  /// b, the rows of one block.
  public let blockRows: Int
  /// d, the columns of one block.
  public let blockColumns: Int

  /// Puts `blocks`, at least one and all of one shape, on a diagonal.
  public init(_ blocks: [Matrix]) {
    precondition(!blocks.isEmpty, "a block diagonal matrix needs a block")
    blockRows = blocks[0].rows
    blockColumns = blocks[0].columns
    precondition(
      blocks.allSatisfy { $0.rows == blocks[0].rows && $0.columns == blocks[0].columns },
      "blocks differ in shape")
    self.blocks = blocks
  }

  /// Rows of the whole matrix.
  public var rows: Int { blocks.count * blockRows }

  /// Columns of the whole matrix.
  public var columns: Int { blocks.count * blockColumns }

  /// Overwrites `y` with `op(self) x`, block by block with `dgemv`.
  public func multiply(
    _ x: Vector, _ operation: Matrix.Operation = .plain, into y: inout Vector
  ) {
    let (m, n) =
      operation == .plain ? (blockRows, blockColumns) : (blockColumns, blockRows)
    precondition(
      x.count == n * blocks.count && y.count == m * blocks.count,
      "block diagonal of \(rows) x \(columns) with vectors of \(x.count) and \(y.count)")
    BLAS.start()
    x.elements.withUnsafeBufferPointer { x in
      y.elements.withUnsafeMutableBufferPointer { y in
        guard let x = x.baseAddress, let y = y.baseAddress else { return }
        for (i, block) in blocks.enumerated() {
          cblas_dgemv(
            CblasRowMajor, operation.cblas, Int32(blockRows), Int32(blockColumns), 1,
            block.elements, Int32(blockColumns), x + i * n, 1, 0, y + i * m, 1)
        }
      }
    }
  }

  /// `op(self) x` as a new vector.
  public func times(_ x: Vector, _ operation: Matrix.Operation = .plain) -> Vector {
    var y = Vector(zeros: operation == .plain ? rows : columns)
    multiply(x, operation, into: &y)
    return y
  }
}
