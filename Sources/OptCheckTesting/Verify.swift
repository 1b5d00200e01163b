public import OptCheck
public import Testing

/// Checks a rule of yours in a test: fixed points, convergence, structure, derivatives.
///
///     import OptCheckTesting
///
///     @Test func myRule() async throws { try await verify(MyRule()) }
///
/// Every violated check is one issue of the test, with the smallest counterexample that was found
/// and the lines that replay it. What is undecided is no failure.
///
/// - Parameters:
///   - rule: the rule.
///   - problems: what it is checked on; nil for the default suite.
///   - checks: ids of the checks, such as "FP1"; nil for all.
///   - seed: of all starts.
///   - budget: steps of the rule; the default takes a few seconds.
/// - Throws: what the suite's solutions throw; never a verdict.
@discardableResult
public func verify(
  _ rule: some UpdateRule, on problems: [SolvedProblem]? = nil, checks: Set<String>? = nil,
  seed: UInt64 = 1, budget: Int = 4_000_000, sourceLocation: SourceLocation = #_sourceLocation
) async throws -> Verification.Results {
  try await verify(
    candidate: NativeCandidate(rule), on: problems, checks: checks, seed: seed, budget: budget,
    sourceLocation: sourceLocation)
}

/// Checks any candidate, such as a rule in another process.
///
/// - Throws: what the suite's solutions throw, and `CandidateError.failedToSpeak`.
@discardableResult
public func verify(
  candidate: any Candidate, on problems: [SolvedProblem]? = nil, checks: Set<String>? = nil,
  seed: UInt64 = 1, budget: Int = 4_000_000, sourceLocation: SourceLocation = #_sourceLocation
) async throws -> Verification.Results {
  let known = Set(conditionChecks.map(\.claim.id) + ["G"])
  if let stranger = checks?.subtracting(known).min() {
    Issue.record(
      "no check is called '\(stranger)'; accepted: \(known.sorted().joined(separator: ", "))",
      sourceLocation: sourceLocation)
  }
  let chosen = conditionChecks.filter { checks?.contains($0.claim.id) ?? true }
  let verification = Verification(
    candidate, on: try problems ?? ProblemSuite.standard(), checks: chosen, seed: seed,
    budget: Int(Double(budget) * candidate.speed))
  let results = try verification.run()
  for finding in results.findings where finding.verdict == .violated {
    let check = chosen.first { $0.claim.id == finding.claim.id }
    let example =
      try problems == nil
      ? check.flatMap { check in
        try Falsifier(candidate, against: check, budget: 200_000, seed: seed).search()
      } : nil
    Issue.record(
      Comment(rawValue: words(for: finding, of: candidate.name, example, seed: seed)),
      sourceLocation: sourceLocation)
  }
  if checks?.contains("G") ?? true, let rule = candidate.learnedRule {
    try derivatives(of: rule, seed: seed, sourceLocation)
  }
  return results
}

/// One readable failure.
private func words(
  for finding: Verification.Finding, of rule: String, _ example: RuleCounterexample?, seed: UInt64
) -> String {
  var lines = ["\(rule): \(finding.claim.id) violated, \(finding.claim.title)", finding.reason]
  if let example {
    lines.append(
      "smallest case: \(example.family) in \(example.start.count) unknowns, x0 = \(example.start), "
        + "distance left \(example.level) after \(example.horizon) steps")
  }
  lines.append(
    "replay: verify(\(rule), checks: [\"\(finding.claim.id)\"], seed: \(seed)); "
      + "optcheck verify \(rule) --checks \(finding.claim.id) --seed \(seed)")
  return lines.joined(separator: "\n")
}

private func derivatives(
  of rule: any LearnedUpdateRule, seed: UInt64, _ sourceLocation: SourceLocation
) throws {
  let problems = try ProblemSuite.families.filter { $0.name == "quadratic-rotated" }
    .map { try $0.problem() }
  guard let results = try? DerivativeStudy(rule, seed: seed).run(on: problems) else { return }
  for check in results.checks where check.verdict == .violated {
    Issue.record(
      Comment(rawValue: "\(check.subject): G violated, \(check.reason)"),
      sourceLocation: sourceLocation)
  }
}
