import Foundation
import OptCheck
import Testing

private let size = SparseRegressionSize(instances: 3, rows: 12, columns: 8, sparsity: 3)

private func run(
  _ rule: some UpdateRule, _ problem: some Problem, from start: Vector, _ steps: Int
) -> [Vector] {
  unroll(rule, on: problem, from: start, horizon: steps, recordingIterates: true).iterates
}

private func start(_ problem: some Problem, seed: UInt64 = 7) -> Vector {
  var rng = SplitMix64(seed: seed)
  return rng.vector(problem.dimension)
}

/// ½ ‖diag(σ) x - y‖² + ρ ‖x‖₁, where every coordinate is a problem of its own.
private func diagonal(_ sigma: [Double], target: Vector, weight: Double) throws -> Lasso {
  var m = Matrix(identity: sigma.count)
  for (j, s) in sigma.enumerated() { m[j, j] = s }
  return try Lasso(map: .shared(m, copies: 1), target: target, weight: weight)
}

/// M x - y of instance `i`, term by term.
private func residual(_ problem: Lasso, _ i: Int, _ x: Vector) -> [Double] {
  let m = problem.map.matrix(i)
  return (0..<m.rows).map { r in
    (0..<m.columns).reduce(-problem.target[i * m.rows + r]) {
      $0 + m[r, $1] * x[i * m.columns + $1]
    }
  }
}

/// The gradient of the smooth part by its formula.
private func naiveGradient(_ problem: Lasso, _ x: Vector) -> Vector {
  Vector(
    (0..<problem.instanceCount).flatMap { i in
      let (m, r) = (problem.map.matrix(i), residual(problem, i, x))
      return (0..<m.columns).map { j in (0..<m.rows).reduce(0) { $0 + m[$1, j] * r[$1] } }
    })
}

private func soft(_ x: Double, _ threshold: Double) -> Double {
  x > threshold ? x - threshold : x < -threshold ? x + threshold : 0
}

