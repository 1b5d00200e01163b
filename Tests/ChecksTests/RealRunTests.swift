import Checks
import Foundation
import OptCheck
import Testing

/// The checks of descent and training on runs of the catalogue's rules.
@Suite struct RealRunTests {
  private static func published() throws -> LeastSquares {
    try LeastSquares.authors(seed: 895, instances: 32, rows: 25, columns: 32)
  }

  /// ‖X*_i‖² of the minimiser closest to 0, by LAPACK's least-norm solution, block by block.
  private static func squaredDistances(_ problem: LeastSquares) throws -> [Double] {
    let b = problem.rowsPerInstance
    return try problem.matrix.blocks.enumerated().map { i, block in
      let target = Vector(Array(problem.target.elements[(i * b)..<((i + 1) * b)]))
      let point = try block.minimumNormSolution(target)
      return point.dot(point)
    }
  }

  /// A run in the Gram form, checked with values and gradients in the residual form.
  @Test(arguments: [StepRule.theory, .reference], [1.0, 1.9])
  func gradientDescent(stepRule: StepRule, relaxation: Double) throws {
    let problem = try Self.published()
    var witness = problem
    witness.gradientForm = .residual
    let rule = GradientDescent(stepRule: stepRule, relaxation: relaxation)
    let run = unroll(
      rule, on: problem, from: Vector(zeros: 1024), horizon: 20, recordingIterates: true)
    let scales = Vector([Double](repeating: relaxation, count: 1024))
    var subject = ScaledGradientRun(
      label: rule.name, problem: witness, stepSizes: stepRule.stepSizes(for: problem),
      iterates: run.iterates, scales: [Vector](repeating: scales, count: 20))
    let told = DescentCheck().run(subject)
    #expect(told.verdict == .holds, "\(told)")
    subject.scales = nil
    let untold = DescentCheck().run(subject)
    #expect(untold.verdict == .holds, "\(untold)")
    // The margin at its least: p (1 - s β p / 2) with the largest s β.
    let product = stepRule == .theory ? 1 : 0.9999
    let margin = try #require(told.numbers["minMargin"])
    #expect(abs(margin - relaxation * (1 - product * relaxation / 2)) <= 1e-12)
  }

  @Test(arguments: [StepRule.theory, .reference])
  func gradientDescentBound(stepRule: StepRule) throws {
    let problem = try Self.published()
    let run = unroll(
      GradientDescent(stepRule: stepRule), on: problem, from: Vector(zeros: 1024), horizon: 20)
    let result = GradientDescentBoundCheck().run(
      DescentRun(
        label: "published", stepRule: stepRule.name, isTheoryStep: stepRule == .theory,
        coordinatesPerInstance: 32, smoothness: problem.smoothness,
        stepSizes: stepRule.stepSizes(for: problem),
        squaredDistances: try Self.squaredDistances(problem), values: run.totals))
    #expect(result.verdict == .holds, "\(result)")
    let slacks = try ["quadratic", "smoothConvex", "paper"].map {
      try #require(result.numbers[$0 + "Slack"])
    }
    #expect(slacks == slacks.sorted(), "a sharper bound has more slack: \(slacks)")
    #expect(slacks[0] > 0)
  }

  /// A learned rule away from its initialisation, its P recomputed from its network, and withheld.
  @Test(arguments: [1.0, 1e4])
  func learnedRule(spread: Double) throws {
    let problem = try LeastSquares.generated(
      seed: 4, instances: 3, rows: 5, columns: 8, gradientForm: .residual)
    let architecture = CoordMathDNN.Architecture(widths: [2, 64])
    var weights = try CoordMathDNN.initialParameters(architecture, .qr, scale: 2, seed: 5)
    var rng = SplitMix64(seed: 6)
    weights.tensors[2].elements = weights.tensors[2].elements.map { _ in spread * rng.normal() }
    let rule = try CoordMathDNN(architecture: architecture, parameters: weights)
    let run = unroll(
      rule, on: problem, from: Vector(zeros: 24), horizon: 30, recordingIterates: true)
    let scales = run.iterates.dropLast().map { x in
      let z = rule.network.output(gradient: problem.gradient(at: x), x: x)
      return Vector(z.elements.map { 2 / (1 + exp(-$0)) })
    }
    var subject = ScaledGradientRun(
      label: rule.name, problem: problem, stepSizes: StepRule.theory.stepSizes(for: problem),
      iterates: run.iterates, scales: scales)
    let told = DescentCheck().run(subject)
    #expect(told.verdict == .holds, "\(told)")
    subject.scales = nil
    let untold = DescentCheck().run(subject)
    #expect(untold.verdict == .holds, "\(untold)")
    // With weights this large P saturates and nothing is left of the margin.
    let saturated = try #require(told.numbers["saturated"])
    #expect((saturated > 0) == (spread > 1))
  }

