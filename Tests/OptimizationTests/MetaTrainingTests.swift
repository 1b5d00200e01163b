import Foundation
import OptCheck
import Testing

/// ½ Σ c (θ - 1)², an objective whose training can be followed by hand.
private final class Bowl: MetaObjective {
  var evaluations = 0
  let curvature: Double

  init(curvature: Double) { self.curvature = curvature }

  func evaluate(_ parameters: Parameters, gradient: inout Parameters) -> MetaEvaluation {
    evaluations += 1
    var loss = 0.0
    for (j, theta) in parameters.tensors[0].elements.enumerated() {
      loss += curvature * (theta - 1) * (theta - 1) / 2
      gradient.tensors[0].elements[j] = curvature * (theta - 1)
    }
    return MetaEvaluation(loss: loss, finalValue: loss)
  }

  func unroll(_ parameters: Parameters) -> Trajectory {
    Trajectory(values: [], iterates: [], stop: .horizonReached(0))
  }

  func surrogate(at base: Parameters) -> any SurrogateLoss { fatalError("not asked for") }
}

@Suite struct TrainingLoop {
  private func start(_ values: [Double]) -> Parameters {
    Parameters([("theta", Tensor(shape: [values.count], elements: values))])
  }

  private func train(
    _ plan: MetaTraining, _ values: [Double], _ objective: Bowl
  ) -> TrainingState {
    var state = plan.initialState(start(values))
    var memory = MetaTraining.Memory(for: state.parameters)
    while !state.isFinished(plan) { plan.advance(&state, objective, memory: &memory) }
    return state
  }

  @Test("SGD on a bowl contracts by 1 - eta c a step")
  func sgd() {
    let state = train(
      MetaTraining(stepSize: 0.1, stepsPerEpoch: 20), [3], Bowl(curvature: 2))
    let expected = 1 + 2 * Foundation.pow(0.8, 20.0) as Double
    #expect(abs(state.parameters.tensors[0].elements[0] - expected) <= 1e-14)
    #expect(state.losses.count == 20 && state.stop == .horizonReached(20))
    #expect(state.losses[0] == 4, "a loss is that of the weights before the update")
  }

  @Test("Adam's first step is eta times the sign, its second as by hand")
  func adam() {
    let state = train(
      MetaTraining(optimizer: .adam(), stepSize: 0.01, stepsPerEpoch: 2), [3, -1],
      Bowl(curvature: 2))
    // By hand, in the textbook form m^ / (sqrt(v^) + eps).
    for (first, result) in zip([3.0, -1.0], state.parameters.tensors[0].elements) {
      var (theta, m, v) = (first, 0.0, 0.0)
      for t in 1...2 {
        let g = 2 * (theta - 1)
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        let mHat = m / (1 - Foundation.pow(0.9, Double(t)))
        let vHat = v / (1 - Foundation.pow(0.999, Double(t)))
        theta -= 0.01 * mHat / (vHat.squareRoot() + 1e-8)
      }
      #expect(abs(result - theta) <= 1e-14)
    }
  }

  @Test("clipping bounds the step, and leaves a small gradient alone")
  func clipping() {
    let clipped = train(
      MetaTraining(stepSize: 1, clipNorm: 1, stepsPerEpoch: 1), [1001, 1], Bowl(curvature: 1))
    #expect(abs(clipped.parameters.tensors[0].elements[0] - 1000) <= 1e-8)
    let free = train(
      MetaTraining(stepSize: 1, clipNorm: 1, stepsPerEpoch: 1), [1.5, 1], Bowl(curvature: 1))
    #expect(free.parameters.tensors[0].elements[0] == 1)
  }

  @Test func schedules() {
    #expect(MetaSchedule.constant.stepSize(initial: 3, epoch: 7) == 3)
    #expect(abs(MetaSchedule.step().stepSize(initial: 3, epoch: 2) - 0.03) <= 1e-16)
    let cosine = MetaSchedule.cosine(period: 10)
    #expect(cosine.stepSize(initial: 3, epoch: 0) == 3)
    #expect(abs(cosine.stepSize(initial: 3, epoch: 10) - 1e-5) <= 1e-15)
    let middle: Double = (3 + 1e-5) / 2
    #expect(abs(cosine.stepSize(initial: 3, epoch: 5) - middle) <= 1e-15)
    // A new epoch changes the step: two epochs of one step each on a bowl.
    let state = train(
      MetaTraining(stepSize: 0.5, schedule: .step(), stepsPerEpoch: 1, epochs: 2), [3],
      Bowl(curvature: 1))
    #expect(abs(state.parameters.tensors[0].elements[0] - 1.95) <= 1e-15)
  }

  @Test("a loss that is not finite ends training with its step named")
  func divergence() {
    let state = train(
      MetaTraining(stepSize: 1e200, stepsPerEpoch: 10), [3], Bowl(curvature: 1))
    #expect(state.stop == .nonFinite(step: 2))
    #expect(state.losses.count == 3)
    #expect(state.parameters.isFinite)
  }

  @Test("weights that an update leaves alone are not evaluated again")
  func memory() {
    let objective = Bowl(curvature: 1)
    let state = train(MetaTraining(stepSize: 1, stepsPerEpoch: 50), [3], objective)
    #expect(objective.evaluations == 2, "one step reaches the minimum, the rest stand still")
    #expect(state.losses.count == 50 && state.losses[1...].allSatisfy { $0 == 0 })
  }

  @Test func lossWeights() {
    #expect(MetaLoss.last.weights(horizon: 3) == [0, 0, 1])
    #expect(MetaLoss.mean.weights(horizon: 4) == [0.25, 0.25, 0.25, 0.25])
    let thirds: [Double] = [1, 2, 3]
    #expect(MetaLoss.weightedSum.weights(horizon: 3) == thirds.map { $0 / 6 })
  }
}

@Suite struct Unrolling {
  /// f(x) = x²/2.
  struct Parabola: Problem {
    let name = "parabola"
    let dimension = 1
    let smoothness = [1.0]
    let minimumValue: Double? = 0
    func values(at x: Vector) -> [Double] { [x[0] * x[0] / 2] }
    func gradient(at x: Vector, into g: inout Vector) { g[0] = x[0] }
  }

  @Test func closedForm() {
    let run = unroll(
      GradientDescent(stepRule: .constant(0.5)), on: Parabola(), from: [1], horizon: 10,
      recordingIterates: true)
    let halves = (0...10).map { 1 / Double(1 << $0) }
    #expect(run.iterates.map { $0[0] } == halves)
    #expect(run.totals == run.iterates.map { $0[0] * $0[0] / 2 })
    #expect(run.stop == .horizonReached(10))
  }

  @Test("a run that leaves the numbers is cut off before the first bad iterate")
  func divergence() {
    let run = unroll(
      GradientDescent(stepRule: .constant(1e200)), on: Parabola(), from: [1], horizon: 10,
      recordingIterates: true)
    #expect(run.stop == .nonFinite(step: 1))
    #expect(run.iterates == [[1]])
  }
}
