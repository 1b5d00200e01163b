import Foundation
import OptCheck
import Synchronization
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

private func subgradient(_ problem: some Problem, _ x: Vector) -> Vector {
  var v = Vector(zeros: x.count)
  problem.subgradient(at: x, into: &v)
  return v
}

/// The d entries of instance `i`.
private func part(_ x: Vector, _ i: Int, _ d: Int) -> Vector {
  Vector(Array(x.elements[(i * d)..<((i + 1) * d)]))
}

@Suite struct AdamRules {
  @Test("Adam by the sums that its moments are")
  func moments() throws {
    let problem = try Lasso.generated(seed: 1, size: size)
    let (b1, b2, step) = (0.8, 0.95, 0.05)
    let iterates = run(
      Adam(stepRule: .constant(step), beta1: b1, beta2: b2, epsilon: 1e-3), problem,
      from: start(problem), 15)
    let v = iterates.map { subgradient(problem, $0) }
    for t in 1...15 {
      for j in 0..<problem.dimension {
        // Weights of the subgradients seen so far, which bias correction makes a mean.
        func mean(_ b: Double, _ term: (Double) -> Double) -> Double {
          let weights = (0..<t).map { pow(b, Double(t - 1 - $0)) }
          return zip(weights, v).reduce(0) { $0 + $1.0 * term($1.1[j]) } / weights.reduce(0, +)
        }
        let move = -step * mean(b1) { $0 } / (sqrt(mean(b2) { $0 * $0 }) + 1e-3)
        #expect(abs(iterates[t][j] - iterates[t - 1][j] - move) <= 1e-14)
      }
    }
  }

  @Test("AdamHD moves its step against the derivative of the value by the step")
  func hypergradient() throws {
    let problem = try LeastSquares.generated(seed: 2, instances: 2, rows: 5, columns: 6)
    let x0 = start(problem)
    let (step, kappa) = (0.05, 1e-3)
    let rule = Adam(stepRule: .constant(step), hyperDescent: .init(rate: kappa))
    var (x, state) = (x0, rule.initialState(for: problem))
    rule.step(&x, &state, on: problem)
    #expect(state.stepSizes == [step, step])
    rule.step(&x, &state, on: problem)
    // F after one step, as a function of the step: quadratic, so central differences are exact.
    let h = 1e-3
    func value(_ s: Double, _ i: Int) -> Double {
      problem.values(at: run(Adam(stepRule: .constant(s)), problem, from: x0, 1)[1])[i]
    }
    for i in 0..<2 {
      let derivative = (value(step + h, i) - value(step - h, i)) / (2 * h)
      // Values of order 10 with 1e-16 each, over h, times κ.
      #expect(abs(state.stepSizes[i] - (step - kappa * derivative)) <= 1e-14)
    }
    #expect(state.stepSizes[0] != state.stepSizes[1])
  }

  @Test("without a rate AdamHD is Adam, bit for bit")
  func zeroRate() throws {
    let problem = try LogisticL1.generated(seed: 3, size: size)
    let x = start(problem)
    for scope in Adam.HyperDescent.Scope.allCases {
      let rule = Adam(hyperDescent: .init(rate: 0, scope: scope))
      #expect(run(rule, problem, from: x, 30) == run(Adam(), problem, from: x, 30))
    }
  }

