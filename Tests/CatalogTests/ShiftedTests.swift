import OptCheck
import Testing

@Suite struct ShiftedProblems {
  static let size = SparseRegressionSize(instances: 3, rows: 6, columns: 8, sparsity: 2)

  static func problems() throws -> [any LinearModelProblem] {
    [
      try LeastSquares.generated(seed: 1, instances: 3, rows: 6, columns: 8),
      try Lasso.generated(seed: 2, size: size), try LogisticL1.generated(seed: 3, size: size),
    ]
  }

  private static func moved(_ x: Vector, by t: Double) -> Vector {
    Vector(x.elements.map { $0 + t })
  }

  @Test("F(x + t) with its gradient, curvature and prox", arguments: 0..<3)
  func exact(which: Int) throws { try check(Self.problems()[which]) }

  private func check(_ base: some LinearModelProblem) throws {
    let t = 0.75
    let problem = Shifted(base, by: t)
    var rng = SplitMix64(seed: 4)
    let (x, v, steps) = (rng.vector(24), rng.vector(24), rng.vector(24) { 0.1 + $0.uniform() })
    #expect(problem.values(at: x) == base.values(at: Self.moved(x, by: t)))
    // Differences of the smooth part, whose third derivatives are below 1.
    let f = { (x: Vector) in problem.smoothValues(at: x).reduce(0, +) }
    let h = 1e-5
    let slope = (f(x.moved(h, v)) - f(x.moved(-h, v))) / (2 * h)
    #expect(abs(slope - problem.gradient(at: x).dot(v)) <= 1e-8)
    var product = Vector(zeros: 24)
    problem.hessianProduct(v, at: x, into: &product)
    var change = problem.gradient(at: x.moved(h, v)) - problem.gradient(at: x.moved(-h, v))
    change.scale(by: 1 / (2 * h))
    #expect((change - product).maxMagnitude <= 1e-8)
    // The prox minimises r(u + t) + ½ Σ (u - x)² / p: no nearby point is better.
    let r = problem.regularizer
    var u = x
    r.prox(&u, steps: steps)
    func cost(_ u: Vector, _ j: Int) -> Double {
      r.value(at: [u[j]]) + (u[j] - x[j]) * (u[j] - x[j]) / (2 * steps[j])
    }
    for j in 0..<24 {
      for shift in [-1e-3, 1e-3] {
        #expect(cost(Self.moved(u, by: shift), j) > cost(u, j), "coordinate \(j)")
      }
    }
    // The parts keep the shift, and the whole's scale.
    let part = problem.instances(1..<2)
    let x1 = Vector(Array(x.elements[8..<16]))
    // A part sums in another order where a matrix is applied to many instances at once.
    #expect(abs(part.values(at: x1)[0] - problem.values(at: x)[1]) <= 1e-13)
    #expect(part.reportedScale == problem.reportedScale)
  }

  @Test("with the target moved, M x - Y is the residual of the moved problem")
  func target() throws {
    let base = try Lasso.generated(seed: 2, size: Self.size)
    let problem = Shifted(base, by: -0.4)
    var rng = SplitMix64(seed: 9)
    let x = rng.vector(24)
    let r = problem.map.times(x) - problem.target
    let smooth = problem.smoothValues(at: x).reduce(0, +)
    #expect(abs(r.dot(r) / 2 - smooth) <= 1e-13 * smooth)
    #expect(Shifted(base, by: -0.4, form: .reference).target == base.target)
    let point = try #require(problem.generatingPoint)
    #expect((problem.map.times(point) - problem.target).maxMagnitude <= 1e-14)
  }

