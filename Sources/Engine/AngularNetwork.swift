internal import CKernels

/// The network z(u, v) = sum_j w3_j ReLU(p_j u + q_j v) on the quadrant u, v >= 0, exactly.
///
/// A unit is active on one side of an angle, so z is linear on each of the cells into which the
/// units' angles cut the quadrant. A sample costs a lookup whatever the width: all H units cost
/// O((samples + H) log H) instead of O(samples H), and no subtraction of large sums ever occurs.
/// ReLU'(0) = 0, so that rays on which a unit vanishes are cells of their own.
public final class AngularNetwork {
  /// Number of units H.
  public let width: Int
  let table: UnsafeMutablePointer<oc_table>
  private let reals: AlignedBuffer
  private let integers: UnsafeMutablePointer<Int32>
  private let kinds: UnsafeMutablePointer<UInt8>
  private let weights: AlignedBuffer

  /// Doubles in one array of sums per cell, whatever the weights.
  var cellStorage: Int { 2 * (2 * (width + 1) + Int(OC_SPARE_CELLS)) }

  /// Doubles of such an array in use with the weights in force.
  var cellsInUse: Int { 2 * (2 * Int(table.pointee.count) + Int(OC_SPARE_CELLS)) }

  /// Whether breakpoints lie where quotients of doubles over- or underflow.
  var isExtreme: Bool { table.pointee.extreme != 0 }

  /// A network of the given width with zero weights; allocates all it will ever need.
  public init(width: Int) {
    precondition(width > 0 && width < 1 << 28, "width \(width)")
    self.width = width
    let buckets = Int(oc_bucket_capacity(Int32(width)))
    let h = padded(width)
    weights = AlignedBuffer(3 * width)
    let cells = 2 * (2 * (width + 1) + Int(OC_SPARE_CELLS))
    reals = AlignedBuffer(h + (h + 16) + cells + 4 * (width + 2))
    integers = .allocate(capacity: buckets + 2 + 3 * h)
    integers.initialize(repeating: 0, count: buckets + 2 + 3 * h)
    kinds = .allocate(capacity: width)
    kinds.initialize(repeating: 0, count: width)
    table = .allocate(capacity: 1)
    table.initialize(to: oc_table())
    table.pointee.width = Int32(width)
    table.pointee.w2 = UnsafePointer(weights.base)
    table.pointee.w3 = UnsafePointer(weights.base + 2 * width)
    table.pointee.keys = reals.base
    table.pointee.breakpoints = reals.base + h
    table.pointee.coefficients = reals.base + 2 * h + 16
    table.pointee.sums = reals.base + 2 * h + 16 + cells
    table.pointee.rank = integers
    table.pointee.order = integers + h
    table.pointee.start = integers + 3 * h
    table.pointee.kind = kinds
    oc_table_build(table)
  }

  deinit {
    integers.deallocate()
    kinds.deallocate()
    table.deallocate()
  }

  /// Takes new weights: `w2` is 2 x H row-major (p, then q), `w3` has length H.
  ///
  /// O(H) as long as angles spread, O(H log H) however they cluster. Weights that are not finite
  /// make z NaN except at the origin.
  public func setWeights(w2: [Double], w3: [Double]) {
    precondition(
      w2.count == 2 * width && w3.count == width,
      "weights of lengths \(w2.count), \(w3.count) for width \(width)")
    weights.base.update(from: w2, count: 2 * width)
    (weights.base + 2 * width).update(from: w3, count: width)
    oc_table_build(table)
  }

  /// The outputs z at samples (u, v); both arrays are nonnegative and of one length.
  public func outputs(u: [Double], v: [Double]) -> [Double] {
    precondition(u.count == v.count, "samples of lengths \(u.count) and \(v.count)")
    let samples = Samples(u, v)
    samples.locate(table)
    return samples.values(samples.z)
  }

  /// Cotangents of weights and samples.
  public struct Gradient: Sendable, Hashable {
    /// Cotangent of W2, 2 x H row-major.
    public var w2: [Double]
    /// Cotangent of w3, length H.
    public var w3: [Double]
    /// Cotangents of the samples' first components.
    public var u: [Double]
    /// Cotangents of the samples' second components.
    public var v: [Double]
  }

  /// Pulls the cotangents `zbar` of the outputs at (u, v) back to weights and samples.
  public func gradient(u: [Double], v: [Double], zbar: [Double]) -> Gradient {
    precondition(
      u.count == v.count && u.count == zbar.count,
      "samples of lengths \(u.count), \(v.count), cotangents \(zbar.count)")
    let samples = Samples(u, v)
    samples.locate(table)
    samples.z.update(from: zbar, count: zbar.count)
    let cells = AlignedBuffer(cellStorage)
    let extra = isExtreme ? AlignedBuffer(2 * width) : nil
    let bars = AlignedBuffer(2 * samples.n)
    oc_backward(
      table, samples.n, samples.u, samples.v, samples.z, samples.cell, samples.first,
      samples.second, cells.base, extra?.base, bars.base, bars.base + samples.n)
    var result = Gradient(
      w2: [Double](repeating: 0, count: 2 * width), w3: [Double](repeating: 0, count: width),
      u: samples.values(bars.base), v: samples.values(bars.base + samples.n))
    finish(cells: cells.base, extra: extra?.base, w2: &result.w2, w3: &result.w3)
    return result
  }

  /// Turns sums per cell into gradients per unit, which it overwrites.
  func finish(
    cells: UnsafePointer<Double>, extra: UnsafePointer<Double>?, w2: inout [Double],
    w3: inout [Double]
  ) {
    oc_finish(table, cells, extra, &w2, &w3)
  }
}

/// Samples padded to whole vectors, the padding at the origin, where nothing counts.
private final class Samples {
  let count: Int
  let n: Int
  private let storage: AlignedBuffer
  let cell: UnsafeMutablePointer<Int32>

  var u: UnsafeMutablePointer<Double> { storage.base }
  var v: UnsafeMutablePointer<Double> { storage.base + n }
  var z: UnsafeMutablePointer<Double> { storage.base + 2 * n }
  /// Coefficients that the kernels pack.
  var first: UnsafeMutablePointer<Double> { storage.base + 3 * n }
  var second: UnsafeMutablePointer<Double> { storage.base + 4 * n + 8 }

  init(_ u: [Double], _ v: [Double]) {
    count = u.count
    n = padded(count)
    storage = AlignedBuffer(5 * n + 16)
    cell = .allocate(capacity: n + 8)
    cell.initialize(repeating: 0, count: n + 8)
    self.u.update(from: u, count: count)
    self.v.update(from: v, count: count)
  }

  deinit { cell.deallocate() }

  func locate(_ table: UnsafePointer<oc_table>) { oc_forward(table, n, u, v, z, cell, first, second) }

  func values(_ from: UnsafeMutablePointer<Double>) -> [Double] {
    [Double](UnsafeBufferPointer(start: from, count: count))
  }
}
