internal import COpenBLAS

/// Layer-wise training of an unfolded linear iteration x ← x + W_t (y - M x) with one matrix M for all
/// instances, on F(x_l) = Σ_i ½ ‖M x_l - y_i‖², from x_0 = 0.
///
/// Residuals obey r_{t+1} = (I - M W_t) r_t, so the instances enter losses and gradients only through
/// Σ_i y_i y_iᵀ: b instances, the rows of a triangular factor of that sum, stand for all of them. A layer
/// is trained in stages of one step of a fresh Adam each, which is η g / (|g| + ε); the first stage moves
/// the layer alone, the others the earlier ones too, each by a fixed factor less than the one after it
/// (the NetX `main_unroll_listas.py`). A layer whose rate is below η times the precision
/// of the weights is left as it is.
public final class UnfoldedLayers {
  /// The number of layers, T.
  public let layers: Int
  /// η of a layer in its first stage.
  public let stepSize: Double

  /// The factor on η per layer back.
  private static let decay = 0.3
  /// The factors on η in the stages.
  private static let stages = [1, 0.2, 0.02]
  private static let epsilon = 1e-8

  /// How many layers back rates count: decay^reach is the last power that is at least the precision.
  private let reach: Int
  private let rows: Int
  private let columns: Int
  /// M, b x d, row-major.
  private let matrix: Matrix
  /// W_t, T times d x b.
  private let weights: AlignedBuffer
  /// M W_t, T times b x b.
  private let products: AlignedBuffer
  /// The residuals r_t as rows, T + 1 times b x b.
  private let residuals: AlignedBuffer
  /// ∂F/∂r_t, twice b x b: of this layer and of the one before.
  private let cotangents: AlignedBuffer
  /// ∂F/∂(M W_t), b x b.
  private let slope: AlignedBuffer
  /// ∂F/∂W_t, d x b.
  private let gradient: AlignedBuffer

  /// Prepares a training.
  ///
  /// - Parameters:
  ///   - matrix: M, b x d.
  ///   - targets: the y_i as rows, N x b with N >= b.
  ///   - weights: W_0 to W_{T-1}, d x b each, row-major.
  ///   - stepSize: η of a layer in its first stage.
  ///   - precision: the unit roundoff of the weights that a step is meant for.
  /// - Throws: ``EngineError`` where the targets do not span all of their space.
  public init(
    matrix: Matrix, targets: Matrix, weights: [[Double]], stepSize: Double,
    precision: Double = .ulpOfOne / 2
  ) throws(EngineError) {
    let (b, d) = (matrix.rows, matrix.columns)
    precondition(
      targets.columns == b && !weights.isEmpty && weights.allSatisfy { $0.count == b * d },
      "y \(targets.rows) x \(targets.columns), \(weights.count) matrices for \(b) x \(d)")
    BLAS.start()
    self.matrix = matrix
    self.stepSize = stepSize
    var (rate, reach) = (Self.decay, 0)
    while rate >= precision { (rate, reach) = (rate * Self.decay, reach + 1) }
    self.reach = reach
    layers = weights.count
    (rows, columns) = (b, d)
    self.weights = AlignedBuffer(layers * b * d)
    products = AlignedBuffer(layers * b * b)
    residuals = AlignedBuffer((layers + 1) * b * b)
    cotangents = AlignedBuffer(2 * b * b)
    slope = AlignedBuffer(b * b)
    gradient = AlignedBuffer(b * d)
    // The factor R of the y_i = Q R has Rᵀ R = Σ_i y_i y_iᵀ.
    let factor = try targets.thinQR().r
    residuals.base.update(from: factor.elements, count: b * b)
    for (t, matrix) in weights.enumerated() {
      (self.weights.base + t * b * d).update(from: matrix, count: b * d)
      renewProduct(t)
    }
  }

  /// Trains every layer in turn, in all its stages; F(x_l) of the last stage of every layer, before its
  /// step.
  ///
  /// - Parameter progress: told the layers that are done; may throw to end the training.
  /// - Throws: what `progress` throws.
  public func advance(progress: (Int) throws -> Void) rethrows -> [Double] {
    // Beyond its reach the last pass has left residuals as they were.
    for t in 0..<layers { forward(t) }
    return try (1...layers).map { layer in
      var last = Double.nan
      for (stage, factor) in Self.stages.enumerated() {
        let first = stage == 0 ? layer - 1 : max(0, layer - 1 - reach)
        if stage == 0 {
          for t in max(0, layer - 2 - reach)..<layer { forward(t) }
        } else {
          // What the stage before has moved.
          for t in (stage == 1 ? layer - 1 : first)..<layer { forward(t) }
        }
        last = loss(layer)
        step(layer, downTo: first, rate: stepSize * factor)
      }
      try progress(layer)
      return last
    }
  }

  /// W_t, d x b, row-major.
  public func weights(at t: Int) -> [Double] {
    Array(UnsafeBufferPointer(start: weights.base + t * rows * columns, count: rows * columns))
  }

  private func loss(_ layer: Int) -> Double {
    let r = residuals.base + layer * rows * rows
    return cblas_ddot(Int32(rows * rows), r, 1, r, 1) / 2
  }

  /// r_{t+1} = r_t - r_t (M W_t)ᵀ, r as rows.
  private func forward(_ t: Int) {
    let (r, b) = (residuals.base + t * rows * rows, Int32(rows))
    let next = r + rows * rows
    next.update(from: r, count: rows * rows)
    cblas_dgemm(
      CblasRowMajor, CblasNoTrans, CblasTrans, b, b, b, -1, r, b, product(t), b, 1, next, b)
  }

  /// One step of the layers from `layer` down to that of index `first`.
  private func step(_ layer: Int, downTo first: Int, rate: Double) {
    let (size, b) = (rows * rows, Int32(rows))
    var (now, before) = (cotangents.base, cotangents.base + size)
    now.update(from: residuals.base + layer * size, count: size)
    var rate = rate
    for t in (first..<layer).reversed() {
      cblas_dgemm(
        CblasRowMajor, CblasTrans, CblasNoTrans, b, b, b, -1, now, b,
        residuals.base + t * size, b, 0, slope.base, b)
      if t > first {
        before.update(from: now, count: size)
        cblas_dgemm(
          CblasRowMajor, CblasNoTrans, CblasNoTrans, b, b, b, -1, now, b, product(t), b, 1, before,
          b)
      }
      move(t, rate)
      rate *= Self.decay
      swap(&now, &before)
    }
  }

  /// W_t by one step of a fresh Adam, with ∂F/∂W_t = Mᵀ ∂F/∂(M W_t).
  private func move(_ t: Int, _ rate: Double) {
    let (b, d) = (Int32(rows), Int32(columns))
    cblas_dgemm(
      CblasRowMajor, CblasTrans, CblasNoTrans, d, b, b, 1, matrix.elements, d, slope.base, b, 0,
      gradient.base, b)
    let w = weights.base + t * rows * columns
    let g = gradient.base
    for k in 0..<(rows * columns) { w[k] -= rate * g[k] / (abs(g[k]) + Self.epsilon) }
    renewProduct(t)
  }

  private func product(_ t: Int) -> UnsafeMutablePointer<Double> {
    products.base + t * rows * rows
  }

  private func renewProduct(_ t: Int) {
    let (b, d) = (Int32(rows), Int32(columns))
    cblas_dgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, b, b, d, 1, matrix.elements, d,
      weights.base + t * rows * columns, b, 0, product(t), b)
  }
}
