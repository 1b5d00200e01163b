internal import COpenBLAS

/// Training of an unfolded linear iteration x ← x + W_t (y - M x), one matrix W_t (d x b) per step,
/// by plain descent on F(x_T) = Σ_i ½ ‖M_i x_T - y_i‖², for several step sizes η at once.
///
/// The trainings share nothing but the instances, and an instance's matrix is read once for all of
/// them. In terms of residuals r = y - M x and cotangents δ of x, row by row,
///
///     r_{t+1} = r_t - M W_t r_t,   δ_T = -Mᵀ r_T,   ∂F/∂W_t = δ_{t+1} r_tᵀ,   δ_t = δ_{t+1} - Mᵀ W_tᵀ δ_{t+1},
///
/// so a gradient, of rank N, goes into its matrix as it arises and is stored nowhere. What a tape
/// needs besides, weights and gradients several times over, is what such a training waits for.
public final class UnfoldedDescent {
  /// What tells one training from another.
  public struct Training: Sendable, Hashable {
    /// How numbers are stored; sums are taken in double precision.
    public enum Precision: Sendable, Hashable {
      /// As they are.
      case double
      /// Rounded to single precision: weights, residuals, moves and cotangents, as they arise.
      case single
    }

    /// η.
    public var stepSize: Double
    /// How weights and what lies between are stored.
    public var precision: Precision

    /// Describes a training.
    public init(stepSize: Double, precision: Precision = .double) {
      self.stepSize = stepSize
      self.precision = precision
    }
  }

  /// The trainings.
  public let trainings: [Training]
  /// T.
  public let horizon: Int

  private let map: BlockDiagonal
  private let matrices: [AlignedBuffer]
  /// r_t, T + 1 times N x E x b: instance by instance, training by training.
  private let residuals: AlignedBuffer
  /// N x E x d.
  private let moves: AlignedBuffer
  /// N x E x b.
  private let images: AlignedBuffer

  private var instances: Int { map.blocks.count }
  private var rows: Int { map.blockRows }
  private var columns: Int { map.blockColumns }
  private var rowStride: Int { trainings.count * rows }
  private var columnStride: Int { trainings.count * columns }
  private var residualCount: Int { instances * rowStride }

  /// Prepares trainings that all start from `weights`.
  ///
  /// - Parameters:
  ///   - map: the matrices M_i, b x d.
  ///   - target: y, length N b.
  ///   - start: x_0, length N d.
  ///   - weights: W_0 to W_{T-1}, d x b each, row-major.
  ///   - trainings: their step sizes, and how they store numbers.
  public init(
    map: BlockDiagonal, target: Vector, start: Vector, weights: [[Double]], trainings: [Training]
  ) {
    let size = map.blockRows * map.blockColumns
    precondition(
      target.count == map.rows && start.count == map.columns,
      "y of length \(target.count), x_0 of length \(start.count) for \(map.rows) x \(map.columns)")
    precondition(
      !weights.isEmpty && weights.allSatisfy { $0.count == size } && !trainings.isEmpty,
      "\(weights.count) matrices for \(map.blockColumns) x \(map.blockRows), \(trainings.count) trainings"
    )
    BLAS.start()
    self.map = map
    self.trainings = trainings
    horizon = weights.count
    matrices = trainings.map { training in
      let buffer = AlignedBuffer(weights.count * size)
      for (t, matrix) in weights.enumerated() {
        (buffer.base + t * size).update(from: matrix, count: size)
        if training.precision == .single { Self.round(buffer.base + t * size, size) }
      }
      return buffer
    }
    let count = map.blocks.count * trainings.count
    residuals = AlignedBuffer((weights.count + 1) * count * map.blockRows)
    moves = AlignedBuffer(count * map.blockColumns)
    images = AlignedBuffer(count * map.blockRows)
    let image = map.times(start)
    for i in map.blocks.indices {
      for e in trainings.indices {
        for k in 0..<map.blockRows {
          let at = i * map.blockRows + k
          residuals.base[(i * trainings.count + e) * map.blockRows + k] = target[at] - image[at]
        }
      }
    }
    store(residuals.base, rows)
  }

