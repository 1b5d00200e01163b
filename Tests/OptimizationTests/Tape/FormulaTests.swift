import Foundation
import OptCheck
import Testing

@testable import Engine
@testable import Optimization

/// A small rule with everything that can go wrong: a carry along each axis, a stop-gradient, a kink,
/// a prox, a step index.
struct ToyRule: FormulaRule {
  let name = "toy"
  var parameters: Parameters
  var stepRule = StepRule.instance

  init(seed: UInt64 = 1) {
    var rng = SplitMix64(seed: seed)
    parameters = Parameters([
      ("mix", Tensor(rng.matrix(2, 2) { 0.3 * $0.normal() })),
      ("bias", Tensor(shape: [2], elements: rng.vector(2).elements)),
      ("momentum", Tensor(0.3)),
    ])
  }

  func initialCarry(for problem: any Problem, seed: UInt64) -> [Carry] {
    var rng = SplitMix64(seed: seed)
    return [
      Carry(rng.matrix(2, problem.dimension), along: .columns),
      Carry(
        Matrix(zeros: problem.instanceCount, problem.coordinatesPerInstance), along: .rows),
    ]
  }

  func step(
    _ x: Traced, _ carry: [Traced], _ context: FormulaContext
  ) -> (x: Traced, carry: [Traced]) {
    let n = x.rows * x.columns
    let g = context.problem.gradient(at: x)
    let features = Traced.stack([g.reshaped(1, n).stopped, x.reshaped(1, n)])
    let hidden = (context["mix"].times(features + carry[0]) + context["bias"]).relu
    let scale = hidden.columnSums.sigmoid.reshaped(x.rows, x.columns)
    let move = context["momentum"] * carry[1] - scale * context.stepSizes * g
    let next = context.problem.prox(x + move, steps: scale * context.stepSizes)
    return (next, [hidden.tanh, move / Double(context.index + 1)])
  }
}

@Suite struct FormulaObjectives {
  /// A step of an unfolded rule needs the weights of one layer, and copies no others.
  @Test func onlyWeightsThatAreAskedForAreCopied() {
    let parameters = Parameters(
      (0..<100).map {
        ("We.\($0)", Tensor(shape: [1, 3, 4], elements: .init(repeating: Double($0), count: 12)))
      })
    let tape = Tape()
    let weights = TracedWeights(parameters, on: tape)
    let one = weights["We.7"]
    #expect(one?.value.elements == Array(repeating: 7, count: 12))
    let bytes = tape.byteCount
    #expect(tape.count == 1 && bytes < 3 * 12 * 8)
    // Asked for again it is the same variable, so that its cotangent is one.
    #expect(weights["We.7"]?.index == one?.index && tape.byteCount == bytes)
    #expect(weights.has("We.99") && !weights.has("We.100") && weights["We.100"] == nil)
    #expect(weights.all.map { $0.value.elements[0] } == (0..<100).map(Double.init))
    #expect(tape.count == 100)
  }

  static func problem(instances: Int = 5) throws -> Lasso {
    try Lasso.generated(
      seed: 3, size: .init(instances: instances, rows: 40, columns: 90, sparsity: 4), weight: 0.05)
  }

  func objective(
    _ rule: ToyRule, _ problem: Lasso, horizon: Int = 7, loss: MetaLoss = .mean
  ) -> FormulaObjective<ToyRule> {
    FormulaObjective(
      rule, on: problem, from: Vector(zeros: problem.dimension), horizon: horizon,
      loss: .objective(loss.weights(horizon: horizon)))
  }

  @Test(arguments: ["mix", "bias", "momentum", nil] as [String?])
  func gradientHolds(_ block: String?) throws {
    let (rule, problem) = (ToyRule(), try Self.problem(instances: 2))
    let result = GradientCheck().run(
      .init(label: "toy", parameters: rule.parameters, block: block) {
        FormulaObjective(
          rule, on: problem, from: Vector(zeros: problem.dimension), horizon: 6,
          loss: .objective(MetaLoss.weightedSum.weights(horizon: 6)))
      })
    #expect(result.verdict == .holds, "\(result.reason)")
  }

  /// The gradient of the distance to a point, against differences of the loss itself.
  @Test func distanceToAPoint() throws {
    let (rule, problem) = (ToyRule(), try Self.problem(instances: 2))
    let target = try #require(problem.generatingPoint)
    let result = GradientCheck().run(
      .init(label: "toy", parameters: rule.parameters) {
        FormulaObjective(
          rule, on: problem, from: Vector(zeros: problem.dimension), horizon: 4,
          loss: .distance(to: target))
      })
    #expect(result.verdict == .holds, "\(result.reason)")
  }

