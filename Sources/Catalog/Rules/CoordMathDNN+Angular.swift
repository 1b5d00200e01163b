import Engine
import Optimization

/// Training losses of ``CoordMathDNN`` by the angular evaluator, fused with the unroll.
///
/// L = 3, n_1 = 2, detached, least squares. Whatever is not on the way of training (the surrogate
/// that checks compare with) comes from the dense evaluator, which shares no code with this one.
final class AngularObjective: MetaObjective {
  private let rule: CoordMathDNN
  private let dense: DenseObjective<LeastSquares>
  private let engine: AngularUnroll
  private let recorder: () -> AngularUnroll
  private let lossWeights: [Double]
  private let problem: LeastSquares
  private let horizon: Int
  private var gradient: AngularUnroll.Gradient

  init(
    _ rule: CoordMathDNN, _ problem: LeastSquares, _ start: Vector, _ horizon: Int,
    _ loss: MetaLoss, threads: Int
  ) {
    self.rule = rule
    self.problem = problem
    self.horizon = horizon
    lossWeights = loss.weights(horizon: horizon)
    let width = rule.architecture.widths[1]
    let steps = rule.stepRule.stepSizes(for: problem)
    let map = rule.architecture.map
    func make(recordsOutputs: Bool) -> AngularUnroll {
      AngularUnroll(
        problem: problem.batch, stepSizes: steps, start: start, horizon: horizon, width: width,
        map: map, threads: threads, recordsOutputs: recordsOutputs)
    }
    engine = make(recordsOutputs: false)
    recorder = { make(recordsOutputs: true) }
    gradient = AngularUnroll.Gradient(width: width)
    dense = DenseObjective(rule, problem, start, horizon, loss)
  }

  private func weights(_ parameters: Parameters) -> AngularUnroll.Weights {
    AngularUnroll.Weights(
      w1: parameters.tensors[0].elements, w2: parameters.tensors[1].elements,
      w3: parameters.tensors[2].elements, scale: rule.outputScale(parameters))
  }

  func evaluate(_ parameters: Parameters, gradient result: inout Parameters) -> MetaEvaluation {
    let loss = engine.evaluate(
      weights(parameters), lossWeights: lossWeights, gradient: &gradient)
    result.tensors[0].elements = gradient.w1
    result.tensors[1].elements = gradient.w2
    result.tensors[2].elements = gradient.w3
    if rule.architecture.learnsScale { result.tensors[3].elements[0] = gradient.scale }
    let isLast = lossWeights.dropLast().allSatisfy { $0 == 0 }
    let final = isLast ? loss : engine.objectives(at: horizon).reduce(0, +)
    return MetaEvaluation(
      loss: loss, finalValue: final,
      firstNonFinite: loss.isFinite && final.isFinite ? nil : firstNonFinite())
  }

  private func firstNonFinite() -> Int? {
    (1...horizon).first { !engine.iterate(at: $0).isFinite }
  }

  func unroll(_ parameters: Parameters) -> Trajectory {
    let engine = recorder()
    _ = engine.evaluate(weights(parameters), lossWeights: lossWeights)
    var result = Trajectory(values: [], iterates: [], stop: .horizonReached(horizon))
    var derivatives = [Double](repeating: 0, count: problem.dimension)
    for t in 0...horizon {
      let x = engine.iterate(at: t)
      let values = problem.values(at: x)
      guard x.isFinite, values.allSatisfy(\.isFinite) else {
        result.stop = .nonFinite(step: t)
        break
      }
      result.values.append(values)
      result.iterates.append(x)
      if t > 0, let z = engine.output(at: t - 1) {
        var scales = z.elements
        rule.architecture.map.evaluate(z.elements, values: &scales, derivatives: &derivatives)
        let factor = rule.outputScale(parameters)
        result.scales.append(Vector(scales.map { factor * $0 }))
      }
    }
    return result
  }

  func surrogate(at base: Parameters) -> any SurrogateLoss { dense.surrogate(at: base) }
}
