import Foundation
import OptCheck
import Testing

private func shared(_ seed: UInt64 = 5, instances: Int = 4) throws -> Lasso {
  try Lasso.generated(
    seed: seed, size: .init(instances: instances, rows: 5, columns: 8, sparsity: 2),
    isShared: true)
}

/// Weights moved off their start, so that layers differ and nothing is 0.
private func perturbed<R: LearnedUpdateRule>(_ rule: R, by size: Double = 0.03) -> R {
  var (result, rng) = (rule, SplitMix64(seed: 99))
  for i in result.parameters.tensors.indices {
    for j in result.parameters.tensors[i].elements.indices {
      result.parameters.tensors[i].elements[j] += size * rng.normal()
    }
  }
  return result
}

private func start(_ problem: some Problem, seed: UInt64 = 3) -> Vector {
  var rng = SplitMix64(seed: seed)
  return rng.vector(problem.dimension)
}

/// One of each at ISTA's weights, or near them.
private func rules(
  on problem: Lasso, layers: Int, selection: SupportSelection = .init(), shared: Bool = false
) throws -> [any UnfoldedRule] {
  func weights<R: InitializedUnfoldedRule>(_: R.Type) throws -> Parameters {
    try R.initialParameters(
      for: problem, layers: layers, shared: shared ? Set(R.layerWeights.map(\.name)) : [])
  }
  return [
    try LISTA(layers: layers, parameters: weights(LISTA.self)),
    try LISTACP(layers: layers, parameters: weights(LISTACP.self)),
    try LISTACPSS(layers: layers, parameters: weights(LISTACPSS.self), selection: selection),
    try LISTACPSSStep(
      layers: layers, parameters: weights(LISTACPSSStep.self), selection: selection),
    try LISTACPSSWOnly(layers: layers, parameters: weights(LISTACPSSWOnly.self)),
    try ALISTA(
      layers: layers, analyticWeight: problem.map.matrix(0).leastCoherent(),
      parameters: weights(ALISTA.self), selection: selection),
    try StepLISTA(layers: layers, parameters: weights(StepLISTA.self)),
    try AdaLISTA(layers: layers, parameters: weights(AdaLISTA.self)),
  ]
}

private func iterates(_ rule: some UpdateRule, _ problem: some Problem, steps: Int) -> [Vector] {
  unroll(rule, on: problem, from: start(problem), horizon: steps, recordingIterates: true)
    .iterates
}

/// The same through an existential.
private func run(_ rule: any UpdateRule, _ problem: Lasso, steps: Int) -> [Vector] {
  func open(_ rule: some UpdateRule) -> [Vector] { iterates(rule, problem, steps: steps) }
  return open(rule)
}

@Suite struct UnfoldedSpecialCases {
  /// Only We, S, θ, γ and s say ISTA; six steps also pass the last of four layers.
  @Test("at ISTA's weights LISTA and its relatives are ISTA", arguments: [false, true])
  func ista(isShared: Bool) throws {
    let problem = try shared()
    let ista = iterates(ProximalGradient(stepRule: .theory), problem, steps: 6)
    // Nothing exceeds the largest magnitude, so nothing is trusted.
    let none = SupportSelection(fraction: 0, largestFraction: 0)
    let all = try rules(on: problem, layers: 4, selection: none, shared: isShared)
    for rule in all where !["LISTACPSSWOnly", "ALISTA"].contains(rule.name) {
      for (ours, theirs) in zip(run(rule, problem, steps: 6), ista) {
        // Six steps on numbers of order 1 in another order of operations.
        #expect((ours - theirs).maxMagnitude <= 1e-13, "\(rule.name)")
      }
    }
  }

