import OptCheck
import Testing

/// The trainings side by side against the same training on a tape, one at a time.
@Suite struct UnfoldedDescentTests {
  private static let horizon = 4
  private static let steps = 30

  private let problem: LeastSquares
  private let start: Vector
  private let weights: Parameters

  init() throws {
    var rng = SplitMix64(seed: 11)
    problem = try LeastSquares.generated(seed: 7, instances: 3, rows: 6, columns: 8)
    start = rng.vector(problem.dimension)
    weights = try LISTACPSSWOnly.initialParameters(for: problem, layers: Self.horizon)
  }

  private func taped(_ eta: Double) throws -> TrainingState {
    let rule = try LISTACPSSWOnly(layers: Self.horizon, parameters: weights)
    let objective = try rule.metaObjective(
      on: problem, from: start, horizon: Self.horizon, loss: .last)
    return MetaTraining(stepSize: eta, stepsPerEpoch: Self.steps).train(weights, objective)
  }

  private func together(_ etas: [Double]) throws -> (losses: [[Double]], descent: UnfoldedDescent) {
    guard case .blocks(let map) = problem.map else { throw Missing() }
    let descent = UnfoldedDescent(
      map: map, target: problem.target, start: start, weights: weights.tensors.map(\.elements),
      stepSizes: etas)
    let losses = (0..<Self.steps).map { _ in descent.advance() }
    return (etas.indices.map { e in losses.map { $0[e] } }, descent)
  }

  private struct Missing: Error {}

  @Test func everyTrainingIsTheTapes() throws {
    let etas = [1e-4, 1e-3, 5e-3]
    let (losses, descent) = try together(etas)
    for (e, eta) in etas.enumerated() {
      let tape = try taped(eta)
      #expect(tape.losses.count == Self.steps && tape.losses[Self.steps - 1] < tape.losses[0])
      for (ours, theirs) in zip(losses[e], tape.losses) {
        // Sums of at most 8 terms in another order, in 30 steps of 4 layers there and back.
        #expect(abs(ours - theirs) <= 1e-13 * theirs, "eta \(eta)")
      }
      for (t, tensor) in tape.parameters.tensors.enumerated() {
        let distance = zip(descent.weights(of: e, at: t), tensor.elements).map { abs($0 - $1) }
        #expect((distance.max() ?? 1) <= 1e-13 * Vector(tensor.elements).maxMagnitude)
      }
    }
  }

  @Test func aTrainingThatDivergesDisturbsNoOther() throws {
    let (losses, _) = try together([1e-3, 10])
    #expect(!losses[1][Self.steps - 1].isFinite)
    for (ours, theirs) in zip(losses[0], try taped(1e-3).losses) {
      #expect(abs(ours - theirs) <= 1e-13 * theirs)
    }
  }
}
