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
    try together(etas.map { .init(stepSize: $0) })
  }

  private func together(
    _ trainings: [UnfoldedDescent.Training]
  ) throws -> (losses: [[Double]], descent: UnfoldedDescent) {
    guard case .blocks(let map) = problem.map else { throw Missing() }
    let descent = UnfoldedDescent(
      map: map, target: problem.target, start: start, weights: weights.tensors.map(\.elements),
      trainings: trainings)
    let losses = (0..<Self.steps).map { _ in descent.advance() }
    return (trainings.indices.map { e in losses.map { $0[e] } }, descent)
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

  /// Beside one in double precision, which it leaves alone: every stored number has 24 bits, and the losses are
  /// those of the recursion written out, rounded where it says.
  @Test func aTrainingInSinglePrecisionRoundsWhatItStores() throws {
    let eta = 1e-3
    let (losses, descent) = try together([
      .init(stepSize: eta, precision: .single), .init(stepSize: eta),
    ])
    let (alone, _) = try together([eta])
    #expect(losses[1] == alone[0])
    for t in 0..<Self.horizon {
      #expect(descent.weights(of: 0, at: t).allSatisfy { Double(Float($0)) == $0 })
      #expect(descent.weights(of: 1, at: t).contains { Double(Float($0)) != $0 })
    }
    let expected = roundedLosses(eta)
    for ((ours, theirs), double) in zip(zip(losses[0], expected), losses[1]) {
      // Sums in another order may turn a rounding around now and then: units in the 24th bit, 2^-24 = 6e-8.
      #expect(abs(ours - theirs) <= 1e-6 * theirs)
      #expect(abs(ours - double) <= 1e-5 * double && ours != double)
    }
  }

  /// The recursion for every instance and matrix by itself, in plain loops.
  private func roundedLosses(_ eta: Double) -> [Double] {
    func round(_ v: [Double]) -> [Double] { v.map { Double(Float($0)) } }
    let (b, d) = (problem.rowsPerInstance, problem.coordinatesPerInstance)
    let maps = problem.matrix.blocks.map(\.elements)
    func down(_ i: Int, _ x: [Double]) -> [Double] {
      (0..<b).map { k in (0..<d).reduce(0) { $0 + maps[i][k * d + $1] * x[$1] } }
    }
    func up(_ i: Int, _ r: [Double]) -> [Double] {
      (0..<d).map { j in (0..<b).reduce(0) { $0 + maps[i][$1 * d + j] * r[$1] } }
    }
    var weights = weights.tensors.map { round($0.elements) }
    return (0..<Self.steps).map { _ in
      var residuals = maps.indices.map { i in
        let image = down(i, (0..<d).map { start[i * d + $0] })
        return [round((0..<b).map { problem.target[i * b + $0] - image[$0] })]
      }
      for w in weights {
        for i in maps.indices {
          let r = residuals[i][residuals[i].count - 1]
          let move = round((0..<d).map { j in (0..<b).reduce(0) { $0 + w[j * b + $1] * r[$1] } })
          let image = down(i, move)
          residuals[i].append(round((0..<b).map { r[$0] - image[$0] }))
        }
      }
      var cotangents = maps.indices.map { i in
        round(up(i, residuals[i][Self.horizon]).map { -$0 })
      }
      for t in weights.indices.reversed() {
        let w = weights[t]
        for k in w.indices {
          let slope = maps.indices.reduce(0) {
            $0 + cotangents[$1][k / b] * residuals[$1][t][k % b]
          }
          weights[t][k] = Double(Float(w[k] - eta * slope))
        }
        for i in maps.indices {
          let image = round(
            (0..<b).map { k in (0..<d).reduce(0) { $0 + w[$1 * b + k] * cotangents[i][$1] } })
          let back = up(i, image)
          cotangents[i] = round((0..<d).map { cotangents[i][$0] - back[$0] })
        }
      }
      return residuals.reduce(0) { $0 + $1[Self.horizon].reduce(0) { $0 + $1 * $1 / 2 } }
    }
  }
}
