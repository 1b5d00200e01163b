import OptCheck
import TestSupport
import Testing

@testable import Experiments

/// What experiments train, and from where.
@Suite struct ExperimentTrainings {
  @Test func aTrainingThatIsCutAnywhereHasTheLossesOfOneThatIsNot() throws {
    struct Stop: Error {}
    var setting = TrainingSetting(horizon: 3, scale: 2, metaStepSize: 1e-3)
    (setting.instances, setting.rows, setting.columns, setting.width) = (2, 4, 6, 8)
    let problem = try setting.problem()
    let rule = try setting.rule()
    func objective() throws -> any MetaObjective {
      try rule.metaObjective(
        on: problem, from: Vector(zeros: problem.dimension), horizon: 3, loss: .last)
    }
    for stepSize in [1e-3, .infinity] {
      let plan = MetaTraining(stepSize: stepSize, stepsPerEpoch: 9)
      let uncut = plan.train(rule.parameters, try objective())
      let whole = uncut.losses
      let trained = try plan.trained(from: rule.parameters, objective(), RunProgress())
      #expect(trained.losses.count == whole.count && trained.weights != rule.parameters)
      if stepSize.isFinite { #expect(trained.weights == uncut.parameters) }
      // The second one leaves the finite numbers.
      #expect(
        stepSize.isFinite
          ? whole.count == 9 && Set(whole).count == 9 : whole.count < 9, "\(whole)")
      for cut in 1...9 {
        var left: [String: Tensor]?
        var ours: [Double]?
        let first = RunProgress(
          tell: { if $0 >= Double(cut) / 9 { throw Stop() } }, keep: { left = $0 })
        do { ours = try plan.losses(from: rule.parameters, objective(), first) } catch is Stop {
          ours = try plan.losses(from: rule.parameters, objective(), RunProgress(interim: left))
        }
        #expect(ours?.map(\.bitPattern) == whole.map(\.bitPattern), "cut at \(cut)")
        #expect((left == nil) == (cut >= whole.count))
      }
    }
  }

