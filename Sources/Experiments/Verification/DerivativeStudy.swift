import Catalog
public import Checks
import Engine
import Foundation
public import Optimization

/// The derivatives of a learned rule: every block of weights, at the weights as they are and moved.
public struct DerivativeStudy: Sendable {
  /// The rule.
  public var rule: any LearnedUpdateRule
  /// Steps of the unrolled runs.
  public var horizon: Int
  /// Of the directions and of the moved weights.
  public var seed: UInt64

  /// What was found.
  public struct Results: Sendable, Hashable, Codable {
    /// Block by block.
    public var checks: [CheckResult]
    /// Errors of plain central differences against the step, with the rounding that they carry.
    public var ladders: [Curve]
    /// The largest difference of forward mode from g·v, in units of Σ |gᵢ vᵢ|; nil without one.
    public var forwardMode: Double? { checks.compactMap { $0.numbers["forwardMode"] }.max() }
  }

  /// Plans it.
  public init(_ rule: any LearnedUpdateRule, horizon: Int = 20, seed: UInt64 = 1) {
    self.rule = rule
    self.horizon = horizon
    self.seed = seed
  }

  /// The families on which derivatives of a candidate are looked at, as far as it runs there.
  static let families = ["quadratic-rotated", "lasso"]

  /// The derivatives of a candidate on those of `problems` that are for them; nil with the reason where
  /// there is nothing to check.
  public static func results(
    of candidate: any Candidate, on problems: [SolvedProblem], seed: UInt64 = 1
  ) -> (results: Results?, reason: String) {
    guard let rule = candidate.learnedRule else {
      return (nil, "the rule has no weights that this process can see")
    }
    let chosen = problems.filter {
      families.contains($0.name) && ($0.kind == .smooth || candidate.oracles.contains(.prox))
    }
    guard !chosen.isEmpty else { return (nil, "no problem for derivatives was chosen") }
    do { return (try DerivativeStudy(rule, seed: seed).run(on: chosen), "") } catch {
      return (nil, "\(error)")
    }
  }

  /// Runs it on the smooth and, for rules with a proximal step, on a composite problem.
  ///
  /// - Throws: ``RuleError`` where the rule cannot be trained on them.
  public func run(on problems: [SolvedProblem]) throws -> Results {
    var results = Results(checks: [], ladders: [])
    for solved in problems {
      guard let problem = solved.problem as? Regression else { continue }
      let start = Trial(NativeCandidate(GradientDescent()), on: solved, seed: seed)
        .start(0, around: solved.minimisers[0])
      for (place, parameters) in points() {
        try check(
          rule, at: parameters, place, on: problem, named: solved.name, from: start, &results)
      }
    }
    return results
  }

  /// The weights as they are, and moved by a tenth of each block's size.
  private func points() -> [(String, Parameters)] {
    var moved = rule.parameters
    var rng = SplitMix64(seed: seed)
    for i in moved.tensors.indices {
      let size = Vector(moved.tensors[i].elements).maxMagnitude
      for j in moved.tensors[i].elements.indices {
        moved.tensors[i].elements[j] += (size > 0 ? 0.1 * size : 0.01) * rng.normal()
      }
    }
    return [("as given", rule.parameters), ("moved", moved)]
  }

  private func check(
    _ rule: some LearnedUpdateRule, at parameters: Parameters, _ place: String,
    on problem: Regression, named name: String, from start: Vector, _ results: inout Results
  ) throws {
    let horizon = horizon
    // Tried once here, so that a rule that cannot be trained says so instead of trapping below.
    let objective = try rule.metaObjective(
      on: problem, from: start, horizon: horizon, loss: .last)
    for block in [nil] + parameters.names.map(Optional.some) {
      let subject = GradientCheck.Subject(
        label: "\(rule.name) on \(name), \(place), \(block ?? "all weights")",
        parameters: parameters, block: block, seed: seed
      ) {
        guard
          let made = try? rule.metaObjective(
            on: problem, from: start, horizon: horizon, loss: .last)
        else { preconditionFailure("\(rule.name) trained a moment ago") }
        return made
      }
      results.checks.append(GradientCheck().run(subject))
    }
    if let last = results.checks.indices.last, !parameters.names.isEmpty {
      let first = last - parameters.names.count
      let t = firstWrongStep(rule, at: parameters, on: problem, from: start, results, first)
      if let t { results.checks[first].reason += "; first wrong in F(x_\(t))" }
    }
    guard place == "moved" else { return }
    ladder(objective, at: parameters, named: name, &results)
  }

  /// The least t at which the gradient of F(x_t) is wrong, where that of the last one is.
  private func firstWrongStep(
    _ rule: some LearnedUpdateRule, at parameters: Parameters, on problem: Regression,
    from start: Vector, _ results: Results, _ index: Int
  ) -> Int? {
    guard results.checks[index...].contains(where: { $0.verdict == .violated }) else { return nil }
    let block = results.checks[index...].firstIndex { $0.verdict == .violated }
      .flatMap { $0 == index ? nil : parameters.names[$0 - index - 1] }
    return (1...horizon).first { t in
      let subject = GradientCheck.Subject(
        label: "F(x_\(t))", parameters: parameters, block: block, seed: seed
      ) {
        guard
          let made = try? rule.metaObjective(on: problem, from: start, horizon: t, loss: .last)
        else { preconditionFailure("\(rule.name) trained a moment ago") }
        return made
      }
      return GradientCheck().run(subject).verdict == .violated
    }
  }

  /// Central differences at steps from 1 down to 1e-12 against g·v, along one random direction.
  private func ladder(
    _ objective: any MetaObjective, at parameters: Parameters, named name: String,
    _ results: inout Results
  ) {
    var gradient = parameters.zeros
    let loss = objective.evaluate(parameters, gradient: &gradient).loss
    var rng = SplitMix64(seed: seed)
    let direction = parameters.unitDirection(&rng)
    let exact = gradient.dot(direction)
    guard exact != 0, exact.isFinite else { return }
    let surrogate = objective.surrogate(at: parameters)
    var errors = Curve("error on \(name)")
    var noise = Curve("rounding on \(name)")
    for exponent in stride(from: 0.0, through: -12, by: -0.5) {
      let h = pow(10, exponent)
      let up = surrogate.loss(at: parameters.moved(h, direction))
      let down = surrogate.loss(at: parameters.moved(-h, direction))
      errors.steps.append(h)
      errors.values.append(abs((up - down) / (2 * h) - exact) / abs(exact))
      noise.steps.append(h)
      noise.values.append(loss.magnitude * .ulpOfOne / (h * abs(exact)))
    }
    results.ladders += [errors, noise]
  }
}

extension DerivativeStudy.Results {
  /// Violated if any block is; holds if one does and none is violated.
  public var verdict: Verdict {
    if checks.contains(where: { $0.verdict == .violated }) { return .violated }
    if checks.contains(where: { $0.verdict == .premiseFails }) { return .premiseFails }
    return checks.contains { $0.verdict == .holds } ? .holds : .inconclusive
  }

  /// In one line.
  public var reason: String {
    let broken = checks.filter { $0.verdict == .violated }
    if let first = broken.first {
      return "\(broken.count) of \(checks.count) blocks, first \(first.subject): \(first.reason)"
    }
    let decided = checks.filter { $0.verdict == .holds }
    let silent = checks.count - decided.count
    return "\(decided.count) blocks agree with differences"
      + (silent > 0 ? ", \(silent) have too little signal to tell" : "")
  }
}
