import COpenBLAS

/// A = MᵀM and c = Mᵀy of a block diagonal M: gradients of ½ ‖M x - y‖² as A x - c.
public struct GramOperator: Sendable, Hashable {
  /// A block by block, each d x d, symmetric, both triangles stored.
  public let blocks: [Matrix]
  /// c, Nd entries.
  public let linear: Vector

  /// Forms A and c.
  public init(_ matrix: BlockDiagonal, target: Vector) {
    blocks = matrix.blocks.map { Matrix.product($0, .transposed, $0) }
    linear = matrix.times(target, .transposed)
  }

  /// Overwrites `g` with A `x` - c.
  public func gradient(at x: Vector, into g: inout Vector) {
    product(x, into: &g)
    for j in g.elements.indices { g[j] -= linear[j] }
  }

  /// Overwrites `h` with A `v`.
  public func product(_ v: Vector, into h: inout Vector) {
    BlockDiagonal(blocks).multiply(v, into: &h)
  }
}
