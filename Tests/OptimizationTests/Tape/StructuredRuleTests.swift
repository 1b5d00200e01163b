import OptCheck
import Testing

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
