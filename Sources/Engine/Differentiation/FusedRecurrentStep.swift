internal import CKernels
import COpenBLAS

/// A step of a stacked LSTM as one operation: operands are input, state and four weights a layer.
///
/// Columns (coordinates) go through all layers in blocks that stay in cache, one product per layer
/// for all gates. Nothing but the state is kept: the backward pass forms the gates anew.
struct FusedRecurrentStep: Operation {
  let hidden: Int
  let layers: Int

  var name: String { "lstm-step" }

  /// Columns of a block at most.
  private static let width = 256

  func evaluate(_ x: Operands, into y: Block) {
    withRoom(x) { room in
      for block in room.blocks {
        for layer in 0..<layers {
          let below = layer == 0 ? x[0].base : y.base + (layer - 1) * hidden * y.columns
          room.load(below, x[1].base, layer, block)
          room.multiply(layer, block)
          let n = hidden * block.padded
          oc_lstm_forward(n, room.sums, room.cells, room.cells, room.outputs)
          room.store(room.outputs, y.base, row: layer * hidden, block)
          room.store(room.cells, y.base, row: (layers + layer) * hidden, block)
        }
      }
    }
  }

  func pullback(_ yBar: Block, _ x: Operands, value y: Block) {
    let (uBar, sBar) = (x.cotangent(0)?.base, x.cotangent(1)?.base)
    withRoom(x, extra: 1) { room in
      for block in room.blocks {
        for layer in (0..<layers).reversed() {
          let below = layer == 0 ? x[0].base : y.base + (layer - 1) * hidden * y.columns
          room.load(below, x[1].base, layer, block)
          room.multiply(layer, block)
          // The cotangent of h: what comes from outside, and from the layer above.
          room.fetch(yBar.base, row: layer * hidden, into: room.outputs, block)
          if layer < layers - 1 { room.addFromAbove(block) }
          room.fetch(yBar.base, row: (layers + layer) * hidden, into: room.cellBars, block)
          oc_lstm_backward(
            hidden * block.padded, room.sums, room.cells, room.outputs, room.cellBars)
          room.addWeights(layer, block)
          room.multiplyBack(layer, block)
          if let sBar {
            room.add(
              room.backs + room.inputs(layer) * block.padded, sBar, row: layer * hidden, block)
            room.add(room.cellBars, sBar, row: (layers + layer) * hidden, block)
          }
          if layer == 0, let uBar {
            room.add(room.backs, uBar, row: 0, rows: room.inputs(0), block)
          }
        }
      }
      for layer in 0..<layers {
        room.scatter(layer, (0..<4).map { x.cotangent(2 + 4 * layer + $0)?.base })
      }
    }
  }

  func pushforward(_ yDot: Block, _ x: Operands, value y: Block) {
    withRoom(x, extra: 2) { room in
      for layer in 0..<layers {
        room.packTangents(layer, (0..<4).map { x.tangent(2 + 4 * layer + $0)?.base })
      }
      let (uDot, sDot) = (x.tangent(0)?.base, x.tangent(1)?.base)
      for block in room.blocks {
        for layer in 0..<layers {
          let below = layer == 0 ? x[0].base : y.base + (layer - 1) * hidden * y.columns
          let belowDot = layer == 0 ? uDot : yDot.base + (layer - 1) * hidden * y.columns
          room.load(below, x[1].base, layer, block)
          room.multiply(layer, block)
          room.multiplyTangents(layer, belowDot, sDot, block)
          oc_lstm_tangent(
            hidden * block.padded, room.sums, room.sumDots, room.cells, room.cellBars,
            room.outputs)
          room.store(room.outputs, yDot.base, row: layer * hidden, block)
          room.store(room.cellBars, yDot.base, row: (layers + layer) * hidden, block)
        }
      }
    }
  }

  /// - Parameter extra: 1 for room for the weights' cotangents, 2 for tangents too.
  private func withRoom(_ x: Operands, extra: Int = 0, _ body: (inout Room) -> Void) {
    let columns = x[0].columns
    let count = max(1, (columns + Self.width - 1) / Self.width)
    let width = padded((columns + count - 1) / count)
    let blocks = stride(from: 0, to: columns, by: width).map {
      Columns(start: $0, count: min(width, columns - $0))
    }
    let inputs = (0..<layers).map { x[2 + 4 * $0].columns }
    let largest = (inputs.max() ?? 0) + hidden + 1
    let weightCount = inputs.reduce(0) { $0 + 4 * hidden * ($1 + hidden + 1) }
    let perColumn = 2 * largest + 8 * hidden + 4 * hidden
    let total = (1 + extra) * padded(weightCount) + perColumn * width
    withUnsafeTemporaryAllocation(byteCount: total * 8, alignment: 64) { raw in
      guard let base = raw.bindMemory(to: Double.self).baseAddress else { return }
      var room = Room(
        base, hidden: hidden, inputs: inputs, largest: largest, width: width, columns: columns,
        blocks: blocks, weightCount: padded(weightCount), extra: extra)
      room.pack(x)
      body(&room)
    }
  }
}

