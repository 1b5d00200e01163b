internal import CKernels

/// A step of a stacked LSTM as one operation: operands are input, state and four weights a layer.
///
/// Columns (coordinates) go through a layer in tiles that stay in registers from the products to
/// the gates. Nothing but the state is kept: the backward pass forms the gates anew.
struct FusedRecurrentStep: Operation {
  let hidden: Int
  let layers: Int

  var name: String { "lstm-step" }

  func evaluate(_ x: Operands, into y: Block) {
    withRoom(x) { room in
      for block in room.blocks {
        for l in 0..<layers {
          var layer = room.layer(l, below(l, x, y.base), x[1].base, block)
          oc_layer_forward(
            &layer, row(y.base, l, block, y), row(y.base, layers + l, block, y))
        }
      }
    }
  }

  func pullback(_ yBar: Block, _ x: Operands, value y: Block) {
    let (uBar, sBar) = (x.cotangent(0)?.base, x.cotangent(1)?.base)
    withRoom(x, hasBars: true) { room in
      for block in room.blocks {
        for l in (0..<layers).reversed() {
          var layer = room.layer(l, below(l, x, y.base), x[1].base, block)
          oc_layer_backward(
            &layer, row(yBar.base, l, block, y), row(yBar.base, layers + l, block, y),
            l < layers - 1 ? room.above : nil, room.sums,
            sBar.map { row($0, layers + l, block, y) })
          room.addWeights(l, layer)
          let down = l > 0 ? room.above : uBar.map { $0 + block.lowerBound }
          room.sendBack(
            l, layer, down, stride: l > 0 ? room.width : y.columns, adds: l == 0,
            sBar.map { row($0, l, block, y) })
        }
      }
      for l in 0..<layers {
        room.scatter(l, (0..<4).map { x.cotangent(2 + 4 * l + $0)?.base })
      }
    }
  }

  func pushforward(_ yDot: Block, _ x: Operands, value y: Block) {
    let (uDot, sDot) = (x.tangent(0)?.base, x.tangent(1)?.base)
    withRoom(x, hasBars: true) { room in
      for block in room.blocks {
        for l in 0..<layers {
          var layer = room.layer(l, below(l, x, y.base), x[1].base, block)
          let belowDot = l == 0 ? uDot : row(yDot.base, l - 1, 0..<0, y)
          room.tangents(
            l, layer, belowDot.map { $0 + block.lowerBound }, sDot.map { row($0, l, block, y) },
            weights: (0..<4).map { x.tangent(2 + 4 * l + $0)?.base })
          oc_layer_tangent(
            &layer, room.sums, sDot.map { row($0, layers + l, block, y) },
            row(yDot.base, l, block, y), row(yDot.base, layers + l, block, y))
        }
      }
    }
  }

  /// What layer `l` sees: the input, or h of the layer below.
  private func below(
    _ l: Int, _ x: Operands, _ y: UnsafeMutablePointer<Double>
  ) -> UnsafeMutablePointer<Double> {
    l == 0 ? x[0].base : y + (l - 1) * hidden * x[0].columns
  }

  /// Where the rows of part `part` (h of the layers, then c) begin, at the columns of `block`.
  private func row(
    _ base: UnsafeMutablePointer<Double>, _ part: Int, _ block: Range<Int>, _ y: Block
  ) -> UnsafeMutablePointer<Double> {
    base + part * hidden * y.columns + block.lowerBound
  }

  private func withRoom(_ x: Operands, hasBars: Bool = false, _ body: (Room) -> Void) {
    let inputs = (0..<layers).map { x[2 + 4 * $0].columns }
    let count = Room.count(hidden, inputs, hasBars)
    withUnsafeTemporaryAllocation(byteCount: count * 8, alignment: 64) { raw in
      guard let base = raw.bindMemory(to: Double.self).baseAddress else { return }
      let room = Room(base, hidden: hidden, inputs: inputs, columns: x[0].columns, hasBars)
      for l in 0..<layers { room.pack(l, (0..<4).map { x[2 + 4 * l + $0].base }) }
      body(room)
    }
  }
}

