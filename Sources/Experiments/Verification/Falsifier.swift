public import Catalog
public import Checks
import Engine
import Foundation
public import Optimization

/// Where a rule breaks a claim: small enough to read, and enough to replay it.
public struct RuleCounterexample: Sendable, Hashable, Codable {
  /// The version of this format.
  public var format = 1
  /// The rule's name.
  public var rule: String
  /// The claim that is broken.
  public var check: String
  /// The problem's family.
  public var family: String
  /// Which of its problems.
  public var draw: ProblemFamily.Draw
  /// Steps.
  public var horizon: Int
  /// x₀, n entries.
  public var start: [Double]
  /// M, row by row, b x n.
  public var matrix: [[Double]]
  /// y, b entries.
  public var target: [Double]
  /// The distance left, in units of that of the start.
  public var level: Double
  /// What the check said.
  public var reason: String
}

/// Searches problems and starts for the worst case of a rule, and shrinks what it finds.
///
/// First every family in its own size, then random data and starts, then a climb on the distance
/// left; a violation is shrunk by dimension, by the digits of its start and by its horizon.
public struct Falsifier: Sendable {
  /// The rule.
  public var rule: any Candidate
  /// The claim on trial.
  public var check: any TrialCheck
  /// The families to draw from.
  public var families: [ProblemFamily]
  /// Steps that may be spent.
  public var budget: Int
  /// Of all draws.
  public var seed: UInt64

  /// Plans a search.
  public init(
    _ rule: any Candidate, against check: any TrialCheck,
    families: [ProblemFamily] = ProblemSuite.families, budget: Int = 4_000_000, seed: UInt64 = 1
  ) {
    self.rule = rule
    self.check = check
    self.families = families
    self.budget = budget
    self.seed = seed
  }

  /// What one trial of the search says.
  private struct Outcome {
    var family: ProblemFamily
    var draw: ProblemFamily.Draw
    var problem: SolvedProblem
    var result: TrialResult
    var isViolated: Bool { result.result.verdict == .violated }
    /// The distance left: the climb's height.
    var height: Double { result.result.numbers["level"] ?? (isViolated ? .infinity : 0) }
  }

  /// The smallest violation that was found; nil if none was.
  ///
  /// - Throws: `CandidateError.failedToSpeak`.
  public func search() throws -> RuleCounterexample? {
    var spent = 0
    let fitting = families.filter {
      check.objection(to: rule, on: $0.kind) == nil
        && (rule.dimension == nil || $0.leastDimension <= rule.dimension ?? 1)
    }
    guard !fitting.isEmpty else { return nil }
    var worst: Outcome?
    func consider(_ family: ProblemFamily, _ draw: ProblemFamily.Draw) throws {
      guard let outcome = try outcome(family, draw) else { return }
      spent += outcome.result.steps
      let isHigher = outcome.height > worst?.height ?? -1
      if outcome.isViolated ? !(worst?.isViolated ?? false) || isHigher : worst == nil || isHigher {
        if outcome.isViolated || !(worst?.isViolated ?? false) { worst = outcome }
      }
    }
    for family in fitting where spent < budget && !(worst?.isViolated ?? false) {
      try consider(family, ProblemFamily.Draw(dimension: rule.dimension))
    }
    var rng = SplitMix64(seed: seed)
    // Random problems, then neighbours of the worst so far.
    while spent < budget, !(worst?.isViolated ?? false) {
      let isClimb = rng.uniform() < 0.5
      let family =
        isClimb ? worst?.family ?? fitting[0] : fitting[Int(rng.next() % UInt64(fitting.count))]
      let scale = isClimb ? worst?.draw.scale ?? 1 : [1, 1e-3, 1e3][Int(rng.next() % 3)]
      try consider(
        family,
        ProblemFamily.Draw(
          seed: 2 + rng.next() % 1_000_000, scale: scale, dimension: rule.dimension))
    }
    guard let worst, worst.isViolated else { return nil }
    return try shrunk(worst)
  }

  private func outcome(
    _ family: ProblemFamily, _ draw: ProblemFamily.Draw
  ) throws -> Outcome? {
    guard let problem = try? family.problem(draw) else { return nil }
    let trial = Trial(rule, on: problem, seed: seed, starts: 2, budget: 16 * 1000)
    return Outcome(
      family: family, draw: draw, problem: problem, result: try check.judge(trial))
  }

  /// The same violation in fewer unknowns, with plain data, if there is one.
  private func shrunk(_ found: Outcome) throws -> RuleCounterexample {
    var best = found
    if rule.dimension == nil {
      for n in best.family
        .leastDimension..<max(best.problem.problem.dimension, best.family.leastDimension)
      {
        var smaller: Outcome?
        for seed in [found.draw.seed, 1, 2, 3] where smaller == nil {
          let draw = ProblemFamily.Draw(seed: seed, scale: found.draw.scale, dimension: n)
          if let other = try outcome(best.family, draw), other.isViolated { smaller = other }
        }
        if let smaller {
          best = smaller
          break
        }
      }
    }
    if best.draw.scale != 1 {
      var draw = best.draw
      draw.scale = 1
      if let other = try outcome(best.family, draw), other.isViolated { best = other }
    }
    let trial = Trial(rule, on: best.problem, seed: seed)
    let minimiser = best.problem.minimisers[0]
    var start = trial.start(0, around: minimiser)
    // Fewer digits, as long as the rule ends as far away.
    let level = try level(from: start, on: best.problem)
    for digits in 1...6 {
      let factor = pow(10.0, Double(digits))
      let plain = Vector(start.elements.map { ($0 * factor).rounded() / factor })
      guard (plain - minimiser).norm > 0.1 * (start - minimiser).norm else { continue }
      let left = try self.level(from: plain, on: best.problem)
      if left.isNaN || left >= 0.5 * level {
        start = plain
        break
      }
    }
    let regression = best.problem.problem as? Regression
    let matrix = regression?.matrix ?? Matrix(zeros: 0, 0)
    return RuleCounterexample(
      rule: rule.name, check: check.claim.id, family: best.family.name, draw: best.draw,
      horizon: try horizon(from: start, on: best.problem, level: level), start: start.elements,
      matrix: (0..<matrix.rows).map { i in (0..<matrix.columns).map { matrix[i, $0] } },
      target: regression?.target.elements ?? [], level: level, reason: best.result.result.reason)
  }

  /// The distance left after 1,000 steps, relative to the start's; infinite where it is not finite.
  private func level(from start: Vector, on problem: SolvedProblem) throws -> Double {
    try levels(from: start, on: problem, horizon: 1000).last ?? .infinity
  }

  private func levels(
    from start: Vector, on problem: SolvedProblem, horizon: Int
  ) throws -> [Double] {
    let run = try rule.start(on: problem.problem, from: start, seed: seed)
    let nearest = problem.projection ?? { _ in problem.minimisers[0] }
    let reach = max((start - nearest(start)).norm, .leastNormalMagnitude)
    var result: [Double] = []
    for _ in 0..<horizon {
      do { try run.advance() } catch CandidateError.nonFinite {
        return result + [.infinity]
      }
      result.append((run.x - nearest(run.x)).norm / reach)
    }
    return result
  }

  /// The least number of steps after which the distance is what it stays at.
  private func horizon(
    from start: Vector, on problem: SolvedProblem, level: Double
  ) throws -> Int {
    let all = try levels(from: start, on: problem, horizon: 1000)
    guard let last = all.last else { return 1 }
    if !last.isFinite { return all.count }
    let settled = all.lastIndex { abs($0 - last) > 0.1 * last } ?? -1
    return min(max(settled + 2, 1), all.count)
  }
}