  @Test("the reference code's prox: drift for least squares, wrong thresholds across zero")
  func referenceProx() throws {
    let t = 0.5
    let steps = Vector([Double](repeating: 1, count: 24))
    let bases = try Self.problems()
    var u = Vector((0..<24).map { Double($0) / 8 - 1.4 })
    let x = u
    referenceRegularizer(bases[0], t).prox(&u, steps: steps)
    #expect(u == Self.moved(x, by: -t))
    // Lasso, ρ = 0.1: what its authors write, term by term.
    let lasso = referenceRegularizer(bases[1], t)
    u = x
    lasso.prox(&u, steps: steps)
    for j in 0..<24 {
      let s = x[j] > 0 ? 1.0 : x[j] < 0 ? -1 : 0
      #expect(abs(u[j] - (-t + s * max(abs(x[j]) - 0.1 + s * t, 0))) <= 1e-15)
      // Where x > 0, x + t is positive too and nothing is wrong.
      if x[j] > 0 { #expect(abs(u[j] - (max(x[j] + t - 0.1, 0) - t)) <= 1e-15) }
    }
    var zero = Vector(zeros: 24)
    lasso.prox(&zero, steps: steps)
    #expect(zero == Vector(zeros: 24).moved(-t, Vector([Double](repeating: 1, count: 24))))
  }

  private func referenceRegularizer(
    _ base: some LinearModelProblem, _ t: Double
  ) -> any Regularizer { Shifted(base, by: t, form: .reference).regularizer }

  @Test("the reference code's logistic subgradient is shifted twice; the exact one is not")
  func doubleShift() throws {
    let base = try LogisticL1.generated(seed: 3, size: Self.size, weight: 0.2)
    var rng = SplitMix64(seed: 8)
    let (x, t) = (rng.vector(24), 0.3)
    var (exact, reference) = (Vector(zeros: 24), Vector(zeros: 24))
    Shifted(base, by: t).subgradient(at: x, into: &exact)
    Shifted(base, by: t, form: .reference).subgradient(at: x, into: &reference)
    let once = base.gradient(at: Self.moved(x, by: t))
    let twice = base.gradient(at: Self.moved(x, by: 2 * t))
    for j in 0..<24 {
      let sign = 0.2 * (x[j] + t > 0 ? 1 : -1)
      #expect(abs(exact[j] - once[j] - sign) <= 1e-15)
      #expect(abs(reference[j] - twice[j] - sign) <= 1e-15)
    }
  }

  @Test("formulas and steps agree in both forms", arguments: Shifted<Lasso>.Form.allCases, 0..<3)
  func formulas(form: Shifted<Lasso>.Form, which: Int) throws {
    try compare(Self.problems()[which], exactly: form == .exact)
  }

  private func compare(_ base: some LinearModelProblem, exactly: Bool) throws {
    let problem = Shifted(base, by: 0.7, form: exactly ? .exact : .reference)
    var rng = SplitMix64(seed: 11)
    let x = rng.vector(24)
    let steps = rng.vector(24) { 0.1 + $0.uniform() }
    let tape = Tape()
    let formula = ProblemFormula(problem)
    let e = tape.constant(Matrix(rows: 3, columns: 8, elements: x.elements))
    let s = tape.constant(Matrix(rows: 3, columns: 8, elements: steps.elements))
    var (u, g) = (x, Vector(zeros: 24))
    problem.regularizer.prox(&u, steps: steps)
    problem.subgradient(at: x, into: &g)
    #expect((formula.prox(e, steps: s).vector - u).maxMagnitude <= 1e-15)
    #expect((formula.subgradient(at: e).vector - g).maxMagnitude <= 1e-14)
    let values = formula.values(at: e).vector
    #expect((values - Vector(problem.values(at: x))).maxMagnitude <= 1e-13)
  }

  @Test("it keeps what its base can do, for those who ask at run time")
  func conformances() throws {
    let problem: any Problem = Shifted(try Lasso.generated(seed: 2, size: Self.size), by: 1)
    #expect(problem is any SeparableProblem)
    #expect(problem is any TwiceDifferentiableProblem)
    #expect(problem is any LinearModelProblem)
    let plain: any Problem = Shifted(Bare(), by: 1)
    #expect(!(plain is any SeparableProblem) && !(plain is any TwiceDifferentiableProblem))
  }

  /// x²/2, and nothing more than a problem must have.
  private struct Bare: Problem {
    let name = "bare"
    let dimension = 1
    let smoothness = [1.0]
    let minimumValue: Double? = 0
    func values(at x: Vector) -> [Double] { [x[0] * x[0] / 2] }
    func gradient(at x: Vector, into g: inout Vector) { g = x }
  }

  @Test func starts() throws {
    let problem = try Lasso.generated(seed: 2, size: Self.size)
    #expect(problem.start() == Vector(zeros: 24))
    #expect(problem.start(shiftedBy: 10).elements.allSatisfy { $0 == 10 })
  }
}
