import COpenBLAS

/// A dense matrix of doubles, stored row by row.
public struct Matrix: Sendable, Hashable {
  /// Number of rows.
  public let rows: Int
  /// Number of columns.
  public let columns: Int
  /// The entries, row-major, rows * columns.
  public var elements: [Double]

  /// Wraps row-major `elements`, whose length is `rows * columns`.
  public init(rows: Int, columns: Int, elements: [Double]) {
    precondition(
      elements.count == rows * columns,
      "matrix storage is \(elements.count), want \(rows) x \(columns)")
    self.rows = rows
    self.columns = columns
    self.elements = elements
  }

  /// The zero matrix.
  public init(zeros rows: Int, _ columns: Int) {
    self.init(
      rows: rows, columns: columns, elements: [Double](repeating: 0, count: rows * columns))
  }

  /// The identity of order `order`.
  public init(identity order: Int) {
    self.init(zeros: order, order)
    for i in 0..<order { self[i, i] = 1 }
  }

  /// Entry in row `i`, column `j`, counted from 0.
  @inlinable public subscript(i: Int, j: Int) -> Double {
    get { elements[i * columns + j] }
    _modify { yield &elements[i * columns + j] }
  }

  /// The inner product of row `i` with `x` (`columns` entries), summed from the first entry on.
  public func rowProduct(_ i: Int, _ x: Vector) -> Double {
    precondition(
      0 <= i && i < rows && x.count == columns, "row \(i) of \(rows) x \(columns) with \(x.count)")
    return elements.withUnsafeBufferPointer { row in
      x.elements.withUnsafeBufferPointer { x in
        var sum = 0.0
        for j in 0..<columns { sum += row[i * columns + j] * x[j] }
        return sum
      }
    }
  }

  /// Adds `scale` times row `i` to `y` (`columns` entries).
  public func addRow(_ i: Int, times scale: Double, to y: inout Vector) {
    precondition(
      0 <= i && i < rows && y.count == columns, "row \(i) of \(rows) x \(columns) to \(y.count)")
    elements.withUnsafeBufferPointer { row in
      y.elements.withUnsafeMutableBufferPointer { y in
        for j in 0..<columns { y[j] += scale * row[i * columns + j] }
      }
    }
  }

  /// Whether no entry is NaN or infinite.
  public var isFinite: Bool { elements.allSatisfy(\.isFinite) }

  /// The transpose.
  public var transposed: Matrix {
    var result = Matrix(zeros: columns, rows)
    for i in 0..<rows {
      for j in 0..<columns { result[j, i] = self[i, j] }
    }
    return result
  }

  /// The Frobenius norm.
  public var frobeniusNorm: Double { Vector(elements).norm }

  /// Whether a factor of a product enters as it is or transposed.
  public enum Operation: Sendable {
    /// The matrix itself.
    case plain
    /// Its transpose.
    case transposed
    var cblas: CBLAS_TRANSPOSE { self == .plain ? CblasNoTrans : CblasTrans }
  }

  /// `op(a) op(b)`, by `dgemm`.
  public static func product(
    _ a: Matrix, _ opA: Operation, _ b: Matrix, _ opB: Operation = .plain
  ) -> Matrix {
    let (m, k) = opA == .plain ? (a.rows, a.columns) : (a.columns, a.rows)
    let (k2, n) = opB == .plain ? (b.rows, b.columns) : (b.columns, b.rows)
    precondition(k == k2, "product of \(m) x \(k) and \(k2) x \(n)")
    var c = Matrix(zeros: m, n)
    guard m > 0, n > 0, k > 0 else { return c }
    BLAS.start()
    cblas_dgemm(
      CblasRowMajor, opA.cblas, opB.cblas, Int32(m), Int32(n), Int32(k), 1,
      a.elements, Int32(a.columns), b.elements, Int32(b.columns), 0, &c.elements, Int32(n))
    return c
  }

  /// The plain product `a b`.
  public static func product(_ a: Matrix, _ b: Matrix) -> Matrix {
    product(a, .plain, b, .plain)
  }

  /// `op(self) x`, by `dgemv`.
  public func times(_ x: Vector, _ operation: Operation = .plain) -> Vector {
    let (m, n) = operation == .plain ? (rows, columns) : (columns, rows)
    precondition(x.count == n, "product of \(m) x \(n) with a vector of length \(x.count)")
    var y = Vector(zeros: m)
    guard m > 0, n > 0 else { return y }
    BLAS.start()
    cblas_dgemv(
      CblasRowMajor, operation.cblas, Int32(rows), Int32(columns), 1, elements, Int32(columns),
      x.elements, 1, 0, &y.elements, 1)
    return y
  }
}
