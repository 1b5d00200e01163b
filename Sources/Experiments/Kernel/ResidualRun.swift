import Catalog
import Checks
import Engine
import Optimization

/// A training run for as long as its residual r_T is wanted, and its first step at several η.
struct ResidualRun {
  let problem: LeastSquares
  let rule: CoordMathDNN
  private let objective: any MetaObjective
  /// ∇F(W^0).
  let gradient: Parameters

  init(_ setting: TrainingSetting, on problem: LeastSquares, threads: Int = 1) throws {
    self.problem = problem
    var rule = try setting.rule()
    rule.threads = threads
    self.rule = rule
    objective = try rule.metaObjective(
      on: problem, from: Vector(zeros: problem.dimension), horizon: setting.horizon, loss: .last)
    var gradient = rule.parameters.zeros
    _ = objective.evaluate(rule.parameters, gradient: &gradient)
    self.gradient = gradient
  }

  /// r_T at `weights`; NaN in every entry where the unrolled run breaks off.
  func residual(at weights: Parameters) -> Vector {
    let run = objective.unroll(weights)
    guard case .horizonReached = run.stop, let end = run.iterates.last else {
      return Vector([Double](repeating: .nan, count: problem.matrix.rows))
    }
    return problem.residual(at: end)
  }

  /// The rounding to expect in r_T at W^0: ten times what separates two ways of forming gradients.
  ///
  /// A x - c and Mᵀ(M x - y) round independently, so that their distance is of the size of the
  /// error itself; the worst-case bound would be larger by a factor of order d.
  func rounding(horizon: Int) -> Double {
    let ends = [LeastSquares.GradientForm.gram, .residual].map { form in
      var twin = problem
      twin.gradientForm = form
      let run = unroll(
        GradientDescent(stepRule: rule.stepRule), on: twin,
        from: Vector(zeros: problem.dimension), horizon: horizon, recordingIterates: true)
      return problem.residual(at: run.iterates[run.iterates.count - 1])
    }
    return 10 * max((ends[0] - ends[1]).norm, .ulpOfOne * ends[0].norm)
  }

  /// r_T after one step of η = `largest`/16, /64, /256 and /1024.
  func firstSteps(below largest: Double) -> [TangentKernelCheck.Subject.FirstStep] {
    [16.0, 64, 256, 1024].map { divisor in
      let step = largest / divisor
      return .init(
        stepSize: step, residual: residual(at: rule.parameters.moved(-step, gradient)))
    }
  }

  /// Trains with step size `stepSize` and hands over (k, r_T^k) at the `recorded` k, in order.
  ///
  /// Stops early where a loss or a weight is no longer finite.
  func train(stepSize: Double, recorded: [Int], _ body: (Int, Vector) -> Void) {
    let plan = MetaTraining(optimizer: .sgd, stepSize: stepSize, stepsPerEpoch: recorded.last ?? 0)
    var state = plan.initialState(rule.parameters)
    var memory = MetaTraining.Memory(for: rule.parameters)
    let wanted = Set(recorded)
    while !state.isFinished(plan) {
      plan.advance(&state, objective, memory: &memory)
      if case .nonFinite = state.stop { return }
      if wanted.contains(state.losses.count) {
        body(state.losses.count, residual(at: state.parameters))
      }
    }
  }

  /// Whether training with `stepSize` is stable: the loss never rises, ends below gradient descent's,
  /// and still moves in the second half of the run.
  ///
  /// A huge step saturates the network at once: the loss then stands still, possibly far below gradient
  /// descent's, and only looks stable. A rise, or a move, counts beyond 1e-12 of the loss.
  func stability(stepSize: Double, steps: Int) -> Stability {
    let plan = MetaTraining(optimizer: .sgd, stepSize: stepSize, stepsPerEpoch: steps + 1)
    var state = plan.initialState(rule.parameters)
    var memory = MetaTraining.Memory(for: rule.parameters)
    while !state.isFinished(plan) {
      plan.advance(&state, objective, memory: &memory)
      if case .nonFinite = state.stop { return .unstable }
      let last = state.losses.suffix(2)
      if let before = last.first, let now = last.last, !(now <= before * (1 + 1e-12)) {
        return .unstable
      }
    }
    let (losses, end) = (state.losses, state.losses[steps])
    return end < losses[0] && end < losses[steps / 2] * (1 - 1e-12) ? .stable : .saturated
  }

  /// What became of the loss of a run.
  enum Stability {
    case stable, saturated, unstable
  }
}

extension Parameters {
  /// All weights in one vector, in their order.
  var flat: Vector { Vector(tensors.flatMap(\.elements)) }

  /// These weights with entries drawn anew, standard normal.
  func random(using rng: inout SplitMix64) -> Parameters {
    var result = self
    for i in result.tensors.indices {
      result.tensors[i].elements = rng.normals(result.tensors[i].elements.count)
    }
    return result
  }
}

/// Training steps to look at: all up to 10, then about six per octave, and the last.
func lazySteps(to last: Int) -> [Int] {
  var steps = Array(1...max(1, min(10, last)))
  while let k = steps.last, k < last { steps.append(min(last, k + max(1, k / 8))) }
  return steps
}
