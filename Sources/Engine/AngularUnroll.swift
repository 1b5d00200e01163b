internal import CKernels
internal import COpenBLAS
internal import Dispatch
internal import Synchronization

/// The learned recursion x <- x - (P s) g over least-squares instances, with its exact gradient.
///
/// P = map(z) * scale, z = ReLU(ReLU(q W1) W2) w3 per coordinate, q = (g, x), g = A x - c, with W1
/// 2 x 2 and W2 2 x H (spec: CoordMathDNN, L = 3). The backward pass holds q constant and
/// differentiates everything else. Instances are independent given the weights, so each runs
/// through all time while its matrix stays in cache; fixed groups of instances have their own sums,
/// added in a fixed order, so that no bit of a result depends on the number of threads. A call
/// allocates nothing.
public final class AngularUnroll {
  /// Gradient of the loss, by block of weights.
  public struct Gradient: Sendable, Hashable {
    /// For W1, 2 x 2 row-major, input by output.
    public var w1: [Double]
    /// For W2, 2 x H row-major.
    public var w2: [Double]
    /// For w3, length H.
    public var w3: [Double]
    /// For the factor that multiplies the output map.
    public var scale: Double

    /// The zero gradient for width H.
    public init(width: Int) {
      w1 = [Double](repeating: 0, count: 4)
      w2 = [Double](repeating: 0, count: 2 * width)
      w3 = [Double](repeating: 0, count: width)
      scale = 0
    }
  }

  /// The weights of the network.
  public struct Weights: Sendable, Hashable {
    /// W1, 2 x 2 row-major, input by output.
    public var w1: [Double]
    /// W2, 2 x H row-major.
    public var w2: [Double]
    /// w3, length H.
    public var w3: [Double]
    /// The factor that multiplies the output map.
    public var scale: Double

    /// Wraps the four blocks, of lengths 4, 2 H and H.
    public init(w1: [Double], w2: [Double], w3: [Double], scale: Double = 1) {
      precondition(
        w1.count == 4 && w2.count == 2 * w3.count,
        "blocks of lengths \(w1.count), \(w2.count), \(w3.count)")
      self.w1 = w1
      self.w2 = w2
      self.w3 = w3
      self.scale = scale
    }
  }

  /// Number of instances N.
  public let instances: Int
  /// Unknowns per instance d.
  public let dimension: Int
  /// Number of steps T.
  public let horizon: Int
  /// Units of the second layer H.
  public let width: Int

  private let problem: LeastSquaresBatch
  private let map: OutputMap
  private let network: AngularNetwork
  private let workers: [Worker]
  private let groups: [Group]
  private let trajectory: AlignedBuffer
  private let gradients: AlignedBuffer
  private let outputs: AlignedBuffer?
  private let steps: AlignedBuffer
  private let grams: UnsafeMutablePointer<UnsafePointer<Double>?>
  private let lossWeights: AlignedBuffer
  private let losses: AlignedBuffer
  private let nextGroup = Atomic<Int>(0)

  /// Instances that run side by side; the last bundle may be smaller.
  private let bundle: Int

  private var stride: Int { padded(dimension) }

  private func members(of bundle: Int) -> Range<Int> {
    bundle * self.bundle..<Swift.min((bundle + 1) * self.bundle, instances)
  }

  /// Where row `t` of instance `i` begins, in arrays of `rows` rows for each bundle.
  private func row(of i: Int, at t: Int, rows: Int) -> Int {
    let members = members(of: i / bundle)
    return (members.lowerBound * rows + t * members.count + i - members.lowerBound) * stride
  }

