import Foundation
import OptCheck
import TestSupport
import Testing

/// What an operation's two derivatives say along one pair of directions.
struct DerivativeTrial {
  /// ⟨Ȳ, Ẏ⟩ from forward mode and ⟨X̄, Ẋ⟩ from reverse mode.
  var forward: Double
  var reverse: Double
  /// The slope of ⟨Ȳ, y(x + t ẋ)⟩ on the piece at x, from differences.
  var difference: Estimate
  /// What rounding can do to the two products.
  var rounding: Double

  init(_ operation: TapeOperation, seed: UInt64) {
    var rng = SplitMix64(seed: seed)
    func matrices(_ draw: (inout SplitMix64) -> Double) -> [Matrix] {
      operation.shapes.map { rng.matrix($0.0, $0.1, by: draw) }
    }
    let (x, dot) = (matrices(operation.draw), matrices { $0.normal() })
    let tape = Tape()
    tape.collectPiece()
    let variables = x.map { tape.variable($0) }
    let y = operation.make(variables)
    let bar = rng.matrix(y.rows, y.columns)
    let piece = tape.piece
    tape.pushforward(zip(variables, dot).map { ($0, $1) })
    let yDot = tape.tangent(of: y)
    tape.pullback([(y, bar)])
    forward = Self.product(bar, yDot)
    reverse = zip(variables, dot).reduce(0) { $0 + Self.product(tape.cotangent(of: $1.0), $1.1) }
    // Every entry is a sum of products of at most 64 operands' entries; each rounds a few times.
    let terms = Double(operation.shapes.reduce(0) { $0 + $1.0 * $1.1 } + bar.elements.count + 64)
    let size =
      Self.magnitude(bar, yDot)
      + zip(variables, dot).reduce(0) { $0 + Self.magnitude(tape.cotangent(of: $1.0), $1.1) }
    rounding = 4 * terms * .ulpOfOne * size
    let probe = Tape(recording: false)
    difference =
      FiniteDifference { t in
        probe.reset()
        probe.impose(piece)
        let moved = zip(x, dot).map { a, v in
          Matrix(
            rows: a.rows, columns: a.columns,
            elements: zip(a.elements, v.elements).map { $0 + t * $1 })
        }
        return Self.product(bar, operation.make(moved.map { probe.constant($0) }).value)
      }.slope
  }

  static func product(_ a: Matrix, _ b: Matrix) -> Double {
    zip(a.elements, b.elements).reduce(0) { $0 + $1.0 * $1.1 }
  }

  static func magnitude(_ a: Matrix, _ b: Matrix) -> Double {
    zip(a.elements, b.elements).reduce(0) { $0 + abs($1.0 * $1.1) }
  }

  var adjointHolds: Bool { abs(forward - reverse) <= rounding }
  var forwardHolds: Bool { abs(forward - difference.value) <= difference.error + rounding }
  var reverseHolds: Bool { abs(reverse - difference.value) <= difference.error + rounding }
}

@Suite struct TapeDerivatives {
  @Test(arguments: TapeOperation.all)
  func bothModesAgreeWithDifferences(_ operation: TapeOperation) {
    for seed in 1...4 as ClosedRange<UInt64> {
      let trial = DerivativeTrial(operation, seed: seed)
      #expect(trial.adjointHolds, "adjoint: \(trial)")
      #expect(trial.forwardHolds, "forward: \(trial)")
      #expect(trial.reverseHolds, "reverse: \(trial)")
    }
  }

  /// Scratch is not cleared, and what is in it must not matter: 0 times NaN is NaN.
  @Test(arguments: TapeOperation.all)
  func nothingIsReadBeforeItIsWritten(_ operation: TapeOperation) {
    let clean = DerivativeTrial(operation, seed: 1)
    // Eight megabytes full of NaN that the next to ask for memory will get; the last block
    // keeps the heap from being handed back.
    var blocks = (0..<128).map { _ in [Double](repeating: .nan, count: 8000) }
    let last = [Double](repeating: 1, count: 8000)
    blocks.removeAll()
    let again = DerivativeTrial(operation, seed: 1)
    #expect(again.forward == clean.forward && again.reverse == clean.reverse && last[0] == 1)
  }