  @Test("the reference start of LISTA is ISTA with the reference step, if θ is ρ")
  func referenceStart() throws {
    let problem = try shared()
    let weights = try LISTA.initialParameters(
      for: problem, layers: 3, start: .reference(threshold: problem.weight))
    let rule = try LISTA(layers: 3, parameters: weights, stepRule: .reference)
    let pairs = zip(
      iterates(rule, problem, steps: 3),
      iterates(ProximalGradient(stepRule: .reference), problem, steps: 3))
    for (ours, theirs) in pairs { #expect((ours - theirs).maxMagnitude <= 1e-13) }
  }

  @Test("AdaLISTA at W = I is ISTA of every instance's own dictionary")
  func adaptive() throws {
    let problem = try Lasso.generated(
      seed: 4, size: .init(instances: 3, rows: 5, columns: 8, sparsity: 2))
    let rule = try AdaLISTA(
      layers: 3, parameters: AdaLISTA.initialParameters(for: problem, layers: 3))
    let ista = iterates(ProximalGradient(stepRule: .theory), problem, steps: 5)
    for (ours, theirs) in zip(iterates(rule, problem, steps: 5), ista) {
      #expect((ours - theirs).maxMagnitude <= 1e-13)
    }
  }

  /// Written out with sums, entry by entry.
  @Test("the linear rule and AdaLISTA by hand")
  func byHand() throws {
    let problem = try shared(instances: 2)
    let (n, b, d) = (2, 5, 8)
    let (m, x) = (problem.map.matrix(0), start(problem))
    func product(_ tensor: Tensor?, _ v: [Double], transposed: Bool = false) throws -> [Double] {
      let t = try #require(tensor)
      let (rows, columns) = (t.shape[1], t.shape[2])
      return (0..<(transposed ? columns : rows)).map { i in
        (0..<(transposed ? rows : columns)).reduce(0) {
          $0 + t.elements[transposed ? $1 * columns + i : i * columns + $1] * v[$1]
        }
      }
    }
    let dictionary = Tensor(shape: [1, b, d], elements: m.elements)
    let linear = perturbed(
      try LISTACPSSWOnly(
        layers: 2, parameters: LISTACPSSWOnly.initialParameters(for: problem, layers: 2)))
    let adaptive = perturbed(
      try AdaLISTA(layers: 2, parameters: AdaLISTA.initialParameters(for: problem, layers: 2)))
    let ends = (
      iterates(linear, problem, steps: 1)[1], iterates(adaptive, problem, steps: 1)[1]
    )
    for i in 0..<n {
      let xi = Array(x.elements[(i * d)..<((i + 1) * d)])
      let yi = Array(problem.target.elements[(i * b)..<((i + 1) * b)])
      let mx = try product(dictionary, xi)
      let correction = try product(
        linear.parameters["We.0"], zip(yi, mx).map { $0 - $1 })
      let p = adaptive.parameters
      let w1mx = try product(p["W1"], mx)
      let back = try product(
        dictionary, try product(p["W1"], w1mx, transposed: true), transposed: true)
      let seen = try product(dictionary, try product(p["W2"], yi), transposed: true)
      let gamma = try #require(p["step_sizes.0"]).elements[0]
      let theta = try #require(p["thresholds.0"]).elements[0]
      for j in 0..<d {
        #expect(abs(ends.0[i * d + j] - (xi[j] + correction[j])) <= 1e-14)
        let z = xi[j] - gamma * back[j] + gamma * seen[j]
        let shrunk = max(abs(z) - theta, 0) * (z < 0 ? -1 : 1)
        #expect(abs(ends.1[i * d + j] - shrunk) <= 1e-14)
      }
    }
  }

  @Test("runs beyond the last layer repeat it; the reference counter starts there")
  func layerCounter() throws {
    let problem = try shared()
    let rule = perturbed(
      try LISTA(layers: 3, parameters: LISTA.initialParameters(for: problem, layers: 3)))
    let objective = try rule.objective(
      on: problem, from: start(problem), horizon: 3, loss: .objective([0, 0, 1]))
    var gradient = rule.parameters.zeros
    _ = objective.evaluate(rule.parameters, gradient: &gradient)
    #expect(gradient.tensors.allSatisfy { $0.elements.contains { $0 != 0 } })
    objective.start.index = LayerCounter.reference.firstStep(run: 1, layers: 3)
    _ = objective.evaluate(rule.parameters, gradient: &gradient)
    for (name, tensor) in zip(gradient.names, gradient.tensors) {
      #expect(tensor.elements.contains { $0 != 0 } == name.hasSuffix(".2"), "\(name)")
    }
    #expect(LayerCounter.reference.firstStep(run: 0, layers: 3) == 0)
    #expect(LayerCounter.fresh.firstStep(run: 9, layers: 3) == 0)
  }

  @Test("We = 0, as in the reference code without a dictionary, has no gradient")
  func neverLearns() throws {
    let problem = try shared()
    let weights = try LISTACPSS.initialParameters(
      for: problem, layers: 3, start: .referenceWithoutDictionary(seed: 1))
    let rule = try LISTACPSS(layers: 3, parameters: weights)
    let objective = try rule.objective(
      on: problem, from: Vector(zeros: problem.dimension), horizon: 3,
      loss: .objective([0, 0, 1]))
    var gradient = weights.zeros
    _ = objective.evaluate(weights, gradient: &gradient)
    #expect(gradient == weights.zeros)
  }
}

@Suite struct UnfoldedGradients {
  @Test(
    "gradients agree with differences on one piece",
    arguments: SupportSelection.Group.allCases, [false, true])
  func differences(group: SupportSelection.Group, isShared: Bool) throws {
    let problem = try shared(7)
    let selection = SupportSelection(fraction: 0.15, largestFraction: 0.4, group: group)
    for rule in try rules(on: problem, layers: 3, selection: selection, shared: isShared) {
      func check(_ rule: some UnfoldedRule) -> CheckResult {
        let rule = perturbed(rule)
        return GradientCheck().run(
          GradientCheck.Subject(label: rule.name, parameters: rule.parameters) {
            FormulaObjective(
              rule, on: problem, from: start(problem), horizon: 4,
              loss: .objective([0.5, 0, 0, 1]))
          })
      }
      let result = check(rule)
      #expect(result.verdict == .holds, "\(rule.name): \(result)")
    }
  }

