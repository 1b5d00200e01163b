internal import CKernels
internal import COpenBLAS

/// Residuals of instances with a matrix of their own each.
///
/// With cotangents δ_t of x_t, instance by instance: δ_l = -Mᵀ r_l, δ_t = δ_{t+1} - Mᵀ W_tᵀ δ_{t+1} and
/// ∂F/∂W_t = Σ_i δ_{t+1} r_tᵀ. Reading matrices is what takes the time: a few instances at once go through
/// all layers while theirs are at hand, and matrices that single precision holds are kept in it.
///
/// Sendable by discipline: chunks of instances touch nothing of each other's, parts of gradients neither.
final class OwnResiduals: LayerResiduals, @unchecked Sendable {
  private let map: BlockDiagonal
  /// The matrices in single precision, rows filled up to `width`; empty where it does not hold them.
  private let singles: [Float]
  private let threads: Int
  /// d, filled up to whole vectors.
  private let width: Int
  /// The residuals r_t as rows, T + 1 times N x b.
  private let residuals: AlignedBuffer
  /// δ_{t+1} as rows for as many t as gradients are asked for at once, each N x `width`.
  private let cotangents: AlignedBuffer
  /// W_t r_t as rows, N x `width`.
  private let moves: AlignedBuffer
  /// W_tᵀ δ as rows, N x b.
  private let images: AlignedBuffer

  /// Instances whose matrices stay at hand beside those of a few layers; what `oc_four_products` takes.
  private static let chunk = 4
  /// Parts of a gradient that are summed side by side.
  private static let parts = 4

  private var rows: Int { map.blockRows }
  private var columns: Int { map.blockColumns }
  private var instances: Int { map.blocks.count }

  /// - Parameters:
  ///   - gradients: the largest number of them that are asked for at once.
  ///   - threads: cores to use; no bit depends on it.
  init(map: BlockDiagonal, target: Vector, layers: Int, gradients: Int, threads: Int) {
    self.map = map
    self.threads = threads
    width = padded(map.blockColumns)
    residuals = AlignedBuffer((layers + 1) * map.rows)
    cotangents = AlignedBuffer(min(layers, gradients) * map.blocks.count * width)
    moves = AlignedBuffer(map.blocks.count * width)
    images = AlignedBuffer(map.rows)
    residuals.base.update(from: target.elements, count: map.rows)
    singles = Self.singles(map, width: width)
  }

  private static func singles(_ map: BlockDiagonal, width: Int) -> [Float] {
    guard map.blocks.allSatisfy({ $0.elements.allSatisfy { Float(exactly: $0) != nil } }) else {
      return []
    }
    let (rows, columns) = (map.blockRows, map.blockColumns)
    var singles = [Float](repeating: 0, count: map.rows * width)
    for (i, block) in map.blocks.enumerated() {
      for row in 0..<rows {
        let start = (i * rows + row) * width
        for j in 0..<columns { singles[start + j] = Float(block.elements[row * columns + j]) }
      }
    }
    return singles
  }

  func forward(_ layers: Range<Int>, _ weights: UnsafePointer<Double>) {
    guard !layers.isEmpty else { return }
    nonisolated(unsafe) let weights = weights
    inChunks { instances in
      for t in layers { forward(t, weights + t * rows * columns, instances) }
    }
  }

  /// r_{t+1} = r_t - M W_t r_t of some instances.
  private func forward(_ t: Int, _ weights: UnsafePointer<Double>, _ instances: Range<Int>) {
    let first = instances.lowerBound
    let (r, next) = (residual(t, first), residual(t + 1, first))
    let move = moves.base + first * width
    if instances.count == Self.chunk {
      oc_four_products(columns, rows, weights, r, rows, move, width)
    } else {
      cblas_dgemm(
        CblasRowMajor, CblasNoTrans, CblasTrans, Int32(instances.count), Int32(columns),
        Int32(rows), 1, r, Int32(rows), weights, Int32(rows), 0, move, Int32(width))
    }
    next.update(from: r, count: instances.count * rows)
    for i in instances { less(i, .plain, moves.base + i * width, residual(t + 1, i)) }
  }