/// Columns that go through the network together.
private struct Columns {
  var start: Int
  var count: Int
  var padded: Int { (count + 7) & ~7 }
}

/// Scratch of one step: packed weights, and matrices with the columns of one block.
private struct Room {
  let hidden: Int
  let layerInputs: [Int]
  let columns: Int
  let blocks: [Columns]
  /// Layer after layer [W_ih | W_hh | b_ih + b_hh], 4H x (inputs + H + 1).
  let weights: UnsafeMutablePointer<Double>
  /// Their cotangents or tangents.
  let weightBars: UnsafeMutablePointer<Double>
  /// Inputs over h over a row of ones.
  let rows: UnsafeMutablePointer<Double>
  /// The cotangents or tangents of inputs and h.
  let backs: UnsafeMutablePointer<Double>
  /// Sums before the gates.
  let sums: UnsafeMutablePointer<Double>
  let sumDots: UnsafeMutablePointer<Double>
  let cells: UnsafeMutablePointer<Double>
  let outputs: UnsafeMutablePointer<Double>
  let cellBars: UnsafeMutablePointer<Double>
  let above: UnsafeMutablePointer<Double>

  init(
    _ base: UnsafeMutablePointer<Double>, hidden: Int, inputs: [Int], largest: Int, width: Int,
    columns: Int, blocks: [Columns], weightCount: Int, extra: Int
  ) {
    self.hidden = hidden
    layerInputs = inputs
    self.columns = columns
    self.blocks = blocks
    weights = base
    weightBars = base + weightCount
    rows = base + (1 + extra) * weightCount
    backs = rows + largest * width
    sums = backs + largest * width
    sumDots = sums + 4 * hidden * width
    cells = sumDots + 4 * hidden * width
    outputs = cells + hidden * width
    cellBars = outputs + hidden * width
    above = cellBars + hidden * width
    if extra > 0 { weightBars.update(repeating: 0, count: weightCount) }
  }

  func inputs(_ layer: Int) -> Int { layerInputs[layer] }

  /// Width of a layer's packed weights.
  private func width(_ layer: Int) -> Int { layerInputs[layer] + hidden + 1 }

  private func offset(_ layer: Int) -> Int {
    (0..<layer).reduce(0) { $0 + 4 * hidden * width($1) }
  }

  // MARK: Weights

  func pack(_ x: Operands) {
    for layer in layerInputs.indices {
      let w = (0..<4).map { x[2 + 4 * layer + $0].base }
      let (k, n) = (layerInputs[layer], width(layer))
      let to = weights + offset(layer)
      for i in 0..<(4 * hidden) {
        (to + i * n).update(from: w[0] + i * k, count: k)
        (to + i * n + k).update(from: w[1] + i * hidden, count: hidden)
        to[i * n + k + hidden] = w[2][i] + w[3][i]
      }
    }
  }

  func packTangents(_ layer: Int, _ w: [UnsafeMutablePointer<Double>?]) {
    let (k, n) = (layerInputs[layer], width(layer))
    let to = weightBars + offset(layer)
    for i in 0..<(4 * hidden) {
      if let from = w[0] { (to + i * n).update(from: from + i * k, count: k) }
      if let from = w[1] { (to + i * n + k).update(from: from + i * hidden, count: hidden) }
      to[i * n + k + hidden] = (w[2]?[i] ?? 0) + (w[3]?[i] ?? 0)
    }
  }

  /// Adds the collected cotangents to those of the four weights.
  func scatter(_ layer: Int, _ bars: [UnsafeMutablePointer<Double>?]) {
    let (k, n) = (layerInputs[layer], width(layer))
    let from = weightBars + offset(layer)
    for i in 0..<(4 * hidden) {
      if let to = bars[0] { each(k) { to[i * k + $0] += from[i * n + $0] } }
      if let to = bars[1] { each(hidden) { to[i * hidden + $0] += from[i * n + k + $0] } }
      for b in 2...3 { bars[b]?[i] += from[i * n + k + hidden] }
    }
  }

  // MARK: Blocks

