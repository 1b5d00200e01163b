import COpenBLAS

/// op(A) op(B).
struct MatrixProduct: Operation {
  let left: Matrix.Operation
  let right: Matrix.Operation

  var name: String { "matrix-product" }

  func evaluate(_ x: Operands, into y: Block) {
    multiply(x[0], left, x[1], right, into: y, adding: false)
  }

  func pullback(_ yBar: Block, _ x: Operands, value y: Block) {
    // Y = op(A) op(B): op(A)‾ = Y‾ op(B)ᵀ, op(B)‾ = op(A)ᵀ Y‾, transposed once more where op is.
    if let a = x.cotangent(0) {
      if left == .plain {
        multiply(yBar, .plain, x[1], right.flipped, into: a, adding: true)
      } else {
        multiply(x[1], right, yBar, .transposed, into: a, adding: true)
      }
    }
    if let b = x.cotangent(1) {
      if right == .plain {
        multiply(x[0], left.flipped, yBar, .plain, into: b, adding: true)
      } else {
        multiply(yBar, .transposed, x[0], left, into: b, adding: true)
      }
    }
  }

  func pushforward(_ yDot: Block, _ x: Operands, value y: Block) {
    yDot.clear()
    if let a = x.tangent(0) { multiply(a, left, x[1], right, into: yDot, adding: true) }
    if let b = x.tangent(1) { multiply(x[0], left, b, right, into: yDot, adding: true) }
  }
}

extension Matrix.Operation {
  var flipped: Matrix.Operation { self == .plain ? .transposed : .plain }
}

/// C = op(A) op(B), or C += op(A) op(B).
private func multiply(
  _ a: Block, _ opA: Matrix.Operation, _ b: Block, _ opB: Matrix.Operation, into c: Block,
  adding: Bool
) {
  let k = opA == .plain ? a.columns : a.rows
  guard c.count > 0, k > 0 else { return adding ? () : c.clear() }
  BLAS.start()
  cblas_dgemm(
    CblasRowMajor, opA.cblas, opB.cblas, Int32(c.rows), Int32(c.columns), Int32(k), 1, a.base,
    Int32(a.columns), b.base, Int32(b.columns), adding ? 1 : 0, c.base, Int32(c.columns))
}

/// A constant linear map of instances, applied to one row each.
struct LinearMapping: Operation {
  let map: LinearMap
  let operation: Matrix.Operation

  var name: String { "linear-map" }

  func evaluate(_ x: Operands, into y: Block) {
    apply(x[0], operation, into: y, adding: false)
  }

  func pullback(_ yBar: Block, _ x: Operands, value y: Block) {
    if let bar = x.cotangent(0) { apply(yBar, operation.flipped, into: bar, adding: true) }
  }

  func pushforward(_ yDot: Block, _ x: Operands, value y: Block) {
    guard let dot = x.tangent(0) else { return yDot.clear() }
    apply(dot, operation, into: yDot, adding: false)
  }

  private func apply(_ x: Block, _ operation: Matrix.Operation, into y: Block, adding: Bool) {
    BLAS.start()
    let beta = adding ? 1.0 : 0
    switch map {
    case .blocks(let blocks):
      for (i, block) in blocks.blocks.enumerated() {
        cblas_dgemv(
          CblasRowMajor, operation.cblas, Int32(block.rows), Int32(block.columns), 1,
          block.elements, Int32(block.columns), x.base + i * x.columns, 1, beta,
          y.base + i * y.columns, 1)
      }
    case .shared(let matrix, _):
      cblas_dgemm(
        CblasRowMajor, CblasNoTrans, operation.flipped.cblas, Int32(y.rows), Int32(y.columns),
        Int32(x.columns), 1, x.base, Int32(x.columns), matrix.elements, Int32(matrix.columns),
        beta, y.base, Int32(y.columns))
    }
  }
}

/// Sums along an axis.
struct Sum: Operation {
  enum Axis: Sendable { case all, row, column }
  let axis: Axis

  var name: String { "sum" }

