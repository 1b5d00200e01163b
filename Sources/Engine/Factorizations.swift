internal import CLAPACKE
internal import COpenBLAS

// Factorizations by LAPACK. All matrices are dense and small enough to be copied; every function
// leaves its operand as it is. Arguments are tested here, so a negative `info` is a bug of ours.

/// A = Q R with orthonormal columns in Q and a positive diagonal in R.
public struct QRFactorization: Sendable, Hashable {
  /// Orthonormal columns, m x n.
  public let q: Matrix
  /// Upper triangular, n x n, no negative entry on the diagonal.
  public let r: Matrix
}

/// A = U diag(s) V^T, thin: k = min(m, n).
public struct SingularValueDecomposition: Sendable, Hashable {
  /// Left singular vectors as columns, m x k.
  public let left: Matrix
  /// Singular values, largest first, k.
  public let values: Vector
  /// Right singular vectors as rows, k x n.
  public let rightTransposed: Matrix
}

/// A = V diag(w) V^T of a symmetric matrix.
public struct SymmetricEigendecomposition: Sendable, Hashable {
  /// Eigenvalues, smallest first, n.
  public let values: Vector
  /// Orthonormal eigenvectors as columns, n x n.
  public let vectors: Matrix
}

/// A = L L^T of a symmetric positive definite matrix.
public struct CholeskyFactorization: Sendable, Hashable {
  /// Lower triangular with a positive diagonal, n x n; zeros above it.
  public let lower: Matrix

  /// The solution of A x = `rhs`, by `dpotrs`; n.
  public func solve(_ rhs: Vector) -> Vector {
    Vector(solve(Matrix(rows: rhs.count, columns: 1, elements: rhs.elements)).elements)
  }

  /// The solutions of A X = `rhs`, column by column, by `dpotrs`; n x k.
  public func solve(_ rhs: Matrix) -> Matrix {
    let n = lower.rows
    precondition(rhs.rows == n, "system of order \(n) with \(rhs.rows) equations")
    var x = rhs
    guard !x.elements.isEmpty else { return x }
    BLAS.start()
    let info = LAPACKE_dpotrs(
      LAPACK_ROW_MAJOR, Job.lower, Int32(n), Int32(x.columns), lower.elements, Int32(n),
      &x.elements, Int32(x.columns))
    expectLegal(info, "dpotrs")
    return x
  }
}

extension Matrix {
  /// The thin QR factorization with a positive diagonal in R, by `dgeqrf` and `dorgqr`.
  ///
  /// Unique for full column rank: that of Gram and Schmidt on the columns, in order.
  /// - Precondition: no more columns than rows.
  /// - Throws: `EngineError.notFinite`.
  public func thinQR() throws(EngineError) -> QRFactorization {
    try requireFinite()
    return signFixedQR()
  }

  /// The orthonormal factor of Gram and Schmidt; same shape as this matrix.
  ///
  /// Columns are orthonormal if the matrix is square or tall, rows if it is wide.
  /// - Throws: `EngineError.notFinite`.
  public func orthonormalFactor() throws(EngineError) -> Matrix {
    try requireFinite()
    return signFixedOrthonormalFactor()
  }

  /// All min(m, n) singular values, largest first, by `dgesdd`.
  ///
  /// - Throws: `EngineError.notFinite`, `EngineError.notConverged`.
  public func singularValues() throws(EngineError) -> Vector {
    try requireFinite()
    var a = elements
    var s = Vector(zeros: min(rows, columns))
    guard s.count > 0 else { return s }
    BLAS.start()
    let info = LAPACKE_dgesdd(
      LAPACK_ROW_MAJOR, Job.none, Int32(rows), Int32(columns), &a, Int32(columns), &s.elements,
      nil, Int32(rows), nil, Int32(columns))
    try requireConverged(info, "dgesdd")
    return s
  }

  /// The thin singular value decomposition, by `dgesdd`.
  ///
  /// - Throws: `EngineError.notFinite`, `EngineError.notConverged`.
  public func thinSVD() throws(EngineError) -> SingularValueDecomposition {
    try requireFinite()
    let k = min(rows, columns)
    var a = elements
    var s = Vector(zeros: k)
    var u = Matrix(zeros: rows, k)
    var vt = Matrix(zeros: k, columns)
    if k > 0 {
      BLAS.start()
      let info = LAPACKE_dgesdd(
        LAPACK_ROW_MAJOR, Job.thin, Int32(rows), Int32(columns), &a, Int32(columns), &s.elements,
        &u.elements, Int32(k), &vt.elements, Int32(columns))
      try requireConverged(info, "dgesdd")
    }
    return SingularValueDecomposition(left: u, values: s, rightTransposed: vt)
  }

