internal import COpenBLAS

/// Residuals of instances with one matrix M.
///
/// They obey r_{t+1} = (I - M W_t) r_t, so the instances enter losses and gradients only through
/// Σ_i y_i y_iᵀ: b instances, the rows of a triangular factor of that sum, stand for all of them.
final class SharedResiduals: LayerResiduals {
  private let rows: Int
  private let columns: Int
  /// M, b x d, row-major.
  private let matrix: Matrix
  /// M W_t, T times b x b.
  private let products: AlignedBuffer
  /// The residuals r_t as rows, T + 1 times b x b.
  private let residuals: AlignedBuffer
  /// ∂F/∂r_t, twice b x b: where F was followed back to, and room for one layer more.
  private let cotangents: AlignedBuffer
  private var now: UnsafeMutablePointer<Double>
  private var before: UnsafeMutablePointer<Double>
  /// ∂F/∂(M W_t), b x b.
  private let slope: AlignedBuffer

  init(matrix: Matrix, targets: Matrix, layers: Int) throws(EngineError) {
    let b = matrix.rows
    self.matrix = matrix
    (rows, columns) = (b, matrix.columns)
    products = AlignedBuffer(layers * b * b)
    residuals = AlignedBuffer((layers + 1) * b * b)
    cotangents = AlignedBuffer(2 * b * b)
    (now, before) = (cotangents.base, cotangents.base + b * b)
    slope = AlignedBuffer(b * b)
    // The factor R of the y_i = Q R has Rᵀ R = Σ_i y_i y_iᵀ.
    let factor = try targets.thinQR().r
    residuals.base.update(from: factor.elements, count: b * b)
  }

  /// r_{t+1} = r_t - r_t (M W_t)ᵀ, r as rows.
  func forward(_ layers: Range<Int>, _ weights: UnsafePointer<Double>) {
    let b = Int32(rows)
    for t in layers {
      let (r, next) = (residual(t), residual(t + 1))
      next.update(from: r, count: rows * rows)
      cblas_dgemm(
        CblasRowMajor, CblasNoTrans, CblasTrans, b, b, b, -1, r, b, product(t), b, 1, next, b)
    }
  }

  func loss(_ layer: Int) -> Double {
    let r = residual(layer)
    return cblas_ddot(Int32(rows * rows), r, 1, r, 1) / 2
  }

  /// ∂F/∂W_t = Mᵀ ∂F/∂(M W_t).
  func gradients(
    _ layers: Range<Int>, moved: Range<Int>, _ weights: UnsafePointer<Double>,
    into gradients: UnsafeMutablePointer<Double>
  ) {
    forward(moved, weights)
    let (b, d) = (Int32(rows), Int32(columns))
    now.update(from: residual(layers.upperBound), count: rows * rows)
    for t in layers.reversed() {
      cblas_dgemm(
        CblasRowMajor, CblasTrans, CblasNoTrans, b, b, b, -1, now, b, residual(t), b, 0,
        slope.base, b)
      cblas_dgemm(
        CblasRowMajor, CblasTrans, CblasNoTrans, d, b, b, 1, matrix.elements, d, slope.base, b, 0,
        gradients + (t - layers.lowerBound) * rows * columns, b)
      if t > layers.lowerBound { backward(t) }
    }
  }

  /// Follows F back from x_{t+1} to x_t.
  private func backward(_ t: Int) {
    let b = Int32(rows)
    before.update(from: now, count: rows * rows)
    cblas_dgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, b, b, b, -1, now, b, product(t), b, 1, before, b)
    swap(&now, &before)
  }

  func renew(_ t: Int, _ weights: UnsafePointer<Double>) {
    let (b, d) = (Int32(rows), Int32(columns))
    cblas_dgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, b, b, d, 1, matrix.elements, d, weights, b, 0,
      product(t), b)
  }

  private func residual(_ t: Int) -> UnsafeMutablePointer<Double> {
    residuals.base + t * rows * rows
  }

  private func product(_ t: Int) -> UnsafeMutablePointer<Double> {
    products.base + t * rows * rows
  }
}
