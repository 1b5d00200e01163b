import OptCheck
import Testing

@Suite struct TruncatedTrainings {
  func train(
    _ state: inout TruncatedTraining.State, _ plan: TruncatedTraining, problems: Range<Int>,
    threads: Int = 2
  ) throws {
    let rule = try StructuredRules.rule("PA", .paper)
    let source = FreshProblems(
      .lasso, size: .init(instances: 3, rows: 10, columns: 120, sparsity: 3), weight: 0.1, seed: 7)
    for k in problems {
      let problem = try source.training(k)
      func advance(_ problem: some LinearModelProblem) {
        plan.advance(
          &state, rule, on: problem, from: Vector(zeros: problem.dimension), seed: UInt64(k),
          threads: threads)
      }
      advance(problem)
    }
  }

  let plan = TruncatedTraining(stepSize: 1e-2, horizon: 13, segment: 4, clipNorm: 1)

  func start() throws -> TruncatedTraining.State {
    plan.initialState(try StructuredRules.rule("PA", .paper).parameters)
  }

  @Test func goesOnWhereItStopped() throws {
    var (whole, parts) = (try start(), try start())
    try train(&whole, plan, problems: 0..<4)
    try train(&parts, plan, problems: 0..<2)
    let copy = parts
    parts = copy
    try train(&parts, plan, problems: 2..<4)
    #expect(whole == parts)
    // 13 steps are three whole segments.
    #expect(whole.losses.count == 12 && whole.problems == 4)
  }

  @Test func threadsChangeNothing() throws {
    var (one, many) = (try start(), try start())
    try train(&one, plan, problems: 0..<2, threads: 1)
    try train(&many, plan, problems: 0..<2, threads: 3)
    #expect(one == many)
  }

  @Test func divergenceKeepsTheLastGoodWeights() throws {
    // Without a bounded map a huge training step makes huge steps of the rule.
    let architecture = RecurrentParts.Architecture(
      network: RecurrentNetwork(hidden: 4), heads: [.p: .init(.identity)])
    let rule = CoordMathLSTM(
      try RecurrentParts(architecture, parameters: architecture.initialParameters(seed: 5)))
    let plan = TruncatedTraining(stepSize: 1e80, horizon: 8, segment: 4)
    let problem = try Lasso.generated(
      seed: 1, size: .init(instances: 2, rows: 5, columns: 10, sparsity: 2))
    var state = plan.initialState(rule.parameters)
    plan.advance(&state, rule, on: problem, from: Vector(zeros: problem.dimension), seed: 1)
    #expect(state.stop == .nonFinite(step: 1))
    #expect(state.losses.count == 2 && state.problems == 0)
    #expect(state.parameters.isFinite && state.optimizer.step == 1)
  }

  @Test func theBestWeightsAreChosen() throws {
    var state = try start()
    state.problems = 1
    state.validate(2)
    state.parameters.tensors[0].elements[0] = 7
    state.problems = 2
    state.validate(1)
    state.parameters.tensors[0].elements[0] = 8
    state.problems = 3
    state.validate(1.5)
    #expect(state.chosen.tensors[0].elements[0] == 7)
    #expect(state.validationsSinceBest == 1)
    #expect(state.best?.problems == 2)
  }
}
