import COpenBLAS

/// A dense vector of doubles.
///
/// Wraps one contiguous array, so that a step in place copies nothing. What loops of other modules call for
/// every entry is inlinable: a call of its own would cost them more than the arithmetic.
public struct Vector: Sendable, Hashable {
  /// The entries, in order.
  public var elements: [Double]

  /// Wraps `elements`.
  @inlinable public init(_ elements: [Double]) { self.elements = elements }

  /// The zero vector of length `count`.
  @inlinable public init(zeros count: Int) { elements = [Double](repeating: 0, count: count) }

  /// Number of entries.
  @inlinable public var count: Int { elements.count }

  /// Entry `i`, counted from 0.
  @inlinable public subscript(i: Int) -> Double {
    get { elements[i] }
    _modify { yield &elements[i] }
  }

  /// Whether no entry is NaN or infinite.
  public var isFinite: Bool { elements.allSatisfy(\.isFinite) }

  /// The largest magnitude among the entries; 0 for an empty vector, NaN if any entry is NaN.
  public var maxMagnitude: Double {
    var largest = 0.0
    for v in elements {
      if v.isNaN { return v }
      largest = Swift.max(largest, abs(v))
    }
    return largest
  }

  /// The inner product with `other`, which has the same length.
  public func dot(_ other: Vector) -> Double {
    precondition(count == other.count, "dot of lengths \(count) and \(other.count)")
    BLAS.start()
    return cblas_ddot(Int32(count), elements, 1, other.elements, 1)
  }

  /// The Euclidean norm, free of overflow.
  public var norm: Double {
    BLAS.start()
    return cblas_dnrm2(Int32(count), elements, 1)
  }

  /// Adds `scale * other` in place.
  public mutating func add(_ scale: Double, _ other: Vector) {
    precondition(count == other.count, "add of lengths \(count) and \(other.count)")
    BLAS.start()
    cblas_daxpy(Int32(count), scale, other.elements, 1, &elements, 1)
  }

  /// Multiplies every entry by `factor` in place.
  public mutating func scale(by factor: Double) {
    for i in elements.indices { elements[i] *= factor }
  }

  /// `factor * self`.
  public func scaled(by factor: Double) -> Vector { Vector(elements.map { factor * $0 }) }

  /// `self + distance * direction`.
  public func moved(_ distance: Double, _ direction: Vector) -> Vector {
    var result = self
    result.add(distance, direction)
    return result
  }

  /// The entry-wise difference.
  public static func - (a: Vector, b: Vector) -> Vector {
    precondition(a.count == b.count, "difference of lengths \(a.count) and \(b.count)")
    return Vector(zip(a.elements, b.elements).map { $0 - $1 })
  }
}

extension Vector: ExpressibleByArrayLiteral {
  /// Creates a vector from its entries.
  public init(arrayLiteral entries: Double...) { self.init(entries) }
}
