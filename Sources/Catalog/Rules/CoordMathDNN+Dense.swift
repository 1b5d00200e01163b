import Engine
import Optimization

/// Training losses of ``CoordMathDNN`` by matrix products: any depth, detached or full.
final class DenseObjective<P: TwiceDifferentiableProblem>: MetaObjective {
  private let rule: CoordMathDNN
  private let problem: P
  private let start: Vector
  private let horizon: Int
  private let weights: [Double]
  private let steps: Vector

  init(
    _ rule: CoordMathDNN, _ problem: P, _ start: Vector, _ horizon: Int, _ loss: MetaLoss
  ) {
    precondition(start.count == problem.dimension, "start has \(start.count) entries")
    self.rule = rule
    self.problem = problem
    self.start = start
    self.horizon = horizon
    weights = loss.weights(horizon: horizon)
    steps = problem.spread(rule.stepRule.stepSizes(for: problem))
  }

  /// One forward run: iterates x_0 to x_T, gradients g_0 to g_{T-1}.
  private struct Run {
    var iterates: [Vector]
    var gradients: [Vector]
    var loss = 0.0
    var finalValue = 0.0
    var firstNonFinite: Int?
  }

  /// Runs forward; `frozen` replaces what the surrogate holds constant.
  private func forward(_ parameters: Parameters, frozen: FrozenPiece? = nil) -> Run {
    let network = rule.network(parameters)
    let scale = rule.outputScale(parameters)
    var x = start
    var g = Vector(zeros: problem.dimension)
    var run = Run(iterates: [x], gradients: [])
    for t in 1...horizon {
      problem.gradient(at: x, into: &g)
      let q =
        frozen?.detachedInputs(t) ?? CoordinatewiseNetwork.features(gradient: g, x: x)
      let z = network.output(q, active: frozen?.active(t))
      for j in x.elements.indices {
        let p = scale * rule.architecture.map.value(z[j])
        x[j] -= (p * steps[j]) * g[j]
      }
      run.gradients.append(g)
      run.iterates.append(x)
      if run.firstNonFinite == nil, !x.isFinite { run.firstNonFinite = t }
      if weights[t - 1] != 0 || t == horizon {
        run.finalValue = problem.value(at: x)
        if weights[t - 1] != 0 { run.loss += weights[t - 1] * run.finalValue }
      }
    }
    return run
  }

  func evaluate(_ parameters: Parameters, gradient: inout Parameters) -> MetaEvaluation {
    let run = forward(parameters)
    let network = rule.network(parameters)
    let scale = rule.outputScale(parameters)
    let map = rule.architecture.map
    var matrices = network.weights.map { Matrix(zeros: $0.rows, $0.columns) }
    var scaleGradient = 0.0
    var delta = Vector(zeros: problem.dimension)
    var room = Vector(zeros: problem.dimension)
    problem.gradient(at: run.iterates[horizon], into: &delta)
    delta.scale(by: weights[horizon - 1])
    for t in (1...horizon).reversed() {
      let x = run.iterates[t - 1]
      let g = run.gradients[t - 1]
      let q = CoordinatewiseNetwork.features(gradient: g, x: x)
      let z = network.output(q)
      var zBar = Vector(zeros: x.count)
      var gBar = Vector(zeros: x.count)
      for j in x.elements.indices {
        let pBar = -steps[j] * delta[j] * g[j]
        let value = map.value(z[j])
        scaleGradient += pBar * value
        zBar[j] = pBar * scale * map.derivative(z[j])
        gBar[j] = -(scale * value * steps[j]) * delta[j]
      }
      let qBar = network.pullback(zBar, at: q, into: &matrices)
      if rule.backward == .full {
        for j in x.elements.indices {
          gBar[j] += qBar[j, 0]
          delta[j] += qBar[j, 1]
        }
      }
      problem.hessianProduct(gBar, at: x, into: &room)
      delta.add(1, room)
      if t > 1, weights[t - 2] != 0 { delta.add(weights[t - 2], g) }
    }
    for l in matrices.indices { gradient.tensors[l].elements = matrices[l].elements }
    if rule.architecture.learnsScale {
      gradient.tensors[matrices.count].elements[0] = scaleGradient
    }
    return MetaEvaluation(
      loss: run.loss, finalValue: run.finalValue, firstNonFinite: run.firstNonFinite)
  }

  func unroll(_ parameters: Parameters) -> Trajectory {
    let run = forward(parameters)
    let network = rule.network(parameters)
    let scale = rule.outputScale(parameters)
    var result = Trajectory(
      values: [problem.values(at: start)], iterates: [start], stop: .horizonReached(horizon))
    for (t, x) in run.iterates.enumerated().dropFirst() {
      let values = problem.values(at: x)
      guard x.isFinite, values.allSatisfy(\.isFinite) else {
        result.stop = .nonFinite(step: t)
        break
      }
      let z = network.output(gradient: run.gradients[t - 1], x: run.iterates[t - 1])
      result.values.append(values)
      result.iterates.append(x)
      result.scales.append(Vector(z.elements.map { scale * rule.architecture.map.value($0) }))
    }
    return result
  }

  func surrogate(at base: Parameters) -> any SurrogateLoss {
    let run = forward(base)
    let inputs = zip(run.gradients, run.iterates).map {
      CoordinatewiseNetwork.features(gradient: $0, x: $1)
    }
    return Surrogate(
      objective: self,
      piece: FrozenPiece(
        inputs: inputs, network: rule.network(base), isDetached: rule.backward == .detached))
  }

  private struct Surrogate: SurrogateLoss {
    let objective: DenseObjective
    let piece: FrozenPiece

    func loss(at parameters: Parameters) -> Double {
      objective.forward(parameters, frozen: piece).loss
    }
  }
}

/// What a base point fixes for its surrogate: active units, and network inputs if detached.
private struct FrozenPiece {
  /// Network inputs at the base point, per step.
  let inputs: [Matrix]
  /// The network at the base point.
  let network: CoordinatewiseNetwork
  /// Whether the inputs are constants.
  let isDetached: Bool

  func detachedInputs(_ t: Int) -> Matrix? { isDetached ? inputs[t - 1] : nil }

  func active(_ t: Int) -> [Matrix] { network.hidden(inputs[t - 1]) }
}
