import Foundation
import OptCheck
import Testing

/// Layers trained in terms of residuals against the same training on a tape.
@Suite struct UnfoldedLayersTests {
  private let data: (unscaled: Matrix, matrix: Matrix, targets: Matrix)

  init() throws {
    data = try LeastSquares.authorsOneMatrix(seed: 5, instances: 12, rows: 4, columns: 6)
  }

  /// All instances with the matrix of their own that a tape takes.
  private func problem() throws -> LeastSquares {
    try LeastSquares(
      name: "12 instances of one matrix", matrices: Array(repeating: data.matrix, count: 12),
      target: Vector(data.targets.elements))
  }

  private func compare(layers: Int, passes: Int, stepSize: Double) throws {
    let problem = try problem()
    let weights = try LISTACPSSWOnly.initialParameters(
      for: problem, layers: layers, start: .reference(), dictionary: data.unscaled)
    let ours = try UnfoldedLayers(
      matrix: data.matrix, targets: data.targets, weights: weights.tensors.map(\.elements),
      stepSize: stepSize)
    try compare(ours, from: weights, problem, layers: layers, passes: passes, stepSize: stepSize)
  }

  private func compare(
    _ ours: UnfoldedLayers, from weights: Parameters, _ problem: LeastSquares, layers: Int,
    passes: Int, stepSize: Double
  ) throws {
    var weights = weights
    let plan = StagedTraining(stepSize: stepSize, length: .epochs(1))
    let rule = try LISTACPSSWOnly(layers: layers, parameters: weights)
    var first = Double.nan
    for pass in 0..<passes {
      let losses = ours.advance { _ in }
      let outcome = try plan.train(weights, layers: 1...layers) {
        try rule.training(of: $0, on: [problem])
      }
      weights = outcome.parameters
      let expected = outcome.epochs.filter { $0.stage == 3 }.map(\.meanLoss)
      #expect(expected.count == layers && losses.count == layers)
      if pass == 0 { first = losses[layers - 1] }
      for (layer, (ours, theirs)) in zip(losses, expected).enumerated() {
        // Residuals of a few units, rounded in every layer; a step is blind below 1e-8.
        #expect(abs(ours - theirs) <= 1e-10 * theirs, "pass \(pass), layer \(layer + 1)")
      }
    }
    for (t, tensor) in weights.tensors.enumerated() {
      let distance = zip(ours.weights(at: t), tensor.elements).map { abs($0 - $1) }
      #expect(distance.count == tensor.elements.count && (distance.max() ?? 1) <= 1e-9)
    }
    // Training does what it is for.
    #expect(ours.advance { _ in }.last ?? .nan < first)
  }

  @Test func trainsAsATapeDoes() throws {
    try compare(layers: 6, passes: 3, stepSize: 5e-3)
  }

  @Test func layersBeyondReachAreTooFarToCount() throws {
    // The tape moves all of 45 layers in every stage; here those more than 29 back stay.
    try compare(layers: 45, passes: 2, stepSize: 1e-3)
  }

  /// Seven instances with a matrix of their own each: one that single precision holds, as the authors' do,
  /// or not; of whole vectors or with rows and columns to spare.
  @Test(
    arguments: [
      (layers: 6, passes: 3, stepSize: 5e-3, rows: 8, columns: 9), (45, 2, 1e-3, 8, 9),
      (6, 3, 5e-3, 11, 13), (6, 3, 5e-3, 2, 3),
    ], [1.0, 1 - 1e-9])
  func instancesMayDifferInTheirMatrix(
    _ plan: (layers: Int, passes: Int, stepSize: Double, rows: Int, columns: Int), factor: Double
  ) throws {
    let drawn = try LeastSquares.authors(
      seed: 5, instances: 7, rows: plan.rows, columns: plan.columns)
    #expect(drawn.matrix.blocks.allSatisfy(isSingle))
    let problem = try LeastSquares(
      name: "scaled by \(factor)",
      matrices: drawn.matrix.blocks.map { block in
        Matrix(
          rows: block.rows, columns: block.columns, elements: block.elements.map { factor * $0 })
      },
      target: drawn.target)
    #expect(problem.matrix.blocks.allSatisfy(isSingle) == (factor == 1))
    let weights = try LISTACPSSWOnly.initialParameters(
      for: problem, layers: plan.layers, start: .reference())
    let shrunk = Parameters(
      zip(weights.names, weights.tensors).map { name, tensor in
        (name, Tensor(shape: tensor.shape, elements: tensor.elements.map { 0.1 * $0 }))
      })
    let ours = UnfoldedLayers(
      map: problem.matrix, target: problem.target, weights: shrunk.tensors.map(\.elements),
      stepSize: plan.stepSize)
    try compare(
      ours, from: shrunk, problem, layers: plan.layers, passes: plan.passes,
      stepSize: plan.stepSize)
  }

  private func isSingle(_ matrix: Matrix) -> Bool {
    matrix.elements.allSatisfy { Float(exactly: $0) != nil }
  }

