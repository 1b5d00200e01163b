import Foundation
import OptCheck

private typealias Rule = any UpdateRule

/// A rule on a problem that can be built anew.
private struct Case: Sendable {
  var data: ProblemData
  var start: Vector
  var horizon: Int
  var rule: Rule

  func run(_ rule: Rule) throws -> Trajectory {
    unroll(rule, on: try data.problem(), from: start, horizon: horizon, recordingIterates: true)
  }

  /// How far iterates move when every entry of M and Y moves by a relative 1e-12, three times.
  ///
  /// Other orders of sums do no more to a run than data off by some units in the last place. Steps
  /// that hardly depend on the size of slopes (Adam's) add what forming them rounds: some sixteen
  /// operations a step, on numbers no larger than the iterates.
  func sensitivity(_ rule: Rule) throws -> Double {
    let clean = try run(rule).iterates
    let moved = try (1...3).map { (seed: UInt64) in
      var twin = self
      twin.data = data.perturbed(by: 1e-12, seed: seed)
      return distance(try twin.run(rule).iterates, clean)
    }.reduce(0, max)
    let sizes = clean.map(\.maxMagnitude).reduce(0, +)
    return moved + 16 * unitRoundoff * sizes
  }
}

/// The largest distance between iterates.
private func distance(_ ours: [Vector], _ theirs: [Vector]) -> Double {
  zip(ours, theirs).reduce(ours.count == theirs.count ? 0 : .infinity) {
    max($0, ($1.0 - $1.1).maxMagnitude)
  }
}

/// Where two runs part, as numbers, so that -0 is 0; nil if they are one.
private func parting(_ ours: [Vector], _ theirs: [Vector]) -> String? {
  guard ours.count == theirs.count else { return "\(ours.count) and \(theirs.count) iterates" }
  for (t, (a, b)) in zip(ours, theirs).enumerated() {
    for j in 0..<a.count where a[j] != b[j] { return "x_\(t)[\(j)] is \(a[j]), want \(b[j])" }
  }
  return nil
}

extension SplitMix64 {
  /// Every classical rule, with steps that each instance chooses for itself.
  fileprivate mutating func classicalRule(_ d: Int) -> Rule {
    let steps = choose([StepRule.instance, .reference])
    let momentum = 0.9 * uniform()
    switch pick(11) {
    case 0: return GradientDescent(stepRule: steps, relaxation: 0.5 + uniform())
    case 1: return ProximalGradient(stepRule: steps)
    case 2: return ProximalGradient(stepRule: steps, metric: vector(d) { 0.1 + 0.9 * $0.uniform() })
    case 3: return FISTA(stepRule: steps)
    case 4: return MomentumDescent(.heavyBall, stepRule: steps, momentum: momentum)
    case 5: return MomentumDescent(.nesterov, stepRule: steps, momentum: momentum)
    case 6:
      return SubgradientDescent(
        stepRule: steps, schedule: choose([.constant, .inverseRoot, .inverse]))
    case 7: return Adam(stepRule: .constant(0.1 * uniform()))
    case 8: return Adam(stepRule: .constant(0.1), hyperDescent: .init(rate: 1e-3 * uniform()))
    case 9: return LBFGS(memory: integer(1...4))
    default: return Shampoo(stepRule: steps)
    }
  }

  fileprivate mutating func classicalCase(
    _ kinds: [ProblemData.Kind] = ProblemData.Kind.allCases, instances: ClosedRange<Int> = 1...4,
    horizon: ClosedRange<Int> = 1...8, sharing: Bool = true, rule: Rule? = nil
  ) -> Case {
    let data = problemData(kinds, instances: instances, sharing: sharing)
    let drawn = classicalRule(data.columns)
    return Case(
      data: data, start: point(data.dimension), horizon: integer(horizon), rule: rule ?? drawn)
  }
}

private let smooth: [ProblemData.Kind] = [.leastSquares, .gram]