  @Test func recomputedIsStored() throws {
    let (rule, problem) = (ToyRule(), try Self.problem())
    let (stored, recomputed) = (
      objective(rule, problem, horizon: 23), objective(rule, problem, horizon: 23)
    )
    recomputed.storedSteps = 4
    var (a, b) = (rule.parameters.zeros, rule.parameters.zeros)
    let (first, second) = (
      stored.evaluate(rule.parameters, gradient: &a),
      recomputed.evaluate(rule.parameters, gradient: &b)
    )
    // The same operations on the same numbers; only the sums over stretches are ordered anew.
    #expect(abs(first.loss - second.loss) <= 64 * first.loss.ulp)
    #expect(first.finalValue == second.finalValue)
    b.add(-1, a)
    #expect(b.norm <= 1e-13 * a.norm, "\(b.norm) of \(a.norm)")
  }

  @Test func forwardModeAgrees() throws {
    let (rule, problem) = (ToyRule(), try Self.problem())
    let objective = objective(rule, problem)
    var gradient = rule.parameters.zeros
    _ = objective.evaluate(rule.parameters, gradient: &gradient)
    let direction = ToyRule(seed: 9).parameters
    let slope = objective.derivative(at: rule.parameters, along: direction)
    let product = gradient.dot(direction)
    #expect(abs(slope - product) <= 1e-12 * max(abs(product), gradient.norm * direction.norm))
  }

  @Test func threadsChangeNothing() throws {
    let (rule, problem) = (ToyRule(), try Self.problem(instances: 9))
    let results = [1, 2, 5].map { threads in
      let objective = objective(rule, problem)
      objective.threads = threads
      var gradient = rule.parameters.zeros
      let (evaluation, end) = objective.segment(rule.parameters, gradient: &gradient)
      return (evaluation, end, gradient)
    }
    for other in results.dropFirst() {
      #expect(other.0 == results[0].0)
      #expect(other.1 == results[0].1)
      #expect(other.2 == results[0].2)
    }
  }

  /// Two segments of 3 and 4 steps end where one of 7 does.
  @Test func segmentsChain() throws {
    let (rule, problem) = (ToyRule(), try Self.problem())
    var unused = rule.parameters.zeros
    let whole = objective(rule, problem, horizon: 7).segment(rule.parameters, gradient: &unused)
    let first = objective(rule, problem, horizon: 3)
    let middle = first.segment(rule.parameters, gradient: &unused).end
    let second = objective(rule, problem, horizon: 4)
    second.start = middle
    let end = second.segment(rule.parameters, gradient: &unused).end
    #expect(middle.index == 3)
    #expect(end == whole.end)
  }

  /// Running as an ordinary rule, in groups, and on the tape: the same iterates.
  @Test func unrollsAlike() throws {
    let (rule, problem) = (ToyRule(), try Self.problem(instances: 4))
    let objective = objective(rule, problem)
    let grouped = objective.unroll(rule.parameters)
    let plain = unroll(
      rule, on: problem, from: Vector(zeros: problem.dimension), horizon: 7,
      recordingIterates: true)
    #expect(grouped.iterates == plain.iterates)
    #expect(grouped.values == plain.values)
    var unused = rule.parameters.zeros
    #expect(
      objective.segment(rule.parameters, gradient: &unused).end.x == plain.iterates.last)
  }

  @Test func divergenceIsSeen() throws {
    var rule = ToyRule()
    rule.stepRule = .constant(1e200)
    let problem = try Self.problem()
    var gradient = rule.parameters.zeros
    let evaluation = objective(rule, problem).evaluate(rule.parameters, gradient: &gradient)
    #expect(evaluation.firstNonFinite != nil)
  }

  @Test func aCrossedKinkIsSeen() throws {
    let (rule, problem) = (ToyRule(), try Self.problem(instances: 2))
    let objective = objective(rule, problem, horizon: 1)
    // With one step nothing stopped depends on the weights, so pieces differ in kinks alone.
    let near = rule.parameters.moved(1e-12, ToyRule(seed: 2).parameters)
    let far = rule.parameters.moved(3, ToyRule(seed: 2).parameters)
    #expect(objective.pieces(at: rule.parameters) == objective.pieces(at: near))
    #expect(objective.pieces(at: rule.parameters) != objective.pieces(at: far))
  }
}

