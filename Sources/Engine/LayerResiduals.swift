internal import COpenBLAS

/// What the layers of an unfolded iteration do to residuals r_t = y - M x_t, and what F says of the layers.
protocol LayerResiduals: AnyObject {
  /// r_{t+1} from r_t, by W_t.
  func forward(_ t: Int, _ weights: UnsafePointer<Double>)
  /// F(x_layer).
  func loss(_ layer: Int) -> Double
  /// Starts to follow F back from x_layer.
  func turn(at layer: Int)
  /// ∂F/∂W_t, d x b, where F was followed back to x_{t+1}.
  func gradient(_ t: Int, into gradient: UnsafeMutablePointer<Double>)
  /// Follows F back from x_{t+1} to x_t.
  func backward(_ t: Int, _ weights: UnsafePointer<Double>)
  /// Takes note of a W_t that has changed.
  func renew(_ t: Int, _ weights: UnsafePointer<Double>)
}

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
  func forward(_ t: Int, _ weights: UnsafePointer<Double>) {
    let (r, b) = (residual(t), Int32(rows))
    let next = residual(t + 1)
    next.update(from: r, count: rows * rows)
    cblas_dgemm(
      CblasRowMajor, CblasNoTrans, CblasTrans, b, b, b, -1, r, b, product(t), b, 1, next, b)
  }

  func loss(_ layer: Int) -> Double {
    let r = residual(layer)
    return cblas_ddot(Int32(rows * rows), r, 1, r, 1) / 2
  }

  func turn(at layer: Int) { now.update(from: residual(layer), count: rows * rows) }

  /// ∂F/∂W_t = Mᵀ ∂F/∂(M W_t).
  func gradient(_ t: Int, into gradient: UnsafeMutablePointer<Double>) {
    let (b, d) = (Int32(rows), Int32(columns))
    cblas_dgemm(
      CblasRowMajor, CblasTrans, CblasNoTrans, b, b, b, -1, now, b, residual(t), b, 0, slope.base, b
    )
    cblas_dgemm(
      CblasRowMajor, CblasTrans, CblasNoTrans, d, b, b, 1, matrix.elements, d, slope.base, b, 0,
      gradient, b)
  }

  func backward(_ t: Int, _ weights: UnsafePointer<Double>) {
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

/// Residuals of instances with a matrix of their own each.
///
/// With cotangents δ_t of x_t, instance by instance: δ_l = -Mᵀ r_l, δ_t = δ_{t+1} - Mᵀ W_tᵀ δ_{t+1} and
/// ∂F/∂W_t = Σ_i δ_{t+1} r_tᵀ. A matrix is read once in a layer, forward and backward.
final class OwnResiduals: LayerResiduals {
  private let map: BlockDiagonal
  /// The residuals r_t as rows, T + 1 times N x b.
  private let residuals: AlignedBuffer
  /// W_t r_t, or δ, as rows, N x d.
  private let moves: AlignedBuffer
  /// W_tᵀ δ as rows, N x b.
  private let images: AlignedBuffer

  private var rows: Int { map.blockRows }
  private var columns: Int { map.blockColumns }
  private var instances: Int { map.blocks.count }

  init(map: BlockDiagonal, target: Vector, layers: Int) {
    self.map = map
    residuals = AlignedBuffer((layers + 1) * map.rows)
    moves = AlignedBuffer(map.columns)
    images = AlignedBuffer(map.rows)
    residuals.base.update(from: target.elements, count: map.rows)
  }

  func forward(_ t: Int, _ weights: UnsafePointer<Double>) {
    let (b, d) = (Int32(rows), Int32(columns))
    let next = residual(t + 1)
    cblas_dgemm(
      CblasRowMajor, CblasNoTrans, CblasTrans, Int32(instances), d, b, 1, residual(t), b, weights,
      b, 0, moves.base, d)
    next.update(from: residual(t), count: map.rows)
    for (i, block) in map.blocks.enumerated() {
      cblas_dgemv(
        CblasRowMajor, CblasNoTrans, b, d, -1, block.elements, d, moves.base + i * columns, 1, 1,
        next + i * rows, 1)
    }
  }

  func loss(_ layer: Int) -> Double {
    let r = residual(layer)
    return cblas_ddot(Int32(map.rows), r, 1, r, 1) / 2
  }

  func turn(at layer: Int) { mapBack(residual(layer), adding: false) }

  func gradient(_ t: Int, into gradient: UnsafeMutablePointer<Double>) {
    let (b, d) = (Int32(rows), Int32(columns))
    cblas_dgemm(
      CblasRowMajor, CblasTrans, CblasNoTrans, d, b, Int32(instances), 1, moves.base, d,
      residual(t), b, 0, gradient, b)
  }

  func backward(_ t: Int, _ weights: UnsafePointer<Double>) {
    let (b, d) = (Int32(rows), Int32(columns))
    cblas_dgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(instances), b, d, 1, moves.base, d, weights,
      b, 0, images.base, b)
    mapBack(images.base, adding: true)
  }

  func renew(_ t: Int, _ weights: UnsafePointer<Double>) {}

  /// -M_iᵀ v_i into δ_i, or added to it; v as rows, N x b.
  private func mapBack(_ v: UnsafePointer<Double>, adding: Bool) {
    let (b, d) = (Int32(rows), Int32(columns))
    for (i, block) in map.blocks.enumerated() {
      cblas_dgemv(
        CblasRowMajor, CblasTrans, b, d, -1, block.elements, d, v + i * rows, 1, adding ? 1 : 0,
        moves.base + i * columns, 1)
    }
  }

  private func residual(_ t: Int) -> UnsafeMutablePointer<Double> { residuals.base + t * map.rows }
}