  /// Networks trained at sizes where α₀ can be positive: the theorem's whole chain.
  ///
  /// Under Y -> c Y the slopes 2 and 4 hold to relative O(c²), 1e-2 at the largest c.
  @Test func theoremOnSmallRuns() throws {
    var tested = 0
    for seed: UInt64 in 1...3 {
      var samples: [RateScaling.Sample] = []
      for scale in [1, 0.1, 0.03, 0.01] {
        let record = try Self.train(seed: seed, dataScale: scale)
        let result = TrainingBoundCheck().run(record)
        let isPositive = record.resolvedSingularValue > 0
        #expect([.holds, .holdsVacuously].contains(result.verdict), "\(result)")
        #expect(isPositive || result.verdict == .holdsVacuously, "\(result)")
        guard isPositive, scale < 1 else { continue }
        samples.append(
          RateScaling.Sample(
            scale: scale, log10Rate: TrainingBound(record).logRate / log(10),
            firstRelativeDecrease: try #require(record.firstDecrease) / record.losses[0]))
      }
      guard !samples.isEmpty else { continue }
      tested += 1
      let scaling = RateScaling(samples)
      #expect(abs(scaling.boundSlope - 2) <= 1e-2)
      #expect(abs(scaling.decreaseSlope - 4) <= 1e-2)
      #expect(try #require(scaling.crossing) < 0.01)
    }
    #expect(tested > 0, "α₀ = 0 in every run: the theorem went untested")
  }

  /// A loss that falls as the theorem says must not hide a bound computed by another formula.
  @Test func constantsByHand() {
    let sigmoid = { (s: Double) in 1 / (1 + exp(-s)) }
    let record = TrainingRecord(
      label: "by hand", stepRule: .reference, unknowns: 4, rows: 3, instances: 2, horizon: 5,
      widths: [16], scale: 1, stepSize: 0.05, smoothness: [1, 0.64], smallestCurvature: 0.5,
      startNorm: 0.25, startResidual: 0.1, squaredDistance: 8, smallestSingularValue: 0.5,
      largestSingularValue: 2, rank: 8, deadFraction: 0, layerNorms: [1, 0],
      travelled: [0.5, 0.75], losses: [1, 0.9], gradientDescentValue: 1,
      stop: .horizonReached(1))
    let bound = TrainingBound(record)
    let delta3 = 0.25 + (8 / 0.8 + 1) * 0.1
    #expect(abs(bound.inputBound - delta3) <= 1e-15 * 8)
    let s = delta3 * 1.5 * 0.75
    let rate = 4 * 0.05 * 0.25 * sigmoid(s) * (1 - sigmoid(s)) * 0.25
    #expect(abs(exp(bound.logRate) - rate) <= 1e-14 * rate)
    #expect(abs(bound.logContraction - log(1 - rate)) <= 1e-14)
    var large = record
    large.layerNorms = [1e4, 0]
    large.smallestSingularValue = 1e-9
    // δ₄ ~ e^{-10^4}: below the least double, yet its logarithm is exact.
    let far = TrainingBound(large)
    let exponent = delta3 * (1e4 + 0.5) * 0.75
    #expect(abs(far.logSlope + exponent) <= 1e-12 * exponent)
    #expect(exp(far.logRate) == 0 && far.logRate.isFinite && far.logDecay == far.logRate)
  }

  private static func train(seed: UInt64, dataScale: Double) throws -> TrainingRecord {
    let (instances, d, b, horizon) = (2, 4, 3, 5)
    let base = try LeastSquares.generated(
      seed: seed, instances: instances, rows: b, columns: d, smoothness: 1, curvature: 0.3)
    let problem = try LeastSquares(
      matrices: base.matrix.blocks, target: Vector(base.target.elements.map { $0 * dataScale }))
    let n = problem.dimension
    let architecture = CoordMathDNN.Architecture(widths: [64])
    let w0 = try CoordMathDNN.initialParameters(architecture, .qr, scale: 1, seed: seed)
    var rule = try CoordMathDNN(architecture: architecture, parameters: w0, evaluator: .dense)
    let start = Vector(zeros: n)
    let objective = try rule.metaObjective(on: problem, from: start, horizon: horizon, loss: .last)
    let plan = MetaTraining(stepSize: 1e-2, stepsPerEpoch: 200)
    var state = plan.initialState(w0)
    var memory = MetaTraining.Memory(for: w0)
    var travelled = [0.0, 0]
    var residuals: [Vector] = []
    let run = unroll(
      rule, on: problem, from: start, horizon: horizon, recordingIterates: true)
    let input = run.iterates[horizon - 1]
    let hidden = rule.network.lastHidden(gradient: problem.gradient(at: input), x: input)
    let sigma = try hidden.singularValues().elements
    while !state.isFinished(plan) {
      if residuals.count < 2 {
        rule.parameters = state.parameters
        let end = unroll(
          rule, on: problem, from: start, horizon: horizon, recordingIterates: true)
        residuals.append(problem.residual(at: end.iterates[horizon]))
      }
      plan.advance(&state, objective, memory: &memory)
      for l in 0..<2 {
        var change = state.parameters.tensors[l].matrix
        for (i, entry) in w0.tensors[l].elements.enumerated() { change.elements[i] -= entry }
        travelled[l] = max(travelled[l], try change.spectralNorm())
      }
    }
    let sum = residuals[0].moved(1, residuals[1])
    let zero = Vector(Array(repeating: 0, count: n))
    let startResidual = problem.residual(at: zero).norm
    return TrainingRecord(
      label: "seed \(seed), Y times \(dataScale)", stepRule: .theory, unknowns: d, rows: b,
      instances: instances, horizon: horizon, widths: architecture.widths, scale: 1,
      stepSize: plan.stepSize, smoothness: problem.smoothness,
      smallestCurvature: try problem.smallestCurvature(), startNorm: 0,
      startResidual: startResidual,
      squaredDistance: try squaredDistances(problem).reduce(0, +),
      smallestSingularValue: sigma.count == n ? sigma[n - 1] : 0,
      largestSingularValue: sigma[0], rank: try hidden.rank(), deadFraction: 0,
      layerNorms: try w0.tensors.map { try $0.matrix.spectralNorm() }, travelled: travelled,
      losses: state.losses, gradientDescentValue: run.totals[horizon],
      firstDecrease: (residuals[0] - residuals[1]).dot(sum) / 2,
      stop: .horizonReached(plan.stepCount))
  }
}

/// The authors' training curves, float32, as far as they are at hand.
@Suite struct AuthorsCurves {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../../shared/reference/training").standardized

  private static func curve(_ file: String, _ column: String) throws -> [Double] {
    let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
    let rows = text.split(whereSeparator: \.isNewline).map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    let index = try #require(rows.first?.firstIndex { $0 == column })
    return rows.dropFirst().compactMap { $0.count > index ? Double($0[index]) : nil }
  }

  /// To first order in η, 1 - q = η ‖∇F‖² / F: a tenth of η has a tenth of the rate.
  @Test(
    .enabled(if: FileManager.default.fileExists(atPath: folder.path), "needs ../shared"))
  func smallStepsAreLinear() throws {
    let rates = try ["e5_lr0.000001", "e5_lr0.0000001"].map { column in
      let analysis = RateAnalysis(try Self.curve("official3225_N32T100_e5.csv", column))
      #expect(analysis.regime == .linear)
      return try #require(analysis.rate)
    }
    #expect(rates[0].lower <= 10 * rates[1].upper && 10 * rates[1].lower <= rates[0].upper)
  }

  @Test(
    .enabled(if: FileManager.default.fileExists(atPath: folder.path), "needs ../shared"),
    arguments: ["e50_lr0.001", "e50_lr0.0001"])
  func largeStepsGrow(column: String) throws {
    let values = try Self.curve("note3220_N10T20_e50.csv", column)
    #expect(RateAnalysis(values).regime == .diverging)
  }
}