@Suite struct StructuredRules {
  static let variants = ["A", "P", "PA", "PBA", "PBA1", "PBA2", "PBA12"]

  static func rule(
    _ variant: String, _ form: CoordMathLSTM.Form, learnsScale: Bool = false
  ) throws -> CoordMathLSTM {
    let network = RecurrentNetwork(hidden: 4, layers: 2)
    var architecture = try #require(
      RecurrentParts.Architecture.variant(variant, network: network))
    for part in architecture.heads.keys {
      architecture.heads[part]?.learnsScale = learnsScale
      if learnsScale { architecture.heads[part]?.scale = 0.7 }
    }
    if form == .reference { architecture = architecture.asReference }
    return CoordMathLSTM(
      try RecurrentParts(architecture, parameters: architecture.initialParameters(seed: 5)),
      form: form, stateSeed: 3)
  }

  static func problems() throws -> [any LinearModelProblem] {
    let size = SparseRegressionSize(instances: 2, rows: 6, columns: 9, sparsity: 3)
    return [
      try Lasso.generated(seed: 1, size: size, weight: 0.1),
      try LogisticL1.generated(seed: 1, size: size, weight: 0.05),
      try LeastSquares.authors(seed: 1, instances: 2, rows: 6, columns: 9),
    ]
  }

  func check(_ rule: some FormulaRule, _ problem: some LinearModelProblem) -> CheckResult {
    GradientCheck().run(
      .init(label: rule.name, parameters: rule.parameters) {
        FormulaObjective(
          rule, on: problem, from: Vector(zeros: problem.dimension), horizon: 5,
          loss: .objective(MetaLoss.mean.weights(horizon: 5)))
      })
  }

  @Test(arguments: variants, CoordMathLSTM.Form.allCases)
  func gradientsHold(_ variant: String, _ form: CoordMathLSTM.Form) throws {
    for problem in try Self.problems() {
      let result = check(try Self.rule(variant, form), problem)
      #expect(result.verdict == .holds, "\(problem.name): \(result.reason)")
    }
  }

  @Test func gradientsOfLearnedScalesHold() throws {
    let result = check(
      try Self.rule("PBA12", .paper, learnsScale: true), try Self.problems()[0])
    #expect(result.verdict == .holds, "\(result.reason)")
    #expect((result.numbers["norm.p_scale"] ?? 0) > 0)
  }

  @Test(arguments: CoordBlackboxLSTM.Features.allCases)
  func siblingsHold(_ features: CoordBlackboxLSTM.Features) throws {
    for problem in try Self.problems() {
      let blackbox = try CoordBlackboxLSTM(
        hidden: 4, features: features,
        parameters: CoordBlackboxLSTM.initialParameters(hidden: 4, features: features, seed: 2))
      let first = check(blackbox, problem)
      #expect(first.verdict == .holds, "\(problem.name): \(first.reason)")
      let prop = try RNNprop(
        hidden: 4, features: features, parameters: RNNprop.initialParameters(hidden: 4, seed: 2))
      let second = check(prop, problem)
      #expect(second.verdict == .holds, "\(problem.name): \(second.reason)")
    }
  }

  func run(_ rule: some UpdateRule, _ problem: some Problem) -> [Vector] {
    unroll(
      rule, on: problem, from: Vector(zeros: problem.dimension), horizon: 40,
      recordingIterates: true
    ).iterates
  }

  func largestDistance(_ a: [Vector], _ b: [Vector]) -> Double {
    zip(a, b).map { ($0 - $1).maxMagnitude }.max() ?? .infinity
  }

  /// Forty steps of size 1 and a few roundings each: far below 1e-12, as theory.md asks.
  @Test func specialCasesOfScheme18() throws {
    for problem in try Self.problems() {
      let d = problem.coordinatesPerInstance
      let factors = (0..<d).map { 0.5 + 0.4 * Double($0) / Double(d) }
      #expect(
        largestDistance(
          run(StructuredScheme(GivenParts("pg")), problem), run(ProximalGradient(), problem))
          <= 1e-12)
      #expect(
        largestDistance(
          run(StructuredScheme(GivenParts("fista", momentum: .fista)), problem),
          run(FISTA(), problem)) <= 1e-12)
      #expect(
        largestDistance(
          run(StructuredScheme(GivenParts("vm", factors: factors)), problem),
          run(ProximalGradient(metric: Vector(factors)), problem)) <= 1e-12)
    }
  }

  /// With P = 2σ(0) = 1 and nothing else, the learned rule is proximal gradient.
  @Test(arguments: CoordMathLSTM.Form.allCases)
  func zeroHeadIsProximalGradient(_ form: CoordMathLSTM.Form) throws {
    var rule = try Self.rule("P", form)
    for name in ["linear_p.weight", "linear_p.bias"] {
      let i = try #require(rule.parameters.names.firstIndex(of: name))
      rule.parameters.tensors[i] = Tensor(zeros: rule.parameters.tensors[i].shape)
    }
    let problem = try Self.problems()[0]
    #expect(largestDistance(run(rule, problem), run(ProximalGradient(), problem)) <= 1e-12)
  }

  @Test func wrongWeightsAreRefused() throws {
    let architecture = try #require(RecurrentParts.Architecture.variant("PA"))
    let other = try #require(
      RecurrentParts.Architecture.variant("PA", network: RecurrentNetwork(hidden: 7)))
    #expect(
      throws: RuleError.wrongShape(
        parameter: "lstm.weight_ih_l0", found: [28, 2], expected: [80, 2])
    ) {
      _ = try RecurrentParts(architecture, parameters: other.initialParameters(seed: 1))
    }
    #expect(throws: RuleError.missingParameter("lstm.weight_ih_l0")) {
      _ = try RecurrentParts(architecture, parameters: Parameters([]))
    }
  }
}

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

