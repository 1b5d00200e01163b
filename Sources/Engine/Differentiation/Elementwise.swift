internal import CKernels
import Foundation

/// A smooth function of every entry.
enum Function: Sendable, Hashable {
  case affine(scale: Double, shift: Double)
  case square, squareRoot, exponential, exponentialMinusOne, logarithm, sigmoid, tanh
}

struct Map: Operation {
  let function: Function

  var name: String { "\(function)" }

  func evaluate(_ x: Operands, into y: Block) {
    let (x, y, n) = (x[0].base, y.base, y.count)
    switch function {
    case .affine(let scale, let shift): each(n) { y[$0] = scale * x[$0] + shift }
    case .square: each(n) { y[$0] = x[$0] * x[$0] }
    case .squareRoot: each(n) { y[$0] = x[$0].squareRoot() }
    case .exponential: each(n) { y[$0] = exp(x[$0]) }
    case .exponentialMinusOne: each(n) { y[$0] = expm1(x[$0]) }
    case .logarithm: each(n) { y[$0] = log(x[$0]) }
    case .sigmoid: each(n) { y[$0] = 1 / (1 + exp(-x[$0])) }
    case .tanh: each(n) { y[$0] = Foundation.tanh(x[$0]) }
    }
  }

  func pullback(_ yBar: Block, _ x: Operands, value y: Block) {
    guard let bar = x.cotangent(0) else { return }
    derivative(x[0].base, y.base, yBar.count, yBar.base) { i, d in bar.base[i] += d }
  }

  func pushforward(_ yDot: Block, _ x: Operands, value y: Block) {
    guard let dot = x.tangent(0) else { return yDot.clear() }
    derivative(x[0].base, y.base, yDot.count, dot.base) { i, d in yDot.base[i] = d }
  }

  /// The derivative times `v`, entry by entry.
  @inline(__always)
  private func derivative(
    _ x: UnsafeMutablePointer<Double>, _ y: UnsafeMutablePointer<Double>, _ n: Int,
    _ v: UnsafeMutablePointer<Double>, _ take: (Int, Double) -> Void
  ) {
    switch function {
    case .affine(let scale, _): each(n) { take($0, scale * v[$0]) }
    case .square: each(n) { take($0, 2 * x[$0] * v[$0]) }
    case .squareRoot: each(n) { take($0, v[$0] / (2 * y[$0])) }
    case .exponential: each(n) { take($0, y[$0] * v[$0]) }
    case .exponentialMinusOne: each(n) { take($0, (y[$0] + 1) * v[$0]) }
    case .logarithm: each(n) { take($0, v[$0] / x[$0]) }
    case .sigmoid: each(n) { take($0, y[$0] * (1 - y[$0]) * v[$0]) }
    case .tanh: each(n) { take($0, (1 - y[$0]) * (1 + y[$0]) * v[$0]) }
    }
  }
}

/// Calls `body` with 0 to n - 1.
@inline(__always)
func each(_ n: Int, _ body: (Int) -> Void) {
  var i = 0
  while i < n {
    body(i)
    i += 1
  }
}

/// The sum of `n` numbers, in eight lanes.
func sum(_ x: UnsafeMutablePointer<Double>, _ n: Int) -> Double {
  var lanes = SIMD8<Double>.zero
  var i = 0
  while i + 8 <= n {
    lanes += UnsafeRawPointer(x + i).loadUnaligned(as: SIMD8<Double>.self)
    i += 8
  }
  var total = lanes.sum()
  while i < n {
    total += x[i]
    i += 1
  }
  return total
}

extension Block {
  func clear() { base.update(repeating: 0, count: count) }
}

/// The output map of a learned rule, by the vectorised kernel.
struct OutputMapping: Operation {
  let map: OutputMap

  var name: String { map.rawValue }

  func evaluate(_ x: Operands, into y: Block) {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: y.count) { slope in
      oc_map_evaluate(map.code, y.count, x[0].base, y.base, slope.baseAddress)
    }
  }

  /// The derivative is computed anew: cheaper than keeping it.
  private func withSlope(_ x: Block, _ body: (UnsafeMutablePointer<Double>) -> Void) {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 * x.count) { room in
      guard let base = room.baseAddress else { return }
      oc_map_evaluate(map.code, x.count, x.base, base, base + x.count)
      body(base + x.count)
    }
  }

  func pullback(_ yBar: Block, _ x: Operands, value y: Block) {
    guard let bar = x.cotangent(0) else { return }
    withSlope(x[0]) { slope in each(yBar.count) { bar.base[$0] += slope[$0] * yBar.base[$0] } }
  }

  func pushforward(_ yDot: Block, _ x: Operands, value y: Block) {
    guard let dot = x.tangent(0) else { return yDot.clear() }
    withSlope(x[0]) { slope in each(yDot.count) { yDot.base[$0] = slope[$0] * dot.base[$0] } }
  }
}