  @Test("the supervised loss too, and AdaLISTA on dictionaries of their own")
  func supervised() throws {
    let problem = try Lasso.generated(
      seed: 8, size: .init(instances: 3, rows: 5, columns: 8, sparsity: 2))
    let point = try #require(problem.generatingPoint)
    let rule = perturbed(
      try AdaLISTA(layers: 3, parameters: AdaLISTA.initialParameters(for: problem, layers: 3)))
    let result = GradientCheck().run(
      GradientCheck.Subject(label: rule.name, parameters: rule.parameters) {
        FormulaObjective(
          rule, on: problem, from: start(problem), horizon: 3, loss: .distance(to: point))
      })
    #expect(result.verdict == .holds, "\(result)")
  }

  @Test("not a bit depends on the number of threads")
  func threads() throws {
    let problem = try shared(instances: 150)
    for group in SupportSelection.Group.allCases {
      let rule = perturbed(
        try LISTACPSS(
          layers: 3, parameters: LISTACPSS.initialParameters(for: problem, layers: 3),
          selection: .init(fraction: 0.1, group: group)))
      let outcomes = try [1, 2, 5].map { threads in
        let objective = try rule.objective(
          on: problem, from: start(problem), horizon: 3, loss: .objective([0, 0, 1]))
        objective.threads = threads
        var gradient = rule.parameters.zeros
        return (objective.evaluate(rule.parameters, gradient: &gradient), gradient)
      }
      #expect(outcomes.allSatisfy { $0 == outcomes[0] })
    }
  }
}

@Suite struct Supports {
  /// The quantile by sorting, as in PyTorch's documentation.
  private func kept(_ z: [[Double]], _ theta: Double, _ q: Double, byColumn: Bool) -> [[Bool]] {
    func limit(_ values: [Double]) -> Double {
      let sorted = values.map(abs).sorted()
      let place = (1 - q) * Double(sorted.count - 1)
      let (low, high) = (Int(place.rounded(.down)), Int(place.rounded(.up)))
      return sorted[low] + (place - Double(low)) * (sorted[high] - sorted[low])
    }
    return z.map { row in
      row.enumerated().map { j, value in
        abs(value) > theta && abs(value) > limit(byColumn ? z.map { $0[j] } : row)
      }
    }
  }

  @Test("the trusted entries are those beyond the quantile", arguments: 1...20)
  func quantiles(seed: UInt64) throws {
    var rng = SplitMix64(seed: seed)
    let (n, d) = (1 + Int(seed) % 7, 1 + Int(seed * 5) % 40)
    // Short numbers, so that ties happen.
    let z = (0..<n).map { _ in (0..<d).map { _ in rng.shortDouble().rounded() / 2 } }
    for (byColumn, q) in [(true, 0.3), (false, 0.3), (true, 1), (false, 0), (false, 0.51)] {
      let tape = Tape()
      let x = tape.constant(Matrix(rows: n, columns: d, elements: z.flatMap { $0 }))
      let support = x.support(
        fraction: q, threshold: tape.constant(0.5), acrossRows: byColumn)
      let expected = kept(z, 0.5, q, byColumn: byColumn).flatMap { $0 }.map { $0 ? 1.0 : 0 }
      #expect(support.vector.elements == expected, "q = \(q), by column: \(byColumn)")
    }
  }

