public import Foundation
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
/// With a folder of `regressions`, such as `Fixtures/Regressions` beside the test, counterexamples are
/// kept there: those of this rule are replayed first, and one that is still violated is an issue even
/// where the problems chosen would not have found it.
///
/// - Parameters:
///   - rule: the rule.
///   - problems: what it is checked on; nil for the default suite.
///   - checks: ids of the checks, such as "FP1"; nil for all.
///   - seed: of all starts.
///   - budget: steps of the rule; the default takes a few seconds.
///   - regressions: a folder of counterexamples; nil for none.
/// - Throws: what the suite's solutions throw, `StorageError` for a damaged counterexample; never a
///   verdict.
@discardableResult
public func verify(
  _ rule: some UpdateRule, on problems: [SolvedProblem]? = nil, checks: Set<String>? = nil,
  seed: UInt64 = 1, budget: Int = 4_000_000, regressions: URL? = nil,
  sourceLocation: SourceLocation = #_sourceLocation
) async throws -> Verification.Results {
  try await verify(
    candidate: NativeCandidate(rule), on: problems, checks: checks, seed: seed, budget: budget,
    regressions: regressions, sourceLocation: sourceLocation)
}

/// Checks any candidate, such as a rule in another process.
///
/// - Throws: what the suite's solutions throw, `StorageError` for a damaged counterexample, and
///   `CandidateError.failedToSpeak`.
@discardableResult
public func verify(
  candidate: any Candidate, on problems: [SolvedProblem]? = nil, checks: Set<String>? = nil,
  seed: UInt64 = 1, budget: Int = 4_000_000, regressions: URL? = nil,
  sourceLocation: SourceLocation = #_sourceLocation
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
  let source = RuleSource(candidate.name)
  let folder = regressions.map(CounterexampleFolder.init)
  let replays = try folder?.replay(candidate, from: source, checks: chosen) ?? []
  var results = try verification.run()
  results.note(replays)
  for finding in results.findings where finding.verdict == .violated {
    let known = replays.first {
      $0.entry.example.check == finding.claim.id && $0.replay.isStillViolated
    }
    var entry = known?.entry
    var example = entry?.example
    if known == nil, problems == nil,
      let check = chosen.first(where: { $0.claim.id == finding.claim.id })
    {
      example = try Falsifier(
        candidate, from: source, against: check, suspects: finding.violatedProblems,
        budget: 200_000, seed: seed
      ).search()
      if let example { entry = try folder?.store(example) }
    }
    Issue.record(
      Comment(rawValue: words(for: finding, of: candidate.name, example, entry, seed: seed)),
      sourceLocation: sourceLocation)
  }
  if checks?.contains("G") ?? true {
    let found = DerivativeStudy.results(
      of: candidate, on: try ProblemSuite.standard(scales: [1]), seed: seed
    ).results
    for check in found?.checks ?? [] where check.verdict == .violated {
      Issue.record(
        Comment(rawValue: "\(check.subject): G violated, \(check.reason)"),
        sourceLocation: sourceLocation)
    }
  }
  return results
}

/// One readable failure.
private func words(
  for finding: Verification.Finding, of rule: String, _ example: RuleCounterexample?,
  _ entry: CounterexampleFolder.Entry?, seed: UInt64
) -> String {
  var lines = ["\(rule): \(finding.claim.id) violated, \(finding.claim.title)", finding.reason]
  if let example {
    let n = example.start.count
    lines.append("smallest case: \(example.family) in \(n) unknown\(n == 1 ? "" : "s")")
    lines.append(example.summary)
  }
  // A rule that only a test knows is replayed by an executable that registers it.
  lines.append(
    entry.map { "replay: \($0.command)" }
      ?? "replay: verify(\(rule), checks: [\"\(finding.claim.id)\"], seed: \(seed)); "
      + "optcheck verify \(rule) --checks \(finding.claim.id) --seed \(seed)")
  return lines.joined(separator: "\n")
}