  /// Instances are runs of their own; the reference code's whole-batch product ties them together.
  @Test func scopes() throws {
    let problem = try Lasso.generated(seed: 4, size: size)
    let x = start(problem)
    func rule(_ scope: Adam.HyperDescent.Scope) -> Adam {
      Adam(stepRule: .constant(0.02), hyperDescent: .init(rate: 1e-3, scope: scope))
    }
    let batch = run(rule(.instance), problem, from: x, 20)
    for i in 0..<3 {
      let alone = run(rule(.instance), problem.instances(i..<(i + 1)), from: part(x, i, 8), 20)
      #expect(batch.map { part($0, i, 8) } == alone)
      #expect(
        run(rule(.reference), problem.instances(i..<(i + 1)), from: part(x, i, 8), 20) == alone)
    }
    // κ times the sum over instances, for every one of them.
    func steps(_ scope: Adam.HyperDescent.Scope) -> [Double] {
      var (y, state) = (x, rule(scope).initialState(for: problem))
      for _ in 0..<2 { rule(scope).step(&y, &state, on: problem) }
      return state.stepSizes
    }
    let total = 0.02 + steps(.instance).reduce(0) { $0 + ($1 - 0.02) }
    for step in steps(.reference) { #expect(abs(step - total) <= 1e-16) }
  }

  @Test("the step never falls below 1e-8")
  func floor() throws {
    // F = ½ x², the step of 30 jumps over 0: the correction is far larger than the step.
    let problem = try LeastSquares(matrices: [Matrix(identity: 1)], target: [0])
    let rule = Adam(stepRule: .constant(30), hyperDescent: .init(rate: 1e3))
    var (x, state): (Vector, _) = ([1], rule.initialState(for: problem))
    for _ in 0..<2 { rule.step(&x, &state, on: problem) }
    #expect(state.stepSizes == [1e-8])
  }
}

@Suite struct ShampooRule {
  @Test("the first step has length s ‖v‖ / sqrt(ε + ‖v‖²) along the subgradient")
  func firstStep() throws {
    let problem = try Lasso.generated(seed: 5, size: size)
    let x = start(problem)
    // v is an eigenvector of L = ε I + v vᵀ; a large ε shows where it enters.
    for epsilon in [1e-8, 0.5] {
      let y = run(Shampoo(stepRule: .constant(0.3), epsilon: epsilon), problem, from: x, 1)[1]
      for i in 0..<3 {
        let v = part(subgradient(problem, x), i, 8)
        let expected = v.scaled(by: -0.3 / sqrt(epsilon + v.dot(v)))
        #expect((part(y - x, i, 8) - expected).maxMagnitude <= 1e-12)
      }
    }
  }

  @Test("twelve steps against roots by the singular value decomposition")
  func singularValues() throws {
    let problem = try LogisticL1.generated(seed: 6, size: size)
    let iterates = run(Shampoo(stepRule: .constant(0.1)), problem, from: start(problem), 12)
    for i in 0..<3 {
      var left = Matrix(zeros: 8, 8)
      var right = 1e-8
      for j in 0..<8 { left[j, j] = 1e-8 }
      for t in 0..<12 {
        let v = part(subgradient(problem, iterates[t]), i, 8)
        for j in 0..<8 { for k in 0..<8 { left[j, k] += v[j] * v[k] } }
        right += v.dot(v)
        let svd = try left.thinSVD()
        var c = svd.left.times(v, .transposed)
        for j in 0..<8 { c[j] /= pow(svd.values[j] * right, 0.25) }
        let move = svd.left.times(c).scaled(by: -0.1)
        // The eighth step on, L is well conditioned; before, 1e-16/1e-8 of a small eigenvalue.
        #expect(
          (part(iterates[t + 1] - iterates[t], i, 8) - move).maxMagnitude <= 1e-8 * 0.1, "\(t)")
      }
    }
  }

  /// ‖L^(-1/4) v‖² ≤ ‖v‖ because L ⪰ v vᵀ, and R ≥ ‖v‖²: no step is longer than s.
  @Test(arguments: [1.0, 1e4, 1e8])
  func noStepIsLongerThanItsSize(scale: Double) throws {
    let base = try LeastSquares.generated(seed: 7, instances: 2, rows: 10, columns: 8)
    let problem = try LeastSquares(
      matrices: base.matrix.blocks, target: base.target.scaled(by: scale))
    let iterates = run(Shampoo(stepRule: .constant(0.1)), problem, from: start(problem), 30)
    #expect(iterates.count == 31)
    for (x, y) in zip(iterates, iterates.dropFirst()) {
      for i in 0..<2 {
        // Rounding of v outside of its span, 1e-16 ‖v‖, over ε^(1/4) = 0.01, to 1e-14 sqrt(‖v‖).
        #expect(part(y - x, i, 8).norm <= 0.1 * (1 + 1e-9))
      }
    }
  }
}

