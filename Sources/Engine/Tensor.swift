/// A dense array of doubles with a shape, row-major: how weights and recorded arrays travel.
public struct Tensor: Sendable, Hashable {
  /// Length along each axis; empty for a scalar.
  public let shape: [Int]
  /// The entries, row-major.
  public var elements: [Double]

  /// Wraps row-major `elements`, whose number is the product of `shape`.
  public init(shape: [Int], elements: [Double]) {
    precondition(
      elements.count == shape.reduce(1, *),
      "tensor storage is \(elements.count), want shape \(shape)")
    self.shape = shape
    self.elements = elements
  }

  /// The zero tensor of the given shape.
  public init(zeros shape: [Int]) {
    self.init(shape: shape, elements: [Double](repeating: 0, count: shape.reduce(1, *)))
  }

  /// A scalar.
  public init(_ value: Double) { self.init(shape: [], elements: [value]) }

  /// A matrix as a tensor of shape rows, columns.
  public init(_ matrix: Matrix) {
    self.init(shape: [matrix.rows, matrix.columns], elements: matrix.elements)
  }

  /// This tensor as a matrix; its shape must have two axes.
  public var matrix: Matrix {
    precondition(shape.count == 2, "tensor of shape \(shape) is no matrix")
    return Matrix(rows: shape[0], columns: shape[1], elements: elements)
  }

  /// Adds `scale * other` in place; `other` has the same shape.
  ///
  /// Not `daxpy`, which may round once where a product and a sum round twice: training must not
  /// depend on the BLAS kernel more than it has to.
  public mutating func add(_ scale: Double, _ other: Tensor) {
    precondition(shape == other.shape, "sum of shapes \(shape) and \(other.shape)")
    other.elements.withUnsafeBufferPointer { from in
      elements.withUnsafeMutableBufferPointer { to in
        for j in to.indices { to[j] += scale * from[j] }
      }
    }
  }

  /// Whether no entry is NaN or infinite.
  public var isFinite: Bool { elements.allSatisfy(\.isFinite) }
}
