/// Layer-wise training of an unfolded linear iteration x ← x + W_t (y - M x), on
/// F(x_l) = Σ_i ½ ‖M_i x_l - y_i‖², from x_0 = 0.
///
/// A layer is trained in stages of one step of a fresh Adam each, which is η g / (|g| + ε); the first stage
/// moves the layer alone, the others the earlier ones too, each by a fixed factor less than the one after it
/// (the NetX `main_unroll_listas.py`). In a stage, a layer whose rate is below η times the precision of the
/// weights is left as it is.
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

  /// How many layers back each stage moves, the first none: those of factor · decay^k at least the precision.
  private let reach: [Int]
  /// Entries of W_t.
  private let size: Int
  /// W_t, T times d x b.
  private let weights: AlignedBuffer
  /// ∂F/∂W_t of the layers that a stage moves, d x b each.
  private let gradients: AlignedBuffer
  private let residuals: any LayerResiduals

  /// Prepares a training on instances of one matrix.
  ///
  /// - Parameters:
  ///   - matrix: M, b x d.
  ///   - targets: the y_i as rows, N x b with N >= b.
  ///   - weights: W_0 to W_{T-1}, d x b each, row-major.
  ///   - stepSize: η of a layer in its first stage.
  ///   - precision: the unit roundoff of the weights that a step is meant for.
  /// - Throws: ``EngineError`` where the targets do not span all of their space.
  public convenience init(
    matrix: Matrix, targets: Matrix, weights: [[Double]], stepSize: Double,
    precision: Double = .ulpOfOne / 2
  ) throws(EngineError) {
    precondition(targets.columns == matrix.rows, "y \(targets.rows) x \(targets.columns)")
    self.init(
      try SharedResiduals(matrix: matrix, targets: targets, layers: weights.count),
      size: matrix.rows * matrix.columns, weights, stepSize, precision)
  }

  /// Prepares a training on instances with a matrix of their own each.
  ///
  /// - Parameters:
  ///   - map: the M_i, b x d.
  ///   - target: y, length N b.
  ///   - weights: W_0 to W_{T-1}, d x b each, row-major.
  ///   - stepSize: η of a layer in its first stage.
  ///   - precision: the unit roundoff of the weights that a step is meant for.
  ///   - threads: cores to use; no bit depends on it.
  public convenience init(
    map: BlockDiagonal, target: Vector, weights: [[Double]], stepSize: Double,
    precision: Double = .ulpOfOne / 2, threads: Int = Parallel.coreCount
  ) {
    precondition(target.count == map.rows, "y of length \(target.count) for \(map.rows) rows")
    self.init(
      OwnResiduals(
        map: map, target: target, layers: weights.count, gradients: 1 + Self.farthest(precision),
        threads: threads),
      size: map.blockRows * map.blockColumns, weights, stepSize, precision)
  }

  private init(
    _ residuals: any LayerResiduals, size: Int, _ weights: [[Double]], _ stepSize: Double,
    _ precision: Double
  ) {
    precondition(
      !weights.isEmpty && weights.allSatisfy { $0.count == size },
      "\(weights.count) matrices for \(size) entries")
    BLAS.start()
    self.residuals = residuals
    self.stepSize = stepSize
    self.size = size
    reach = Self.reach(of: precision)
    layers = weights.count
    self.weights = AlignedBuffer(layers * size)
    gradients = AlignedBuffer(min(layers, 1 + Self.farthest(precision)) * size)
    for (t, matrix) in weights.enumerated() {
      (self.weights.base + t * size).update(from: matrix, count: size)
      residuals.renew(t, entries(t))
    }
  }

  private static func reach(of precision: Double) -> [Int] {
    stages.enumerated().map { stage, factor in
      guard stage > 0 else { return 0 }
      var (rate, reach) = (factor * decay, 0)
      while rate >= precision { (rate, reach) = (rate * decay, reach + 1) }
      return reach
    }
  }

  private static func farthest(_ precision: Double) -> Int { reach(of: precision).max() ?? 0 }

  /// Trains every layer in turn, in all its stages; F(x_l) of the last stage of every layer, before its
  /// step.
  ///
  /// - Parameter progress: told the layers that are done; may throw to end the training.
  /// - Throws: what `progress` throws.
  public func advance(progress: (Int) throws -> Void) rethrows -> [Double] {
    // Beyond its reach the last pass has left residuals as they were.
    residuals.forward(0..<layers, weights.base)
    // The first layer that the stage before has moved.
    var moved = 0
    return try (1...layers).map { layer in
      var last = Double.nan
      for (stage, factor) in Self.stages.enumerated() {
        let first = max(0, layer - 1 - reach[stage])
        residuals.gradients(
          first..<layer, moved: min(moved, layer - 1)..<layer, weights.base, into: gradients.base)
        last = residuals.loss(layer)
        step(first..<layer, rate: stepSize * factor)
        moved = first
      }
      try progress(layer)
      return last
    }
  }

  /// W_t, d x b, row-major.
  public func weights(at t: Int) -> [Double] {
    Array(UnsafeBufferPointer(start: entries(t), count: size))
  }

  private func entries(_ t: Int) -> UnsafeMutablePointer<Double> { weights.base + t * size }

  /// One step of `layers` along their gradients, the last of them by `rate`.
  private func step(_ layers: Range<Int>, rate: Double) {
    var rate = rate
    for (place, t) in layers.enumerated().reversed() {
      move(t, along: gradients.base + place * size, rate)
      rate *= Self.decay
    }
  }

  /// W_t by one step of a fresh Adam along the gradient `g`.
  private func move(_ t: Int, along g: UnsafePointer<Double>, _ rate: Double) {
    let w = entries(t)
    for k in 0..<size { w[k] -= rate * g[k] / (abs(g[k]) + Self.epsilon) }
    residuals.renew(t, w)
  }
}
