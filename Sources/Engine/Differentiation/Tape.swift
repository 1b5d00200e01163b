/// A record of matrix operations that can be differentiated, backward and forward.
///
/// Write a computation once with ``Traced``: it runs as it is written, and what depends on an
/// ``variable(_:)`` is recorded on the way. ``pullback(_:)`` then carries cotangents back to the
/// variables (VJP), ``pushforward(_:)`` tangents along (JVP). Values live in one arena that
/// ``reset()`` empties without giving the memory back, so a loop allocates nothing after its first
/// round. One tape belongs to one thread at a time.
public final class Tape {
  /// Whether what depends on variables is recorded; without, only values are computed.
  public let isRecording: Bool

  private var arena = Arena()
  private var nodes: [Node] = []
  private var operands: [Int32] = []
  private var pool = BufferPool()
  private var pieces: [Matrix]?
  private var imposed: [Matrix] = []
  private var imposedCount = 0
  /// Whether side choices and stopped values come from ``imposed``.
  private var isImposing = false

  /// Creates an empty tape.
  public init(recording: Bool = true) { isRecording = recording }

  struct Node {
    var block: Block
    var operation: (any Operation)?
    var firstOperand: Int32
    var operandCount: Int32
    /// Where a view's entries live: the node that owns them, and how far from its start.
    var owner: Int32
    var offset: Int32
    /// Whether it depends on a variable.
    var isActive: Bool
    var cotangent: UnsafeMutablePointer<Double>?
    var tangent: UnsafeMutablePointer<Double>?
  }

  /// Number of values on the tape, views included.
  public var count: Int { nodes.count }

  /// Bytes that values take at present.
  public var byteCount: Int { arena.used * MemoryLayout<Double>.stride }

  /// Forgets everything and keeps the memory; expressions of before are void.
  public func reset() {
    for i in nodes.indices {
      releaseCotangent(i)
      releaseTangent(i)
    }
    nodes.removeAll(keepingCapacity: true)
    operands.removeAll(keepingCapacity: true)
    arena.reset()
    pieces = pieces == nil ? nil : []
    imposedCount = 0
  }

  /// ``reset()``, and back to computing its own sides and stopped values.
  func clear() {
    reset()
    pieces = nil
    imposed = []
    isImposing = false
  }

  // MARK: Leaves

  /// A value to differentiate by.
  public func variable(_ matrix: Matrix) -> Traced { leaf(matrix, isActive: isRecording) }

  /// A value that does not change.
  public func constant(_ matrix: Matrix) -> Traced { leaf(matrix, isActive: false) }

  /// A number that does not change, 1 x 1.
  public func constant(_ number: Double) -> Traced {
    constant(Matrix(rows: 1, columns: 1, elements: [number]))
  }

  private func leaf(_ matrix: Matrix, isActive: Bool) -> Traced {
    let block = arena.block(matrix.rows, matrix.columns)
    block.copy(matrix.elements)
    return append(block, nil, [], isActive: isActive)
  }

  // MARK: Recording

  func append(
    _ block: Block, _ operation: (any Operation)?, _ inputs: [Traced], isActive: Bool
  ) -> Traced {
    let index = Int32(nodes.count)
    nodes.append(
      Node(
        block: block, operation: isActive ? operation : nil, firstOperand: Int32(operands.count),
        operandCount: Int32(inputs.count), owner: index, offset: 0, isActive: isActive,
        cotangent: nil, tangent: nil))
    for input in inputs { operands.append(input.index) }
    return Traced(
      tape: self, index: index, rows: block.rows, columns: block.columns)
  }

  /// Computes `operation` and records it.
  func record(
    _ operation: some Operation, _ inputs: Traced..., rows: Int, columns: Int
  ) -> Traced {
    record(operation, inputs, rows: rows, columns: columns)
  }