  /// Prepares everything for `problem` from `start` (length N d, instance by instance).
  ///
  /// - Parameters:
  ///   - stepSizes: s_i, one per instance.
  ///   - threads: how many run at once; results do not depend on it.
  ///   - recordsOutputs: whether the network outputs z are kept for `output(at:)`.
  public init(
    problem: LeastSquaresBatch, stepSizes: [Double], start: Vector, horizon: Int, width: Int,
    map: OutputMap, threads: Int = 1, recordsOutputs: Bool = false
  ) {
    let count = problem.count
    let d = problem.dimension
    precondition(stepSizes.count == count, "\(stepSizes.count) step sizes for \(count) instances")
    precondition(start.count == count * d, "start of length \(start.count), want \(count) x \(d)")
    precondition(horizon > 0 && threads > 0, "horizon \(horizon), threads \(threads)")
    BLAS.start()
    instances = count
    dimension = d
    self.horizon = horizon
    self.width = width
    self.problem = problem
    self.map = map
    let n = padded(d)
    let rows = count * (horizon + 1)
    let network = AngularNetwork(width: width)
    self.network = network
    trajectory = AlignedBuffer(rows * n)
    gradients = AlignedBuffer(rows * n)
    outputs = recordsOutputs ? AlignedBuffer(count * horizon * n) : nil
    lossWeights = AlignedBuffer(horizon + 1)
    losses = AlignedBuffer(count)
    steps = AlignedBuffer(count * n)
    grams = .allocate(capacity: count)
    for i in 0..<count {
      (grams + i).initialize(to: UnsafePointer(problem.grams[i].storage.base))
    }
    bundle = Swift.max(1, Swift.min(count, Int(OC_CHUNK) / n))
    let bundles = (count + bundle - 1) / bundle
    let groupCount = Swift.min(bundles, 10)
    groups = (0..<groupCount).map {
      Group(
        bundles: $0 * bundles / groupCount..<($0 + 1) * bundles / groupCount,
        cellStorage: network.cellStorage)
    }
    let lanes = bundle * n
    workers = (0..<Swift.min(threads, groupCount)).map { _ in
      Worker(lanes: lanes, horizon: horizon)
    }
    for i in 0..<count {
      (steps.base + i * n).update(repeating: stepSizes[i], count: n)
      let x = trajectory.base + row(of: i, at: 0, rows: horizon + 1)
      for k in 0..<d { x[k] = start[i * d + k] }
    }
  }

  /// Runs forward and backward, overwrites `gradient`, and returns the loss sum_t w_t F(x_t).
  ///
  /// F(x_t) = sum_i 1/2 |M_i x_t - y_i|^2 in the residual form; `lossWeights[t - 1]` is w_t.
  public func evaluate(_ weights: Weights, lossWeights: [Double], gradient: inout Gradient)
    -> Double
  {
    let loss = run(weights, lossWeights: lossWeights, backward: true)
    for k in 0..<4 { gradient.w1[k] = groups[0].sums.laneSum(k) }
    gradient.scale = groups[0].sums.laneSum(4)
    network.finish(
      cells: groups[0].cells.base, extra: groups[0].extra?.base, w2: &gradient.w2, w3: &gradient.w3)
    return loss
  }

  /// Runs forward only and returns the loss.
  public func evaluate(_ weights: Weights, lossWeights: [Double]) -> Double {
    run(weights, lossWeights: lossWeights, backward: false)
  }

  /// The same forward and backward recursion with P = 1, gradient descent: the cost without network.
  public func evaluateWithoutNetwork(lossWeights: [Double]) -> Double {
    run(nil, lossWeights: lossWeights, backward: true)
  }

  /// The iterate x_t, length N d, instance by instance, of the latest run.
  public func iterate(at t: Int) -> Vector { stacked(trajectory, rows: horizon + 1, at: t) }

  /// The gradients g_t = A x_t - c, length N d, of the latest run.
  public func gradient(at t: Int) -> Vector { stacked(gradients, rows: horizon + 1, at: t) }

  /// The network outputs z_t that made step t + 1, length N d; only if they were to be recorded.
  public func output(at t: Int) -> Vector? {
    outputs.map { stacked($0, rows: horizon, at: t) }
  }

  /// The objectives 1/2 |M_i x_t - y_i|^2 of the latest run, one per instance.
  public func objectives(at t: Int) -> [Double] {
    precondition((0...horizon).contains(t), "step \(t) of \(horizon)")
    return (0..<instances).map { i in
      problem.objective(
        of: i, at: trajectory.base + row(of: i, at: t, rows: horizon + 1))
    }
  }

  private func stacked(_ buffer: AlignedBuffer, rows: Int, at t: Int) -> Vector {
    precondition((0..<rows).contains(t), "row \(t) of \(rows)")
    var result: [Double] = []
    result.reserveCapacity(instances * dimension)
    for i in 0..<instances {
      result += UnsafeBufferPointer(
        start: buffer.base + row(of: i, at: t, rows: rows), count: dimension)
    }
    return Vector(result)
  }

  // MARK: - The run

  private func run(_ weights: Weights?, lossWeights given: [Double], backward: Bool) -> Double {
    precondition(given.count == horizon, "\(given.count) loss weights for \(horizon) steps")
    for t in 0..<horizon { lossWeights.base[t + 1] = given[t] }
    if let weights {
      precondition(weights.w3.count == width, "\(weights.w3.count) units, want \(width)")
      network.setWeights(w2: weights.w2, w3: weights.w3)
    }
    let extreme = weights != nil && network.isExtreme
    for group in groups { group.prepareExtra(extreme ? 2 * width : 0) }

    if workers.count == 1 {
      for group in groups { process(group, workers[0], weights, backward) }
    } else {
      nextGroup.store(0, ordering: .relaxed)
      // Threads share only what none of them writes; each group and worker is one thread's own.
      nonisolated(unsafe) let shared = self
      DispatchQueue.concurrentPerform(iterations: workers.count) { index in
        while true {
          let k = shared.nextGroup.wrappingAdd(1, ordering: .relaxed).oldValue
          guard k < shared.groups.count else { break }
          shared.process(shared.groups[k], shared.workers[index], weights, backward)
        }
      }
    }

    if backward, weights != nil {
      for group in groups.dropFirst() {
        groups[0].add(group, cells: network.cellsInUse)
      }
    }
    var loss = 0.0
    for i in 0..<instances { loss += losses.base[i] }
    return loss
  }

