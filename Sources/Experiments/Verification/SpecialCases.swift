import Catalog
public import Checks
import Engine
import Foundation
import Optimization

extension SchemeStudy {
  /// The special cases of the explicit forms, each on at least two problems.
  ///
  /// Parts are closed formulas in the direct algorithm's own parameters. Two take a record of the
  /// direct run as such parameters: the outputs of L2O-PA's network, to which the maps and scales of its
  /// heads are applied, and the lengths that L-BFGS's line search finds. f is replaced in Ada-LISTA
  /// alone, by f_k(x) = κ_k (½ ‖W₁ M x‖² - ⟨W₂ y, M x⟩) with κ_k = γ_k ρ/θ_k, so that r stays and
  /// p = θ_k/ρ; Step-LISTA keeps f and r.
  ///
  /// - Throws: what making the problems throws.
  public static func specialCases() throws -> [SchemeCheck.Subject] {
    func suite(_ name: String) throws -> SolvedProblem? {
      try ProblemSuite.families.first { $0.name == name }?.problem()
    }
    let lassos = [try suite("lasso")?.problem, try wideLasso()].compactMap { $0 }
    let composite =
      lassos + [try suite("logistic-l1")?.problem, try simplex()].compactMap { $0 }
    let smooth = try ["quadratic-n10-k10", "logistic", "huber"].compactMap {
      try suite($0)?.problem
    }
    let quadratics = try ["quadratic-n2-k10", "quadratic-n10-k10"].compactMap { try suite($0) }
    let curved = try ["quadratic-n10-k10", "logistic"].compactMap { try suite($0)?.problem }
    return composite.flatMap(proximalGradient) + composite.flatMap(accelerated)
      + composite.flatMap(variableMetric) + (try lassos.map(stepLista))
      + (try lassos.map(adaLista)) + smooth.flatMap(nesterov)
      + (try lassos.map(mathL2O)) + (try quadratics.flatMap(newton)) + curved.map(quasiNewton)
  }

  /// LASSO with fewer equations than unknowns.
  private static func wideLasso() throws -> any Problem {
    var rng = SplitMix64(seed: 5)
    let m = rng.matrix(12, 30) { $0.normal() / 12.0.squareRoot() }
    let y = rng.vector(12)
    return try Lasso(
      name: "lasso-wide", map: .shared(m, copies: 1), target: y,
      weight: 0.1 * m.times(y, .transposed).maxMagnitude)
  }

  /// Least squares over the simplex whose minimiser is no vertex: from there no step would matter.
  private static func simplex() throws -> any Problem {
    var rng = SplitMix64(seed: 7)
    let m = rng.matrix(9, 6)
    return try Regression(
      name: "simplex-face", matrix: m, target: m.times([0.4, 0.3, 0.2, 0.1, 0, 0]),
      loss: .squared, regularizer: Simplex(size: 6))
  }

  private static func start(_ problem: any Problem) -> Vector {
    var rng = SplitMix64(seed: 11)
    var x = rng.vector(problem.dimension)
    problem.regularizer.prox(
      &x, steps: Vector([Double](repeating: 0.01, count: x.count)))
    return x
  }

  private static func subject(
    _ name: String, _ problem: any Problem, horizon: Int = 40, formulas: String,
    _ scheme: any UpdateRule, _ direct: any UpdateRule
  ) -> SchemeCheck.Subject {
    SchemeCheck.Subject(
      label: "\(name) on \(problem.name)", scheme: scheme, direct: direct, problem: problem,
      start: start(problem), horizon: horizon, formulas: formulas)
  }

  /// s = 1/β.
  private static func step(_ problem: any Problem) -> Double { 1 / problem.largestSmoothness }