  func record(
    _ operation: some Operation, _ inputs: [Traced], rows: Int, columns: Int
  ) -> Traced {
    let block = arena.block(rows, columns)
    var isActive = false
    for input in inputs {
      precondition(input.tape === self, "\(operation.name): operands of two tapes")
      isActive = isActive || nodes[Int(input.index)].isActive
    }
    let result = append(block, operation, inputs, isActive: isActive)
    withOperands(Int(result.index)) { operation.evaluate($0, into: block) }
    return result
  }

  /// A value whose entries are those of `whole` from `offset` on, in another shape.
  func view(_ whole: Traced, offset: Int, rows: Int, columns: Int) -> Traced {
    let node = nodes[Int(whole.index)]
    precondition(
      offset >= 0 && offset + rows * columns <= node.block.count,
      "view of \(rows) x \(columns) from \(offset) of \(whole.rows) x \(whole.columns)")
    let index = Int32(nodes.count)
    nodes.append(
      Node(
        block: Block(base: node.block.base + offset, rows: rows, columns: columns),
        operation: nil, firstOperand: 0, operandCount: 0, owner: node.owner,
        offset: node.offset + Int32(offset), isActive: node.isActive, cotangent: nil,
        tangent: nil))
    return Traced(tape: self, index: index, rows: rows, columns: columns)
  }

  // MARK: Pieces

  /// The choices that fix one smooth piece of a computation: the side of every kink, in the order
  /// of the operations, and every value behind a stop-gradient.
  public struct Piece: Sendable, Equatable {
    var values: [Matrix]
    /// Bit for bit the same sides and stopped values.
    public static func == (a: Piece, b: Piece) -> Bool { a.values == b.values }
  }

  /// Starts to collect the piece on which the computation runs.
  public func collectPiece() { pieces = [] }

  /// The piece collected since ``collectPiece()`` or the last reset.
  public var piece: Piece { Piece(values: pieces ?? []) }

  /// Makes all that follows run on `piece`: kinks keep their sides, stopped values their values.
  ///
  /// The function computed is then analytic, and its derivative where the piece was collected is
  /// the one that ``pullback(_:)`` gives. Survives ``reset()``, which starts the piece anew.
  public func impose(_ piece: Piece) {
    imposed = piece.values
    imposedCount = 0
    isImposing = true
  }

  /// A value without derivative: computed, or the one that the imposed piece has here.
  func choice(_ operation: some Operation, _ inputs: [Traced], rows: Int, columns: Int)
    -> Traced
  {
    let block = arena.block(rows, columns)
    let result = append(block, nil, inputs, isActive: false)
    if isImposing {
      precondition(imposedCount < imposed.count, "the computation is not that of the piece")
      let value = imposed[imposedCount]
      precondition(
        value.rows == rows && value.columns == columns, "the computation is not that of the piece")
      imposedCount += 1
      block.copy(value.elements)
    } else {
      withOperands(Int(result.index)) { operation.evaluate($0, into: block) }
    }
    if pieces != nil { pieces?.append(matrix(block)) }
    return result
  }

  // MARK: Values

  func value(_ index: Int32) -> Matrix { matrix(nodes[Int(index)].block) }

  func block(_ index: Int32) -> Block { nodes[Int(index)].block }

  func isActive(_ index: Int32) -> Bool { nodes[Int(index)].isActive }

  private func matrix(_ block: Block) -> Matrix {
    Matrix(
      rows: block.rows, columns: block.columns,
      elements: Array(UnsafeBufferPointer(start: block.base, count: block.count)))
  }

  private func withOperands(_ index: Int, _ body: (Operands) -> Void) {
    let node = nodes[index]
    nodes.withUnsafeBufferPointer { nodes in
      operands.withUnsafeBufferPointer { operands in
        body(
          Operands(
            nodes: nodes,
            indices: UnsafeBufferPointer(
              rebasing: operands[
                Int(node.firstOperand)..<Int(node.firstOperand + node.operandCount)])))
      }
    }
  }

  // MARK: Backward