  /// The scripts' LISTA-CPSS: the loss after its first step against its rule, unrolled by another code path
  /// with the weights of that step.
  @Test func theScriptsTrainingIsThatOfItsRule() throws {
    struct Stop: Error {}
    let run = try #require(
      ScriptExperiment().experiment.runs.first { $0.id.hasPrefix("LISTA-CPSS, matrices only") })
    var states: [[String: Tensor]] = []
    let progress = RunProgress(
      interval: .zero, tell: { if $0 * 5000 > 1.5 { throw Stop() } }, keep: { states.append($0) })
    #expect(throws: Stop.self) { try run.body(progress) }
    let losses = try #require(states.last?["optcheck.losses"]?.elements)
    let weights = Parameters(
      try (0..<100).map { ("We.\($0)", try #require(states.first?["We.\($0)"])) })
    let problem = try LeastSquares.authors(
      seed: 895, instances: 10, rows: 400, columns: 512, matricesFirst: true)
    let totals = unroll(
      try LISTACPSSWOnly(layers: 100, parameters: weights), on: problem,
      from: Vector(zeros: problem.dimension), horizon: 100
    ).totals
    try #require(states.count == 2 && losses.count == 2)
    #expect(abs(totals[100] - losses[1]) <= 1e-10 * losses[1])
    #expect(losses[1] < losses[0] && losses[0] < totals[0])
  }

  /// Where the scripts' LISTA-CPSS starts, by the class's own start with the unscaled matrix as dictionary.
  @Test func theScriptsStartIsTheMeanOverUnscaledMatrices() throws {
    let one = try LeastSquares.authorsOneMatrix(seed: 5, instances: 3, rows: 4, columns: 8)
    let problem = try LeastSquares(
      name: "one", matrices: [one.matrix],
      target: Vector(Array(one.targets.elements.prefix(4))))
    let expected = try LISTACPSSWOnly.initialParameters(
      for: problem, layers: 2, start: .reference(), dictionary: one.unscaled)
    func start(_ instances: Int) throws -> Parameters {
      try LISTACPSSWOnly.scriptStart(seed: 5, instances: instances, rows: 4, columns: 8, layers: 2)
    }
    let ours = try start(1)
    #expect(ours.names == expected.names)
    for (a, b) in zip(ours.tensors, expected.tensors) {
      for (a, b) in zip(a.elements, b.elements) { #expect(abs(a - b) <= 1e-14) }
    }
    // Two matrices: the mean of what each has alone, of which the second is the rest.
    var stream = ReferenceStream(seed: 5)
    let draws = stream.normal(count: 64)
    let second = Matrix(rows: 4, columns: 8, elements: Array(draws[32...]))
    let sigma = try #require(second.singularValues().elements.first)
    let both = try start(2).tensors[0].elements
    let alone = ours.tensors[0].elements
    for (k, entry) in second.transposed.elements.enumerated() {
      #expect(abs(both[k] - (alone[k] + 0.9999 / (sigma * sigma) * entry) / 2) <= 1e-13)
    }
  }

  /// Iterates in single precision are those of the rule, each rounded before the next step.
  @Test func singlePrecisionRoundsEveryIterate() throws {
    let problem = try LeastSquares.authors(seed: 5, instances: 2, rows: 4, columns: 8)
    let rule = Adam(stepRule: .constant(1e-2), beta1: 0.9, beta2: 0.999)
    let single = SinglePrecision(rule: rule)
    var (x, state) = (Vector(zeros: 16), single.initialState(for: problem))
    var (expected, own) = (x, rule.initialState(for: problem))
    for _ in 0..<3 {
      single.step(&x, &state, on: problem)
      rule.step(&expected, &own, on: problem)
      #expect(expected.elements.contains { Double(Float($0)) != $0 })
      expected = Vector(expected.elements.map { Double(Float($0)) })
      #expect(x == expected)
    }
  }

  /// The start without a fixed matrix: one draw, the next of the stream, for all layers; matrices that were drawn
  /// before are passed over word by word.
  @Test func theBlindStartIsOneDrawForAllLayers() {
    var stream = ReferenceStream(seed: 895)
    for _ in 0..<64 { _ = stream.rawWord() }
    let weights = LISTACPSSWOnly.blindStart(&stream, rows: 4, columns: 8, layers: 3)
    var other = ReferenceStream(seed: 895)
    _ = other.normal(count: 64)
    let draw = other.normal(count: 32).map { $0 / 1024 }
    #expect(weights.names == ["We.0", "We.1", "We.2"])
    #expect(weights.tensors.allSatisfy { $0.shape == [1, 8, 4] && $0.elements == draw })
    #expect(stream == other)
  }

  /// Math-L2O as the authors train it: the first losses against runs of the rule, step by step, from states
  /// that are read out of the stream here, in PyTorch's order; and the second one again after a cut.
  @Test func mathL2OBeginsEveryTrainingStepWithStatesOfItsOwn() throws {
    struct Stop: Error {}
    let run = try #require(
      BaselineExperiments(published: .load(from: Fixtures.published)).all[0].runs.first {
        $0.id.contains("extra heads") && $0.id.contains("T = 5,")
      })
    func states(after steps: Int, from interim: [String: Tensor]? = nil) -> [[String: Tensor]] {
      var states: [[String: Tensor]] = []
      let progress = RunProgress(
        interim: interim, interval: .zero,
        tell: { if $0 * 401 > Double(steps) - 0.5 { throw Stop() } },
        keep: { states.append($0) })
      #expect(throws: Stop.self) { _ = try run.body(progress) }
      return states
    }
    let left = states(after: 3)
    try #require(left.count == 3)
    let losses = try #require(left[2]["optcheck.losses"]?.elements)

    let problem = try LeastSquares.authors(seed: 895, instances: 10, rows: 400, columns: 512)
    let architecture = RecurrentParts.Architecture.paperABaseline([.p: .init(.twiceSigmoid)])
    var stream = ReferenceStream(seed: 118)
    let first = architecture.initialParameters(&stream)
    #expect(first == architecture.initialParameters(seed: 118))
    for k in 0..<3 {
      let weights =
        try k == 0
        ? first
        : Parameters(first.names.map { ($0, try #require(left[k - 1][$0])) })
      let rule = CoordMathLSTM(
        try RecurrentParts(architecture, parameters: weights), form: .reference,
        stepRule: .reference)
      let (h, c) = (stream.normal(count: 2 * 5120 * 20), stream.normal(count: 2 * 5120 * 20))
      var state = FormulaState(
        stepSizes: rule.stepRule.stepSizes(for: problem),
        carry: rule.initialCarry(for: problem, seed: 0))
      for layer in 0..<2 {
        for unit in 0..<20 {
          for r in 0..<5120 {
            let place = (layer * 5120 + r) * 20 + unit
            state.carry[1].matrix[20 * layer + unit, r] = h[place]
            state.carry[1].matrix[20 * (2 + layer) + unit, r] = c[place]
          }
        }
      }
      var x = Vector(zeros: problem.dimension)
      for _ in 0..<5 { rule.step(&x, &state, on: problem) }
      let value = problem.values(at: x).reduce(0, +)
      #expect(abs(value - losses[k]) <= 1e-10 * value, "step \(k): \(losses[k]), \(value)")
    }
    let goesOnAlike = states(after: 3, from: left[1]).last == left[2]
    #expect(goesOnAlike)
  }

  /// States are drawn for a step whose weights no update has changed, too.
  @Test func statesAreDrawnWhereWeightsStay() throws {
    let problem = try LeastSquares.authors(seed: 5, instances: 2, rows: 4, columns: 6)
    let architecture = RecurrentParts.Architecture(
      network: RecurrentNetwork(hidden: 3), heads: [.p: .init()])
    let rule = CoordMathLSTM(
      try RecurrentParts(architecture, parameters: architecture.initialParameters(seed: 5)))
    let objective = FormulaObjective(
      rule, on: problem, from: Vector(zeros: problem.dimension), horizon: 2,
      loss: .objective([0, 1]))
    let states = DrawnStates(
      architecture.network, coordinates: problem.dimension, ReferenceStream(seed: 5))
    let losses = try MetaTraining(stepSize: 0, stepsPerEpoch: 4)
      .losses(from: rule.parameters, objective, states, RunProgress())
    #expect(Set(losses).count == 4, "\(losses)")
  }

  /// The authors' layer-wise training: cut after a pass it goes on with the same bits, and what its curves show
  /// of the losses of all layers are those of one pass, or the last one of each.
  @Test func layerwiseTrainingGoesOnAndShowsItsLastLayer() throws {
    struct Stop: Error {}
    let problem = try LeastSquares.authors(seed: 5, instances: 3, rows: 4, columns: 6)
    let start = try LISTACPSSWOnly.initialParameters(
      for: problem, layers: LayerwiseScript.layers, start: .reference())
    func train(
      _ progress: RunProgress
    ) throws -> (weights: Parameters, losses: [Double]) {
      try LayerwiseScript.train(start, passes: 3, progress) { weights in
        UnfoldedLayers(
          map: problem.matrix, target: problem.target, weights: weights, stepSize: 1e-3)
      }
    }
    let whole = try train(RunProgress())
    #expect(whole.losses.count == 300 && whole.weights != start)
    var left: [String: Tensor]?
    let first = RunProgress(
      interval: .zero, tell: { if $0 > 0.4 { throw Stop() } }, keep: { left = $0 })
    #expect(throws: Stop.self) { _ = try train(first) }
    #expect(left?["optcheck.losses"]?.elements.count == 100)
    let resumed = try train(RunProgress(interim: left))
    #expect(resumed.losses == whole.losses && resumed.weights == whole.weights)

    let plots = try SeparateLayersExperiment(
      published: .load(from: Fixtures.published)
    ).all.map { try #require($0.curves.first) }
    let numbers = (1...5000).map(Double.init)
    let (pass, all) = (plots[0], plots[1])
    #expect(all.values([numbers]) == (1...50).map { 100 * Double($0) })
    #expect(all.published?.first == 297514 && all.published?.last == 202829)
    let losses = Array(numbers.prefix(100))
    #expect(pass.values([losses]) == losses)
    let published = try #require(pass.published)
    let silent = published.dropLast().allSatisfy(\.isNaN)
    #expect(silent && published.last == 297514)
  }

  /// A test on the matrix of the training has points of its own.
  @Test func oneMatrixWithOtherPoints() throws {
    func draw(_ pointSeed: UInt64?) throws -> (unscaled: Matrix, matrix: Matrix, targets: Matrix) {
      try LeastSquares.authorsOneMatrix(
        seed: 5, instances: 3, rows: 4, columns: 8, pointSeed: pointSeed)
    }
    let (training, test) = try (draw(nil), draw(9))
    #expect(test.matrix == training.matrix && test.targets != training.targets)
    #expect(try draw(5).targets == training.targets)
    let other = try LeastSquares.authorsOneMatrix(seed: 9, instances: 3, rows: 4, columns: 8)
    #expect(other.matrix != test.matrix)
  }

  /// Training from X_0 = N(0, I) + 100: at first weights the rule is gradient descent from there.
  @Test func theFarStartIsTheOneThatIsNamed() throws {
    let experiment = try #require(
      allExperiments(PublishedCurves.load(from: Fixtures.published), trained: Fixtures.trained)
        .first { $0.name == "start-100" })
    struct Stop: Error {}
    let problem = try LeastSquares.authors(seed: 895, instances: 32, rows: 25, columns: 32)
    var stream = ReferenceStream(seed: 895)
    let start = Vector(stream.normal(count: 32 * 32).map { $0 + 100 })
    let totals = unroll(
      GradientDescent(stepRule: .reference), on: problem, from: start, horizon: 20
    ).totals
    var setting = TrainingSetting(horizon: 20, scale: 50, metaStepSize: 1e-3)
    setting.steps = 1
    let losses = try setting.farLossRun.body(RunProgress())
    #expect(losses.count == 1 && abs(losses[0] - totals[20]) <= 1e-10 * totals[20])
    #expect(try setting.lossRun.body(RunProgress()) != losses)
    // A start of its own is a run of its own.
    #expect(experiment.runs.count == 5 && experiment.runs.allSatisfy { $0.id.contains("+ 100") })
  }

  /// The smallest of the authors' own rule, beside gradient descent unrolled by another code path.
  @Test func aTrainingCurveStartsAtGradientDescent() throws {
    var setting = TrainingSetting(horizon: 10, scale: 2000, metaStepSize: 1e-3)
    setting.steps = 101
    let problem = try setting.problem()
    let descent = unroll(
      GradientDescent(stepRule: .reference), on: problem, from: Vector(zeros: problem.dimension),
      horizon: 10)
    let known = allExperiments(
      try PublishedCurves.load(from: Fixtures.published), trained: Fixtures.trained)
    let experiment = try #require(known.first { $0.name == "e2000-T10" })
    let run = try #require(experiment.runs.first)
    #expect(run.id.contains("--e 2000") && run.id.contains("--optimizer-training-steps 10"))
    let result = try TrainingRun.run(setting)
    // Gram and residual form of one loss.
    #expect(abs(result.losses[0] / descent.totals[10] - 1) < 1e-12)
  }
}
