import Foundation
import OptCheck

/// A law that two rules take the same steps, but for the sign of zeros.
private func sameRule(
  _ name: String, purpose: String, _ subject: @escaping Twins, as other: @escaping Twins,
  mutants: KeyValuePairs<String, Twins>, kinds: [ProblemData.Kind] = ProblemData.Kind.allCases,
  horizon: ClosedRange<Int> = 1...8
) -> Law {
  Law(
    name, purpose: purpose, of: subject, mutants: mutants, cases: 400,
    generate: { rng -> (RuleCase, StepRule) in
      (rng.classicalCase(kinds, horizon: horizon), rng.choose([.theory, .instance, .reference]))
    },
    violation: { rule, drawn in
      let (run, steps) = drawn
      return parting(try run.run(rule(steps)).iterates, try run.run(other(steps)).iterates)
    })
}

private let unitMetric = Law(
  "a-unit-metric-is-none",
  purpose: "ProximalGradient with a metric: factors of 1 are the plain rule, bit for bit",
  of: { ProximalGradient(stepRule: .instance, metric: Vector([Double](repeating: 1, count: $0))) }
    as @Sendable (Int) -> Rule,
  mutants: [
    "an ulp above 1 somewhere": { d in
      var metric = Vector([Double](repeating: 1, count: d))
      metric[d - 1] = 1.0.nextUp
      return ProximalGradient(stepRule: .instance, metric: metric)
    },
    "steps of 0.9999/β": { _ in ProximalGradient(stepRule: .reference) },
  ],
  cases: 400,
  generate: { rng in rng.classicalCase() },
  violation: { rule, run in
    difference(try run.run(rule(run.data.columns)), try run.run(ProximalGradient()))
  })

private let heavyBallAtRest = sameRule(
  "a-heavy-ball-without-momentum",
  purpose: "MomentumDescent(.heavyBall): momentum 0 is ProximalGradient, bit for bit",
  { MomentumDescent(.heavyBall, stepRule: $0, momentum: 0) },
  as: { ProximalGradient(stepRule: $0) },
  mutants: [
    "a momentum of 1e-12": { MomentumDescent(.heavyBall, stepRule: $0, momentum: 1e-12) },
    "no prox": { SubgradientDescent(stepRule: $0, schedule: .inverseRoot) },
  ])

private let nesterovAtRest = sameRule(
  "nesterov-without-momentum",
  purpose: "MomentumDescent(.nesterov): momentum 0 is ProximalGradient, bit for bit",
  { MomentumDescent(.nesterov, stepRule: $0, momentum: 0) },
  as: { ProximalGradient(stepRule: $0) },
  mutants: [
    "a momentum of 1e-12": { MomentumDescent(.nesterov, stepRule: $0, momentum: 1e-12) },
    "FISTA's momentum": { FISTA(stepRule: $0) },
  ])

private let proxOfNoTerm = sameRule(
  "proximal-gradient-without-a-term",
  purpose: "ProximalGradient, GradientDescent: on smooth problems they are one, bit for bit",
  { ProximalGradient(stepRule: $0) }, as: { GradientDescent(stepRule: $0) },
  mutants: [
    "a step longer by a part in 1e12": {
      GradientDescent(stepRule: $0, relaxation: 1 + 1e-12)
    },
    "momentum": { MomentumDescent(.heavyBall, stepRule: $0, momentum: 1e-9) },
  ], kinds: smoothKinds)

private let constantSchedule = sameRule(
  "subgradients-of-smooth-functions",
  purpose: "SubgradientDescent: with constant steps it is GradientDescent on smooth problems",
  { SubgradientDescent(stepRule: $0, schedule: .constant) }, as: { GradientDescent(stepRule: $0) },
  mutants: [
    "s / √k": { SubgradientDescent(stepRule: $0, schedule: .inverseRoot) },
    "s / k": { SubgradientDescent(stepRule: $0, schedule: .inverse) },
  ], kinds: smoothKinds)

