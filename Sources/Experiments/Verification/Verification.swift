import Catalog
public import Checks
public import Engine
import Foundation
public import Optimization

/// Every check of conditions on one rule: which problems, how much, and what was found.
public struct Verification: Sendable {
  /// The rule.
  public var rule: any Candidate
  /// The problems, those to begin with first.
  public var problems: [SolvedProblem]
  /// The checks.
  public var checks: [any TrialCheck]
  /// Of all starts.
  public var seed: UInt64
  /// How many steps of the rule may be taken, all checks together.
  public var budget: Int
  /// Starts of every convergence check.
  public var starts: Int
  /// Threads; no verdict depends on it.
  public var threads: Int

  /// Steps that a native rule without network takes within a minute on two cores, with room to
  /// spare; slower rules get fewer.
  public static let defaultBudget = 60_000_000

  /// Plans the checks of `rule`.
  ///
  /// - Parameter budget: steps; nil for ``defaultBudget`` at the rule's speed.
  public init(
    _ rule: any Candidate, on problems: [SolvedProblem],
    checks: [any TrialCheck] = conditionChecks, seed: UInt64 = 1, budget: Int? = nil,
    starts: Int = 8, threads: Int = Parallel.coreCount
  ) {
    self.rule = rule
    self.problems = problems
    self.checks = checks
    self.seed = seed
    self.budget = budget ?? Int(Double(Self.defaultBudget) * rule.speed)
    self.starts = starts
    self.threads = threads
  }

  /// One check on all problems.
  public struct Finding: Sendable, Hashable, Codable {
    /// The claim.
    public var claim: Claim
    /// What holds for all problems together.
    public var verdict: Verdict
    /// How a `holds` is meant.
    public var qualifier: String?
    /// Why, in one line that names the problems.
    public var reason: String
    /// Problem by problem; those to which the claim does not apply are left out.
    public var trials: [TrialResult]
    /// Names of the problems on which the claim is violated.
    public var violatedProblems: [String] {
      trials.filter { $0.result.verdict == .violated }.map {
        $0.result.subject.components(separatedBy: " on ").last ?? $0.result.subject
      }
    }
    /// Steps of the rule that it took.
    public var steps: Int { trials.reduce(0) { $0 + $1.steps } }
  }

  /// What was found.
  public struct Results: Sendable, Hashable, Codable {
    /// The rule's name.
    public var rule: String
    /// Of all starts.
    public var seed: UInt64
    /// Steps that could be taken.
    public var budget: Int
    /// Names of the problems.
    public var problems: [String]
    /// Check by check.
    public var findings: [Finding]
    /// Whether two runs from the same seed are the same, bit for bit.
    public var isDeterministic: Bool
    /// What was left out, and why.
    public var skipped: [String]

    /// The steps taken.
    public var steps: Int { findings.reduce(0) { $0 + $1.steps } }
  }

  /// Runs every check; `report` hears of each as it ends, and may end the run by throwing.
  ///
  /// - Throws: `CandidateError.failedToSpeak` where a rule in another process does not answer, and
  ///   what `report` throws.
  public func run(report: (Finding) throws -> Void = { _ in }) throws -> Results {
    var results = Results(
      rule: rule.name, seed: seed, budget: budget, problems: problems.map(\.name), findings: [],
      isDeterministic: try isDeterministic(), skipped: [])
    let hungry = checks.filter { $0 is ConvergenceCheck }
    let cells = hungry.reduce(0) { $0 + applicable($1).count }
    let others = checks.reduce(0) { $1 is ConvergenceCheck ? $0 : $0 + applicable($1).count }
    // Checks without appetite take a few thousand steps a problem, whatever the budget.
    let rest = max(0, budget - others * 4 * leastHorizon)
    let share = cells == 0 ? 0 : rest / cells
    for check in checks {
      let finding = try measure(check, share: share)
      results.findings.append(finding)
      try report(finding)
    }
    if cells > 0, share < 8 * leastHorizon * starts {
      let tried = max(1, share / (8 * leastHorizon))
      results.skipped.append(
        "\(tried) of \(starts) starts were tried on each problem: a budget of "
          + "\(others * 4 * leastHorizon + cells * 8 * leastHorizon * starts) steps would try all")
    }
    if !results.isDeterministic {
      results.skipped.append(
        rule.isDeterministic
          ? "the rule is not deterministic, though it should be: verdicts are those of one run"
          : "the rule is random, as it says: verdicts are those of "
            + (rule.seedCount == 1 ? "one seed" : "the mean over \(rule.seedCount) seeds"))
    }
    let memory = results.findings.first { $0.claim.id == "GC4" }
    if memory?.trials.contains(where: { $0.result.numbers["remembered"] == 0 }) == true {
      results.skipped.append(
        "GC4 followed x_k alone: the rule shows no iterates that it remembers")
    }
    let families = Set(problems.map(\.kind))
    if !rule.oracles.contains(.prox), !rule.oracles.contains(.subgradient),
      families.contains(.composite)
    {
      results.skipped.append("composite problems: the rule takes no account of r")
    }
    return results
  }