  func evaluate(_ x: Operands, into y: Block) {
    y.clear()
    places(x[0]) { i, k in y.base[k] += x[0].base[i] }
  }

  func pullback(_ yBar: Block, _ x: Operands, value y: Block) {
    guard let bar = x.cotangent(0) else { return }
    places(x[0]) { i, k in bar.base[i] += yBar.base[k] }
  }

  func pushforward(_ yDot: Block, _ x: Operands, value y: Block) {
    yDot.clear()
    guard let dot = x.tangent(0) else { return }
    places(x[0]) { i, k in yDot.base[k] += dot.base[i] }
  }

  /// Calls `body` with every place of `x` and that of the sum it goes into.
  @inline(__always)
  private func places(_ x: Block, _ body: (Int, Int) -> Void) {
    switch axis {
    case .all: each(x.count) { body($0, 0) }
    case .row:
      for i in 0..<x.rows { each(x.columns) { body(i * x.columns + $0, i) } }
    case .column:
      for i in 0..<x.rows { each(x.columns) { body(i * x.columns + $0, $0) } }
    }
  }
}

struct Transpose: Operation {
  let name = "transpose"

  func evaluate(_ x: Operands, into y: Block) {
    places(x[0]) { i, k in y.base[k] = x[0].base[i] }
  }

  func pullback(_ yBar: Block, _ x: Operands, value y: Block) {
    guard let bar = x.cotangent(0) else { return }
    places(bar) { i, k in bar.base[i] += yBar.base[k] }
  }

  func pushforward(_ yDot: Block, _ x: Operands, value y: Block) {
    guard let dot = x.tangent(0) else { return yDot.clear() }
    places(dot) { i, k in yDot.base[k] = dot.base[i] }
  }

  @inline(__always)
  private func places(_ x: Block, _ body: (Int, Int) -> Void) {
    for i in 0..<x.rows { each(x.columns) { body(i * x.columns + $0, $0 * x.rows + i) } }
  }
}

/// Matrices one above the other.
struct Stack: Operation {
  let name = "stack"

  func evaluate(_ x: Operands, into y: Block) {
    var place = y.base
    for i in 0..<x.count {
      place.update(from: x[i].base, count: x[i].count)
      place += x[i].count
    }
  }

  func pullback(_ yBar: Block, _ x: Operands, value y: Block) {
    var place = yBar.base
    for i in 0..<x.count {
      if let bar = x.cotangent(i) { each(bar.count) { bar.base[$0] += place[$0] } }
      place += x[i].count
    }
  }

  func pushforward(_ yDot: Block, _ x: Operands, value y: Block) {
    yDot.clear()
    var place = yDot.base
    for i in 0..<x.count {
      if let dot = x.tangent(i) { place.update(from: dot.base, count: dot.count) }
      place += x[i].count
    }
  }
}

/// A ``CustomOperation`` on the tape: matrices go in and out as values.
struct CustomNode: Operation {
  let operation: any CustomOperation

  var name: String { operation.name }

  private func inputs(_ x: Operands) -> [Matrix] { (0..<x.count).map { x[$0].matrix } }

  func evaluate(_ x: Operands, into y: Block) {
    y.copy(operation.value(at: inputs(x)).elements)
  }

  func pullback(_ yBar: Block, _ x: Operands, value y: Block) {
    let bars = operation.pullback(yBar.matrix, at: inputs(x), value: y.matrix)
    for (i, bar) in bars.enumerated() {
      guard let to = x.cotangent(i)?.base else { continue }
      bar.elements.withUnsafeBufferPointer { from in each(from.count) { to[$0] += from[$0] } }
    }
  }

  func pushforward(_ yDot: Block, _ x: Operands, value y: Block) {
    let dots = (0..<x.count).map {
      x.tangent($0)?.matrix ?? Matrix(zeros: x[$0].rows, x[$0].columns)
    }
    yDot.copy(operation.pushforward(dots, at: inputs(x), value: y.matrix).elements)
  }
}

extension Block {
  var matrix: Matrix {
    Matrix(
      rows: rows, columns: columns,
      elements: Array(UnsafeBufferPointer(start: base, count: count)))
  }
}
