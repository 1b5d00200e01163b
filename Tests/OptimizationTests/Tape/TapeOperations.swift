import OptCheck
import Testing

/// One operation of the tape on operands of given shapes.
struct TapeOperation: Sendable, CustomTestStringConvertible {
  var testDescription: String
  /// The types in the engine that it runs through.
  var covers: [String]
  var shapes: [(Int, Int)]
  /// Draws an entry; positive where the operation asks for it.
  var draw: @Sendable (inout SplitMix64) -> Double
  var make: @Sendable ([Traced]) -> Traced

  init(
    _ name: String, _ covers: [String], _ shapes: [(Int, Int)],
    draw: @escaping @Sendable (inout SplitMix64) -> Double = { $0.normal() },
    _ make: @escaping @Sendable ([Traced]) -> Traced
  ) {
    testDescription = name
    self.covers = covers
    self.shapes = shapes
    self.draw = draw
    self.make = make
  }

  static let positive: @Sendable (inout SplitMix64) -> Double = { 0.3 + $0.uniform() }

  /// Everything that `Traced` offers, with every way to stretch operands.
  static let all: [TapeOperation] =
    arithmetic + functions + kinks + shapes + linear + recurrent

  static let arithmetic: [TapeOperation] = {
    let pairs: [[(Int, Int)]] = [
      [(3, 4), (3, 4)], [(3, 4), (1, 1)], [(1, 1), (3, 4)], [(3, 4), (1, 4)], [(3, 4), (3, 1)],
      [(1, 4), (3, 4)], [(3, 1), (3, 4)], [(3, 1), (1, 4)], [(1, 4), (3, 1)], [(1, 4), (4, 1)],
      [(5, 9), (5, 1)],
    ]
    return pairs.flatMap { shapes -> [TapeOperation] in
      let name = "\(shapes[0]) and \(shapes[1])"
      return [
        TapeOperation("sum of \(name)", ["Combination"], shapes) { $0[0] + $0[1] },
        TapeOperation("difference of \(name)", ["Combination"], shapes) { $0[0] - $0[1] },
        TapeOperation("product of \(name)", ["Combination"], shapes) { $0[0] * $0[1] },
        TapeOperation("quotient of \(name)", ["Combination"], shapes, draw: positive) {
          $0[0] / $0[1]
        },
      ]
    } + [
      TapeOperation("an operand twice", ["Combination"], [(3, 4)]) { $0[0] * $0[0] + $0[0] },
      TapeOperation("numbers", ["Map"], [(3, 4)]) { (2 - 3 * ($0[0] + 1) - 4) / 5 },
      TapeOperation("negative", ["Map"], [(3, 4)]) { -$0[0] },
    ]
  }()

  static let functions: [TapeOperation] =
    [
      TapeOperation("square", ["Map"], [(3, 5)]) { $0[0].squared },
      TapeOperation("square root", ["Map"], [(3, 5)], draw: positive) { $0[0].squareRoot },
      TapeOperation("exponential", ["Map"], [(3, 5)]) { $0[0].exponential },
      TapeOperation("logarithm", ["Map"], [(3, 5)], draw: positive) { $0[0].logarithm },
      TapeOperation("sigmoid", ["Map"], [(3, 5)]) { $0[0].sigmoid },
      TapeOperation("tanh", ["Map"], [(3, 5)]) { $0[0].tanh },
    ]
    + OutputMap.allCases.map { map in
      TapeOperation("map \(map)", ["OutputMapping"], [(3, 7)]) { $0[0].mapped(by: map) }
    }

  static let kinks: [TapeOperation] =
    [
      TapeOperation("relu", ["Side"], [(4, 5)]) { $0[0].relu },
      TapeOperation("elu", ["Side", "Map"], [(4, 5)]) { $0[0].elu },
      TapeOperation("magnitude", ["Side"], [(4, 5)]) { $0[0].magnitude },
      TapeOperation("stop-gradient", ["Copy"], [(4, 5)]) { $0[0].stopped * $0[0] },
      TapeOperation("support over rows", ["Support"], [(6, 5), (1, 1)]) {
        $0[0].support(fraction: 0.4, threshold: $0[1], acrossRows: true) * $0[0]
      },
      TapeOperation("support over columns", ["Support"], [(6, 5), (1, 1)]) {
        $0[0].support(fraction: 0.4, threshold: $0[1], acrossRows: false) * $0[0]
      },
    ]
    + [[(4, 5), (4, 5)], [(4, 5), (1, 1)], [(4, 5), (1, 5)], [(4, 5), (4, 1)]].map {
      TapeOperation("soft threshold \($0[1])", ["SoftThreshold", "Side"], $0) {
        $0[0].softThreshold($0[1])
      }
    }

