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
    let (groups, size) = acrossRows ? (y.columns, y.rows) : (y.rows, y.columns)
    let (step, stride) = acrossRows ? (1, y.columns) : (y.columns, 1)
    let limits = (0..<groups).map { group in
      quantile((0..<size).map { abs(from[group * step + $0 * stride]) })
    }
    x.stretch(1, over: y) { i, k in
      let size = abs(from[i])
      let limit = limits[acrossRows ? i % y.columns : i / y.columns]
      y.base[i] = size > x[1].base[k] && size > limit ? 1 : 0
    }
  }

  /// The 1 - `fraction` quantile as PyTorch interpolates it.
  private func quantile(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let place = (1 - fraction) * Double(sorted.count - 1)
    let below = Int(place.rounded(.down))
    let weight = place - Double(below)
    let above = min(below + 1, sorted.count - 1)
    return sorted[below] + weight * (sorted[above] - sorted[below])
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
