public import Engine
import Foundation
public import Optimization

/// The tangent kernel H = M J Jᵀ Mᵀ at W_L = 0, where only W_L moves X_T: H = E Eᵀ.
///
/// With P constant, p, and all iterates those of gradient descent,
/// E = Σ_t M (I - p S A)^{T-t} diag(c_t) G_{L-1,t}, c_t = -map'(0) S g_{t-1}, Nb x n_{L-1}. So
/// rank H <= n_{L-1}, and Eᵀ E, n_{L-1} x n_{L-1}, has the same eigenvalues but for zeros.
public struct InitialKernel: Sendable {
  /// The rule at its initial weights.
  public let rule: CoordMathDNN
  /// The problem that is unrolled.
  public let problem: LeastSquares
  /// T.
  public let horizon: Int
  let inputs: [Matrix]
  let factors: [Vector]
  /// p and the step sizes s_i.
  let value: Double
  let steps: [Double]
  /// r_T, Nb entries.
  public let residual: Vector

  /// Unrolls gradient descent for `horizon` steps from `start` (Nd entries).
  ///
  /// - Throws: ``RuleError`` where W_L is not 0, or p a weight of its own.
  public init(
    _ rule: CoordMathDNN, on problem: LeastSquares, from start: Vector, horizon: Int
  ) throws(RuleError) {
    let last = rule.architecture.depth - 1
    guard rule.parameters.tensors[last].elements.allSatisfy({ $0 == 0 }) else {
      throw .unsupported(setting: "W_L", value: "away from 0", accepted: "0, its initial value")
    }
    guard !rule.architecture.learnsScale else {
      throw .unsupported(setting: "p_scale", value: "learned", accepted: "a constant")
    }
    self.rule = rule
    self.problem = problem
    self.horizon = horizon
    let scale = rule.outputScale(rule.parameters)
    value = scale * rule.architecture.map.value(0)
    let slope = scale * rule.architecture.map.derivative(0)
    steps = rule.stepRule.stepSizes(for: problem)
    let pace = problem.spread(steps)
    var (x, inputs, factors) = (start, [Matrix](), [Vector]())
    for _ in 0..<horizon {
      var g = problem.gradient(at: x)
      inputs.append(CoordinatewiseNetwork.features(gradient: g, x: x))
      for j in 0..<x.count {
        x[j] -= (value * pace[j]) * g[j]
        g[j] *= -slope * pace[j]
      }
      factors.append(g)
    }
    self.inputs = inputs
    self.factors = factors
    residual = problem.residual(at: x)
  }

  /// E over the features of the last hidden layer, Nb x n_{L-1}.
  public func factor() -> Matrix {
    factor(layer: rule.architecture.depth - 1)
  }

  /// E with the features G_{l,t} of hidden layer l, from 1 to L-1, in place of the last ones; Nb x n_l.
  ///
  /// If no unit behind layer l is ever inactive, the last E is this one times W_{l+1} ... W_{L-1}.
  public func factor(layer: Int) -> Matrix {
    factors(layer: layer, at: [horizon])[0]
  }

  /// E for shorter runs too, by one recursion: for every T in `horizons`, none beyond this one's.
  public func factors(at horizons: [Int]) -> [Matrix] {
    factors(layer: rule.architecture.depth - 1, at: horizons)
  }

  private func factors(layer: Int, at horizons: [Int]) -> [Matrix] {
    precondition((1..<rule.architecture.depth).contains(layer), "layer \(layer)")
    precondition(horizons.allSatisfy { (1...horizon).contains($0) }, "horizons \(horizons)")
    let (network, d) = (rule.network, problem.coordinatesPerInstance)
    let width = rule.architecture.widths[layer - 1]
    // (I - p S A) of every instance, so that a step is one product and one addition.
    let passes = zip(problem.matrix.blocks, steps).map { block, step in
      var pass = block.gram()
      for i in pass.elements.indices { pass.elements[i] *= -value * step }
      for j in 0..<d { pass[j, j] += 1 }
      return pass
    }
    var columns = problem.matrix.blocks.map { _ in Matrix(zeros: d, width) }
    var results: [Int: Matrix] = [:]
    for t in 1...horizon {
      let features = network.hidden(inputs[t - 1])[layer - 1]
      for i in columns.indices {
        var next = Matrix.product(passes[i], columns[i])
        for j in 0..<d {
          let (c, row) = (factors[t - 1][i * d + j], (i * d + j) * width)
          for k in 0..<width { next.elements[j * width + k] += c * features.elements[row + k] }
        }
        columns[i] = next
      }
      if horizons.contains(t) {
        let parts = zip(problem.matrix.blocks, columns).map { Matrix.product($0, $1) }
        results[t] = Matrix(
          rows: problem.matrix.rows, columns: width, elements: parts.flatMap(\.elements))
      }
    }
    return horizons.compactMap { results[$0] }
  }

}

