internal import CLAPACKE
internal import COpenBLAS

/// What a symmetric operator H does on the Krylov space of a start b, by the method of Lanczos.
///
/// V H Vᵀ = T is tridiagonal with orthonormal rows in V, the first of them b / ‖b‖. Every new row is
/// orthogonalised against all others, twice, so that no eigenvalue appears as a ghost of itself.
/// An eigenvalue of any multiplicity appears once: the start has one component in its eigenspace.
/// Source: Golub and Van Loan, *Matrix Computations*, 4th ed., §10.1-10.3.
public struct Lanczos: Sendable, Hashable {
  /// The Ritz values, largest first, m.
  public let values: [Double]
  /// Half-widths around the Ritz values in each of which an eigenvalue of H lies, m.
  ///
  /// |β_m s_mi|, plus the rounding of a product with H and of the tridiagonal eigenproblem.
  public let errors: [Double]
  /// Whether the Krylov space is invariant: then no further step would add anything.
  public let isInvariant: Bool
  /// ‖b‖.
  public let startNorm: Double
  /// V, m x n, orthonormal rows.
  public let basis: Matrix
  /// The eigenvectors of T as columns, in the order of `values`, m x m.
  public let vectors: Matrix

  /// Takes up to `steps` steps from `start`, which is not 0.
  ///
  /// - Parameters:
  ///   - relativeNoise: the rounding of one product with H over ‖H‖; by default n 2^-52. A new
  ///     direction below it is noise, and the space counts as invariant.
  ///   - product: H times a vector.
  /// - Throws: ``EngineError/notFinite(what:)``, ``EngineError/notConverged(routine:info:)``.
  public init(
    start: Vector, steps: Int, relativeNoise: Double? = nil, product: (Vector) -> Vector
  ) throws(EngineError) {
    let n = start.count
    startNorm = start.norm
    guard startNorm.isFinite, startNorm > 0 else {
      throw .notFinite(what: "direction of the start")
    }
    precondition(steps >= 1, "\(steps) steps")
    let noise = relativeNoise ?? Double(n) * .ulpOfOne
    var rows = Rows(length: n)
    var (diagonal, below): ([Double], [Double]) = ([], [])
    var (next, scale) = (start.scaled(by: 1 / startNorm), 0.0)
    var isDone = false
    while !isDone, diagonal.count < min(steps, n) {
      rows.append(next)
      var w = product(next)
      guard w.isFinite else { throw .notFinite(what: "product with the operator") }
      let projections = (rows.project(&w), rows.project(&w))
      diagonal.append(projections.0 + projections.1)
      let length = w.norm
      scale = max(scale, abs(diagonal[diagonal.count - 1]) + length + (below.last ?? 0))
      below.append(length)
      isDone = length <= noise * scale
      if !isDone { next = w.scaled(by: 1 / length) }
    }
    isInvariant = isDone || diagonal.count == n
    let eigen = try Self.tridiagonalEigen(diagonal, Array(below.dropLast()))
    let m = diagonal.count
    values = eigen.values.elements.reversed()
    var columns = Matrix(zeros: m, m)
    for i in 0..<m {
      for j in 0..<m { columns[i, j] = eigen.vectors[i, m - 1 - j] }
    }
    vectors = columns
    basis = rows.matrix
    let (rest, rounding) = (below[m - 1], (noise + Double(m) * .ulpOfOne) * scale)
    errors = (0..<m).map { abs(rest * columns[m - 1, $0]) + rounding }
  }

  /// f(H) b within the Krylov space: exact for polynomials of degree below m, or if invariant; n.
  public func applying(_ f: (Double) -> Double) -> Vector {
    let m = values.count
    let weights = Vector((0..<m).map { startNorm * vectors[0, $0] * f(values[$0]) })
    return basis.times(vectors.times(weights), .transposed)
  }

  /// The squared components of b along the Ritz vectors, in the order of `values`; m.
  public var startWeights: [Double] {
    values.indices.map { startNorm * startNorm * vectors[0, $0] * vectors[0, $0] }
  }

  /// The eigenvalues, smallest first, and eigenvectors of a symmetric tridiagonal matrix, by `dstevd`.
  ///
  /// `diagonal` has m entries, `below` has m - 1.
  /// - Throws: ``EngineError/notConverged(routine:info:)``.
  public static func tridiagonalEigen(
    _ diagonal: [Double], _ below: [Double]
  ) throws(EngineError) -> SymmetricEigendecomposition {
    let m = diagonal.count
    precondition(m >= 1 && below.count == m - 1, "\(m) and \(below.count) entries")
    var (d, e) = (diagonal, below + [0])
    var z = Matrix(zeros: m, m)
    BLAS.start()
    let info = LAPACKE_dstevd(
      LAPACK_ROW_MAJOR, CChar(UInt8(ascii: "V")), Int32(m), &d, &e, &z.elements, Int32(m))
    guard info == 0 else { throw .notConverged(routine: "dstevd", info: Int(info)) }
    return SymmetricEigendecomposition(values: Vector(d), vectors: z)
  }
}

/// Orthonormal rows, one after another.
private struct Rows {
  let length: Int
  var count = 0
  var elements: [Double] = []

  init(length: Int) { self.length = length }

  mutating func append(_ row: Vector) {
    elements += row.elements
    count += 1
  }

  var matrix: Matrix { Matrix(rows: count, columns: length, elements: elements) }

  /// Takes from `w` its components along all rows; returns that along the last.
  func project(_ w: inout Vector) -> Double {
    var c = [Double](repeating: 0, count: count)
    BLAS.start()
    cblas_dgemv(
      CblasRowMajor, CblasNoTrans, Int32(count), Int32(length), 1, elements, Int32(length),
      w.elements, 1, 0, &c, 1)
    cblas_dgemv(
      CblasRowMajor, CblasTrans, Int32(count), Int32(length), -1, elements, Int32(length), c, 1, 1,
      &w.elements, 1)
    return c[count - 1]
  }
}