/// Scratch of one step.
private struct Room {
  /// Columns whose cotangents of sums are held at a time.
  static let width = 528

  let hidden: Int
  let inputs: [Int]
  let columns: Int
  /// Per layer the weights, two units' gates at a time, bias first.
  private let forward: [UnsafeMutablePointer<Double>]
  /// Per layer the weights transposed, eight inputs at a time.
  private let backward: [UnsafeMutablePointer<Double>]
  /// Per layer the cotangents of [W_ih | W_hh | b].
  private let bars: [UnsafeMutablePointer<Double>]
  let tile: UnsafeMutablePointer<Double>
  let sums: UnsafeMutablePointer<Double>
  let above: UnsafeMutablePointer<Double>

  var width: Int { Self.width }

  var blocks: [Range<Int>] {
    stride(from: 0, to: columns, by: width).map { $0..<min(columns, $0 + width) }
  }

  private static func depth(_ inputs: Int, _ hidden: Int) -> Int { inputs + hidden }

  /// Doubles that all parts take together.
  static func count(_ hidden: Int, _ inputs: [Int], _ hasBars: Bool) -> Int {
    let largest = (inputs.max() ?? 0) + hidden
    var count = padded(max(largest, 4 * hidden) * Int(OC_TILE))
    for k in inputs {
      count += padded(8 * ((hidden + 1) / 2) * (k + hidden + 1))
      if hasBars {
        count += padded(4 * hidden * (padded(k) + padded(hidden)))
        count += padded(4 * hidden * (k + hidden + 1))
      }
    }
    if hasBars { count += 4 * hidden * width + max(hidden, 1) * width }
    return count
  }

  init(
    _ base: UnsafeMutablePointer<Double>, hidden: Int, inputs: [Int], columns: Int,
    _ hasBars: Bool
  ) {
    self.hidden = hidden
    self.inputs = inputs
    self.columns = columns
    var next = base
    func take(_ count: Int) -> UnsafeMutablePointer<Double> {
      defer { next += padded(count) }
      return next
    }
    let largest = (inputs.max() ?? 0) + hidden
    tile = take(max(largest, 4 * hidden) * Int(OC_TILE))
    var (ahead, back, sumsOfWeights):
      (
        [UnsafeMutablePointer<Double>], [UnsafeMutablePointer<Double>],
        [UnsafeMutablePointer<Double>]
      ) = ([], [], [])
    for k in inputs {
      ahead.append(take(8 * ((hidden + 1) / 2) * (k + hidden + 1)))
      guard hasBars else { continue }
      back.append(take(4 * hidden * (padded(k) + padded(hidden))))
      let bar = take(4 * hidden * (k + hidden + 1))
      bar.update(repeating: 0, count: 4 * hidden * (k + hidden + 1))
      sumsOfWeights.append(bar)
    }
    (forward, backward, bars) = (ahead, back, sumsOfWeights)
    sums = next
    above = hasBars ? next + 4 * hidden * Self.width : next
  }

  // MARK: Weights

  /// Puts W_ih, W_hh, b_ih, b_hh of a layer into the order in which they are used.
  func pack(_ l: Int, _ w: [UnsafeMutablePointer<Double>]) {
    let (k, to) = (inputs[l], forward[l])
    let depth = k + hidden + 1
    for pair in 0..<((hidden + 1) / 2) {
      for r in 0..<8 {
        let unit = 2 * pair + (r & 1)
        let place = to + pair * 8 * depth + r
        guard unit < hidden else {
          for j in 0..<depth { place[8 * j] = 0 }
          continue
        }
        let row = (r / 2) * hidden + unit
        place[0] = w[2][row] + w[3][row]
        for j in 0..<k { place[8 * (1 + j)] = w[0][row * k + j] }
        for j in 0..<hidden { place[8 * (1 + k + j)] = w[1][row * hidden + j] }
      }
    }
    guard !backward.isEmpty else { return }
    packTransposed(w[0], k, backward[l])
    packTransposed(w[1], hidden, backward[l] + 4 * hidden * padded(k))
  }