  /// The largest singular value, 0 for an empty matrix.
  ///
  /// - Throws: `EngineError.notFinite`, `EngineError.notConverged`.
  public func spectralNorm() throws(EngineError) -> Double {
    try singularValues().elements.first ?? 0
  }

  /// The largest singular value squared: the largest eigenvalue of the smaller Gram matrix.
  ///
  /// An order of magnitude faster than the singular values, and the square is formed without a
  /// root between. The error is a few units of roundoff times the order of the Gram matrix.
  /// - Throws: `EngineError.notFinite`, `EngineError.notConverged`.
  public func squaredSpectralNorm() throws(EngineError) -> Double {
    try requireFinite()
    let gram = rows < columns ? transposed.gram() : gram()
    return try gram.largestSymmetricEigenvalue()
  }

  /// The largest eigenvalue of a symmetric matrix, by `dsyevr`; reads the lower triangle.
  ///
  /// - Throws: `EngineError.notFinite`, `EngineError.notConverged`.
  public func largestSymmetricEigenvalue() throws(EngineError) -> Double {
    requireSquare()
    try requireFinite()
    guard rows > 0 else { return 0 }
    var a = elements
    var found: Int32 = 0
    var w = [Double](repeating: 0, count: rows)
    var support = [Int32](repeating: 0, count: 2 * rows)
    BLAS.start()
    let n = Int32(rows)
    let info = LAPACKE_dsyevr(
      LAPACK_ROW_MAJOR, Job.none, CChar(UInt8(ascii: "I")), Job.lower, n, &a, n, 0, 0, n, n, 0,
      &found, &w, nil, n, &support)
    try requireConverged(info, "dsyevr")
    return w[0]
  }

  /// The number of singular values above `tolerance` times the largest.
  ///
  /// `tolerance` is relative; by default `rankTolerance`, below which a value may be all rounding.
  /// - Throws: `EngineError.notFinite`, `EngineError.notConverged`.
  public func rank(tolerance: Double? = nil) throws(EngineError) -> Int {
    let s = try singularValues().elements
    let cut = (tolerance ?? rankTolerance) * (s.first ?? 0)
    return s.count { $0 > cut }
  }

  /// Relative size below which a singular value counts as zero: max(m, n) times 2^-52.
  ///
  /// The bound on dgesdd's error in units of the largest value, up to a small factor.
  public var rankTolerance: Double { Double(max(rows, columns)) * .ulpOfOne }

  /// The shortest of the minimisers of |A x - `rhs`|: the pseudo-inverse applied, by the SVD; n.
  ///
  /// Singular values up to `tolerance` (relative, by default `rankTolerance`) times the largest
  /// are taken as zero.
  /// - Throws: `EngineError.notFinite`, `EngineError.notConverged`.
  public func minimumNormSolution(
    _ rhs: Vector, tolerance: Double? = nil
  ) throws(EngineError) -> Vector {
    precondition(rhs.count == rows, "\(rows) equations with \(rhs.count) right-hand sides")
    guard rhs.isFinite else { throw .notFinite(what: "right-hand side") }
    let svd = try thinSVD()
    let cut = (tolerance ?? rankTolerance) * (svd.values.elements.first ?? 0)
    var c = svd.left.times(rhs, .transposed)
    for i in 0..<c.count { c[i] = svd.values[i] > cut ? c[i] / svd.values[i] : 0 }
    return svd.rightTransposed.times(c, .transposed)
  }

  /// The eigenvalues of a symmetric matrix, smallest first, by `dsyevd`; reads the lower triangle.
  ///
  /// - Throws: `EngineError.notFinite`, `EngineError.notConverged`.
  public func symmetricEigenvalues() throws(EngineError) -> Vector {
    try symmetricEigen(Job.none).values
  }

  /// Eigenvalues and eigenvectors of a symmetric matrix, by `dsyevd`; reads the lower triangle.
  ///
  /// - Throws: `EngineError.notFinite`, `EngineError.notConverged`.
  public func symmetricEigen() throws(EngineError) -> SymmetricEigendecomposition {
    try symmetricEigen(Job.vectors)
  }

