public import Engine
public import Optimization

/// The learned rule of paper A: a network, shared by all coordinates, scales every step.
///
/// Per coordinate, q = (∂f, x) passes through L layers without biases, ReLU between them; with z
/// its output, P = scale · map(z) and x ← x - P sᵢ ∂f. Weights are stored input by output:
/// W_l is n_{l-1} x n_l, n_0 = 2 and n_L = 1. With W_L = 0 and map 2σ the rule *is* gradient
/// descent, bit for bit.
public struct CoordMathDNN: LearnedUpdateRule {
  /// What the backward pass takes for constant.
  public enum Backward: String, Sendable, Hashable, CaseIterable {
    /// The inputs of the network are constants, as in the authors' code and the theory.
    case detached
    /// Nothing is.
    case full
  }

  /// How training losses and their gradients are computed.
  public enum Evaluator: String, Sendable, Hashable, CaseIterable {
    /// The angular one where it applies, else the dense one.
    case automatic
    /// Matrix products, any depth; O(NdTH).
    case dense
    /// Exact and without the product over samples and units; L = 3, n_1 = 2, detached.
    case angular
  }

  /// Layers and output of the network.
  public struct Architecture: Sendable, Hashable {
    /// Widths n_1 to n_{L-1} of the hidden layers.
    public var widths: [Int]
    /// What turns z into a step scale.
    public var map: OutputMap
    /// Whether the factor on the output is a weight of its own.
    public var learnsScale: Bool

    /// L, the number of layers.
    public var depth: Int { widths.count + 1 }

    /// Creates an architecture; the published ones have widths (2, 1024) or (2, 5120).
    public init(widths: [Int], map: OutputMap = .twiceSigmoid, learnsScale: Bool = false) {
      precondition(!widths.isEmpty && widths.allSatisfy { $0 >= 1 }, "widths \(widths)")
      self.widths = widths
      self.map = map
      self.learnsScale = learnsScale
    }

    /// The names of the weights W_1 to W_L, as the reference code has them.
    public var weightNames: [String] {
      let inner = (0..<max(0, depth - 2)).map { "dnn.\($0).weight" }
      return inner + ["linear.weight", "linear_p.weight"].suffix(depth)
    }

    /// The shapes of the weights W_1 to W_L, input by output.
    public var weightShapes: [[Int]] {
      zip([2] + widths, widths + [1]).map { [$0, $1] }
    }
  }

  public let name = "CoordMathDNN"
  /// Layers and output.
  public let architecture: Architecture
  /// How the step sizes sᵢ follow from the problem.
  public var stepRule: StepRule
  /// The factor on the output where it is not learned.
  public var scale: Double
  /// What the backward pass takes for constant.
  public var backward: Backward
  /// How losses and gradients are computed.
  public var evaluator: Evaluator
  /// Threads of the angular evaluator; no bit of a result depends on it.
  public var threads = 1
  public var parameters: Parameters

  /// A network for every coordinate.
  public var cost: Double { 4 }

  /// Creates a rule with the given weights.
  ///
  /// - Throws: ``RuleError`` when a weight is missing or has the wrong shape.
  public init(
    architecture: Architecture, parameters: Parameters, stepRule: StepRule = .theory,
    scale: Double = 1, backward: Backward = .detached, evaluator: Evaluator = .automatic
  ) throws(RuleError) {
    self.architecture = architecture
    self.stepRule = stepRule
    self.scale = scale
    self.backward = backward
    self.evaluator = evaluator
    var entries: [(name: String, tensor: Tensor)] = []
    let scaleEntry = architecture.learnsScale ? [("p_scale", [Int]())] : []
    for (name, shape) in Array(zip(architecture.weightNames, architecture.weightShapes))
      + scaleEntry
    {
      guard let tensor = parameters[name] else { throw .missingParameter(name) }
      guard tensor.shape == shape else {
        throw .wrongShape(parameter: name, found: tensor.shape, expected: shape)
      }
      entries.append((name, tensor))
    }
    self.parameters = Parameters(entries)
  }

  /// The factor on the output, learned or not.
  public func outputScale(_ parameters: Parameters) -> Double {
    architecture.learnsScale ? parameters["p_scale"]?.elements[0] ?? scale : scale
  }

  /// The network at the present weights.
  public var network: CoordinatewiseNetwork { network(parameters) }

  /// The network at other weights of the same shapes.
  public func network(_ parameters: Parameters) -> CoordinatewiseNetwork {
    CoordinatewiseNetwork(weights: parameters.tensors.prefix(architecture.depth).map(\.matrix))
  }

  /// The step of every coordinate, and room for a gradient.
  public struct State: Sendable {
    let network: CoordinatewiseNetwork
    let scale: Double
    let steps: Vector
    var gradient: Vector
  }