/// What rounding can do to one proximal step with steps `s` from `y`, entry by entry: the gradient's
/// error, a product and a difference, the two roundings of the prox.
private func stepRounding(
  _ data: ProblemData, at y: Vector, gradient g: Vector, steps s: Vector
) -> Vector {
  let bars = RoundingBounds(data, at: y).gradient
  var result = Vector(zeros: y.count)
  for j in 0..<y.count {
    let size: Double = abs(y[j]) + s[j] * (abs(g[j]) + data.weight)
    result[j] = s[j] * bars[j] + 5 * unitRoundoff * size
  }
  return result
}

// MARK: Rules that are one another

private typealias Twins = @Sendable (StepRule) -> Rule

/// A law that two rules take the same steps, but for the sign of zeros.
private func sameRule(
  _ name: String, purpose: String, _ subject: @escaping Twins, as other: @escaping Twins,
  mutants: KeyValuePairs<String, Twins>, kinds: [ProblemData.Kind] = ProblemData.Kind.allCases,
  horizon: ClosedRange<Int> = 1...8
) -> Law {
  Law(
    name, purpose: purpose, of: subject, mutants: mutants, cases: 400,
    generate: { rng -> (Case, StepRule) in
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
  ], kinds: smooth)

private let constantSchedule = sameRule(
  "subgradients-of-smooth-functions",
  purpose: "SubgradientDescent: with constant steps it is GradientDescent on smooth problems",
  { SubgradientDescent(stepRule: $0, schedule: .constant) }, as: { GradientDescent(stepRule: $0) },
  mutants: [
    "s / √k": { SubgradientDescent(stepRule: $0, schedule: .inverseRoot) },
    "s / k": { SubgradientDescent(stepRule: $0, schedule: .inverse) },
  ], kinds: smooth)

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
  generate: { rng -> (Case, Bool) in (rng.classicalCase(), rng.pick(2) == 0) },
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
  generate: { rng -> (Case, Int) in
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

// MARK: Symmetries

private let coordinates = Law(
  "classical-rules-know-no-coordinates",
  purpose: "all classical rules: permuted columns of M and x₀ permute the iterates, to rounding",
  of: { $0 } as @Sendable (Rule) -> Rule,
  mutants: [
    "steps that depend on the place": { _ in PlacedDescent() },
    "the first coordinate of an instance waits": { _ in PlacedDescent(factor: { $0 == 0 ? 0 : 1 })
    },
  ],
  cases: 500,
  generate: { rng -> (Case, [Int]) in
    var run = rng.classicalCase(horizon: 1...5)
    // With a small ε eigenvalues of L are lost in the rounding of L, of which twins know nothing.
    if run.rule is Shampoo { run.rule = Shampoo(epsilon: 100) }
    return (run, Array(0..<run.data.columns).shuffled(using: &rng))
  },
  violation: { change, drawn in
    let (run, order) = drawn
    let d = order.count
    func moved(_ x: Vector) -> Vector {
      Vector((0..<x.count).map { x[$0 / d * d + order[$0 % d]] })
    }
    var other = run
    other.start = moved(run.start)
    other.data.matrices = run.data.matrices.map { m in
      var result = m
      for i in 0..<m.rows { for j in 0..<d { result[i, j] = m[i, order[j]] } }
      return result
    }
    let rule = change(run.rule)
    var permuted = rule
    if var metric = (rule as? ProximalGradient)?.metric {
      metric = moved(metric)
      permuted = ProximalGradient(
        stepRule: (rule as? ProximalGradient)?.stepRule ?? .instance, metric: metric)
    }
    return excess(
      "\(rule.name): distance of iterates",
      distance(try other.run(permuted).iterates, try run.run(rule).iterates.map(moved)),
      over: try run.sensitivity(rule))
  })

/// Gradient descent with a factor on the step of every coordinate of an instance.
private struct PlacedDescent: UpdateRule {
  let name = "placed-descent"
  var factor: @Sendable (Int) -> Double = { 1 + 1e-9 * Double($0) }

  func initialState<P: Problem>(for problem: P) -> [Double] {
    problem.spread(problem.smoothness.map { 1 / $0 }).elements
  }

  func step<P: Problem>(_ x: inout Vector, _ steps: inout [Double], on problem: P) {
    let g = problem.gradient(at: x)
    let d = problem.coordinatesPerInstance
    for j in 0..<x.count { x[j] -= steps[j] * factor(j % d) * g[j] }
  }
}

private let alone = Law(
  "a-stack-is-as-many-runs",
  purpose: "all classical rules: instances of a batch run as each would alone, bit for bit",
  of: { $0 } as @Sendable (Rule) -> Rule,
  mutants: [
    "steps of 1/max β": { _ in ProximalGradient(stepRule: .theory) },
    "AdamHD's batch-wide correction": { _ in
      Adam(stepRule: .constant(0.1), hyperDescent: .init(rate: 1e-3, scope: .reference))
    },
    "a step that all instances' gradients share": { _ in NormalizedDescent() },
  ],
  cases: 500,
  generate: { rng in rng.classicalCase(instances: 2...4, sharing: false) },
  violation: { change, run in
    let rule = change(run.rule)
    let whole = try run.run(rule)
    let d = run.data.columns
    for i in 0..<run.data.instances {
      let part = Case(
        data: run.data.part(i..<(i + 1)), start: run.start.instance(i, d), horizon: run.horizon,
        rule: rule)
      let iterates = try part.run(rule).iterates
      let found = parting(whole.iterates.map { $0.instance(i, d) }, iterates)
      if let found { return "\(rule.name), instance \(i): \(found)" }
    }
    return nil
  })

/// Gradient descent with steps of length 1e-3 in the space of all instances.
private struct NormalizedDescent: UpdateRule {
  let name = "normalized-descent"

  func initialState<P: Problem>(for problem: P) {}

  func step<P: Problem>(_ x: inout Vector, _ state: inout Void, on problem: P) {
    let g = problem.gradient(at: x)
    x.add(-1e-3 / g.norm, g)
  }
}

private let homogeneous = Law(
  "iterates-scale-with-the-data",
  purpose:
    "gradient, proximal, momentum, subgradient rules and LBFGS: (cY, cρ, c x₀) has c times the run",
  of: { $0 } as @Sendable (Rule) -> Rule,
  mutants: [
    "Adam, whose steps have a length of their own": { _ in Adam() },
    "Shampoo": { _ in Shampoo() },
    "a floor under the iterates": { _ in FlooredDescent() },
  ],
  cases: 500,
  generate: { rng -> (Case, Double) in
    var run = rng.classicalCase([.leastSquares, .gram, .lasso])
    while run.rule is Adam || run.rule is Shampoo { run.rule = rng.classicalRule(run.data.columns) }
    return (run, rng.powerOfTwo())
  },
  violation: { change, drawn in
    let (run, c) = drawn
    var other = run
    other.data = run.data.scaled(matrix: 1, target: c)
    other.data.weight *= c
    other.start.scale(by: c)
    let rule = change(run.rule)
    let expected = try run.run(rule).iterates.map { $0.scaled(by: c) }
    return parting(try other.run(rule).iterates, expected).map { "\(rule.name): \($0)" }
  })

/// Gradient descent that takes entries below 1e-3 for 0.
private struct FlooredDescent: UpdateRule {
  let name = "floored-descent"

  func initialState<P: Problem>(for problem: P) -> [Double] {
    problem.spread(problem.smoothness.map { 1 / $0 }).elements
  }

  func step<P: Problem>(_ x: inout Vector, _ steps: inout [Double], on problem: P) {
    let g = problem.gradient(at: x)
    for j in 0..<x.count {
      x[j] -= steps[j] * g[j]
      if abs(x[j]) < 1e-3 { x[j] = 0 }
    }
  }
}

private let metricIsUnits = Law(
  "a-metric-is-a-change-of-units",
  purpose: "ProximalGradient with a metric: D² on f runs as the plain rule on z ↦ f(D z), x = D z",
  of: { ProximalGradient(stepRule: .constant($0), metric: $1) }
    as @Sendable (Double, Vector) -> Rule,
  mutants: [
    "D for D²": { step, metric in
      ProximalGradient(
        stepRule: .constant(step), metric: Vector(metric.elements.map { $0.squareRoot() }))
    },
    "no metric": { step, _ in ProximalGradient(stepRule: .constant(step)) },
    "the metric backwards": { step, metric in
      ProximalGradient(stepRule: .constant(step), metric: Vector(metric.elements.reversed()))
    },
  ],
  cases: 400,
  generate: { rng -> (Case, Vector) in
    let run = rng.classicalCase([.leastSquares])
    // Powers of two, so that products stay exact.
    return (run, rng.vector(run.data.columns) { $0.powerOfTwo(-3...0) })
  },
  violation: { rule, drawn in
    let (run, units) = drawn
    let d = units.count
    var other = run
    for i in other.data.matrices.indices {
      for k in other.data.matrices[i].elements.indices {
        other.data.matrices[i].elements[k] *= units[k % d]
      }
    }
    for j in 0..<run.start.count { other.start[j] /= units[j % d] }
    let step = 1 / (try run.data.problem().largestSmoothness)
    let plain = try other.run(GradientDescent(stepRule: .constant(step))).iterates
    let expected = plain.map { z in Vector((0..<z.count).map { z[$0] * units[$0 % d] }) }
    let metric = Vector(units.elements.map { $0 * $0 })
    return parting(try run.run(rule(step, metric)).iterates, expected)
  })

private let adamKnowsNoScale = Law(
  "adam-knows-no-scale",
  purpose: "Adam with ε = 0: a multiple 4ᵏ of F has the same run, bit for bit",
  of: Adam(stepRule: .constant(0.05), epsilon: 0) as Rule,
  mutants: [
    "the usual ε": Adam(stepRule: .constant(0.05)),
    "AdamHD, whose steps follow F": Adam(
      stepRule: .constant(0.05), epsilon: 0, hyperDescent: .init(rate: 1e-3)),
    "SubgradientDescent": SubgradientDescent(stepRule: .constant(0.05)),
  ],
  cases: 400,
  generate: { rng -> (Case, Double) in
    (rng.classicalCase([.leastSquares, .gram, .lasso]), rng.powerOfTwo(-10...10))
  },
  violation: { rule, drawn in
    let (run, c) = drawn
    var other = run
    other.data = run.data.scaled(matrix: c, target: c)
    other.data.weight *= c * c
    return parting(try other.run(rule).iterates, try run.run(rule).iterates)
  })

private let adamSteps = Law(
  "adam-steps-are-bounded",
  purpose: "Adam: with corrected moments Cauchy and Schwarz bound every entry of a step, F aside",
  of: { Adam(stepRule: .constant($0), beta1: $1, beta2: $2) }
    as @Sendable (Double, Double, Double) -> Rule,
  mutants: [
    "a step twice as long": { Adam(stepRule: .constant(2 * $0), beta1: $1, beta2: $2) },
    "AdamHD, whose steps grow": {
      Adam(stepRule: .constant($0), beta1: $1, beta2: $2, hyperDescent: .init(rate: 0.1))
    },
    "gradient descent": { step, _, _ in SubgradientDescent(stepRule: .constant(step)) },
  ],
  cases: 400,
  generate: { rng -> (Case, [Double]) in
    // β₁² < β₂, as Kingma and Ba want it.
    let beta1 = 0.95 * rng.uniform()
    let beta2 = beta1 + (1 - beta1) * (0.1 + 0.89 * rng.uniform())
    return (rng.classicalCase(horizon: 1...20), [rng.powerOfTwo(-10...0), beta1, beta2])
  },
  violation: { rule, drawn in
    let (run, settings) = drawn
    let (step, beta1, beta2) = (settings[0], settings[1], settings[2])
    let iterates = try run.run(rule(step, beta1, beta2)).iterates
    for t in 1..<iterates.count {
      // m is a mean of slopes with weights w, v one of their squares with weights w'.
      let total1: Double = 1 - pow(beta1, Double(t))
      let total2: Double = 1 - pow(beta2, Double(t))
      var sum = 0.0
      for age in 0..<t {
        let first: Double = (1 - beta1) * pow(beta1, Double(age)) / total1
        let second: Double = (1 - beta2) * pow(beta2, Double(age)) / total2
        sum += first * first / second
      }
      // Two sums of t terms; 1 - β and 1 - βᵗ lose what β is closer to 1 than to 0.
      let relative = Double(4 * t + 8) * unitRoundoff / (1 - beta2)
      let limit = step * sum.squareRoot() * (1 + relative)
      for j in 0..<run.start.count {
        let (before, after) = (iterates[t - 1][j], iterates[t][j])
        let moved = abs(after - before)
        let bar = 2 * unitRoundoff * (abs(after) + abs(before))
        if let found = excess("step \(t), entry \(j)", moved - limit, over: bar) { return found }
      }
    }
    return nil
  })

// MARK: Descent and rates

private let descent = Law(
  "proximal-gradient-descends",
  purpose: "ProximalGradient, its metric up to 1, StepRules to 1/β: no step raises any Fᵢ",
  of: { $0 } as @Sendable (ProximalGradient) -> Rule,
  mutants: [
    "steps of 2.5/β": { rule in
      ProximalGradient(stepRule: rule.stepRule, metric: rule.metric.map { $0.scaled(by: 2.5) })
    },
    "the subgradient for the prox": {
      SubgradientDescent(stepRule: $0.stepRule, schedule: .constant)
    },
    "momentum": { MomentumDescent(.heavyBall, stepRule: $0.stepRule, momentum: 0.9) },
    "no prox": { GradientDescent(stepRule: $0.stepRule) },
  ],
  cases: 500,
  generate: { rng -> (Case, ProximalGradient) in
    let run = rng.classicalCase(horizon: 1...30)
    return (
      run,
      ProximalGradient(
        stepRule: rng.choose([.theory, .instance, .reference]),
        metric: rng.vector(run.data.columns) { $0.pick(2) == 0 ? 1 : 0.01 + 0.99 * $0.uniform() })
    )
  },
  violation: { change, drawn in
    let (run, rule) = drawn
    let problem = try run.data.problem()
    let found = try run.run(change(rule))
    let (d, rho, beta) = (run.data.columns, run.data.weight, problem.smoothness)
    var steps = problem.spread(rule.stepRule.stepSizes(for: problem))
    for j in 0..<steps.count { steps[j] *= rule.metric?[j % d] ?? 1 }
    for t in 1..<found.iterates.count {
      let (x, next) = (found.iterates[t - 1], found.iterates[t])
      let (before, after) = (found.values[t - 1], found.values[t])
      let e = stepRounding(run.data, at: x, gradient: problem.gradient(at: x), steps: steps)
      let slope = problem.gradient(at: next)
      let beforeBars = RoundingBounds(run.data, at: x).values(before)
      let afterBars = RoundingBounds(run.data, at: next).values(after)
      for i in before.indices {
        // F changes by its slope times the error of the point, and by β/2 times its square.
        var drift = 0.0
        for j in (i * d)..<((i + 1) * d) {
          let steepest: Double = abs(slope[j]) + rho + beta[i] * e[j]
          drift += steepest * e[j]
        }
        let bar = beforeBars[i] + afterBars[i] + drift
        let rise = after[i] - before[i]
        if let found = excess("step \(t) of instance \(i)", rise, over: bar) { return found }
      }
    }
    return nil
  })

private let nonexpansive = Law(
  "proximal-steps-bring-points-together",
  purpose: "ProximalGradient, GradientDescent: with steps to 1/β two runs never part further",
  of: { ProximalGradient(stepRule: $0) } as Twins,
  mutants: [
    "steps of 2.2/β": { GradientDescent(stepRule: $0, relaxation: 2.2) },
    "the subgradient for the prox": { SubgradientDescent(stepRule: $0, schedule: .constant) },
    "Adam": { _ in Adam(stepRule: .constant(0.1)) },
  ],
  cases: 600,
  generate: { rng -> (Case, Vector, StepRule) in
    var run = rng.classicalCase()
    run.horizon = 1
    let other = run.start.moved(rng.choose([1, 1e-3]), rng.vector(run.start.count))
    return (run, other, rng.choose([.theory, .instance, .reference]))
  },
  violation: { rule, drawn in
    let (run, start, stepRule) = drawn
    var other = run
    other.start = start
    let problem = try run.data.problem()
    let steps = problem.spread(stepRule.stepSizes(for: problem))
    let (x, y) = (
      try run.run(rule(stepRule)).iterates[1], try other.run(rule(stepRule)).iterates[1]
    )
    func rounding(_ p: Vector) -> Vector {
      stepRounding(run.data, at: p, gradient: problem.gradient(at: p), steps: steps)
    }
    let (e, f) = (rounding(run.start), rounding(start))
    let d = run.data.columns
    for i in 0..<run.data.instances {
      let before = (run.start - start).instance(i, d).norm
      let after = (x - y).instance(i, d).norm
      // β is off by a small multiple of (b + d) u, and with it the length of a step.
      let relative = 16 * Double(run.data.rows + d) * unitRoundoff
      let bar = e.instance(i, d).norm + f.instance(i, d).norm + relative * before
      let found = excess("instance \(i), distance grows by", after - before, over: bar)
      if let found { return found }
    }
    return nil
  })

/// A run to be held against F(x_k) - F(z) <= c_k β |x₀ - z|², which holds for every z.
private struct Rate: Sendable {
  var run: Case
  /// z, a certified minimiser.
  var point: Vector

  /// The excess over the rate, where `factor(k)` is c_k; `isAccelerated` for FISTA's extrapolation.
  func violation(
    _ rule: Rule, isAccelerated: Bool, factor: (Double) -> Double
  ) throws -> String? {
    let data = run.data
    let problem = try data.problem()
    let found = try run.run(rule)
    let d = data.columns
    let steps = problem.spread(problem.smoothness.map { 1 / $0 })
    let (floor, floorBars) = (
      problem.values(at: point),
      RoundingBounds(data, at: point).values(problem.values(at: point))
    )
    let distances = (0..<data.instances).map { (run.start - point).instance($0, d).norm }
    // What rounding adds to the potential of the proofs: in every step at most as much to F.
    var drift = [Double](repeating: 0, count: data.instances)
    var (tau, y) = (1.0, run.start)
    for k in 1..<found.iterates.count {
      let (last, x) = (found.iterates[k - 1], found.iterates[k])
      let g = problem.gradient(at: y)
      var e = stepRounding(data, at: y, gradient: g, steps: steps)
      for j in 0..<e.count { e[j] += 4 * unitRoundoff * (abs(x[j]) + abs(last[j])) }
      let bars = RoundingBounds(data, at: x).values(found.values[k])
      for i in 0..<data.instances {
        let beta = problem.smoothness[i]
        for j in (i * d)..<((i + 1) * d) {
          let slope = abs(g[j]) + data.weight
          let reach: Double = abs(x[j] - y[j]) + abs(y[j] - point[j]) + distances[i]
          drift[i] += 2 * (slope + beta * reach) * e[j]
        }
        let limit: Double = factor(Double(k)) * beta * distances[i] * distances[i]
        let relative: Double = 16 * Double(data.rows + d) * unitRoundoff
        let bar: Double = bars[i] + floorBars[i] + drift[i] + relative * limit
        let above = found.values[k][i] - floor[i] - limit
        if let found = excess("step \(k) of instance \(i)", above, over: bar) { return found }
      }
      let next = (1 + (1 + 4 * tau * tau).squareRoot()) / 2
      y = isAccelerated ? x.moved((tau - 1) / next, x - last) : x
      tau = next
    }
    return nil
  }
}

extension SplitMix64 {
  fileprivate mutating func rate() throws -> Rate {
    let run = classicalCase(horizon: 2...40)
    let minima = try run.data.problem().certifiedMinima()
    return Rate(run: run, point: Vector(minima.flatMap(\.point.elements)))
  }
}

private let plainRate = Law(
  "proximal-gradient-keeps-its-rate",
  purpose: "ProximalGradient: F(x_k) - F* <= β |x₀ - x*|² / 2k (Beck and Teboulle 2009, Th. 3.1)",
  of: ProximalGradient() as Rule,
  mutants: [
    "a tenth of the step": SlowDescent(factor: 0.1),
    "Adam": Adam(stepRule: .constant(1e-3)),
  ],
  cases: 300,
  generate: { rng in try rng.rate() },
  violation: { rule, rate in
    try rate.violation(rule, isAccelerated: false) { 1 / (2 * $0) }
  })

private let acceleratedRate = Law(
  "fista-keeps-its-rate",
  purpose: "FISTA: F(x_k) - F* <= 2 β |x₀ - x*|² / (k + 1)² (Beck and Teboulle 2009, Th. 4.4)",
  of: FISTA() as Rule,
  mutants: [
    "a tenth of the step": SlowDescent(factor: 0.1),
    "no momentum and half the step": SlowDescent(factor: 0.5),
    "too much momentum": MomentumDescent(.nesterov, momentum: 0.99),
  ],
  cases: 300,
  generate: { rng in try rng.rate() },
  violation: { rule, rate in
    try rate.violation(rule, isAccelerated: true) { 2 / (($0 + 1) * ($0 + 1)) }
  })

private let quasiNewtonDescends = Law(
  "l-bfgs-descends",
  purpose: "LBFGS: its search takes no step that raises any Fᵢ, kinks or not, by more than 4 ulp",
  of: { LBFGS(memory: $0) } as @Sendable (Int) -> Rule,
  mutants: [
    "steps of 2.5/β": { _ in GradientDescent(stepRule: .instance, relaxation: 2.5) },
    "momentum": { _ in FISTA() },
    "Adam": { _ in Adam(stepRule: .constant(0.1)) },
  ],
  cases: 400,
  generate: { rng -> (Case, Int) in (rng.classicalCase(horizon: 1...20), rng.integer(1...6)) },
  violation: { rule, drawn in
    let (run, memory) = drawn
    let values = try run.run(rule(memory)).values
    for t in 1..<values.count {
      for (i, (before, after)) in zip(values[t - 1], values[t]).enumerated() {
        // The search compares these very numbers.
        let found = excess("step \(t) of instance \(i)", after, over: before + 4 * before.ulp)
        if let found { return found }
      }
    }
    return nil
  })

private let subgradientBound = Law(
  "subgradient-steps-keep-their-account",
  purpose:
    "SubgradientDescent: 2 Σ s_k (F(x_k) - F(z)) <= |x₀ - z|² - |x_T - z|² + Σ s_k² |v_k|², any z",
  of: { SubgradientDescent(stepRule: .instance, schedule: $0) }
    as @Sendable (SubgradientDescent.Schedule) -> Rule,
  mutants: [
    "twice the step": { _ in GradientDescent(stepRule: .instance, relaxation: 2) },
    "another schedule": {
      SubgradientDescent(stepRule: .instance, schedule: $0 == .constant ? .inverse : .constant)
    },
    "no l1 term": { _ in GradientDescent(stepRule: .instance) },
  ],
  cases: 400,
  generate: { rng -> (Case, Vector, SubgradientDescent.Schedule) in
    let run = rng.classicalCase(horizon: 1...12)
    let minima = try run.data.problem().certifiedMinima()
    // Steps that are too short tell at a minimiser, steps that are too long far off.
    let z =
      rng.pick(2) == 0
      ? Vector(minima.flatMap(\.point.elements)) : rng.vector(run.start.count).scaled(by: 3)
    return (run, z, rng.choose([.constant, .inverseRoot, .inverse]))
  },
  violation: { rule, drawn in
    let (run, z, schedule) = drawn
    let problem = try run.data.problem()
    let found = try run.run(rule(schedule))
    let d = run.data.columns
    let floor = problem.values(at: z)
    let floorBars = RoundingBounds(run.data, at: z).values(floor)
    for i in 0..<run.data.instances {
      let (first, last) = (
        (run.start - z).instance(i, d), ((found.iterates.last ?? z) - z).instance(i, d)
      )
      var account = last.dot(last) - first.dot(first)
      // Every term of the account goes through as many sums as there are terms.
      let sums = Double(d * run.horizon + 8) * unitRoundoff
      var bar = (sums + Double(d + 4) * unitRoundoff) * (last.dot(last) + first.dot(first))
      for k in 0..<run.horizon {
        let x = found.iterates[k]
        var v = Vector(zeros: x.count)
        problem.subgradient(at: x, into: &v)
        let count = Double(k + 1)
        let shrinkage: Double =
          switch schedule {
          case .constant: 1
          case .inverseRoot: count.squareRoot()
          case .inverse: count
          }
        let s: Double = 1 / problem.smoothness[i] / shrinkage
        let bounds = RoundingBounds(run.data, at: x)
        let slopeBars = bounds.gradient
        let value = found.values[k][i]
        account += 2 * s * (value - floor[i])
        bar += 2 * s * (bounds.values(found.values[k])[i] + floorBars[i])
        bar += 2 * s * (sums + 3 * unitRoundoff) * (abs(value) + abs(floor[i]))
        for j in (i * d)..<((i + 1) * d) {
          account -= s * s * v[j] * v[j]
          bar += (sums + 6 * unitRoundoff) * s * s * v[j] * v[j]
          // The step is that of a slope off by its rounding, and lands off by that of x and s v.
          let slope: Double = slopeBars[j] + 2 * unitRoundoff * (abs(v[j]) + run.data.weight)
          let landing: Double = 4 * unitRoundoff * (abs(x[j]) + s * abs(v[j]))
          let reach: Double = abs(x[j] - z[j]) + s * abs(v[j])
          bar += 2 * (s * slope + landing) * reach
        }
      }
      if let found = excess("instance \(i), account", account, over: bar) { return found }
    }
    return nil
  })

/// Proximal gradient with a part of the step 1/β.
private struct SlowDescent: UpdateRule {
  let name = "slow-descent"
  var factor: Double

  func initialState<P: Problem>(for problem: P) -> Vector {
    problem.spread(problem.smoothness.map { factor / $0 })
  }

  func step<P: Problem>(_ x: inout Vector, _ steps: inout Vector, on problem: P) {
    let g = problem.gradient(at: x)
    for j in 0..<x.count { x[j] -= steps[j] * g[j] }
    problem.regularizer.prox(&x, steps: steps)
  }
}

let classicalRuleLaws = [
  unitMetric, heavyBallAtRest, nesterovAtRest, proxOfNoTerm, constantSchedule, fistaStarts,
  structured, unfolded, coordinates, alone, homogeneous, metricIsUnits, adamKnowsNoScale, adamSteps,
  descent,
  nonexpansive, plainRate, acceleratedRate, quasiNewtonDescends, subgradientBound,
]