@Suite struct NetworkTrainings {
  /// The iterate goes on either way; only one of the two lets the gradient through.
  @Test func referenceLeavesTheWeights() throws {
    let problem = try LeastSquares.authors(seed: 2, instances: 1, rows: 6, columns: 12)
    let architecture = CoordMathDNN.Architecture(widths: [2, 8])
    let weights = try CoordMathDNN.initialParameters(
      architecture, .orthogonal(.inOut), scale: 10, seed: 1)
    let rule = try CoordMathDNN(architecture: architecture, parameters: weights)
    func run(_ backward: NetworkTraining.Backward) throws -> NetworkTraining.Outcome {
      try NetworkTraining(
        rule: rule, problem: problem, start: Vector(zeros: 12), horizon: 5, loss: .last,
        plan: MetaTraining(stepSize: 1e-4, stepsPerEpoch: 3), backward: backward
      ).run(curveSteps: [0, 2])
    }
    let (cut, connected) = (try run(.reference), try run(.connected))
    #expect(cut.state.parameters == weights)
    #expect(connected.state.parameters != weights)
    #expect(cut.state.losses.count == 3 && connected.state.losses.count == 3)
    #expect(cut.curves[2]?.first == cut.state.losses[1])
    #expect(cut.state.losses[2] < cut.state.losses[0])
  }
}

/// The rule of the README, word for word.
struct LearnedMomentum: FormulaRule {
  let name = "learned-momentum"
  let stepRule = StepRule.instance
  var parameters = Parameters([("p", Tensor(1)), ("a", Tensor(0.5))])

  func initialCarry(for problem: any Problem, seed: UInt64) -> [Carry] {
    [Carry(Matrix(zeros: problem.instanceCount, problem.coordinatesPerInstance), along: .rows)]
  }

  func step(
    _ x: Traced, _ carry: [Traced], _ context: FormulaContext
  ) -> (x: Traced, carry: [Traced]) {
    let step = context["p"] * context.stepSizes
    let move = context["a"] * carry[0] - step * context.problem.gradient(at: x)
    return (context.problem.prox(x + move, steps: step), [move])
  }
}

@Suite struct ReadmeRule {
  @Test func itsGradientHolds() throws {
    let (rule, problem) = (LearnedMomentum(), try FormulaObjectives.problem(instances: 2))
    let objective = try rule.metaObjective(
      on: problem, from: Vector(zeros: problem.dimension), horizon: 8, loss: .last)
    var gradient = rule.parameters.zeros
    #expect(objective.evaluate(rule.parameters, gradient: &gradient).loss > 0)
    #expect(gradient.tensors.allSatisfy { $0.elements[0] != 0 })
    let result = GradientCheck().run(
      .init(label: "readme", parameters: rule.parameters) {
        FormulaObjective(
          rule, on: problem, from: Vector(zeros: problem.dimension), horizon: 8,
          loss: .objective(MetaLoss.last.weights(horizon: 8)))
      })
    #expect(result.verdict == .holds, "\(result.reason)")
  }
}
