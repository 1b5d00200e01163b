public import Catalog
public import Checks
import Engine
import Foundation
public import Optimization

/// Searches problems and starts for the worst case of a rule, and shrinks what it finds.
///
/// First the problems under suspicion, then every family at every scale in its own size, then random
/// data and starts, then a climb on the distance left; a violation is shrunk by dimension, rows, the
/// digits of its data and its start, and its horizon.
public struct Falsifier: Sendable {
  /// The rule.
  public var rule: any Candidate
  /// How it is asked for.
  public var source: RuleSource
  /// The claim on trial.
  public var check: any TrialCheck
  /// The families to draw from.
  public var families: [ProblemFamily]
  /// Names of problems of the suite that go first, each from all starts.
  public var suspects: [String]
  /// Steps that may be spent on the search, and as many again on shrinking.
  public var budget: Int
  /// Of all draws.
  public var seed: UInt64

  /// Plans a search.
  ///
  /// - Parameter source: how the rule is asked for; by its name if nil.
  public init(
    _ rule: any Candidate, from source: RuleSource? = nil, against check: any TrialCheck,
    families: [ProblemFamily] = ProblemSuite.families, suspects: [String] = [],
    budget: Int = 4_000_000, seed: UInt64 = 1
  ) {
    self.rule = rule
    self.source = source ?? RuleSource(rule.name)
    self.check = check
    self.families = families
    self.suspects = suspects
    self.budget = budget
    self.seed = seed
  }

  /// Steps for a search that a user waits for: some seconds, whatever the rule costs.
  public static func liveBudget(for rule: any Candidate) -> Int {
    max(30_000, Int(2_400_000 * rule.speed))
  }

  /// What one trial of the search says.
  private struct Outcome {
    var start: Vector
    var result: CheckResult
    var isViolated: Bool { result.verdict == .violated }
    /// The distance left: the climb's height.
    var height: Double { result.numbers["level"] ?? (isViolated ? .infinity : 0) }
  }

  /// Steps that were taken.
  private final class Account {
    var spent = 0
  }

  /// The smallest violation that was found; nil if none was.
  ///
  /// - Parameter proceed: called before every trial; what it throws ends the search.
  /// - Throws: `CandidateError.failedToSpeak`, and what `proceed` throws.
  public func search(proceed: () throws -> Void = {}) throws -> RuleCounterexample? {
    let fitting = families.filter {
      check.objection(to: rule, on: $0.kind) == nil
        && (rule.dimension == nil || $0.leastDimension <= rule.dimension ?? 1)
    }
    guard !fitting.isEmpty else { return nil }
    let account = Account()
    var worst: (sample: ProblemGenerator.Sample, outcome: Outcome)?
    func consider(
      _ family: ProblemFamily, _ draw: ProblemFamily.Draw, starts: Int = 2
    ) throws -> Bool {
      try proceed()
      guard let problem = try? family.problem(draw) else { return false }
      let outcome = try outcome(on: problem, starts: starts, account)
      if outcome.isViolated || outcome.height > worst?.outcome.height ?? -1 {
        worst = (ProblemGenerator.Sample(family: family, draw: draw, problem: problem), outcome)
      }
      return outcome.isViolated
    }
    func find() throws -> Bool {
      let suite = ProblemSuite.scales.flatMap { scale in
        fitting.map { ($0, ProblemFamily.Draw(scale: scale, dimension: rule.dimension)) }
      }
      for (family, draw) in suite where suspects.contains(family.problemName(of: draw)) {
        if try consider(family, draw, starts: 8) { return true }
      }
      for (family, draw) in suite where account.spent < budget {
        if try consider(family, draw) { return true }
      }
      var rng = SplitMix64(seed: seed)
      // Random problems, and neighbours of the worst so far.
      while account.spent < budget {
        let isClimb = rng.uniform() < 0.5
        let family =
          isClimb
          ? worst?.sample.family ?? fitting[0] : fitting[Int(rng.next() % UInt64(fitting.count))]
        let scale =
          isClimb
          ? worst?.sample.draw.scale ?? 1
          : ProblemSuite.scales[Int(rng.next() % UInt64(ProblemSuite.scales.count))]
        let draw = ProblemFamily.Draw(
          seed: 2 + rng.next() % 1_000_000, scale: scale, dimension: rule.dimension)
        if try consider(family, draw) { return true }
        // Problems that the check has nothing to say on cost no steps, and there may be no others.
        account.spent += 1
      }
      return false
    }
    guard try find(), let found = worst else { return nil }
    let example = try shrunk(found.sample, found.outcome, fitting, proceed)
    guard rule.dimension == nil, let example, example.start.count > 2 else { return example }
    // Nobody can look at more than two unknowns: others that break the claim are looked for there,
    // first in the family that broke it.
    account.spent = 0
    let kin =
      fitting.filter { $0.name == found.sample.family.name }
      + fitting.filter { $0.name != found.sample.family.name }
    for seed in UInt64(1)...32 {
      for scale in ProblemSuite.scales {
        for n in 1...2 {
          for family in kin where family.leastDimension <= n && account.spent < budget {
            let draw = ProblemFamily.Draw(seed: seed, scale: scale, dimension: n)
            if try consider(family, draw), let worst {
              return try shrunk(worst.sample, worst.outcome, fitting, proceed) ?? example
            }
          }
        }
      }
    }
    return example
  }