@Suite struct LimitedMemoryBFGS {
  @Test("the least squares solution of LAPACK, superlinearly")
  func quadratic() throws {
    let base = try LeastSquares.generated(
      seed: 8, rows: 20, columns: 8, smoothness: 1, curvature: 1e-3)
    // A right-hand side outside of the range: the minimum is not 0.
    var rng = SplitMix64(seed: 1)
    let problem = try LeastSquares(
      matrices: base.matrix.blocks, target: rng.vector(20), gradientForm: .residual)
    let solution = try problem.matrix.blocks[0].minimumNormSolution(problem.target)
    let errors = run(LBFGS(memory: 20), problem, from: start(problem), 60)
      .map { ($0 - solution).norm }
    #expect(try #require(errors.min()) <= 1e-12)
    // Steps to each further factor of 1e-3 become fewer: the last is fast, the first is not.
    let times = [1, 1e-3, 1e-6, 1e-9].map { level in
      errors.firstIndex { $0 <= level * errors[0] } ?? .max
    }
    #expect(times[3] <= 40, "\(times)")
    #expect(times[3] - times[2] < times[1] - times[0], "\(times)")
    // Gradient descent at condition 1000 needs thousands.
    let plain = run(GradientDescent(), problem, from: start(problem), 60)
    #expect((plain[60] - solution).norm >= 1e-2 * errors[0])
  }

  @Test("every step is along -H g, with H updated as a whole matrix", arguments: [1, 3, 20])
  func directions(memory: Int) throws {
    let problem = try LeastSquares.generated(
      seed: 12, rows: 8, columns: 6, curvature: 0.01, gradientForm: .residual)
    let x = run(LBFGS(memory: memory), problem, from: start(problem), 10)
    let g = x.map { problem.gradient(at: $0) }
    for t in 0..<10 {
      let kept: Range<Int> = max(0, t - memory)..<t
      let pairs: [(s: Vector, y: Vector)] = kept.map { (x[$0 + 1] - x[$0], g[$0 + 1] - g[$0]) }
      var h = Matrix(identity: 6)
      if let last = pairs.last {
        for j in 0..<6 { h[j, j] = last.s.dot(last.y) / last.y.dot(last.y) }
      }
      for (s, y) in pairs {
        // H ← V H Vᵀ + s sᵀ/sᵀy with V = I - s yᵀ/sᵀy.
        var v = Matrix(identity: 6)
        for j in 0..<6 { for k in 0..<6 { v[j, k] -= s[j] * y[k] / s.dot(y) } }
        h = Matrix.product(Matrix.product(v, h), .plain, v, .transposed)
        for j in 0..<6 { for k in 0..<6 { h[j, k] += s[j] * s[k] / s.dot(y) } }
      }
      let move: Vector = x[t + 1] - x[t]
      let wanted: Vector = h.times(g[t]).scaled(by: -1)
      let length = move.norm / wanted.norm
      // Differences of iterates and gradients lose up to five digits in ten steps.
      #expect((move - wanted.scaled(by: length)).norm <= 1e-9 * move.norm, "step \(t)")
      #expect(t == 0 || length >= 1.0 / 64, "the full step is nearly always good enough")
    }
  }