  @Test func plantedFaultsAreSeen() {
    func trial(_ operation: ScaledProduct) -> DerivativeTrial {
      DerivativeTrial(
        TapeOperation("faulty", [], [(3, 4), (3, 4)]) { .custom(operation, [$0[0], $0[1]]) },
        seed: 1)
    }
    let sound = trial(ScaledProduct())
    #expect(sound.adjointHolds && sound.forwardHolds && sound.reverseHolds)
    let wrongSign = trial(ScaledProduct(pullbackSign: -1))
    #expect(!wrongSign.adjointHolds && !wrongSign.reverseHolds && wrongSign.forwardHolds)
    let slightlyOff = trial(ScaledProduct(tangentFactor: 1 + 1e-6))
    #expect(!slightlyOff.adjointHolds && !slightlyOff.forwardHolds && slightlyOff.reverseHolds)
  }

  /// A new operation in the engine must come with a line in the table above.
  @Test func everyOperationIsInTheTable() throws {
    let folder = Fixtures.packageFolder.appendingPathComponent("Sources/Engine/Differentiation")
    let declaration = /struct (\w+): (?:Operation|Choice)\b/
    var declared: Set<String> = []
    for file in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      let text = try String(
        contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
      for match in text.matches(of: declaration) { declared.insert(String(match.output.1)) }
    }
    #expect(declared.count >= 10)
    #expect(declared == Set(TapeOperation.all.flatMap(\.covers)))
  }
}

@Suite struct TapePieces {
  /// On its piece a soft threshold is linear, whatever crosses the threshold.
  @Test func aPieceHasNoKinks() {
    let tape = Tape()
    tape.collectPiece()
    let x = Matrix(rows: 1, columns: 4, elements: [2, 0.5, -2, -0.5])
    _ = tape.constant(x).softThreshold(tape.constant(1))
    let piece = tape.piece
    let other = Tape(recording: false)
    other.impose(piece)
    let moved = Matrix(rows: 1, columns: 4, elements: [0, 9, 3, 0])
    let y = other.constant(moved).softThreshold(other.constant(1)).value
    // Active with sign +, inactive, active with sign -, inactive.
    #expect(y.elements == [-1, 0, 4, 0])
  }

  @Test func piecesTellWhetherAKinkWasCrossed() {
    func piece(_ entries: [Double]) -> Tape.Piece {
      let tape = Tape(recording: false)
      tape.collectPiece()
      _ = tape.constant(Matrix(rows: 1, columns: 2, elements: entries)).relu
      return tape.piece
    }
    #expect(piece([1, -1]) == piece([2, -3]))
    #expect(piece([1, -1]) != piece([1, 1e-9]))
  }

  @Test func stoppedValuesStay() {
    let tape = Tape(recording: false)
    tape.collectPiece()
    _ = tape.constant(3).stopped
    let piece = tape.piece
    tape.reset()
    tape.impose(piece)
    #expect(tape.constant(5).stopped.number == 3)
  }

  @Test func aTapeCanBeUsedAgain() {
    let tape = Tape()
    var last: [Double] = []
    for round in 0..<3 {
      tape.reset()
      let x = tape.variable(Matrix(rows: 1, columns: 2, elements: [1, 2]))
      tape.pullback([(x.squared.sum, Matrix(identity: 1))])
      let gradient = tape.cotangent(of: x).elements
      #expect(gradient == [2, 4], "round \(round)")
      last = gradient
    }
    #expect(last == [2, 4])
    let bytes = tape.byteCount
    tape.reset()
    #expect(tape.byteCount == 0 && bytes > 0)
  }

  @Test func notANumberIsPassedOn() {
    let tape = Tape(recording: false)
    let x = tape.constant(Matrix(rows: 1, columns: 3, elements: [.nan, 1, 2]))
    #expect(x.softThreshold(tape.constant(0.5)).value.elements[0].isNaN)
    #expect(x.relu.value.elements[0].isNaN)
    #expect(x.elu.value.elements[0].isNaN)
    let state = tape.constant(Matrix(zeros: 4, 3))
    let weights = [(8, 1), (8, 2), (8, 1), (8, 1)].map {
      tape.constant(
        Matrix(rows: $0.0, columns: $0.1, elements: .init(repeating: 0.1, count: $0.0 * $0.1)))
    }
    let next = Traced.recurrentStep(x, state, weights: weights, hidden: 2).value
    #expect(next[0, 0].isNaN && next[0, 1].isFinite && next[0, 2].isFinite)
  }
}