  /// The Cholesky factorization of a symmetric matrix, by `dpotrf`; reads the lower triangle.
  ///
  /// - Throws: `EngineError.notFinite`, `EngineError.notPositiveDefinite`.
  public func cholesky() throws(EngineError) -> CholeskyFactorization {
    requireSquare()
    try requireFinite()
    var l = self
    if rows > 0 {
      BLAS.start()
      let info = LAPACKE_dpotrf(
        LAPACK_ROW_MAJOR, Job.lower, Int32(rows), &l.elements, Int32(rows))
      expectLegal(info, "dpotrf")
      if info > 0 { throw .notPositiveDefinite(leadingMinor: Int(info)) }
    }
    for i in 0..<rows {
      for j in (i + 1)..<max(i + 1, rows) { l[i, j] = 0 }
    }
    return CholeskyFactorization(lower: l)
  }

  /// The Gram matrix A^T A of the columns, exactly symmetric, by `dsyrk`; n x n.
  public func gram() -> Matrix {
    let n = columns
    var g = Matrix(zeros: n, n)
    guard !elements.isEmpty else { return g }
    BLAS.start()
    cblas_dsyrk(
      CblasRowMajor, CblasUpper, CblasTrans, Int32(n), Int32(rows), 1, elements, Int32(n), 0,
      &g.elements, Int32(n))
    for i in 0..<n {
      for j in 0..<i { g[i, j] = g[j, i] }
    }
    return g
  }

  /// `orthonormalFactor` of a matrix known to be finite.
  func signFixedOrthonormalFactor() -> Matrix {
    rows < columns ? transposed.signFixedQR().q.transposed : signFixedQR().q
  }

  /// `thinQR` of a matrix known to be finite.
  private func signFixedQR() -> QRFactorization {
    precondition(rows >= columns, "thin QR of a wide matrix, \(rows) x \(columns)")
    let n = columns
    var q = self
    var r = Matrix(zeros: n, n)
    guard n > 0 else { return QRFactorization(q: q, r: r) }
    var reflectors = [Double](repeating: 0, count: n)
    BLAS.start()
    let factored = LAPACKE_dgeqrf(
      LAPACK_ROW_MAJOR, Int32(rows), Int32(n), &q.elements, Int32(n), &reflectors)
    expectLegal(factored, "dgeqrf")
    // LAPACK leaves the signs of R's diagonal open; flipping a row of R and a column of Q fixes it.
    let signs = (0..<n).map { q[$0, $0] < 0 ? -1.0 : 1 }
    for i in 0..<n {
      for j in i..<n { r[i, j] = signs[i] * q[i, j] }
    }
    let formed = LAPACKE_dorgqr(
      LAPACK_ROW_MAJOR, Int32(rows), Int32(n), Int32(n), &q.elements, Int32(n), reflectors)
    expectLegal(formed, "dorgqr")
    for i in 0..<rows {
      for j in 0..<n { q[i, j] *= signs[j] }
    }
    return QRFactorization(q: q, r: r)
  }

  private func symmetricEigen(_ job: CChar) throws(EngineError) -> SymmetricEigendecomposition {
    requireSquare()
    try requireFinite()
    var v = self
    var w = Vector(zeros: rows)
    if rows > 0 {
      BLAS.start()
      let info = LAPACKE_dsyevd(
        LAPACK_ROW_MAJOR, job, Job.lower, Int32(rows), &v.elements, Int32(rows), &w.elements)
      try requireConverged(info, "dsyevd")
    }
    return SymmetricEigendecomposition(values: w, vectors: v)
  }

  private func requireSquare() {
    precondition(rows == columns, "a square matrix is wanted, this one is \(rows) x \(columns)")
  }

  private func requireFinite() throws(EngineError) {
    guard isFinite else { throw .notFinite(what: "matrix of \(rows) x \(columns)") }
  }
}

/// The letters by which LAPACK's options go.
private enum Job {
  static let none = CChar(UInt8(ascii: "N"))
  static let thin = CChar(UInt8(ascii: "S"))
  static let vectors = CChar(UInt8(ascii: "V"))
  static let lower = CChar(UInt8(ascii: "L"))
}

private func requireConverged(_ info: Int32, _ routine: String) throws(EngineError) {
  expectLegal(info, routine)
  if info > 0 { throw .notConverged(routine: routine, info: Int(info)) }
}

/// Stops at an illegal argument (a bug here) or for want of memory, as Swift's own arrays do.
private func expectLegal(_ info: Int32, _ routine: String) {
  precondition(info >= 0, "\(routine): illegal argument or out of memory, info \(info)")
}
