/// One kind of node on a ``Tape``: a value with its two derivatives.
protocol Operation: Sendable {
  var name: String { get }
  /// Overwrites `y`.
  func evaluate(_ x: Operands, into y: Block)
  /// Adds to the cotangents of `x` what the cotangent `yBar` of the value `y` contributes.
  func pullback(_ yBar: Block, _ x: Operands, value y: Block)
  /// Overwrites `yDot` with the tangent of the value `y`; an operand without tangent has zero.
  func pushforward(_ yDot: Block, _ x: Operands, value y: Block)
}

/// The inputs of an operation.
struct Operands {
  let nodes: UnsafeBufferPointer<Tape.Node>
  let indices: UnsafeBufferPointer<Int32>

  var count: Int { indices.count }

  /// The value of operand `i`.
  subscript(i: Int) -> Block { nodes[Int(indices[i])].block }

  /// The cotangent of operand `i`; nil if it depends on no variable.
  func cotangent(_ i: Int) -> Block? { block(i, nodes[Int(indices[i])].cotangent) }

  /// The tangent of operand `i`; nil for zero.
  func tangent(_ i: Int) -> Block? { block(i, nodes[Int(indices[i])].tangent) }

  private func block(_ i: Int, _ base: UnsafeMutablePointer<Double>?) -> Block? {
    base.map { Block(base: $0, rows: self[i].rows, columns: self[i].columns) }
  }
}
