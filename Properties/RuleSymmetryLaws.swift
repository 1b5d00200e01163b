import Foundation
import OptCheck

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
  generate: { rng -> (RuleCase, [Int]) in
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
      let part = RuleCase(
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
  generate: { rng -> (RuleCase, Double) in
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
  generate: { rng -> (RuleCase, Vector) in
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
  generate: { rng -> (RuleCase, Double) in
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
  generate: { rng -> (RuleCase, [Double]) in
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

let ruleSymmetryLaws = [
  coordinates, alone, homogeneous, metricIsUnits, adamKnowsNoScale, adamSteps,
]