  private static func proximalGradient(_ problem: any Problem) -> [SchemeCheck.Subject] {
    let (n, s) = (problem.dimension, step(problem))
    let formulas = "p = s, b = b₁ = b₂ = 0, any a"
    return [
      subject(
        "proximal gradient", problem, formulas: formulas,
        ExplicitScheme("scheme-18") { _ in
          .init(count: n, step: s, mixing: 0, momentum: 0.5)
        }, ProximalGradient()),
      subject(
        "proximal gradient by StructuredScheme", problem, formulas: "p = s, b = 1, a = 0",
        StructuredScheme(GivenParts("given")), ProximalGradient()),
    ]
  }

  /// (τ_k - 1)/τ_{k+1} with τ_0 = 1, τ_{k+1} = (1 + √(1 + 4 τ_k²))/2.
  private static func momentum(_ k: Int) -> Double {
    let taus = (0...k).reduce(into: [1.0]) { taus, _ in
      let tau = taus[taus.count - 1]
      taus.append((1 + (1 + 4 * tau * tau).squareRoot()) / 2)
    }
    return (taus[k] - 1) / taus[k + 1]
  }

  private static func accelerated(_ problem: any Problem) -> [SchemeCheck.Subject] {
    let (n, s) = (problem.dimension, step(problem))
    let formulas = "p = s, a = (τ_k - 1)/τ_{k+1}, b = 1, b₁ = b₂ = 0"
    return [
      subject(
        "FISTA", problem, formulas: formulas,
        ExplicitScheme("scheme-18") { .init(count: n, step: s, momentum: momentum($0)) },
        FISTA()),
      subject(
        "FISTA by StructuredScheme", problem, formulas: formulas,
        StructuredScheme(GivenParts("given", momentum: .fista)), FISTA()),
    ]
  }

  private static func variableMetric(_ problem: any Problem) -> [SchemeCheck.Subject] {
    let (n, s) = (problem.dimension, step(problem))
    let factors = (0..<n).map { 0.3 + 0.7 * Double($0 + 1) / Double(n) }
    return [
      subject(
        "variable-metric proximal gradient", problem,
        formulas: "p = s · metric, a = b = b₁ = b₂ = 0",
        ExplicitScheme("scheme-18") { _ in
          .init(step: Vector(factors).scaled(by: s), mixing: Vector(zeros: n))
        }, ProximalGradient(metric: Vector(factors))),
      subject(
        "variable-metric proximal gradient by StructuredScheme", problem,
        formulas: "p = s · metric, b = 1, a = 0",
        StructuredScheme(GivenParts("given", factors: factors)),
        ProximalGradient(metric: Vector(factors))),
    ]
  }

  private static func stepLista(_ problem: any Problem) throws -> SchemeCheck.Subject {
    let (n, s, layers) = (problem.dimension, step(problem), 16)
    let gamma = (0..<layers).map { s * (0.5 + 0.4 * Double($0) / Double(layers)) }
    let rule = try StepLISTA(
      layers: layers,
      parameters: Parameters(
        gamma.enumerated().map { ("step_sizes.\($0)", Tensor($1)) }))
    return subject(
      "Step-LISTA", problem, horizon: layers,
      formulas: "p = γ_k, a = b = b₁ = b₂ = 0; f is not replaced",
      ExplicitScheme("scheme-18") { .init(count: n, step: gamma[$0], mixing: 0) }, rule)
  }