  /// The first start that breaks the claim, or the worst.
  private func outcome(
    on problem: SolvedProblem, starts count: Int = 2, _ account: Account
  ) throws -> Outcome {
    let drawn = Trial(rule, on: problem, seed: seed)
    // Only convergence is claimed from every start.
    let starts =
      [drawn.distantStart(around: problem.minimisers[0])]
      + (check is ConvergenceCheck
        ? (1..<count).map {
          drawn.start($0, around: problem.minimisers[$0 % problem.minimisers.count])
        } : [])
    var worst: Outcome?
    for (i, start) in starts.enumerated() where i == 0 || isFar(start, on: problem) {
      let outcome = try judged(problem, start, account)
      if outcome.isViolated { return outcome }
      // A check that does not apply has no height.
      if worst == nil || outcome.height > worst?.height ?? -1 { worst = outcome }
    }
    guard let worst else { preconditionFailure("no start was tried") }
    return worst
  }

  private func judged(
    _ problem: SolvedProblem, _ start: Vector, _ account: Account
  ) throws -> Outcome {
    let result = try check.judge(
      RuleCounterexample.trial(of: rule, on: problem, from: start, seed: seed, check))
    account.spent += result.steps
    return Outcome(start: start, result: result.result)
  }

  /// The same violation in fewer unknowns, with plain data, if there is one.
  private func shrunk(
    _ found: ProblemGenerator.Sample, _ outcome: Outcome, _ families: [ProblemFamily],
    _ proceed: () throws -> Void
  ) throws -> RuleCounterexample? {
    let account = Account()
    var best = outcome
    let generator = ProblemGenerator(
      families: families, dimensions: rule.dimension.map { $0...$0 })
    let sample = try generator.shrunk(found) { problem in
      try proceed()
      guard account.spent < budget else { return false }
      // Rows and digits change the data under a start that may stay where it is.
      if problem.problem.dimension == best.start.count, isFar(best.start, on: problem) {
        let same = try judged(problem, best.start, account)
        if same.isViolated, !(same.height < 1e-3 * outcome.height) {
          best = same
          return true
        }
      }
      let other = try self.outcome(on: problem, account)
      // A violation that only just is one is worth less than a plain one in more unknowns.
      let isPlain = !(other.height < 1e-3 * outcome.height)
      let isKept = other.isViolated && isPlain && isFar(other.start, on: problem)
      if isKept { best = other }
      return isKept
    }
    for digits in 1...3 {
      try proceed()
      let plain = Vector(best.start.elements.rounded(digits: digits))
      let isInside = sample.problem.problem.value(at: plain).isFinite
      guard plain != best.start, isInside, isFar(plain, on: sample.problem) else { continue }
      let rounded = try judged(sample.problem, plain, account)
      if rounded.isViolated {
        best = rounded
        break
      }
    }
    return try RuleCounterexample.measured(
      rule, source, check.claim, sample, from: best.start, seed: seed, best.result)
  }

  /// Whether a start leaves the rule something to do.
  private func isFar(_ start: Vector, on problem: SolvedProblem) -> Bool {
    let nearest = problem.projection?(start) ?? problem.minimisers[0]
    return (start - nearest).norm >= 0.1 * problem.length
  }
}