/// Two matrices entry by entry; sides of length 1 are stretched.
struct Combination: Operation {
  enum Kind: String, Sendable { case sum, difference, product, quotient }
  let kind: Kind

  var name: String { kind.rawValue }

  func evaluate(_ x: Operands, into y: Block) {
    let (a, b) = (x[0], x[1])
    switch kind {
    case .sum: pairs(a, b, y) { y.base[$0] = a.base[$1] + b.base[$2] }
    case .difference: pairs(a, b, y) { y.base[$0] = a.base[$1] - b.base[$2] }
    case .product: pairs(a, b, y) { y.base[$0] = a.base[$1] * b.base[$2] }
    case .quotient: pairs(a, b, y) { y.base[$0] = a.base[$1] / b.base[$2] }
    }
  }

  func pullback(_ yBar: Block, _ x: Operands, value y: Block) {
    let (a, b, bar) = (x[0], x[1], yBar.base)
    if let to = x.cotangent(0)?.base {
      switch kind {
      case .sum, .difference: pairs(a, b, y) { i, j, _ in to[j] += bar[i] }
      case .product: pairs(a, b, y) { i, j, k in to[j] += bar[i] * b.base[k] }
      case .quotient: pairs(a, b, y) { i, j, k in to[j] += bar[i] / b.base[k] }
      }
    }
    if let to = x.cotangent(1)?.base {
      switch kind {
      case .sum where b.columns == 1 && b.rows == y.rows && y.columns > 1:
        for i in 0..<y.rows { to[i] += sum(bar + i * y.columns, y.columns) }
      case .sum: pairs(a, b, y) { i, _, k in to[k] += bar[i] }
      case .difference: pairs(a, b, y) { i, _, k in to[k] -= bar[i] }
      case .product: pairs(a, b, y) { i, j, k in to[k] += bar[i] * a.base[j] }
      case .quotient: pairs(a, b, y) { i, _, k in to[k] -= bar[i] * y.base[i] / b.base[k] }
      }
    }
  }

  func pushforward(_ yDot: Block, _ x: Operands, value y: Block) {
    let (a, b, dot) = (x[0], x[1], yDot.base)
    yDot.clear()
    if let from = x.tangent(0)?.base {
      switch kind {
      case .sum, .difference: pairs(a, b, y) { i, j, _ in dot[i] += from[j] }
      case .product: pairs(a, b, y) { i, j, k in dot[i] += from[j] * b.base[k] }
      case .quotient: pairs(a, b, y) { i, j, k in dot[i] += from[j] / b.base[k] }
      }
    }
    if let from = x.tangent(1)?.base {
      switch kind {
      case .sum: pairs(a, b, y) { i, _, k in dot[i] += from[k] }
      case .difference: pairs(a, b, y) { i, _, k in dot[i] -= from[k] }
      case .product: pairs(a, b, y) { i, j, k in dot[i] += a.base[j] * from[k] }
      case .quotient: pairs(a, b, y) { i, _, k in dot[i] -= from[k] * y.base[i] / b.base[k] }
      }
    }
  }

  /// Calls `body` with the places of matching entries: in the result, in `a`, in `b`.
  @inline(__always)
  private func pairs(_ a: Block, _ b: Block, _ y: Block, _ body: (Int, Int, Int) -> Void) {
    if a.count == y.count && b.count == y.count { return each(y.count) { body($0, $0, $0) } }
    if a.count == y.count && b.count == 1 { return each(y.count) { body($0, $0, 0) } }
    if a.count == 1 && b.count == y.count { return each(y.count) { body($0, 0, $0) } }
    let (aRow, aColumn) = (a.rows == 1 ? 0 : a.columns, a.columns == 1 ? 0 : 1)
    let (bRow, bColumn) = (b.rows == 1 ? 0 : b.columns, b.columns == 1 ? 0 : 1)
    if aColumn == 1 && bColumn == 0 && a.rows == y.rows {
      // A column over a matrix, a bias over features: the frequent case.
      for i in 0..<y.rows {
        let (start, q) = (i * y.columns, i * bRow)
        each(y.columns) { body(start + $0, start + $0, q) }
      }
      return
    }
    for i in 0..<y.rows {
      let (start, p, q) = (i * y.columns, i * aRow, i * bRow)
      each(y.columns) { body(start + $0, p + $0 * aColumn, q + $0 * bColumn) }
    }
  }
}