  /// Carries cotangents back from `seeds` to every variable; they add up until ``reset()``.
  ///
  /// Cotangents between are given back on the way, so call it once per recording.
  public func pullback(_ seeds: [(output: Traced, cotangent: Matrix)]) {
    for (output, cotangent) in seeds {
      precondition(
        output.rows == cotangent.rows && output.columns == cotangent.columns,
        "cotangent of \(cotangent.rows) x \(cotangent.columns) for \(output.rows) x \(output.columns)"
      )
      guard nodes[Int(output.index)].isActive else { continue }
      let bar = cotangentBlock(output.index)
      for i in 0..<bar.count { bar.base[i] += cotangent.elements[i] }
    }
    for i in nodes.indices.reversed() {
      guard let operation = nodes[i].operation, let bar = nodes[i].cotangent else { continue }
      let node = nodes[i]
      // Room for the cotangents of active operands must be there before pointers are taken.
      for j in node.firstOperand..<(node.firstOperand + node.operandCount)
      where nodes[Int(operands[Int(j)])].isActive {
        _ = cotangentBlock(operands[Int(j)])
      }
      let block = Block(base: bar, rows: node.block.rows, columns: node.block.columns)
      withOperands(i) { operation.pullback(block, $0, value: node.block) }
      releaseCotangent(i)
    }
  }

  /// The cotangent that reached `variable`; zero if none did.
  public func cotangent(of variable: Traced) -> Matrix {
    let node = nodes[Int(variable.index)]
    guard let base = nodes[Int(node.owner)].cotangent else {
      return Matrix(zeros: variable.rows, variable.columns)
    }
    return matrix(
      Block(base: base + Int(node.offset), rows: variable.rows, columns: variable.columns))
  }

  /// The room for a node's cotangent, zero at first; a view's lies in that of its owner.
  private func cotangentBlock(_ index: Int32) -> Block {
    let node = nodes[Int(index)]
    let owner = Int(node.owner)
    if nodes[owner].cotangent == nil {
      nodes[owner].cotangent = pool.take(nodes[owner].block.count)
    }
    let base = nodes[owner].cotangent.map { $0 + Int(node.offset) }
    if owner != Int(index) { nodes[Int(index)].cotangent = base }
    guard let base else { preconditionFailure("no room for a cotangent") }
    return Block(base: base, rows: node.block.rows, columns: node.block.columns)
  }

  private func releaseCotangent(_ i: Int) {
    if Int(nodes[i].owner) == i, let bar = nodes[i].cotangent {
      pool.give(bar, nodes[i].block.count)
    }
    nodes[i].cotangent = nil
  }

  // MARK: Forward

  /// Carries tangents from `seeds`, variables of this tape, to every value that depends on them.
  public func pushforward(_ seeds: [(variable: Traced, tangent: Matrix)]) {
    for i in nodes.indices { releaseTangent(i) }
    for (variable, tangent) in seeds {
      let dot = tangentBlock(Int(variable.index))
      dot.copy(tangent.elements)
    }
    for i in nodes.indices {
      let node = nodes[i]
      guard node.isActive else { continue }
      if Int(node.owner) != i {
        nodes[i].tangent = nodes[Int(node.owner)].tangent.map { $0 + Int(node.offset) }
      } else if let operation = node.operation {
        let dot = tangentBlock(i)
        withOperands(i) { operation.pushforward(dot, $0, value: node.block) }
      }
    }
  }

  /// The tangent of `output` after ``pushforward(_:)``; zero if none reached it.
  public func tangent(of output: Traced) -> Matrix {
    guard let base = nodes[Int(output.index)].tangent else {
      return Matrix(zeros: output.rows, output.columns)
    }
    return matrix(Block(base: base, rows: output.rows, columns: output.columns))
  }

  private func tangentBlock(_ i: Int) -> Block {
    let block = nodes[i].block
    let base = nodes[i].tangent ?? pool.take(block.count)
    nodes[i].tangent = base
    return Block(base: base, rows: block.rows, columns: block.columns)
  }

  private func releaseTangent(_ i: Int) {
    if Int(nodes[i].owner) == i, let dot = nodes[i].tangent { pool.give(dot, nodes[i].block.count) }
    nodes[i].tangent = nil
  }
}
