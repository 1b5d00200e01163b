import Foundation

/// A copy: the value behind a stop-gradient.
struct Copy: Choice {
  let name = "stop-gradient"

  func evaluate(_ x: Operands, into y: Block) { y.base.update(from: x[0].base, count: y.count) }
}

/// A value that is locally constant in its operands.
protocol Choice: Operation {}

extension Choice {
  func pullback(_ yBar: Block, _ x: Operands, value y: Block) {}
  func pushforward(_ yDot: Block, _ x: Operands, value y: Block) { yDot.clear() }
}

/// On which side of a kink every entry lies.
struct Side: Choice {
  enum Kind: String, Sendable {
    /// 1 where x > 0, else 0.
    case positive
    /// The sign of x.
    case sign
    /// The sign of x where |x| > θ, else 0.
    case beyond
  }
  let kind: Kind

  var name: String { kind.rawValue }

  func evaluate(_ x: Operands, into y: Block) {
    let (from, to) = (x[0].base, y.base)
    switch kind {
    case .positive: each(y.count) { to[$0] = from[$0] > 0 ? 1 : 0 }
    case .sign: each(y.count) { to[$0] = from[$0] > 0 ? 1 : from[$0] < 0 ? -1 : 0 }
    case .beyond:
      x.stretch(1, over: y) { i, k in
        let rest = abs(from[i]) - x[1].base[k]
        // NaN is passed on, so that a run that left the finite numbers is seen.
        to[i] = rest > 0 ? (from[i] > 0 ? 1 : from[i] < 0 ? -1 : 0) : rest <= 0 ? 0 : .nan
      }
    }
  }
}

/// |s| x - s θ with s the side: the soft threshold on one piece of itself.
struct SoftThreshold: Operation {
  let name = "soft-threshold"

  func evaluate(_ x: Operands, into y: Block) {
    let (from, side) = (x[0].base, x[2].base)
    x.stretch(1, over: y) { i, k in
      y.base[i] = abs(side[i]) * from[i] - side[i] * x[1].base[k]
    }
  }

  func pullback(_ yBar: Block, _ x: Operands, value y: Block) {
    let (bar, side) = (yBar.base, x[2].base)
    if let to = x.cotangent(0)?.base { each(y.count) { to[$0] += abs(side[$0]) * bar[$0] } }
    if let to = x.cotangent(1)?.base {
      x.stretch(1, over: y) { i, k in to[k] -= side[i] * bar[i] }
    }
  }

  func pushforward(_ yDot: Block, _ x: Operands, value y: Block) {
    let side = x[2].base
    yDot.clear()
    if let from = x.tangent(0)?.base {
      each(y.count) { yDot.base[$0] += abs(side[$0]) * from[$0] }
    }
    if let from = x.tangent(1)?.base {
      x.stretch(1, over: y) { i, k in yDot.base[i] -= side[i] * from[k] }
    }
  }
}

/// Which entries are among the largest of their group and beyond a threshold.
struct Support: Choice {
  let fraction: Double
  let acrossRows: Bool

  var name: String { "support" }

  func evaluate(_ x: Operands, into y: Block) {
    let from = x[0].base
    let limits = acrossRows ? columnLimits(x[0]) : rowLimits(x[0])
    x.stretch(1, over: y) { i, k in
      let size = abs(from[i])
      let limit = limits[acrossRows ? i % y.columns : i / y.columns]
      y.base[i] = size > x[1].base[k] && size > limit ? 1 : 0
    }
  }

  private func rowLimits(_ x: Block) -> [Double] {
    var magnitudes = [Double](repeating: 0, count: x.columns)
    return (0..<x.rows).map { i in
      each(x.columns) { magnitudes[$0] = abs(x.base[i * x.columns + $0]) }
      return magnitudes.quantile(1 - fraction)
    }
  }

  /// Takes columns in strips, so that a cache line is read once.
  private func columnLimits(_ x: Block) -> [Double] {
    var limits: [Double] = []
    limits.reserveCapacity(x.columns)
    for first in stride(from: 0, to: x.columns, by: 16) {
      let width = min(16, x.columns - first)
      var strip = [[Double]](repeating: [Double](repeating: 0, count: x.rows), count: width)
      for i in 0..<x.rows {
        let row = x.base + i * x.columns + first
        for k in 0..<width { strip[k][i] = abs(row[k]) }
      }
      for k in 0..<width { limits.append(strip[k].quantile(1 - fraction)) }
    }
    return limits
  }
}

extension [Double] {
  /// The quantile at `level` in 0...1 as PyTorch interpolates it, NaN if an entry is; reorders the
  /// entries, of which there must be one.
  mutating func quantile(_ level: Double) -> Double {
    if contains(where: \.isNaN) { return .nan }
    let place = level * Double(count - 1)
    let below = Int(place.rounded(.down))
    select(below)
    // What is right of the selected entry is not smaller: its minimum is next in order.
    let value = self[below]
    let next = self[(below + 1)...].min() ?? value
    return value + (place - Double(below)) * (next - value)
  }

  /// Puts the entry of rank `k` where sorting would, smaller ones before it and larger ones after
  /// it: Hoare's selection, in linear time for all but contrived orders.
  private mutating func select(_ k: Int) {
    withUnsafeMutableBufferPointer { a in
      var (low, high) = (0, a.count - 1)
      while low < high {
        let middle = a[(low + high) / 2]
        let pivot = Swift.max(
          Swift.min(a[low], a[high]), Swift.min(Swift.max(a[low], a[high]), middle))
        var (i, j) = (low, high)
        while i <= j {
          while a[i] < pivot { i += 1 }
          while a[j] > pivot { j -= 1 }
          if i <= j {
            a.swapAt(i, j)
            i += 1
            j -= 1
          }
        }
        if k <= j { high = j } else if k >= i { low = i } else { return }
      }
    }
  }
}

extension Operands {
  /// Calls `body` with every place of `y` and the matching place of the stretched operand `j`.
  @inline(__always)
  func stretch(_ j: Int, over y: Block, _ body: (Int, Int) -> Void) {
    let b = self[j]
    if b.count == y.count { return each(y.count) { body($0, $0) } }
    if b.count == 1 { return each(y.count) { body($0, 0) } }
    let (row, column) = (b.rows == 1 ? 0 : b.columns, b.columns == 1 ? 0 : 1)
    for i in 0..<y.rows {
      each(y.columns) { body(i * y.columns + $0, i * row + $0 * column) }
    }
  }
}
