import History
import OptCheck

/// What the history keeps of rules that were verified or trained.
extension HistoryRecord {
  // MARK: verify

  /// Keeps what one check has found on a rule: the verdict, and of every number the largest over all problems.
  mutating func note(_ finding: Verification.Finding, of rule: String) {
    let check = finding.claim.id
    verdicts.append(Judgement(check, finding.verdict, on: rule, reason: finding.reason))
    for name in Self.followed {
      let values = finding.trials.compactMap { $0.result.numbers[name] }.filter { !$0.isNaN }
      guard let largest = values.max() else { continue }
      figures.append(Figure(name, largest, of: rule, in: check))
    }
  }

  /// Numbers of trials that grow where a rule gets worse.
  private static let followed = ["level", "bias", "decay"]

  /// Keeps a rule's verification, which replaces what was noted of it under way: stored counterexamples may
  /// have changed verdicts.
  mutating func conclude(_ result: VerificationRecord) {
    let rule = result.verification.rule
    figures.removeAll { $0.subject == rule }
    verdicts.removeAll { $0.subject == rule }
    // Convergence is what most people ask about, so its level is the trend that is shown first.
    let findings = result.verification.findings
    let convergence = findings.filter { $0.claim.id.hasPrefix("GC") }
    for finding in convergence + findings.filter({ !convergence.contains($0) }) {
      note(finding, of: rule)
    }
    if let derivatives = result.derivatives {
      verdicts.append(Judgement("G", derivatives.verdict, on: rule, reason: derivatives.reason))
    }
    figures += [
      Figure("steps", Double(result.verification.steps), of: rule),
      Figure("counterexamples", Double(result.counterexamples.count), of: rule),
    ]
  }

  // MARK: train, evaluate

  /// Keeps how training went; `problem` in words.
  mutating func note(losses: [Double], of rule: String, on problem: String) {
    figures += [
      Figure("final loss", losses.last, of: rule, in: problem),
      Figure("first loss", losses.first, of: rule, in: problem),
      Figure("steps", Double(losses.count), of: rule, in: problem),
    ]
  }

  // MARK: compare

  /// Keeps what became of a rule since a baseline: the change of its steps to a gap in percent, family by
  /// family.
  mutating func note(_ rule: GateComparison.Rule) {
    figures.append(Figure("change %", rule.effect?.percent, of: rule.name))
    for family in rule.families {
      figures.append(Figure("change %", family.effect.percent, of: rule.name, in: family.name))
    }
  }

  /// Keeps a rule's figures: the mean over seeds of the steps to gaps, and the verdicts.
  mutating func note(_ record: GateRecord) {
    for family in record.families {
      let cells = record.cells(of: family)
      for (name, level) in [("steps to 1e-3", 1e-3), ("steps to 1e-6", 1e-6)] {
        let steps = cells.compactMap { $0.steps(to: level) }
        guard steps.count == cells.count else { continue }
        figures.append(
          Figure(
            name, steps.reduce(0, +) / Double(steps.count), of: record.rule, in: family))
      }
    }
    verdicts += record.verdicts.map {
      Judgement($0.check, $0.verdict, on: record.rule, reason: $0.reason)
    }
  }
}