  @Test("over coordinates an instance is by itself; over the batch it is not, and alone keeps none")
  func groups() throws {
    let problem = try shared(instances: 6)
    let alone = problem.instances(2..<3)
    func end(_ group: SupportSelection.Group?, _ problem: Lasso, _ x: Vector) throws -> Vector {
      let weights = try LISTACPSS.initialParameters(for: problem, layers: 2)
      if let group {
        let rule = try LISTACPSS(
          layers: 2, parameters: weights,
          selection: .init(fraction: 0.2, largestFraction: 0.4, group: group))
        #expect(rule.couplesInstances == (group == .reference))
        return unroll(rule, on: problem, from: x, horizon: 2, recordingIterates: true).iterates[2]
      }
      let plain = try LISTACP(layers: 2, parameters: weights)
      return unroll(plain, on: problem, from: x, horizon: 2, recordingIterates: true).iterates[2]
    }
    let x = start(problem)
    func third(_ v: Vector) -> Vector { Vector(Array(v.elements[16..<24])) }
    // The same products in another shape of dgemm: rounding only.
    let apart = try end(.coordinates, alone, third(x)) - third(end(.coordinates, problem, x))
    #expect(apart.maxMagnitude <= 1e-14)
    let coupled = try end(.reference, alone, third(x)) - third(end(.reference, problem, x))
    #expect(coupled.maxMagnitude > 1e-3)
    #expect(try end(.reference, alone, third(x)) == end(nil, alone, third(x)))
  }

  @Test("weights that are not numbers give a loss that is none, not a crash")
  func notANumber() throws {
    let problem = try shared()
    for group in SupportSelection.Group.allCases {
      var rule = try LISTACPSS(
        layers: 2, parameters: LISTACPSS.initialParameters(for: problem, layers: 2),
        selection: .init(fraction: 0.2, group: group))
      rule.parameters.tensors[0].elements[3] = .nan
      let objective = try rule.objective(
        on: problem, from: start(problem), horizon: 2, loss: .objective([0, 1]))
      var gradient = rule.parameters.zeros
      let evaluation = objective.evaluate(rule.parameters, gradient: &gradient)
      #expect(!evaluation.loss.isFinite && evaluation.firstNonFinite == 1)
    }
  }
}

@Suite struct AnalyticWeights {
  @Test("W is feasible, and its columns satisfy the optimality condition", arguments: 1...5)
  func optimality(seed: UInt64) throws {
    var rng = SplitMix64(seed: seed)
    let (b, d) = seed % 2 == 0 ? (7, 4) : (4, 9)
    let a = rng.matrix(b, d)
    let w = try a.leastCoherent()
    let outer = Matrix.product(a, .plain, a, .transposed)
    for j in 0..<d {
      func dot(_ u: Matrix, _ v: Matrix) -> Double {
        (0..<b).reduce(0) { $0 + u[$1, j] * v[$1, j] }
      }
      #expect(abs(dot(w, a) - 1) <= 1e-13)
      // A Aᵀ w = λ a with λ = ‖Aᵀ w‖²: the Lagrange condition of a convex problem.
      let left = Matrix.product(outer, w)
      let multiplier = dot(left, w)
      for i in 0..<b { #expect(abs(left[i, j] - multiplier * a[i, j]) <= 1e-11 * multiplier) }
    }
  }

  @Test("orthonormal columns are their own analytic weight")
  func orthonormal() throws {
    var rng = SplitMix64(seed: 2)
    let q = try rng.matrix(6, 4).orthonormalFactor()
    let w = try q.leastCoherent()
    #expect(zip(w.elements, q.elements).allSatisfy { abs($0 - $1) <= 1e-14 })
  }

  @Test("a column of zeros is named")
  func zeroColumn() throws {
    var a = Matrix(identity: 3)
    a[1, 1] = 0
    let error = #expect(throws: RuleError.self) { try a.leastCoherent() }
    #expect(error?.description.contains("column 1") == true)
  }
}

@Suite struct UnfoldedRefusals {
  /// ½ ‖x‖², which has no linear map.
  private struct Bowl: TwiceDifferentiableProblem {
    let name = "bowl"
    let dimension = 8
    let smoothness = [1.0]
    let minimumValue: Double? = 0
    func values(at x: Vector) -> [Double] { [x.dot(x) / 2] }
    func gradient(at x: Vector, into g: inout Vector) { g = x }
    func hessianProduct(_ v: Vector, at x: Vector, into h: inout Vector) { h = v }
  }