  @Test("logistic regression to its certified minimum")
  func logistic() throws {
    // Many more rows than columns: labels that no plane separates, so that there is a minimum.
    let problem = try LogisticL1.generated(
      seed: 9, size: .init(instances: 2, rows: 60, columns: 4, sparsity: 2), weight: 0)
    var noisy = problem.target
    for j in stride(from: 0, to: noisy.count, by: 5) { noisy[j] = 1 - noisy[j] }
    let mixed = try LogisticL1(map: problem.map, target: noisy, weight: 0)
    let minima = try mixed.certifiedMinima()
    let x = run(LBFGS(), mixed, from: Vector(zeros: 8), 40)[40]
    for (value, minimum) in zip(mixed.values(at: x), minima) {
      #expect(abs(value - minimum.value) <= 1e-13)
    }
  }

  @Test("instances do not see each other, not even one that rests at its minimum")
  func independence() throws {
    let problem = try LeastSquares.generated(
      seed: 10, instances: 3, rows: 8, columns: 6, gradientForm: .residual)
    let point = try #require(problem.generatingPoint)
    var x = start(problem)
    // M x* is Y to the last bit or nearly: no slope, or one that descends no further.
    for j in 6..<12 { x[j] = point[j] }
    let batch = run(LBFGS(), problem, from: x, 25)
    for i in 0..<3 {
      let alone = try LeastSquares(
        matrices: [problem.matrix.blocks[i]], target: part(problem.target, i, 8),
        gradientForm: .residual)
      #expect(batch.map { part($0, i, 6) } == run(LBFGS(), alone, from: part(x, i, 6), 25))
    }
    let last = problem.values(at: batch[25])
    #expect(last[0] <= 1e-20 && last[2] <= 1e-20)
  }

  @Test("Rosenbrock's valley, with every evaluation counted")
  func rosenbrock() {
    let problem = Rosenbrock()
    let rule = LBFGS()
    var (x, state): (Vector, _) = ([-1.2, 1], rule.initialState(for: problem))
    var values = problem.values(at: x)
    for _ in 0..<60 {
      rule.step(&x, &state, on: problem)
      values += problem.values(at: x)
    }
    #expect((x - [1, 1]).maxMagnitude <= 1e-10)
    for (a, b) in zip(values, values.dropFirst()) { #expect(b <= a + 4 * a.ulp) }
    // One gradient per evaluation; this test itself takes values only.
    #expect(state.evaluations == problem.count)
    #expect(values.firstIndex { $0 <= 1e-12 } ?? .max <= 50)
  }

  @Test("never rises on a kinked function, and comes near its minimum")
  func kinks() throws {
    let problem = try Lasso.generated(seed: 11, size: size)
    let minima = try problem.certifiedMinima()
    for memory in [1, 5] {
      let values = unroll(
        LBFGS(memory: memory), on: problem, from: start(problem), horizon: 60
      ).values
      for i in 0..<3 {
        for (a, b) in zip(values, values.dropFirst()) { #expect(b[i] <= a[i] + 4 * a[i].ulp) }
        #expect(values[60][i] >= minima[i].lowerBound)
        #expect(values[60][i] - minima[i].value <= 0.1 * (values[0][i] - minima[i].value))
      }
    }
  }
}

/// 100 (y - x²)² + (1 - x)², which counts its gradients.
private struct Rosenbrock: Problem {
  final class Counter: Sendable {
    let gradients = Atomic(0)
  }

  let name = "rosenbrock"
  let dimension = 2
  /// Of the Hessian at the start, about.
  let smoothness = [1500.0]
  let minimumValue: Double? = 0
  private let counter = Counter()
  /// Gradients so far.
  var count: Int { counter.gradients.load(ordering: .relaxed) }

  func values(at x: Vector) -> [Double] {
    [100 * pow(x[1] - x[0] * x[0], 2) + pow(1 - x[0], 2)]
  }

  func gradient(at x: Vector, into g: inout Vector) {
    counter.gradients.add(1, ordering: .relaxed)
    let valley = x[1] - x[0] * x[0]
    g[0] = -400 * x[0] * valley - 2 * (1 - x[0])
    g[1] = 200 * valley
  }
}
