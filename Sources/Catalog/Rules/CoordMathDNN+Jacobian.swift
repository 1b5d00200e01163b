public import Engine
public import Optimization

/// The Jacobian J = ∂X_T/∂W of an unrolled ``CoordMathDNN``, as products; network inputs constant.
///
/// With D_t = diag(P_t) and c_t = -S g_{t-1} (`detached`, as in the authors' code and the theory):
/// ẋ_t = (I - S D_t A) ẋ_{t-1} + c_t · Ṗ_t, and backwards its adjoint. Any depth, any weights. It
/// shares no code with the evaluators of the training loss, so that each can witness for the other.
public struct UnrollJacobian: Sendable {
  /// The problem that is unrolled.
  public let problem: LeastSquares
  /// X_0 to X_T, each Nd.
  public let iterates: [Vector]
  private let rule: CoordMathDNN
  private let network: CoordinatewiseNetwork
  private let steps: [Step]

  /// What one step holds fixed.
  private struct Step {
    var inputs: Matrix
    /// c = -S g, Nd.
    var factor: Vector
    /// S P, Nd.
    var pace: Vector
    /// map(z) and scale · map'(z), Nd each.
    var value: Vector
    var slope: Vector
  }

  /// Unrolls `rule` at its weights for `horizon` steps from `start` (Nd entries).
  public init(_ rule: CoordMathDNN, on problem: LeastSquares, from start: Vector, horizon: Int) {
    precondition(start.count == problem.dimension, "start has \(start.count) entries")
    precondition(rule.backward == .detached, "the Jacobian holds network inputs constant")
    self.rule = rule
    self.problem = problem
    let (network, map) = (rule.network, rule.architecture.map)
    self.network = network
    let scale = rule.outputScale(rule.parameters)
    let pace = problem.spread(rule.stepRule.stepSizes(for: problem))
    var (x, iterates, steps) = (start, [start], [Step]())
    for _ in 0..<horizon {
      let g = problem.gradient(at: x)
      let inputs = CoordinatewiseNetwork.features(gradient: g, x: x)
      let z = network.output(inputs)
      let value = Vector(z.elements.map(map.value))
      var step = Step(
        inputs: inputs, factor: g, pace: pace, value: value,
        slope: Vector(z.elements.map { scale * map.derivative($0) }))
      for j in 0..<x.count {
        step.factor[j] = -pace[j] * g[j]
        step.pace[j] = scale * value[j] * pace[j]
        x[j] -= step.pace[j] * g[j]
      }
      steps.append(step)
      iterates.append(x)
    }
    self.iterates = iterates
    self.steps = steps
  }

  /// r_T = M X_T - Y, Nb entries.
  public var residual: Vector { problem.residual(at: iterates[steps.count]) }

  /// J v for a direction in weight space; Nd entries.
  public func product(_ direction: Parameters) -> Vector {
    let tangents = direction.tensors.prefix(network.weights.count).map(\.matrix)
    let scaleTangent = rule.architecture.learnsScale ? direction["p_scale"]?.elements[0] ?? 0 : 0
    var tangent = Vector(zeros: problem.dimension)
    var curved = tangent
    for step in steps {
      let z = network.pushforward(tangents, at: step.inputs)
      problem.hessianProduct(tangent, at: tangent, into: &curved)
      for j in 0..<tangent.count {
        let p = step.slope[j] * z[j] + scaleTangent * step.value[j]
        tangent[j] += step.factor[j] * p - step.pace[j] * curved[j]
      }
    }
    return tangent
  }

  /// Jᵀ u for a cotangent of X_T (Nd entries), under the names of the weights.
  public func transposedProduct(_ cotangent: Vector) -> Parameters {
    precondition(cotangent.count == problem.dimension, "cotangent has \(cotangent.count) entries")
    var matrices = network.weights.map { Matrix(zeros: $0.rows, $0.columns) }
    var (delta, room, scaleGradient) = (cotangent, cotangent, 0.0)
    for step in steps.reversed() {
      var (z, paced) = (delta, delta)
      for j in 0..<delta.count {
        let p = step.factor[j] * delta[j]
        scaleGradient += p * step.value[j]
        z[j] = p * step.slope[j]
        paced[j] = step.pace[j] * delta[j]
      }
      _ = network.pullback(z, at: step.inputs, into: &matrices)
      problem.hessianProduct(paced, at: paced, into: &room)
      delta.add(-1, room)
    }
    var result = rule.parameters.zeros
    for (l, matrix) in matrices.enumerated() { result.tensors[l].elements = matrix.elements }
    if rule.architecture.learnsScale {
      result.tensors[matrices.count].elements[0] = scaleGradient
    }
    return result
  }

  /// H u with H = M J Jᵀ Mᵀ, the tangent kernel of W ↦ r_T(W); Nb entries each.
  public func kernelProduct(_ u: Vector) -> Vector {
    problem.matrix.times(product(transposedProduct(problem.matrix.times(u, .transposed))))
  }
}

extension CoordinatewiseNetwork {
  /// ż at inputs `q` (n x 2) for `tangents` of the weights, the inputs held constant; n entries.
  ///
  /// The derivative of ReLU at 0 is 0.
  func pushforward(_ tangents: [Matrix], at q: Matrix) -> Vector {
    let layers = [q] + hidden(q)
    var moving: Matrix?
    for l in weights.indices {
      var next = Matrix.product(layers[l], tangents[l])
      if let moving {
        let carried = Matrix.product(moving, weights[l])
        for i in next.elements.indices { next.elements[i] += carried.elements[i] }
      }
      if l + 1 < weights.count {
        for i in next.elements.indices where layers[l + 1].elements[i] <= 0 { next.elements[i] = 0 }
      }
      moving = next
    }
    return Vector(moving?.elements ?? [])
  }
}