  /// Two short runs from the same seed, compared bit for bit.
  private func isDeterministic() throws -> Bool {
    guard
      let problem = problems.first(where: {
        ($0.kind == .smooth || rule.oracles.contains(.prox))
          && rule.objection(to: $0.problem) == nil
      })
    else { return true }
    let start = Trial(rule, on: problem, seed: seed).start(0, around: problem.minimisers[0])
    func end() throws -> Vector? {
      let run = try rule.start(on: problem.problem, from: start, seed: seed)
      do { for _ in 0..<30 { try run.advance() } } catch CandidateError.nonFinite { return nil }
      return run.x
    }
    return try end() == end()
  }

  private var leastHorizon: Int { max(1000, 10 * (rule.trainedHorizon ?? 0)) }

  private func applicable(_ check: any TrialCheck) -> [SolvedProblem] {
    problems.filter {
      check.objection(to: rule, on: $0.kind) == nil
        && rule.objection(to: $0.problem) == nil
    }
  }

  /// One check on all problems that it is about; a convergence check spends what it is given.
  private func measure(_ check: any TrialCheck, share: Int) throws -> Finding {
    let problems = applicable(check)
    guard !problems.isEmpty else {
      let reasons = self.problems.compactMap { check.objection(to: rule, on: $0.kind) }
      // A reason that is about the rule says more than one about the problems.
      let reason =
        reasons.first { $0.hasPrefix("the rule") } ?? reasons.first
        ?? self.problems.first.flatMap { rule.objection(to: $0.problem) }
        ?? "no problem fits the rule"
      return Finding(
        claim: check.claim, verdict: .notApplicable, reason: reason, trials: [])
    }
    // A slow rule has its steps for convergence; what becomes of b_k shows in few.
    let limit = check is StructureCheck && rule.speed < 0.1 ? 4 * leastHorizon : Int.max
    @Sendable func trial(_ problem: SolvedProblem, _ budget: Int, starts: Int) -> Trial {
      Trial(
        rule, on: problem, seed: seed, starts: starts,
        budget: min(limit, max(budget, 8 * leastHorizon)))
    }
    // A rule in another process is one process: its runs come one after the other.
    let threads = rule.isConcurrent ? threads : 1
    var trials = try Parallel.map(problems, threads: threads) {
      try check.judge(trial($0, share, starts: starts))
    }
    // What some did not use goes to those that could not be decided.
    let open = trials.indices.filter { trials[$0].result.verdict == .inconclusive }
    if check is ConvergenceCheck, !open.isEmpty {
      let left = share * problems.count - trials.reduce(0) { $0 + $1.steps }
      let more = left / open.count
      if more > 2 * share {
        let again = try Parallel.map(open, threads: threads) {
          // Fewer starts, each of which gets further.
          try check.judge(trial(problems[$0], more, starts: max(2, starts / 4)))
        }
        for (i, result) in zip(open, again) {
          trials[i] = TrialResult(
            result.result, curves: result.curves, steps: trials[i].steps + result.steps)
        }
      }
    }
    return Self.summary(of: check.claim, trials)
  }

  /// All problems together: violated on one is violated; undecided on one leaves it undecided.
  static func summary(of claim: Claim, _ all: [TrialResult]) -> Finding {
    let trials = all.filter { $0.result.verdict != .notApplicable }
    func those(_ verdict: Verdict) -> [CheckResult] {
      trials.map(\.result).filter { $0.verdict == verdict }
    }
    let order: [Verdict] = [.violated, .premiseFails, .inconclusive, .holdsVacuously, .holds]
    guard let verdict = order.first(where: { !those($0).isEmpty }) else {
      return Finding(
        claim: claim, verdict: .notApplicable,
        reason: all.first?.result.reason ?? "no problem", trials: [])
    }
    let found = those(verdict)
    let count = "\(found.count) of \(trials.count) problems"
    let qualifiers = Set(found.compactMap(\.qualifier))
    let qualifier =
      verdict == .holds
      ? (qualifiers.count == 1 ? qualifiers.first : qualifiers.sorted().last) : nil
    let first = found[0]
    let place = first.subject.split(separator: " ").last.map(String.init) ?? first.subject
    let reason =
      verdict == .holds && found.count == trials.count
      ? "on \(trials.count) problem\(trials.count == 1 ? "" : "s")" + counts(found)
      : "on \(count), first \(place): \(first.reason)"
    return Finding(
      claim: claim, verdict: verdict, qualifier: qualifier, reason: reason, trials: trials)
  }

  private static func counts(_ found: [CheckResult]) -> String {
    let qualifiers = Dictionary(grouping: found.compactMap(\.qualifier), by: { $0 })
    guard qualifiers.count > 1 else { return "" }
    return " ("
      + qualifiers.sorted { $0.key < $1.key }.map { "\($0.value.count) \($0.key)" }
      .joined(separator: ", ") + ")"
  }
}