/// Products with H at W_L = 0 for large sizes: L = 3, n_1 = 2, no matrix of features ever formed.
///
/// The features cost a lookup of the angle per sample (``AngularNetwork``). With the singular value
/// decomposition M_i = U Σ Vᵀ, M (I - p s A)^{T-t} = U Σ (I - p s Σ²)^{T-t} Vᵀ is diagonal in the
/// middle, so all T steps of an instance share one matrix product.
public final class AngularKernel {
  /// Nb, the order of H.
  public let order: Int
  private let network: AngularNetwork
  private let hidden: [Double]
  private let (u, v): ([Double], [Double])
  /// c_t for every sample: instance, coordinate, step, from the outside in.
  private let factors: [Double]
  private let instances: [Instance]
  private let horizon: Int

  private struct Instance {
    var left: Matrix
    var rightTransposed: Matrix
    /// σ (1 - p s σ²)^{T-t}, one row per singular value, one column per step.
    var passes: Matrix
  }

  /// Decomposes the instances of `kernel`.
  ///
  /// - Throws: ``RuleError`` for other networks, ``EngineError`` if LAPACK gives up.
  public init(_ kernel: InitialKernel) throws {
    let architecture = kernel.rule.architecture
    guard architecture.depth == 3, architecture.widths[0] == 2 else {
      throw RuleError.unsupported(
        setting: "widths", value: "\(architecture.widths)", accepted: "two layers, the first of 2")
    }
    let (n, horizon) = (kernel.problem.dimension, kernel.horizon)
    order = kernel.problem.matrix.rows
    self.horizon = horizon
    network = AngularNetwork(width: architecture.widths[1])
    hidden = kernel.rule.parameters.tensors[1].elements
    let first = CoordinatewiseNetwork(weights: Array(kernel.rule.network.weights.prefix(2)))
    let points = kernel.inputs.map { first.hidden($0)[0] }
    var (u, v, factors) = ([Double](), [Double](), [Double]())
    for list in [0, 1, 2] {
      for j in 0..<n {
        for t in 0..<horizon {
          switch list {
          case 0: u.append(points[t][j, 0])
          case 1: v.append(points[t][j, 1])
          default: factors.append(kernel.factors[t][j])
          }
        }
      }
    }
    (self.u, self.v) = (u, v)
    self.factors = factors
    instances = try zip(kernel.problem.matrix.blocks, kernel.steps).map { block, step in
      let svd = try block.thinSVD()
      var passes = Matrix(zeros: svd.values.count, horizon)
      for k in 0..<svd.values.count {
        let sigma = svd.values[k]
        let contraction = 1 - kernel.value * step * sigma * sigma
        var power = sigma
        for t in (0..<horizon).reversed() {
          passes[k, t] = power
          power *= contraction
        }
      }
      return Instance(left: svd.left, rightTransposed: svd.rightTransposed, passes: passes)
    }
  }

  /// Eᵀ r: what W_L's gradient is for the residual r (Nb entries); n_2 entries.
  public func pullback(_ residual: Vector) -> Vector {
    precondition(residual.count == order, "\(residual.count) entries, want \(order)")
    let b = order / instances.count
    var cotangents: [Double] = []
    cotangents.reserveCapacity(factors.count)
    for (i, instance) in instances.enumerated() {
      let own = Vector(Array(residual.elements[(i * b)..<((i + 1) * b)]))
      let components = instance.left.times(own, .transposed)
      var spread = instance.passes
      for k in 0..<spread.rows {
        for t in 0..<horizon { spread[k, t] *= components[k] }
      }
      cotangents += Matrix.product(instance.rightTransposed, .transposed, spread).elements
    }
    for j in cotangents.indices { cotangents[j] *= factors[j] }
    network.setWeights(w2: hidden, w3: [Double](repeating: 0, count: network.width))
    return Vector(network.gradient(u: u, v: v, zbar: cotangents).w3)
  }

  /// E w: how r_T moves with W_L along `direction` (n_2 entries); Nb entries.
  public func pushforward(_ direction: Vector) -> Vector {
    network.setWeights(w2: hidden, w3: direction.elements)
    var moves = network.outputs(u: u, v: v)
    for j in moves.indices { moves[j] *= factors[j] }
    let size = moves.count / instances.count
    var result: [Double] = []
    for (i, instance) in instances.enumerated() {
      let own = Matrix(
        rows: size / horizon, columns: horizon,
        elements: Array(moves[(i * size)..<((i + 1) * size)]))
      let turned = Matrix.product(instance.rightTransposed, own)
      let summed = (0..<turned.rows).map { k in
        (0..<horizon).reduce(0.0) { $0 + instance.passes[k, $1] * turned[k, $1] }
      }
      result += instance.left.times(Vector(summed)).elements
    }
    return Vector(result)
  }

  /// H r; Nb entries each.
  public func product(_ residual: Vector) -> Vector { pushforward(pullback(residual)) }
}
