internal import CKernels

/// Least-squares instances 1/2 |M_i x - y_i|^2 of one dimension, with their Gram form.
public struct LeastSquaresBatch: Sendable {
  /// Unknowns per instance d.
  public let dimension: Int
  /// The matrices M_i, m_i x d.
  public let matrices: [Matrix]
  /// The right-hand sides y_i, of length m_i.
  public let targets: [Vector]
  /// The Gram matrices A_i = M_i^T M_i.
  public let grams: [GramOperator]
  let linear: AlignedBuffer

  /// Number of instances N.
  public var count: Int { matrices.count }

  /// Forms Gram matrices and c_i = M_i^T y_i.
  public init(matrices: [Matrix], targets: [Vector]) {
    precondition(
      !matrices.isEmpty && matrices.count == targets.count,
      "\(matrices.count) matrices, \(targets.count) right-hand sides")
    let d = matrices[0].columns
    for (matrix, target) in zip(matrices, targets) {
      precondition(
        matrix.columns == d && matrix.rows == target.count,
        "instance \(matrix.rows) x \(matrix.columns), y of length \(target.count), want d = \(d)")
    }
    dimension = d
    self.matrices = matrices
    self.targets = targets
    grams = matrices.map { GramOperator(Matrix.product($0, .transposed, $0)) }
    linear = AlignedBuffer(matrices.count * padded(d))
    for (i, (matrix, target)) in zip(matrices, targets).enumerated() {
      let c = matrix.times(target, .transposed)
      (linear.base + i * padded(d)).update(from: c.elements, count: d)
    }
  }

  /// The gradient A_i x - c_i of instance `i`, bitwise that of the fused unroll.
  public func gradient(of i: Int, at x: Vector) -> Vector {
    grams[i].gradient(at: x, linear: linearTerm(of: i))
  }

  /// c_i = M_i^T y_i.
  public func linearTerm(of i: Int) -> Vector {
    Vector(
      [Double](
        UnsafeBufferPointer(start: linear.base + i * padded(dimension), count: dimension)))
  }

  /// Overwrites `g` with A x - c for all instances, bitwise as the fused unroll forms it; N d each.
  public func gradient(at x: Vector, into g: inout Vector) { apply(x, linear: linear, into: &g) }

  /// Overwrites `h` with A v for all instances; N d each.
  public func product(_ v: Vector, into h: inout Vector) { apply(v, linear: nil, into: &h) }

  private func apply(_ x: Vector, linear: AlignedBuffer?, into y: inout Vector) {
    let d = dimension
    precondition(
      x.count == count * d && y.count == count * d,
      "\(count) instances of \(d) with vectors of \(x.count) and \(y.count)")
    let n = padded(d)
    let work = AlignedBuffer(2 * n)
    x.elements.withUnsafeBufferPointer { x in
      y.elements.withUnsafeMutableBufferPointer { y in
        guard let x = x.baseAddress, let y = y.baseAddress else { return }
        for (i, gram) in grams.enumerated() {
          work.base.update(from: x + i * d, count: d)
          oc_gram_gradient(
            n, gram.storage.base, work.base, linear.map { UnsafePointer($0.base + i * n) },
            work.base + n)
          (y + i * d).update(from: work.base + n, count: d)
        }
      }
    }
  }

  /// 1/2 |M_i x - y_i|^2 by the residual, which keeps its digits near the optimum.
  func objective(of i: Int, at x: UnsafePointer<Double>) -> Double {
    oc_half_square(
      matrices[i].rows, dimension, matrices[i].elements, x, targets[i].elements)
  }
}