  public func initialState<P: Problem>(for problem: P) -> State {
    State(
      network: network, scale: outputScale(parameters),
      steps: problem.spread(stepRule.stepSizes(for: problem)),
      gradient: Vector(zeros: problem.dimension))
  }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    problem.gradient(at: x, into: &state.gradient)
    let z = state.network.output(gradient: state.gradient, x: x)
    for j in x.elements.indices {
      let p = state.scale * architecture.map.value(z[j])
      x[j] -= (p * state.steps[j]) * state.gradient[j]
    }
  }

  public func metaObjective<P: TwiceDifferentiableProblem>(
    on problem: P, from start: Vector, horizon: Int, loss: MetaLoss
  ) throws(RuleError) -> any MetaObjective {
    let isAngular =
      architecture.depth == 3 && architecture.widths[0] == 2 && backward == .detached
      && problem is LeastSquares
    if evaluator == .angular, !isAngular {
      throw .unsupported(
        setting: "evaluator", value: "angular",
        accepted: "dense here; angular needs L = 3, n_1 = 2, detached, least squares")
    }
    if evaluator != .dense, isAngular, let problem = problem as? LeastSquares {
      return AngularObjective(self, problem, start, horizon, loss, threads: threads)
    }
    return DenseObjective(self, problem, start, horizon, loss)
  }
}

/// A network without biases, ReLU between its layers, applied to every coordinate alike.
public struct CoordinatewiseNetwork: Sendable {
  /// W_1 to W_L, input by output.
  public let weights: [Matrix]

  /// The inputs q = (∂f, x), one row per coordinate: n x 2, the gradient first.
  public static func features(gradient: Vector, x: Vector) -> Matrix {
    var q = Matrix(zeros: x.count, 2)
    for j in 0..<x.count {
      q.elements[2 * j] = gradient[j]
      q.elements[2 * j + 1] = x[j]
    }
    return q
  }

  /// The hidden activations G_1 to G_{L-1} at inputs `q` (n x 2), each n x n_l.
  ///
  /// - Parameter active: activations whose positive entries say which units are active, instead of
  ///   this network's own; the result is then linear in the weights of every layer.
  func hidden(_ q: Matrix, active: [Matrix]? = nil) -> [Matrix] {
    var layers: [Matrix] = []
    for (l, weight) in weights.dropLast().enumerated() {
      var a = Matrix.product(layers.last ?? q, weight)
      let side = active?[l] ?? a
      for i in a.elements.indices where side.elements[i] <= 0 { a.elements[i] = 0 }
      layers.append(a)
    }
    return layers
  }

  /// The output z at every coordinate, n entries.
  public func output(gradient: Vector, x: Vector) -> Vector {
    output(Self.features(gradient: gradient, x: x))
  }

  /// The output z at inputs `q` (n x 2), n entries.
  func output(_ q: Matrix, active: [Matrix]? = nil) -> Vector {
    let last = hidden(q, active: active).last ?? q
    return last.times(Vector(weights[weights.count - 1].elements))
  }

  /// G_{L-1} at every coordinate: n x n_{L-1}, the matrix whose smallest singular value is α₀.
  public func lastHidden(gradient: Vector, x: Vector) -> Matrix {
    let q = Self.features(gradient: gradient, x: x)
    return hidden(q).last ?? q
  }

  /// What the entries of ``lastHidden(gradient:x:)`` are sums of: the product of all magnitudes.
  public func magnitudes(gradient: Vector, x: Vector) -> Matrix {
    func magnitude(_ m: Matrix) -> Matrix {
      Matrix(rows: m.rows, columns: m.columns, elements: m.elements.map(abs))
    }
    return weights.dropLast().reduce(magnitude(Self.features(gradient: gradient, x: x))) {
      Matrix.product($0, magnitude($1))
    }
  }

  /// Adds to `gradients` (one matrix per layer) the pull-back of `cotangent` (∂/∂z, n entries).
  ///
  /// The derivative of ReLU at 0 is 0. Returns the cotangent of the inputs, n x 2.
  func pullback(_ cotangent: Vector, at q: Matrix, into gradients: inout [Matrix]) -> Matrix {
    let layers = [q] + hidden(q)
    var back = Matrix(rows: cotangent.count, columns: 1, elements: cotangent.elements)
    for l in weights.indices.reversed() {
      let update = Matrix.product(layers[l], .transposed, back)
      for i in update.elements.indices { gradients[l].elements[i] += update.elements[i] }
      back = Matrix.product(back, .plain, weights[l], .transposed)
      if l > 0 {
        for i in back.elements.indices where layers[l].elements[i] <= 0 { back.elements[i] = 0 }
      }
    }
    return back
  }
}