@Suite struct FusedLSTM {
  /// The same step by loops over PyTorch's definition, with the functions of the C library.
  static func oracle(
    _ u: Matrix, _ state: Matrix, _ weights: [Matrix], hidden: Int
  ) -> Matrix {
    let layers = weights.count / 4
    var next = Matrix(zeros: state.rows, state.columns)
    for r in 0..<u.columns {
      var below = (0..<u.rows).map { u[$0, r] }
      for l in 0..<layers {
        let w = Array(weights[(4 * l)..<(4 * l + 4)])
        func sum(_ row: Int) -> Double {
          var total = w[2].elements[row] + w[3].elements[row]
          for (j, value) in below.enumerated() { total += w[0][row, j] * value }
          for j in 0..<hidden { total += w[1][row, j] * state[l * hidden + j, r] }
          return total
        }
        func sigmoid(_ z: Double) -> Double { 1 / (1 + exp(-z)) }
        var outputs: [Double] = []
        for k in 0..<hidden {
          let c =
            sigmoid(sum(hidden + k)) * state[(layers + l) * hidden + k, r]
            + sigmoid(sum(k)) * tanh(sum(2 * hidden + k))
          next[(layers + l) * hidden + k, r] = c
          outputs.append(sigmoid(sum(3 * hidden + k)) * tanh(c))
          next[l * hidden + k, r] = outputs[k]
        }
        below = outputs
      }
    }
    return next
  }

  @Test(arguments: [
    (1, 1, 1, 1), (1, 2, 3, 7), (2, 2, 20, 8), (2, 2, 20, 23), (2, 3, 5, 24), (3, 5, 4, 25),
    (2, 2, 20, 500), (1, 2, 2, 530), (2, 2, 7, 1100),
  ])
  func agreesWithItsDefinition(_ layers: Int, _ inputs: Int, _ hidden: Int, _ columns: Int) {
    var rng = SplitMix64(seed: UInt64(columns))
    let u = rng.matrix(inputs, columns)
    let state = rng.matrix(2 * layers * hidden, columns)
    var weights: [Matrix] = []
    for l in 0..<layers {
      weights += [
        rng.matrix(4 * hidden, l == 0 ? inputs : hidden), rng.matrix(4 * hidden, hidden),
        rng.matrix(4 * hidden, 1), rng.matrix(4 * hidden, 1),
      ]
    }
    let tape = Tape(recording: false)
    let ours = Traced.recurrentStep(
      tape.constant(u), tape.constant(state), weights: weights.map { tape.constant($0) },
      hidden: hidden
    ).value
    let theirs = Self.oracle(u, state, weights, hidden: hidden)
    // Sums of up to 41 terms of size below 16, through functions of slope at most 1, then twice
    // more through the layers above: 3 * 41 * 16 units of roundoff are generous.
    let allowed = 3 * 41 * 16 * Double.ulpOfOne / 2
    let worst = zip(ours.elements, theirs.elements).map { abs($0 - $1) }.max() ?? 0
    #expect(worst <= allowed, "\(worst)")
  }

  @Test func saturatedGatesAreExact() {
    let tape = Tape(recording: false)
    let u = tape.constant(Matrix(rows: 1, columns: 2, elements: [800, -800]))
    let state = tape.constant(Matrix(rows: 2, columns: 2, elements: [0, 0, 0.5, 0.5]))
    let one = tape.constant(Matrix(rows: 4, columns: 1, elements: [1, 1, 1, 1]))
    let zero = tape.constant(Matrix(zeros: 4, 1))
    let next = Traced.recurrentStep(u, state, weights: [one, zero, zero, zero], hidden: 1).value
    // All gates open: c' = 0.5 + 1; all shut: 0, where the gates leave at most e^-460.
    #expect(next.elements[2] == 1.5)
    #expect(abs(next.elements[0] - tanh(1.5)) <= 2 * Double.ulpOfOne)
    #expect(abs(next.elements[3]) < 1e-190 && abs(next.elements[1]) < 1e-190)
  }
}
