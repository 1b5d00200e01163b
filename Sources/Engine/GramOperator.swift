internal import CKernels

/// A symmetric matrix A = M^T M packed for repeated products; shared freely, never copied.
///
/// Up to order 64 it is a dense square that fits the first cache; above, one triangle in
/// contiguous 8 x 8 tiles, so that a product reads each entry once.
public struct GramOperator: Sendable {
  /// Order of the matrix.
  public let order: Int
  let storage: AlignedBuffer

  /// Packs `matrix`, which is square and symmetric; only its lower triangle counts when large.
  public init(_ matrix: Matrix) {
    precondition(
      matrix.rows == matrix.columns, "Gram matrix is \(matrix.rows) x \(matrix.columns)")
    order = matrix.rows
    storage = AlignedBuffer(oc_packed_count(padded(order)))
    oc_pack(order, padded(order), matrix.elements, storage.base)
  }

  /// The gradient A x - c of the least-squares objective, c = M^T y.
  ///
  /// The fused unroll computes its gradients by this same kernel, bit for bit.
  public func gradient(at x: Vector, linear c: Vector) -> Vector {
    precondition(
      x.count == order && c.count == order,
      "gradient of order \(order) from lengths \(x.count) and \(c.count)")
    let n = padded(order)
    let work = AlignedBuffer(3 * n)
    work.base.update(from: x.elements, count: order)
    (work.base + n).update(from: c.elements, count: order)
    oc_gram_gradient(n, storage.base, work.base, work.base + n, work.base + 2 * n)
    return Vector([Double](UnsafeBufferPointer(start: work.base + 2 * n, count: order)))
  }
}