  /// Brings inputs, h, ones and c of a layer into place.
  func load(
    _ below: UnsafeMutablePointer<Double>, _ state: UnsafeMutablePointer<Double>, _ layer: Int,
    _ block: Columns
  ) {
    let (k, n) = (layerInputs[layer], block.padded)
    fetch(below, row: 0, rows: k, into: rows, block)
    fetch(state, row: layer * hidden, into: rows + k * n, block)
    (rows + (k + hidden) * n).update(repeating: 1, count: n)
    fetch(state, row: (layerInputs.count + layer) * hidden, into: cells, block)
  }

  /// Copies rows of a whole matrix into a block, padding with zeros.
  func fetch(
    _ from: UnsafeMutablePointer<Double>, row: Int, rows count: Int? = nil,
    into to: UnsafeMutablePointer<Double>, _ block: Columns
  ) {
    let n = block.padded
    for i in 0..<(count ?? hidden) {
      (to + i * n).update(from: from + (row + i) * columns + block.start, count: block.count)
      (to + i * n + block.count).update(repeating: 0, count: n - block.count)
    }
  }

  func store(
    _ from: UnsafeMutablePointer<Double>, _ to: UnsafeMutablePointer<Double>, row: Int,
    _ block: Columns
  ) {
    for i in 0..<hidden {
      (to + (row + i) * columns + block.start)
        .update(from: from + i * block.padded, count: block.count)
    }
  }

  func add(
    _ from: UnsafeMutablePointer<Double>, _ to: UnsafeMutablePointer<Double>, row: Int,
    rows count: Int? = nil, _ block: Columns
  ) {
    for i in 0..<(count ?? hidden) {
      let (target, source) = (to + (row + i) * columns + block.start, from + i * block.padded)
      each(block.count) { target[$0] += source[$0] }
    }
  }

  // MARK: Products

  private func product(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafeMutablePointer<Double>, _ ta: CBLAS_TRANSPOSE,
    _ lda: Int, _ b: UnsafeMutablePointer<Double>, _ tb: CBLAS_TRANSPOSE, _ ldb: Int,
    _ beta: Double, _ c: UnsafeMutablePointer<Double>, _ ldc: Int
  ) {
    cblas_dgemm(
      CblasRowMajor, ta, tb, Int32(m), Int32(n), Int32(k), 1, a, Int32(lda), b, Int32(ldb), beta,
      c, Int32(ldc))
  }

  /// The sums before the gates, 4H x block.
  func multiply(_ layer: Int, _ block: Columns) {
    BLAS.start()
    let (n, w) = (block.padded, width(layer))
    product(
      4 * hidden, n, w, weights + offset(layer), CblasNoTrans, w, rows, CblasNoTrans, n, 0, sums, n)
  }

  /// Adds the block's share to the weights' cotangents; `sums` holds those of the sums.
  func addWeights(_ layer: Int, _ block: Columns) {
    let (n, w) = (block.padded, width(layer))
    product(
      4 * hidden, w, n, sums, CblasNoTrans, n, rows, CblasTrans, n, 1, weightBars + offset(layer), w
    )
  }

  /// The cotangents of inputs and h; those of the inputs stay for the layer below.
  func multiplyBack(_ layer: Int, _ block: Columns) {
    let (n, w, k) = (block.padded, width(layer), layerInputs[layer])
    product(
      k + hidden, n, 4 * hidden, weights + offset(layer), CblasTrans, w, sums, CblasNoTrans, n, 0,
      backs, n)
    if layer > 0 { above.update(from: backs, count: k * n) }
  }

  func addFromAbove(_ block: Columns) {
    each(hidden * block.padded) { outputs[$0] += above[$0] }
  }

  /// The tangents of the sums, and of c into `cellBars`.
  func multiplyTangents(
    _ layer: Int, _ below: UnsafeMutablePointer<Double>?, _ state: UnsafeMutablePointer<Double>?,
    _ block: Columns
  ) {
    let (n, w, k) = (block.padded, width(layer), layerInputs[layer])
    backs.update(repeating: 0, count: w * n)
    cellBars.update(repeating: 0, count: hidden * n)
    if let below { fetch(below, row: 0, rows: k, into: backs, block) }
    if let state {
      fetch(state, row: layer * hidden, into: backs + k * n, block)
      fetch(state, row: (layerInputs.count + layer) * hidden, into: cellBars, block)
    }
    product(
      4 * hidden, n, w, weights + offset(layer), CblasNoTrans, w, backs, CblasNoTrans, n, 0,
      sumDots,
      n)
    product(
      4 * hidden, n, w, weightBars + offset(layer), CblasNoTrans, w, rows, CblasNoTrans, n, 1,
      sumDots, n)
  }
}