  @Test("a dictionary of another shape is refused by the first weight that does not fit")
  func wrongDictionary() throws {
    let problem = try shared()
    let other = try Lasso.generated(
      seed: 1, size: .init(instances: 2, rows: 6, columns: 8, sparsity: 2), isShared: true)
    for rule in try rules(on: problem, layers: 2) where rule.name != "StepLISTA" {
      let error = #expect(throws: RuleError.self) {
        try rule.metaObjective(
          on: other, from: Vector(zeros: other.dimension), horizon: 2, loss: .last)
      }
      guard case .wrongShape = error else {
        Issue.record("\(rule.name): \(String(describing: error))")
        continue
      }
      let none = #expect(throws: RuleError.self) { try rule.validate(on: Bowl()) }
      #expect(none?.description.contains("bowl") == true, "\(rule.name)")
    }
    let steps = try StepLISTA(
      layers: 2, parameters: StepLISTA.initialParameters(for: problem, layers: 2))
    try steps.validate(on: Bowl())
  }

  @Test("weights that are missing, unknown or of another rank are named")
  func badWeights() throws {
    let problem = try shared()
    let good = try LISTA.initialParameters(for: problem, layers: 2)
    func entries(_ change: (inout [(name: String, tensor: Tensor)]) -> Void) -> Parameters {
      var list = Array(zip(good.names, good.tensors)).map { (name: $0.0, tensor: $0.1) }
      change(&list)
      return Parameters(list)
    }
    let missing = entries { $0.removeAll { $0.name == "S.1" } }
    #expect(throws: RuleError.missingParameter("S.1")) { try LISTA(layers: 2, parameters: missing) }
    let unknown = entries { $0.append(("gain", Tensor(1))) }
    let stranger = #expect(throws: RuleError.self) { try LISTA(layers: 2, parameters: unknown) }
    #expect(stranger?.description.contains("'gain'") == true)
    let flat = entries { $0[0].tensor = Tensor(zeros: [8, 5]) }
    let rank = #expect(throws: RuleError.self) { try LISTA(layers: 2, parameters: flat) }
    #expect(rank?.description.contains("We.0") == true)
    #expect(throws: RuleError.self) { try LISTA(layers: 0, parameters: good) }
    #expect(throws: RuleError.self) {
      try LISTA.initialParameters(for: problem, layers: 2, shared: ["W"])
    }
  }
}

@Suite struct UnfoldedTraining {
  /// Far smaller than the report's study; trained rules are better by far more than the interval.
  @Test("trained rules beat ISTA of their depth on fresh instances")
  func beatsISTA() throws {
    let study = ListaStudy(
      size: .init(instances: 64, rows: 10, columns: 20, sparsity: 2), layers: 4,
      trainingInstances: 128, batch: 32, epochs: 6, stepSize: 5e-3)
    for subject in ListaStudy.Subject.allCases {
      let row = try study.row(subject, .objectiveGap)
      #expect(row.isBetter, "\(row)")
      #expect(row.trained < row.ista && row.trainingSteps == 4 * 3 * 6 * 4)
      #expect(try study.row(subject, .objectiveGap) == row, "not reproducible")
    }
  }

  @Test("validation without reset runs through layers that are not trained yet")
  func validationStart() throws {
    let problem = try shared()
    let rule = perturbed(
      try LISTACP(layers: 4, parameters: LISTACP.initialParameters(for: problem, layers: 4)))
    func loss(_ start: ValidationStart, _ parameters: Parameters) throws -> Double? {
      try rule.training(of: 2, on: [problem], validation: problem, validationStart: start)
        .validation?(parameters)
    }
    var later = rule.parameters
    for (i, name) in later.names.enumerated() where name.hasSuffix(".2") {
      later.tensors[i].elements[0] += 0.1
    }
    #expect(try loss(.first, later) == loss(.first, rule.parameters))
    #expect(try loss(.reference, later) != loss(.reference, rule.parameters))
  }
}