  /// More instances than go side by side, the last of them alone; more rows than whole vectors have.
  @Test func bitsDoNotDependOnThreads() throws {
    let problem = try LeastSquares.authors(seed: 6, instances: 41, rows: 7, columns: 13)
    let weights = try LISTACPSSWOnly.initialParameters(for: problem, layers: 9, start: .reference())
    let trained = [1, 2, 3].map { threads in
      let training = UnfoldedLayers(
        map: problem.matrix, target: problem.target, weights: weights.tensors.map(\.elements),
        stepSize: 1e-3, threads: threads)
      return ([training.advance { _ in }, training.advance { _ in }], training.weights(at: 4))
    }
    #expect(trained[0].0[1][8] < trained[0].0[0][8])
    for other in trained.dropFirst() { #expect(other == trained[0]) }
  }

  /// One matrix, whether all instances are said to have it or each to have one like it.
  @Test func bothWaysAgreeOnOneMatrix() throws {
    let start = Array(repeating: data.matrix.transposed.elements.map { 0.1 * $0 }, count: 5)
    let shared = try UnfoldedLayers(
      matrix: data.matrix, targets: data.targets, weights: start, stepSize: 1e-3)
    let problem = try problem()
    let own = UnfoldedLayers(
      map: problem.matrix, target: problem.target, weights: start, stepSize: 1e-3)
    for (a, b) in zip(shared.advance { _ in }, own.advance { _ in }) {
      #expect(abs(a - b) <= 1e-12 * a)
    }
  }

  @Test func resumedTrainingGivesTheSameBits() throws {
    let start = Array(repeating: data.matrix.transposed.elements.map { 0.1 * $0 }, count: 5)
    func training(_ weights: [[Double]]) throws -> UnfoldedLayers {
      try UnfoldedLayers(
        matrix: data.matrix, targets: data.targets, weights: weights, stepSize: 1e-3)
    }
    let whole = try training(start)
    let first = whole.advance { _ in }
    let resumed = try training((0..<5).map(whole.weights))
    let second = whole.advance { _ in }
    #expect(second != first)
    #expect(resumed.advance { _ in } == second)
    for t in 0..<5 { #expect(resumed.weights(at: t) == whole.weights(at: t)) }
  }

  @Test func stepsBelowThePrecisionOfWeightsAreLeftOut() throws {
    let start = Array(repeating: data.matrix.transposed.elements.map { 0.1 * $0 }, count: 30)
    let precision = Double(Float.ulpOfOne) / 2
    let trained = try [precision, .ulpOfOne / 2].map { precision in
      let training = try UnfoldedLayers(
        matrix: data.matrix, targets: data.targets, weights: start, stepSize: 1e-3,
        precision: precision)
      _ = training.advance { _ in }
      return training
    }
    var distance = 0.0
    for t in 0..<30 {
      for (a, b) in zip(trained[0].weights(at: t), trained[1].weights(at: t)) {
        distance = max(distance, abs(a - b))
      }
    }
    // In two stages steps from η 2⁻²⁴ on downwards are left out, each 0.3 of the one before, not nothing.
    #expect(distance > 0 && distance < 2 / (1 - 0.3) * 1e-3 * precision)
  }

  /// The first layer moves by 1 + 0.2 + 0.02 of η for itself, by 0.3 of the last two for a layer after the one
  /// before, as long as a stage's part is a thousandth of η.
  @Test(arguments: [true, false])
  func aStageMovesWhatItsPrecisionAsksFor(_ shared: Bool) throws {
    let start = Array(repeating: data.matrix.transposed.elements.map { 0.1 * $0 }, count: 8)
    let (stepSize, precision) = (1e-3, 1e-3)
    let problem = try problem()
    let training =
      shared
      ? try UnfoldedLayers(
        matrix: data.matrix, targets: data.targets, weights: start, stepSize: stepSize,
        precision: precision)
      : UnfoldedLayers(
        map: problem.matrix, target: problem.target, weights: start, stepSize: stepSize,
        precision: precision)
    var before = start[0]
    var moves: [Double] = []
    _ = training.advance { _ in
      let now = training.weights(at: 0)
      moves.append(zip(now, before).reduce(0) { max($0, abs($1.0 - $1.1)) })
      before = now
    }
    let parts = [1.22, 0.22, 0.22, 0.2, 0.2, 0, 0, 0]
    for (k, (part, move)) in zip(parts, moves).enumerated() {
      let expected = part * pow(0.3, Double(k)) * stepSize
      #expect(abs(move - expected) <= 1e-4 * expected, "layer \(k + 1)")
    }
  }

  @Test func anInterruptionIsPassedOn() throws {
    struct Stop: Error {}
    let ours = try UnfoldedLayers(
      matrix: data.matrix, targets: data.targets,
      weights: Array(repeating: data.matrix.transposed.elements, count: 3), stepSize: 1e-3)
    var seen: [Int] = []
    #expect(throws: Stop.self) {
      _ = try ours.advance {
        seen.append($0)
        if $0 == 2 { throw Stop() }
      }
    }
    #expect(seen == [1, 2])
  }
}