  private func packTransposed(
    _ w: UnsafeMutablePointer<Double>, _ k: Int, _ to: UnsafeMutablePointer<Double>
  ) {
    for group in 0..<(padded(k) / 8) {
      for row in 0..<(4 * hidden) {
        for r in 0..<8 {
          let j = 8 * group + r
          to[(group * 4 * hidden + row) * 8 + r] = j < k ? w[row * k + j] : 0
        }
      }
    }
  }

  /// Adds the collected cotangents to those of the four weights.
  func scatter(_ l: Int, _ to: [UnsafeMutablePointer<Double>?]) {
    let (k, pitch, from) = (inputs[l], inputs[l] + hidden + 1, bars[l])
    for i in 0..<(4 * hidden) {
      if let to = to[0] { each(k) { to[i * k + $0] += from[i * pitch + $0] } }
      if let to = to[1] { each(hidden) { to[i * hidden + $0] += from[i * pitch + k + $0] } }
      for b in 2...3 { to[b]?[i] += from[i * pitch + k + hidden] }
    }
  }

  // MARK: One layer on one block

  func layer(
    _ l: Int, _ below: UnsafeMutablePointer<Double>, _ state: UnsafeMutablePointer<Double>,
    _ block: Range<Int>
  ) -> oc_layer {
    let h = state + l * hidden * columns + block.lowerBound
    return oc_layer(
      inputs: inputs[l], hidden: hidden, columns: block.count, stride: columns, width: width,
      u: below + block.lowerBound, h: h, c: h + inputs.count * hidden * columns,
      forward: forward[l], tile: tile)
  }

  /// Adds the block's share to the weights' cotangents.
  func addWeights(_ l: Int, _ layer: oc_layer) {
    let (k, n, pitch) = (inputs[l], layer.columns, inputs[l] + hidden + 1)
    oc_outer(4 * hidden, k, n, sums, width, layer.u, columns, bars[l], pitch)
    oc_outer(4 * hidden, hidden, n, sums, width, layer.h, columns, bars[l] + k, pitch)
    oc_row_sums(4 * hidden, n, sums, width, bars[l] + k + hidden, pitch)
  }

  /// The cotangents of what the layer sees, and of its h.
  func sendBack(
    _ l: Int, _ layer: oc_layer, _ down: UnsafeMutablePointer<Double>?, stride: Int, adds: Bool,
    _ state: UnsafeMutablePointer<Double>?
  ) {
    let (k, n) = (inputs[l], layer.columns)
    if let down {
      oc_panel(k, 4 * hidden, n, backward[l], sums, width, down, stride, adds ? 1 : 0, tile)
    }
    if let state {
      oc_panel(
        hidden, 4 * hidden, n, backward[l] + 4 * hidden * padded(k), sums, width, state, columns, 1,
        tile)
    }
  }

  /// The tangents of the sums before the gates.
  func tangents(
    _ l: Int, _ layer: oc_layer, _ uDot: UnsafeMutablePointer<Double>?,
    _ hDot: UnsafeMutablePointer<Double>?, weights: [UnsafeMutablePointer<Double>?]
  ) {
    let (k, n) = (inputs[l], layer.columns)
    // Forward mode is for checks: plain loops will do.
    for row in 0..<(4 * hidden) {
      let sum = sums + row * width
      let (unit, gate) = (row % hidden, row / hidden)
      let bias = (weights[2]?[row] ?? 0) + (weights[3]?[row] ?? 0)
      each(n) { sum[$0] = bias }
      func add(_ factor: Double, _ values: UnsafePointer<Double>) {
        if factor != 0 { each(n) { sum[$0] += factor * values[$0] } }
      }
      let packed = forward[l] + (unit / 2) * 8 * (k + hidden + 1) + 2 * gate + (unit & 1)
      for j in 0..<k {
        if let dot = weights[0] { add(dot[row * k + j], layer.u + j * columns) }
        if let uDot { add(packed[8 * (1 + j)], uDot + j * columns) }
      }
      for j in 0..<hidden {
        if let dot = weights[1] { add(dot[row * hidden + j], layer.h + j * columns) }
        if let hDot { add(packed[8 * (1 + k + j)], hDot + j * columns) }
      }
    }
  }
}