  /// F(x_T) of every training at its weights, which then take a step against its gradient.
  ///
  /// A training that diverges goes on in numbers that are not finite, and disturbs no other.
  public func advance() -> [Double] {
    for t in 0..<horizon { forward(t) }
    let losses = trainings.indices.map(loss)
    let last = residuals.base + horizon * residualCount
    for i in 0..<instances { mapBack(i, last, adding: false) }
    store(moves.base, columns)
    for t in (0..<horizon).reversed() { backward(t) }
    return losses
  }

  /// W_t of training `e`, d x b, row-major.
  public func weights(of e: Int, at t: Int) -> [Double] {
    let size = rows * columns
    return Array(UnsafeBufferPointer(start: matrices[e].base + t * size, count: size))
  }

  private func loss(_ e: Int) -> Double {
    let last = residuals.base + horizon * residualCount
    var sum = 0.0
    for i in 0..<instances {
      let r = last + i * rowStride + e * rows
      sum += cblas_ddot(Int32(rows), r, 1, r, 1) / 2
    }
    return sum
  }

  private func forward(_ t: Int) {
    let r = residuals.base + t * residualCount
    for (e, matrix) in matrices.enumerated() {
      cblas_dgemm(
        CblasRowMajor, CblasNoTrans, CblasTrans, Int32(instances), Int32(columns), Int32(rows), 1,
        r + e * rows, Int32(rowStride), matrix.base + t * rows * columns, Int32(rows), 0,
        moves.base + e * columns, Int32(columnStride))
    }
    store(moves.base, columns)
    let next = r + residualCount
    next.update(from: r, count: residualCount)
    for (i, block) in map.blocks.enumerated() {
      cblas_dgemm(
        CblasRowMajor, CblasNoTrans, CblasTrans, Int32(trainings.count), Int32(rows),
        Int32(columns), -1, moves.base + i * columnStride, Int32(columns), block.elements,
        Int32(columns), 1, next + i * rowStride, Int32(rows))
    }
    store(next, rows)
  }

  /// With δ_{t+1} in `moves`: the step of W_t, and δ_t.
  private func backward(_ t: Int) {
    let r = residuals.base + t * residualCount
    for (e, training) in trainings.enumerated() {
      let weights = matrices[e].base + t * rows * columns
      let delta = moves.base + e * columns
      cblas_dgemm(
        CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(instances), Int32(rows), Int32(columns),
        1, delta, Int32(columnStride), weights, Int32(rows), 0, images.base + e * rows,
        Int32(rowStride))
      cblas_dgemm(
        CblasRowMajor, CblasTrans, CblasNoTrans, Int32(columns), Int32(rows), Int32(instances),
        -training.stepSize, delta, Int32(columnStride), r + e * rows, Int32(rowStride), 1,
        weights, Int32(rows))
      if training.precision == .single { Self.round(weights, rows * columns) }
    }
    store(images.base, rows)
    for i in 0..<instances { mapBack(i, images.base, adding: true) }
    store(moves.base, columns)
  }

  /// Leaves of `values`, N x E x `count`, what every training stores.
  private func store(_ values: UnsafeMutablePointer<Double>, _ count: Int) {
    for (e, training) in trainings.enumerated() where training.precision == .single {
      for i in 0..<instances { Self.round(values + (i * trainings.count + e) * count, count) }
    }
  }

  private static func round(_ values: UnsafeMutablePointer<Double>, _ count: Int) {
    for k in 0..<count { values[k] = Double(Float(values[k])) }
  }

  /// -M_iᵀ v_i for all trainings into δ_i, or added to it; v like a residual.
  private func mapBack(_ i: Int, _ v: UnsafeMutablePointer<Double>, adding: Bool) {
    cblas_dgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(trainings.count), Int32(columns),
      Int32(rows), -1, v + i * rowStride, Int32(rows), map.blocks[i].elements, Int32(columns),
      adding ? 1 : 0, moves.base + i * columnStride, Int32(columns))
  }
}