  private static func adaLista(_ problem: any Problem) throws -> SchemeCheck.Subject {
    guard let model = problem as? any LinearModelProblem else {
      preconditionFailure("'\(problem.name)' has no linear map")
    }
    let (n, s, layers) = (problem.dimension, step(problem), 16)
    let (m, y, weight) = (model.map.matrix(0), model.target, problem.regularizer.l1Weight)
    var rng = SplitMix64(seed: 9)
    func nearIdentity() -> Matrix {
      var w = rng.matrix(m.rows, m.rows) { 0.1 * $0.normal() / Double(m.rows).squareRoot() }
      for i in 0..<m.rows { w[i, i] += 1 }
      return w
    }
    let (w1, w2) = (nearIdentity(), nearIdentity())
    let gamma = (0..<layers).map { s * (0.5 + 0.2 * Double($0) / Double(layers)) }
    let theta = (0..<layers).map { s * weight * (1 - 0.4 * Double($0) / Double(layers)) }
    func weightTensor(_ w: Matrix) -> Tensor {
      Tensor(shape: [1, w.rows, w.columns], elements: w.elements)
    }
    let rule = try AdaLISTA(
      layers: layers,
      parameters: Parameters(
        [("W1", weightTensor(w1)), ("W2", weightTensor(w2))]
          + gamma.enumerated().map { ("step_sizes.\($0)", Tensor($1)) }
          + theta.enumerated().map { ("thresholds.\($0)", Tensor($1)) }))
    let scheme = ExplicitScheme("scheme-18") { k, x in
      var seen = w1.times(w1.times(m.times(x)), .transposed)
      seen.add(-1, w2.times(y))
      return m.times(seen, .transposed).scaled(by: gamma[k] * weight / theta[k])
    } parts: {
      .init(count: n, step: theta[$0] / weight, mixing: 0)
    }
    return subject(
      "Ada-LISTA", problem, horizon: layers,
      formulas: "p = θ_k/ρ, a = b = b₁ = b₂ = 0, f replaced by "
        + "(γ_k ρ/θ_k) (½ ‖W₁ M x‖² - ⟨W₂ y, M x⟩)", scheme, rule)
  }

  private static func nesterov(_ problem: any Problem) -> [SchemeCheck.Subject] {
    let (n, s) = (problem.dimension, step(problem))
    return [
      subject(
        "Nesterov", problem, formulas: "p = s, a = m, b = 1, b₁ = b₂ = 0",
        ExplicitScheme("scheme-18") { _ in .init(count: n, step: s, momentum: 0.7) },
        MomentumDescent(.nesterov, momentum: 0.7)),
      subject(
        "Nesterov by StructuredScheme", problem, formulas: "p = s, a = m, b = 1, b₁ = b₂ = 0",
        StructuredScheme(GivenParts("given", momentum: .constant(0.7))),
        MomentumDescent(.nesterov, momentum: 0.7)),
    ]
  }

  /// p and a by the heads' formulas from what the network puts out in the direct run.
  private static func mathL2O(_ problem: any Problem) throws -> SchemeCheck.Subject {
    let horizon = 40
    let head = RecurrentParts.Head(.twiceSigmoid)
    let small = RecurrentParts.Head(.twiceSigmoid, scale: 0.4)
    let architecture = RecurrentParts.Architecture(heads: [.p: head, .a: small])
    let rule = CoordMathLSTM(
      try RecurrentParts(
        architecture, parameters: architecture.initialParameters(seed: 3)), stateSeed: 4)
    let record = Observations()
    var x = start(problem)
    var state = FormulaState(
      stepSizes: rule.stepRule.stepSizes(for: problem),
      carry: rule.initialCarry(for: problem, seed: rule.stateSeed))
    for _ in 0..<horizon { rule.step(&x, &state, on: problem, observer: record) }
    let s = step(problem)
    func parts(_ name: String, _ head: RecurrentParts.Head, _ factor: Double) -> [Vector] {
      (record.values[name] ?? []).map { raw in
        Vector(raw.elements.map { factor * head.scale * head.map.value($0) })
      }
    }
    let (p, a) = (parts("raw_p", head, s), parts("raw_a", small, 1))
    return subject(
      "L2O-PA", problem, horizon: horizon,
      formulas: "p = s 2σ(o_p), a = 0.4 · 2σ(o_a), b = 1, b₁ = b₂ = 0; o of the network recorded",
      ExplicitScheme("scheme-18") { .init(step: p[$0], momentum: a[$0]) }, rule)
  }