private let fistaStarts = sameRule(
  "fista-starts-without-momentum",
  purpose: "FISTA: τ₀ = 1 gives no momentum, so two steps are ProximalGradient's, bit for bit",
  { FISTA(stepRule: $0) }, as: { ProximalGradient(stepRule: $0) },
  mutants: [
    "constant momentum": { MomentumDescent(.nesterov, stepRule: $0, momentum: 0.3) },
    "a little momentum": { MomentumDescent(.heavyBall, stepRule: $0, momentum: 1e-9) },
  ], horizon: 1...2)

private typealias Scheme = @Sendable (GivenParts.Momentum) -> Rule

private let structured = Law(
  "given-parts-are-classical-rules",
  purpose: "StructuredScheme, and so CoordMathLSTM: a = 0 is ProximalGradient, FISTA's a is FISTA",
  of: { StructuredScheme(GivenParts("given", momentum: $0)) } as Scheme,
  mutants: [
    "steps a part in 1e9 too long": {
      StructuredScheme(GivenParts("given", factors: [1 + 1e-9], momentum: $0))
    },
    "a constant momentum": { momentum in
      StructuredScheme(GivenParts("given", momentum: momentum == .fista ? .constant(0.3) : .none))
    },
    "the extrapolated point is the iterate": {
      StructuredScheme(GivenParts("given", momentum: $0), form: .reference)
    },
  ],
  cases: 400,
  generate: { rng -> (RuleCase, Bool) in (rng.classicalCase(), rng.pick(2) == 0) },
  violation: { scheme, drawn in
    let (run, isAccelerated) = drawn
    let plain: Rule = isAccelerated ? FISTA() : ProximalGradient()
    let ours = try run.run(scheme(isAccelerated ? .fista : .none)).iterates
    let theirs = try run.run(plain).iterates
    // Logistic slopes have two formulas; all other numbers are formed alike.
    guard run.data.kind == .logistic else { return parting(ours, theirs) }
    return excess(
      "distance of iterates", distance(ours, theirs), over: try run.sensitivity(plain))
  })

private let unfolded = Law(
  "unfolded-rules-start-as-ista",
  purpose: "LISTA, LISTACP, StepLISTA on Lasso: initial weights make ProximalGradient of 1/β",
  of: LayerStart.ista,
  mutants: [
    "the reference code's start": .reference(),
    "a threshold of its own": .reference(threshold: 0.01),
  ],
  cases: 300,
  generate: { rng -> (RuleCase, Int) in
    let run = rng.classicalCase([.lasso])
    // One matrix of weights has one dictionary; steps alone serve any number of them.
    let hasOne = run.data.isShared || run.data.instances == 1
    return (run, hasOne ? rng.pick(3) : 0)
  },
  violation: { start, drawn in
    let (run, kind) = drawn
    let problem = try run.data.problem()
    let rule = try unfoldedRule(kind, problem, start)
    let plain = ProximalGradient(stepRule: .theory)
    let (ours, theirs) = (try run.run(rule).iterates, try run.run(plain).iterates)
    // StepLISTA has the problem's own gradient, the others products of matrices.
    if kind == 0 { return parting(ours, theirs) }
    return excess("\(rule.name)", distance(ours, theirs), over: try run.sensitivity(plain))
  })

private func unfoldedRule(_ kind: Int, _ problem: some LinearModelProblem, _ start: LayerStart)
  throws -> Rule
{
  switch kind {
  case 0:
    return try StepLISTA(
      layers: 3, parameters: StepLISTA.initialParameters(for: problem, layers: 3, start: start))
  case 1:
    return try LISTA(
      layers: 3, parameters: LISTA.initialParameters(for: problem, layers: 3, start: start))
  default:
    return try LISTACP(
      layers: 3, parameters: LISTACP.initialParameters(for: problem, layers: 3, start: start))
  }
}

let ruleIdentityLaws = [
  unitMetric, heavyBallAtRest, nesterovAtRest, proxOfNoTerm, constantSchedule, fistaStarts,
  structured, unfolded,
]
