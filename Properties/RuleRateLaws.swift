import Foundation
import OptCheck

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
  generate: { rng -> (RuleCase, ProximalGradient) in
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
  generate: { rng -> (RuleCase, Vector, StepRule) in
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
  var run: RuleCase
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
  generate: { rng -> (RuleCase, Int) in (rng.classicalCase(horizon: 1...20), rng.integer(1...6)) },
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
  generate: { rng -> (RuleCase, Vector, SubgradientDescent.Schedule) in
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

let ruleRateLaws = [
  descent, nonexpansive, plainRate, acceleratedRate, quasiNewtonDescends, subgradientBound,
]