  /// One step with the inverse Hessian, beside the same by SVD and beside the minimiser itself.
  private static func newton(_ solved: SolvedProblem) throws -> [SchemeCheck.Subject] {
    guard let model = solved.problem as? any LinearModelProblem else {
      preconditionFailure("'\(solved.name)' has no linear map")
    }
    let m = model.map.matrix(0)
    let inverse = try m.gram().cholesky().solve(Matrix(identity: m.columns))
    let scheme = PreconditionedScheme("scheme-6") { _ in inverse }
    let pseudoinverse = try m.pseudoinverse()
    let minimiser = solved.minimisers[0]
    return [
      subject(
        "Newton", solved.problem, horizon: 3, formulas: "P = (MᵀM)⁻¹, b = 0", scheme,
        MadeUpStep(name: "newton-by-svd") { x in
          var r = m.times(x)
          r.add(-1, model.target)
          return x - pseudoinverse.times(r)
        }),
      subject(
        "Newton's minimiser in one step", solved.problem, horizon: 1,
        formulas: "P = (MᵀM)⁻¹, b = 0", scheme, MadeUpStep(name: "arrival") { _ in minimiser }),
    ]
  }

  /// t_k H_k with the full matrix of the BFGS recursion, beside the two-loop rule.
  private static func quasiNewton(_ problem: any Problem) -> SchemeCheck.Subject {
    let (horizon, rule) = (12, LBFGS(memory: 4))
    func lengths<P: Problem>(_ problem: P) -> [Double] {
      var x = start(problem)
      var state = rule.initialState(for: problem)
      return (0..<horizon).map { _ in
        rule.step(&x, &state, on: problem)
        return state.lengths[0]
      }
    }
    let (t, first) = (lengths(problem), step(problem))
    let scheme = PreconditionedScheme("scheme-6") { history in
      var pairs: [(s: Vector, y: Vector)] = []
      for k in 1..<max(1, history.points.count) {
        let s = history.points[k] - history.points[k - 1]
        let y = history.gradients[k] - history.gradients[k - 1]
        if s.dot(y) > .ulpOfOne * s.norm * y.norm { pairs.append((s, y)) }
      }
      let h = inverseHessian(
        Array(pairs.suffix(rule.memory)), order: problem.dimension, first: first)
      let length = t[history.points.count - 1]
      return Matrix(rows: h.rows, columns: h.columns, elements: h.elements.map { length * $0 })
    }
    return subject(
      "L-BFGS", problem, horizon: horizon,
      formulas: "P = t_k H_k, H_k by H ← (I - s yᵀ/sᵀy) H (I - y sᵀ/sᵀy) + s sᵀ/sᵀy; t_k recorded",
      scheme, rule)
  }

  /// The recursion over `pairs`, oldest first, from (sᵀy/yᵀy) I of the newest.
  private static func inverseHessian(
    _ pairs: [(s: Vector, y: Vector)], order n: Int, first: Double
  ) -> Matrix {
    var h = Matrix(identity: n)
    let scale = pairs.last.map { $0.s.dot($0.y) / $0.y.dot($0.y) } ?? first
    for i in 0..<n { h[i, i] = scale }
    for (s, y) in pairs {
      let curvature = s.dot(y)
      var left = Matrix(identity: n)
      for i in 0..<n {
        for j in 0..<n { left[i, j] -= s[i] * y[j] / curvature }
      }
      h = Matrix.product(Matrix.product(left, h), .plain, left, .transposed)
      for i in 0..<n {
        for j in 0..<n { h[i, j] += s[i] * s[j] / curvature }
      }
    }
    return h
  }
}

/// A rule whose step is a function of the iterate.
private struct MadeUpStep: UpdateRule {
  let name: String
  let move: @Sendable (Vector) -> Vector

  func initialState<P: Problem>(for problem: P) {}

  func step<P: Problem>(_ x: inout Vector, _ state: inout Void, on problem: P) { x = move(x) }
}

extension Matrix {
  /// A⁺ of a matrix of full column rank, by the SVD.
  fileprivate func pseudoinverse() throws -> Matrix {
    let svd = try thinSVD()
    var scaled = svd.rightTransposed
    for i in 0..<scaled.rows {
      for j in 0..<scaled.columns { scaled[i, j] /= svd.values[i] }
    }
    return Matrix.product(scaled, .transposed, svd.left, .transposed)
  }
}