  func loss(_ layer: Int) -> Double {
    let r = residual(layer, 0)
    return cblas_ddot(Int32(map.rows), r, 1, r, 1) / 2
  }

  func gradients(
    _ layers: Range<Int>, moved: Range<Int>, _ weights: UnsafePointer<Double>,
    into gradients: UnsafeMutablePointer<Double>
  ) {
    nonisolated(unsafe) let weights = weights
    inChunks { instances in
      for t in moved { forward(t, weights + t * rows * columns, instances) }
      turn(at: layers.upperBound, layers.count - 1, instances)
      for place in (1..<layers.count).reversed() {
        backward(weights + (layers.lowerBound + place) * rows * columns, place, instances)
      }
    }
    sum(layers, into: gradients)
  }

  /// δ_l = -Mᵀ r_l of some instances.
  private func turn(at layer: Int, _ place: Int, _ instances: Range<Int>) {
    cotangent(place, instances.lowerBound).update(repeating: 0, count: instances.count * width)
    for i in instances { less(i, .transposed, residual(layer, i), cotangent(place, i)) }
  }

  /// δ_t = δ_{t+1} - Mᵀ W_tᵀ δ_{t+1} of some instances.
  private func backward(
    _ weights: UnsafePointer<Double>, _ place: Int, _ instances: Range<Int>
  ) {
    let first = instances.lowerBound
    let (delta, before) = (cotangent(place, first), cotangent(place - 1, first))
    cblas_dgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(instances.count), Int32(rows),
      Int32(columns), 1, delta, Int32(width), weights, Int32(rows), 0,
      images.base + first * rows, Int32(rows))
    before.update(from: delta, count: instances.count * width)
    for i in instances {
      less(i, .transposed, images.base + i * rows, cotangent(place - 1, i))
    }
  }

  /// ∂F/∂W_t = Σ_i δ_{t+1} r_tᵀ.
  private func sum(_ layers: Range<Int>, into gradients: UnsafeMutablePointer<Double>) {
    nonisolated(unsafe) let gradients = gradients
    let part = (columns + Self.parts - 1) / Self.parts
    Parallel.forEach(layers.count * Self.parts, threads: threads) { index in
      let (place, first) = (index / Self.parts, index % Self.parts * part)
      let count = min(part, columns - first)
      guard count > 0 else { return }
      cblas_dgemm(
        CblasRowMajor, CblasTrans, CblasNoTrans, Int32(count), Int32(rows), Int32(instances), 1,
        cotangent(place, 0) + first, Int32(width), residual(layers.lowerBound + place, 0),
        Int32(rows), 0, gradients + (place * columns + first) * rows, Int32(rows))
    }
  }

  func renew(_ t: Int, _ weights: UnsafePointer<Double>) {}

  /// y - op(M_i) x into y; the one of the two that has d entries is filled up with zeros.
  private func less(
    _ i: Int, _ operation: Matrix.Operation, _ x: UnsafePointer<Double>,
    _ y: UnsafeMutablePointer<Double>
  ) {
    guard !singles.isEmpty else {
      cblas_dgemv(
        CblasRowMajor, operation.cblas, Int32(rows), Int32(columns), -1, map.blocks[i].elements,
        Int32(columns), x, 1, 1, y, 1)
      return
    }
    singles.withUnsafeBufferPointer { singles in
      guard let matrix = singles.baseAddress.map({ $0 + i * rows * width }) else { return }
      switch operation {
      case .plain: oc_single_less(rows, width, matrix, x, y)
      case .transposed: oc_single_less_transposed(rows, width, matrix, x, y)
      }
    }
  }

  private func inChunks(_ body: @Sendable (Range<Int>) -> Void) {
    let count = instances
    Parallel.forEach((count + Self.chunk - 1) / Self.chunk, threads: threads) { index in
      let first = index * Self.chunk
      body(first..<min(first + Self.chunk, count))
    }
  }

  private func residual(_ t: Int, _ i: Int) -> UnsafeMutablePointer<Double> {
    residuals.base + t * map.rows + i * rows
  }

  private func cotangent(_ place: Int, _ i: Int) -> UnsafeMutablePointer<Double> {
    cotangents.base + (place * instances + i) * width
  }
}
