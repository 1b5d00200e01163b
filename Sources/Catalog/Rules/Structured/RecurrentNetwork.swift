public import Engine
public import Optimization

/// An LSTM that treats every coordinate alike, with PyTorch's names, shapes and gate order.
///
/// Features and states are feature-major: one row per feature, one column per coordinate, n = N d.
/// The state stacks h of all layers over c of all layers, 2 L H x n.
public struct RecurrentNetwork: Sendable, Hashable {
  /// Where a run's first state comes from.
  public enum InitialState: Sendable, Hashable {
    /// All zeros.
    case zeros
    /// Normal draws times a scale, fresh in every run: the reference code, with scale 1 in most rules.
    case normal(scale: Double)
  }

  /// Number of input features.
  public var inputWidth: Int
  /// H, the width of a layer.
  public var hidden: Int
  /// L, the number of layers.
  public var layers: Int

  /// Creates a network; the published ones have two layers of 20.
  public init(inputWidth: Int = 2, hidden: Int = 20, layers: Int = 2) {
    precondition(inputWidth >= 1 && hidden >= 1 && layers >= 1, "\(inputWidth), \(hidden)")
    self.inputWidth = inputWidth
    self.hidden = hidden
    self.layers = layers
  }

  /// Names and shapes of the weights, in PyTorch's order.
  public var weights: [(name: String, shape: [Int])] {
    (0..<layers).flatMap { layer in
      [
        ("lstm.weight_ih_l\(layer)", [4 * hidden, layer == 0 ? inputWidth : hidden]),
        ("lstm.weight_hh_l\(layer)", [4 * hidden, hidden]),
        ("lstm.bias_ih_l\(layer)", [4 * hidden]),
        ("lstm.bias_hh_l\(layer)", [4 * hidden]),
      ]
    }
  }

  /// PyTorch's initial weights, U(-1/√H, 1/√H) in that order.
  public func draw(_ stream: inout ReferenceStream) -> [(name: String, tensor: Tensor)] {
    let bound = Float(1 / Double(hidden).squareRoot())
    return weights.map { name, shape in
      let count = shape.reduce(1, *)
      return (
        name, Tensor(shape: shape, elements: stream.uniform(from: -bound, to: bound, count: count))
      )
    }
  }

  /// The first state of `problem`'s coordinates.
  public func carry(_ initial: InitialState, for problem: any Problem, seed: UInt64) -> Carry {
    let rows = 2 * layers * hidden
    guard case .normal(let scale) = initial, scale != 0 else {
      return Carry(Matrix(zeros: rows, problem.dimension), along: .columns)
    }
    var rng = SplitMix64(seed: seed)
    var draws = rng.normals(rows * problem.dimension)
    if scale != 1 { for i in draws.indices { draws[i] *= scale } }
    return Carry(
      Matrix(rows: rows, columns: problem.dimension, elements: draws), along: .columns)
  }

  /// The first state of `coordinates` coordinates as the reference code draws it: h, then c, from the stream
  /// that its weights come from.
  public func carry(_ stream: inout ReferenceStream, coordinates: Int) -> Carry {
    let count = layers * coordinates * hidden
    let h = stream.normal(count: count)
    return Carry(state(h: h, c: stream.normal(count: count)), along: .columns)
  }

  /// The state that consists of h and c in PyTorch's order, layers x n x H each.
  public func state(h: [Double], c: [Double]) -> Matrix {
    let n = h.count / (layers * hidden)
    precondition(h.count == layers * n * hidden && c.count == h.count, "\(h.count), \(c.count)")
    var state = Matrix(zeros: 2 * layers * hidden, n)
    for (part, values) in [h, c].enumerated() {
      for l in 0..<layers {
        for r in 0..<n {
          for k in 0..<hidden {
            state[(part * layers + l) * hidden + k, r] = values[(l * n + r) * hidden + k]
          }
        }
      }
    }
    return state
  }

  /// The next state for features `input` (F x n); the output is ``output(_:)`` of it.
  public func step(
    _ input: Traced, _ state: Traced, _ context: FormulaContext
  ) -> Traced {
    .recurrentStep(
      input, state,
      weights: weights.map { context[$0.name] }, hidden: hidden)
  }

  /// h of the last layer, H x n.
  public func output(_ state: Traced) -> Traced {
    state.rows(((layers - 1) * hidden)..<(layers * hidden))
  }
}

/// A fully connected layer on every coordinate, W h + b; weights `name.weight` and `name.bias`.
struct Dense: Sendable, Hashable {
  var name: String
  var inputs: Int
  var outputs: Int

  var weights: [(name: String, shape: [Int])] {
    [("\(name).weight", [outputs, inputs]), ("\(name).bias", [outputs])]
  }

  /// PyTorch's initial weights, U(-1/√inputs, 1/√inputs).
  func draw(_ stream: inout ReferenceStream) -> [(name: String, tensor: Tensor)] {
    let bound = Float(1 / Double(inputs).squareRoot())
    return weights.map { name, shape in
      let count = shape.reduce(1, *)
      return (
        name, Tensor(shape: shape, elements: stream.uniform(from: -bound, to: bound, count: count))
      )
    }
  }

  func callAsFunction(_ h: Traced, _ context: FormulaContext) -> Traced {
    context["\(name).weight"].times(h) + context["\(name).bias"]
  }
}

extension Parameters {
  /// The weights called and shaped as in `expected`, in that order; others are left out.
  ///
  /// - Throws: ``RuleError`` when one is missing or has another shape.
  func picked(_ expected: [(name: String, shape: [Int])]) throws(RuleError) -> Parameters {
    var entries: [(name: String, tensor: Tensor)] = []
    for (name, shape) in expected {
      guard let tensor = self[name] else { throw .missingParameter(name) }
      guard tensor.shape == shape else {
        throw .wrongShape(parameter: name, found: tensor.shape, expected: shape)
      }
      entries.append((name, tensor))
    }
    return Parameters(entries)
  }
}