  static let shapes: [TapeOperation] = [
    TapeOperation("reshape", [], [(3, 4)]) { $0[0].reshaped(2, 6).squared },
    TapeOperation("rows", [], [(5, 4)]) { $0[0].rows(1..<4) * $0[0].rows(2..<5) },
    TapeOperation("row", [], [(5, 4)]) { $0[0].row(2) + $0[0].row(2) },
    TapeOperation("part of a view", [], [(5, 4)]) {
      $0[0].rows(1..<5).part(2..<8, rows: 2, columns: 3).squared
    },
    TapeOperation("transpose", ["Transpose"], [(3, 4)]) { $0[0].transposed.squared },
    TapeOperation("transpose of a row", [], [(1, 4)]) { $0[0].transposed.squared },
    TapeOperation("stack", ["Stack"], [(2, 4), (1, 4)]) {
      Traced.stack([$0[0], $0[1], $0[0]]).squared
    },
    TapeOperation("views of what follows", ["Stack"], [(2, 4)]) {
      let whole = Traced.stack([$0[0].exponential, $0[0]])
      return whole.rows(0..<2) * whole.rows(2..<4) + whole.rows(1..<3)
    },
  ]

  static let linear: [TapeOperation] = {
    var rng = SplitMix64(seed: 4)
    let blocks = LinearMap.blocks(BlockDiagonal((0..<3).map { _ in rng.matrix(2, 5) }))
    let shared = LinearMap.shared(rng.matrix(2, 5), copies: 3)
    let products: [(Matrix.Operation, Matrix.Operation, [(Int, Int)])] = [
      (.plain, .plain, [(3, 4), (4, 2)]), (.transposed, .plain, [(4, 3), (4, 2)]),
      (.plain, .transposed, [(3, 4), (2, 4)]), (.transposed, .transposed, [(4, 3), (2, 4)]),
    ]
    return products.map { left, right, shapes in
      TapeOperation("product \(left) \(right)", ["MatrixProduct"], shapes) {
        $0[0].times($0[1], left, right)
      }
    }
      + [blocks, shared].flatMap { map in
        [
          TapeOperation("map, shared: \(map.isShared)", ["LinearMapping"], [(3, 5)]) {
            $0[0].mapped(by: map)
          },
          TapeOperation("its transpose, shared: \(map.isShared)", ["LinearMapping"], [(3, 2)]) {
            $0[0].mapped(by: map, .transposed)
          },
        ]
      } + [
        TapeOperation("sum of all", ["Sum"], [(3, 4)]) { $0[0].sum },
        TapeOperation("sums of rows", ["Sum"], [(3, 4)]) { $0[0].rowSums },
        TapeOperation("sums of columns", ["Sum"], [(3, 4)]) { $0[0].columnSums },
        TapeOperation("custom", ["CustomNode"], [(3, 4), (3, 4)]) {
          .custom(ScaledProduct(), [$0[0], $0[1]])
        },
      ]
  }()

  static let recurrent: [TapeOperation] = [
    (1, 2, 3, 1), (2, 2, 5, 9), (3, 3, 4, 25), (2, 1, 20, 24), (1, 5, 1, 8),
  ].map { layers, inputs, hidden, columns in
    var shapes = [(inputs, columns), (2 * layers * hidden, columns)]
    for layer in 0..<layers {
      shapes += [
        (4 * hidden, layer == 0 ? inputs : hidden), (4 * hidden, hidden), (4 * hidden, 1),
        (4 * hidden, 1),
      ]
    }
    return TapeOperation(
      "LSTM of \(layers) x \(hidden) on \(inputs) x \(columns)", ["FusedRecurrentStep"], shapes
    ) {
      .recurrentStep($0[0], $0[1], weights: Array($0[2...]), hidden: hidden)
    }
  }
}

/// 3 a ∘ b, with derivatives written by hand; faults can be planted in them.
struct ScaledProduct: CustomOperation {
  var pullbackSign = 1.0
  var tangentFactor = 1.0
  let name = "scaled-product"

  func shape(_ inputs: [(rows: Int, columns: Int)]) -> (rows: Int, columns: Int) { inputs[0] }

  private func times(_ a: Matrix, _ b: Matrix, _ factor: Double) -> Matrix {
    Matrix(
      rows: a.rows, columns: a.columns,
      elements: zip(a.elements, b.elements).map { factor * $0 * $1 })
  }

  func value(at inputs: [Matrix]) -> Matrix { times(inputs[0], inputs[1], 3) }

  func pullback(_ cotangent: Matrix, at inputs: [Matrix], value: Matrix) -> [Matrix] {
    [
      times(cotangent, inputs[1], 3 * pullbackSign), times(cotangent, inputs[0], 3),
    ]
  }

  func pushforward(_ tangents: [Matrix], at inputs: [Matrix], value: Matrix) -> Matrix {
    var result = times(tangents[0], inputs[1], 3 * tangentFactor)
    let second = times(inputs[0], tangents[1], 3)
    for i in result.elements.indices { result.elements[i] += second.elements[i] }
    return result
  }
}