@Suite struct ProximalRules {
  @Test("ISTA on a diagonal problem: geometric in every coordinate, and exactly 0 once thresholded")
  func diagonalProblem() throws {
    let sigma = [2, 1, 0.5, 1.5]
    let rho = 0.1
    let problem = try diagonal(sigma, target: [3, -2, 1, 0.05], weight: rho)
    // The minimiser: soft(σ y, ρ) / σ². The last coordinate's is 0, since 1.5 · 0.05 < ρ.
    let minimiser = [5.9 / 4, -1.9, 0.4 / 0.25, 0]
    let x0: Vector = [2, -3, 4, -0.01]
    let iterates = run(ProximalGradient(stepRule: .constant(0.2)), problem, from: x0, 30)
    for (t, x) in iterates.enumerated() {
      for j in 0..<3 {
        // No coordinate passes 0 on its way, so the prox only shifts.
        let expected =
          minimiser[j] + pow(1 - 0.2 * sigma[j] * sigma[j], Double(t)) * (x0[j] - minimiser[j])
        #expect(abs(x[j] - expected) <= 1e-14, "step \(t), coordinate \(j)")
      }
      if t > 0 { #expect(x[3] == 0) }
    }
    // With 1/β and M = I one step ends at soft(y, ρ).
    let identity = try diagonal([1, 1, 1], target: [2, -0.5, 0.05], weight: rho)
    let one = run(ProximalGradient(), identity, from: [9, 9, 9], 1)[1]
    for (x, y) in zip(one.elements, [2, -0.5, 0.05]) { #expect(abs(x - soft(y, rho)) <= 1e-15) }
  }

  @Test("a metric of ones is ISTA, a metric of halves ISTA of half the step, bit for bit")
  func constantMetric() throws {
    for problem in [
      try Lasso.generated(seed: 1, size: size), try LogisticL1.generated(seed: 2, size: size),
    ] as [any LinearModelProblem] {
      try check(problem)
    }
    func check(_ problem: some LinearModelProblem) throws {
      let x = start(problem)
      let ones = Vector(Array(repeating: 1, count: 8))
      #expect(
        run(ProximalGradient(metric: ones), problem, from: x, 20)
          == run(ProximalGradient(), problem, from: x, 20))
      let halves = ones.scaled(by: 0.5)
      let rule = ProximalGradient(stepRule: .constant(0.25), metric: halves)
      #expect(
        run(rule, problem, from: x, 20)
          == run(ProximalGradient(stepRule: .constant(0.125)), problem, from: x, 20))
      #expect(
        run(rule, problem, from: x, 20)
          != run(ProximalGradient(stepRule: .constant(0.25)), problem, from: x, 20))
    }
  }

  @Test("the metric that inverts a diagonal curvature ends in one step, thresholds included")
  func invertingMetric() throws {
    let sigma = [2, 1, 0.5, 1.5]
    let y: Vector = [3, -2, 1, 0.05]
    let problem = try diagonal(sigma, target: y, weight: 0.1)
    let rule = ProximalGradient(
      stepRule: .constant(1), metric: Vector(sigma.map { 1 / ($0 * $0) }))
    let x = run(rule, problem, from: [2, 5, -4, 1], 1)[1]
    for j in 0..<4 {
      #expect(abs(x[j] - soft(sigma[j] * y[j], 0.1) / (sigma[j] * sigma[j])) <= 2e-15)
    }
  }

  @Test("FISTA as its paper writes it, instance by instance")
  func fistaAgainstPaper() throws {
    let problem = try Lasso.generated(seed: 3, size: size)
    let x0 = start(problem)
    let iterates = run(FISTA(stepRule: .instance), problem, from: x0, 40)
    // t₁ = 1, y₁ = x₀; x_k = p(y_k); y_{k+1} = x_k + (t_k - 1)/t_{k+1} (x_k - x_{k-1}).
    var (x, y, t) = (x0, x0, 1.0)
    for k in 1...40 {
      let g = naiveGradient(problem, y)
      var next = x
      for j in 0..<x.count {
        let step = 1 / problem.smoothness[j / 8]
        next[j] = soft(y[j] - step * g[j], problem.weight * step)
      }
      let following = (1 + sqrt(1 + 4 * t * t)) / 2
      for j in 0..<x.count { y[j] = next[j] + (t - 1) / following * (next[j] - x[j]) }
      (x, t) = (next, following)
      // Sums in another order, carried on by a map that hardly expands.
      #expect((x - iterates[k]).maxMagnitude <= 1e-13, "step \(k)")
    }
  }

  @Test("τ grows past (k + 2)/2, and the gap stays below the theorem's bound where ISTA's does not")
  func fistaBound() throws {
    let hard = SparseRegressionSize(instances: 2, rows: 30, columns: 40, sparsity: 6)
    let problem = try Lasso.generated(seed: 4, size: hard, weight: 0.01)
    let minima = try problem.certifiedMinima()
    let zero = Vector(zeros: problem.dimension)
    func gaps(_ rule: some UpdateRule, _ steps: Int, _ i: Int) -> [Double] {
      unroll(rule, on: problem, from: zero, horizon: steps).values.map { $0[i] - minima[i].value }
    }
    for i in 0..<2 {
      let distance = minima[i].point.dot(minima[i].point)
      let bound = { (k: Int) in
        2 * problem.smoothness[i] * distance / Double((k + 1) * (k + 1))
      }
      let fista = gaps(FISTA(), 2000, i)
      for k in 1...2000 { #expect(fista[k] <= bound(k) + 1e-12) }
    }
    // A flat direction: ISTA's gap at k is λ/2 (1 - λ)^(2k), above the bound 2/(k + 1)² at 500.
    let flat = try diagonal([1, sqrt(1e-3)], target: [0, sqrt(1e-3)], weight: 0)
    func gap(_ rule: some UpdateRule) -> Double {
      unroll(rule, on: flat, from: [0, 0], horizon: 500).totals[500]
    }
    #expect(gap(FISTA()) <= 2 / (501.0 * 501))
    #expect(gap(ProximalGradient()) > 2 / (501.0 * 501))
    let rule = FISTA()
    var (x, state) = (zero, rule.initialState(for: problem))
    #expect(state.tau == 1 && state.extrapolated == nil)
    for k in 1...50 {
      rule.step(&x, &state, on: problem)
      #expect(state.tau >= Double(k + 2) / 2)
    }
  }

  @Test("all of them rest at the certified minimum", arguments: [0.01, 0.1])
  func fixedPoints(weight: Double) throws {
    let problem = try Lasso.generated(seed: 5, size: size, weight: weight)
    let minima = try problem.certifiedMinima()
    let point = Vector(minima.flatMap(\.point.elements))
    let rules: [any UpdateRule] = [
      ProximalGradient(), FISTA(), MomentumDescent(.heavyBall, momentum: 0.5),
      MomentumDescent(.nesterov, momentum: 0.7),
      ProximalGradient(metric: [0.1, 0.3, 1, 0.2, 0.9, 0.5, 0.7, 0.4]),
    ]
    for rule in rules { check(rule) }
    func check(_ rule: some UpdateRule) {
      // It stays where it is but for the rounding of the gradient ...
      #expect((run(rule, problem, from: point, 20)[20] - point).maxMagnitude <= 1e-14)
      // ... and gets there: 12 x 8 matrices have curvature.
      let far = run(rule, problem, from: start(problem), 4000)[4000]
      #expect((far - point).maxMagnitude <= 1e-10, "\(rule.name)")
    }
  }

  @Test("subgradient descent by its formula, with every schedule")
  func subgradient() throws {
    let problem = try Lasso.generated(seed: 6, size: size)
    let x0 = start(problem)
    let schedules: [(SubgradientDescent.Schedule, (Int) -> Double)] = [
      (.constant, { _ in 1 }), (.inverseRoot, { pow(Double($0), -0.5) }),
      (.inverse, { 1 / Double($0) }),
    ]
    for (schedule, factor) in schedules {
      let iterates = run(SubgradientDescent(schedule: schedule), problem, from: x0, 12)
      var x = x0
      for k in 1...12 {
        let g = naiveGradient(problem, x)
        for j in 0..<x.count {
          let sign = x[j] > 0 ? 1.0 : x[j] < 0 ? -1 : 0
          x[j] -= factor(k) / problem.smoothness[j / 8] * (g[j] + problem.weight * sign)
        }
        #expect((x - iterates[k]).maxMagnitude <= 1e-14, "\(schedule), step \(k)")
      }
    }
  }

  @Test("constant subgradient steps hover about the kink, shrinking ones come to rest there")
  func kink() throws {
    // F = ½ x² + |x|, from 1 with steps 0.3: x ← 0.7 x - 0.3 sign(x).
    let problem = try diagonal([1], target: [0], weight: 1)
    func last(_ schedule: SubgradientDescent.Schedule) -> [Double] {
      run(
        SubgradientDescent(stepRule: .constant(0.3), schedule: schedule), problem, from: [1], 2000
      ).suffix(100).map { abs($0[0]) }
    }
    // The cycle of two: x = 0.7 · (-x) ... gives |x| = 0.3/1.7.
    for x in last(.constant) { #expect(abs(x - 0.3 / 1.7) <= 1e-12) }
    // The last jump over 0 is no longer than a step.
    for x in last(.inverseRoot) { #expect(x <= 0.3 / sqrt(1900) * 1.01) }
    for x in last(.inverse) { #expect(x <= 0.3 / 1900 * 1.01) }
  }

  @Test("where r = 0, proximal and subgradient steps are gradient descent, bit for bit")
  func smoothCase() throws {
    let problem = try LeastSquares.generated(seed: 8, instances: 2, rows: 4, columns: 5)
    let x = start(problem)
    let plain = run(GradientDescent(stepRule: .instance), problem, from: x, 25)
    #expect(run(ProximalGradient(), problem, from: x, 25) == plain)
    #expect(run(SubgradientDescent(schedule: .constant), problem, from: x, 25) == plain)
    for form in MomentumDescent.Form.allCases {
      #expect(run(MomentumDescent(form, momentum: 0), problem, from: x, 25) == plain)
    }
  }
}

@Suite struct Momentum {
  /// One instance of ½ Σ λ x², whose iterates are known by the roots of a quadratic equation.
  private func oscillations(_ form: MomentumDescent.Form) throws {
    let (l, mu) = (4.0, 0.04)
    // Strictly between the extremes, where the roots are a conjugate pair.
    let curvatures = [3.5, 1.7, 0.3, 0.05]
    let problem = try diagonal(curvatures.map(sqrt), target: [0, 0, 0, 0], weight: 0)
    let x0: Vector = [1, -2, 0.5, 3]
    let rule = MomentumDescent(form, smoothness: l, curvature: mu)
    let iterates = run(rule, problem, from: x0, 80)
    let ratio = (sqrt(l) - sqrt(mu)) / (sqrt(l) + sqrt(mu))
    for (j, lambda) in curvatures.enumerated() {
      // x⁺ = a x - b x⁻: z² = a z - b has the roots r e^{±iθ}, r² = b, 2 r cos θ = a.
      let (a, b, first): (Double, Double, Double)
      switch form {
      case .heavyBall:
        let s = 4 / pow(sqrt(l) + sqrt(mu), 2)
        (a, b, first) = (1 + ratio * ratio - s * lambda, ratio * ratio, 1 - s * lambda)
      case .nesterov:
        let c = 1 - lambda / l
        (a, b, first) = (c * (1 + ratio), c * ratio, c)
      }
      let r = sqrt(b)
      let angle = acos(a / (2 * r))
      let beta = (first / r - cos(angle)) / sin(angle)
      for (t, x) in iterates.enumerated() {
        let phase = angle * Double(t)
        let expected = x0[j] * pow(r, Double(t)) * (cos(phase) + beta * sin(phase))
        // Rounding of the phase grows with t while r^t shrinks; β is at most 10.
        #expect(abs(x[j] - expected) <= 1e-13 * abs(x0[j]), "\(form), \(lambda), step \(t)")
      }
    }
  }

  @Test(
    "on a quadratic the iterates are those of the linear recurrence",
    arguments: MomentumDescent.Form.allCases)
  func recurrence(form: MomentumDescent.Form) throws { try oscillations(form) }

  @Test("heavy ball gains sqrt(m) a step, far more than gradient descent")
  func rate() throws {
    let problem = try LeastSquares.generated(
      seed: 9, rows: 12, columns: 12, smoothness: 1, curvature: 1e-4)
    let point = try #require(problem.generatingPoint)
    let distances = { (rule: any UpdateRule) -> Double in
      (open(rule, problem).last.map { ($0 - point).norm }) ?? .nan
    }
    func open(_ rule: some UpdateRule, _ problem: LeastSquares) -> [Vector] {
      run(rule, problem, from: Vector(zeros: 12), 1000)
    }
    // m = (99/101)², so that 1000 steps gain (99/101)^1000 = 2e-9, times a polynomial.
    #expect(distances(MomentumDescent(.heavyBall, smoothness: 1, curvature: 1e-4)) <= 1e-5)
    #expect(distances(MomentumDescent(.nesterov, smoothness: 1, curvature: 1e-4)) <= 1e-2)
    // (1 - 1e-4)^1000 = 0.9: gradient descent has hardly started.
    #expect(distances(GradientDescent()) >= 0.1)
  }
}