  private func process(_ group: Group, _ worker: Worker, _ weights: Weights?, _ backward: Bool) {
    let n = stride
    group.sums.base.update(repeating: 0, count: group.sums.count)
    group.cells.base.update(
      repeating: 0, count: weights == nil ? 0 : network.cellsInUse)
    var bundle = oc_bundle()
    bundle.n = Int32(n)
    bundle.horizon = Int32(horizon)
    bundle.map = map.code
    if let weights {
      bundle.table = UnsafePointer(network.table)
      bundle.scale = weights.scale
      bundle.w1 = (weights.w1[0], weights.w1[1], weights.w1[2], weights.w1[3])
    }
    bundle.loss = UnsafePointer(lossWeights.base)
    bundle.value = worker.value.base
    bundle.slope = worker.slope.base
    bundle.cell = worker.cell
    bundle.first = worker.first.base
    bundle.second = worker.second.base
    bundle.scratch = worker.scratch.base
    bundle.cells = group.cells.base
    bundle.extra = group.extra?.base
    bundle.sums = group.sums.base
    for index in group.bundles {
      let members = members(of: index)
      let first = members.lowerBound
      bundle.members = Int32(members.count)
      bundle.gram = UnsafePointer(grams + first)
      bundle.linear = UnsafePointer(problem.linear.base + first * n)
      bundle.steps = UnsafePointer(steps.base + first * n)
      bundle.x = trajectory.base + first * (horizon + 1) * n
      bundle.g = gradients.base + first * (horizon + 1) * n
      bundle.z = outputs.map { $0.base + first * horizon * n }
      oc_unroll_forward(&bundle)
      for i in members {
        var loss = 0.0
        for t in 1...horizon where lossWeights.base[t] != 0 {
          loss +=
            lossWeights.base[t]
            * problem.objective(
              of: i, at: trajectory.base + row(of: i, at: t, rows: horizon + 1))
        }
        losses.base[i] = loss
      }
      if backward { oc_unroll_backward(&bundle) }
    }
  }

  deinit { grams.deallocate() }
}

/// What one thread writes while it carries a bundle of instances through time.
private final class Worker {
  let value: AlignedBuffer
  let slope: AlignedBuffer
  let first: AlignedBuffer
  let second: AlignedBuffer
  let scratch: AlignedBuffer
  let cell: UnsafeMutablePointer<Int32>

  init(lanes: Int, horizon: Int) {
    value = AlignedBuffer(lanes * horizon)
    slope = AlignedBuffer(lanes * horizon)
    first = AlignedBuffer(lanes * horizon + 8)
    second = AlignedBuffer(lanes * horizon + 8)
    scratch = AlignedBuffer(3 * lanes)
    cell = .allocate(capacity: lanes * horizon + 8)
    cell.initialize(repeating: 0, count: lanes * horizon + 8)
  }

  deinit { cell.deallocate() }
}

/// Consecutive bundles and the sums over them.
private final class Group {
  let bundles: Range<Int>
  let cells: AlignedBuffer
  let sums = AlignedBuffer(5 * 8)
  private(set) var extra: AlignedBuffer?

  init(bundles: Range<Int>, cellStorage: Int) {
    self.bundles = bundles
    cells = AlignedBuffer(cellStorage)
  }

  /// Provides zeros for samples beyond the floating range, or nothing, as in every ordinary run.
  func prepareExtra(_ count: Int) {
    if count > 0, let extra {
      extra.base.update(repeating: 0, count: count)
    } else {
      extra = count > 0 ? AlignedBuffer(count) : nil
    }
  }

  func add(_ other: Group, cells count: Int) {
    cells.add(other.cells, count: count)
    sums.add(other.sums, count: sums.count)
    if let extra, let otherExtra = other.extra { extra.add(otherExtra, count: extra.count) }
  }
}

extension AlignedBuffer {
  fileprivate func add(_ other: AlignedBuffer, count: Int) {
    let to = base
    let from = other.base
    for k in 0..<count { to[k] += from[k] }
  }

  /// The sum of the eight lanes of block `block`.
  fileprivate func laneSum(_ block: Int) -> Double {
    let lanes = base + 8 * block
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
      + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
  }
}
