import Checks
public import Experiments
import Storage

/// Claims and verdicts, with every subject in a fold of its claim.
public struct VerdictSection: ReportSection {
  public let id = "verdicts"
  public let title = "Verdicts"

  /// Creates the section.
  public init() {}

  public func markdown(_ context: ReportContext<ConvergenceResults>) -> String {
    let claims = ClaimSummary.all(context.results.checks)
    guard !claims.isEmpty else { return "No claim was checked.\n\n" + replay(context) }
    var table = Markdown.Table(
      [("Claim", .left), ("Statement", .left)] + Verdict.ordered.map { ($0.mark, .right) }
        + [("Worst case", .left)])
    for one in claims {
      table.add(
        ["[\(one.claim.id)](#claim-\(one.claim.id))", Markdown.literal(one.claim.title)]
          + Verdict.ordered.map { one.count($0) == 0 ? "" : "\(one.count($0))" }
          + [one.worst.map { Markdown.literal(Markdown.shortened($0.reason)) } ?? ""])
    }
    let legend = Verdict.ordered.map { verdict in
      verdict == .notApplicable ? "\(verdict.mark) \(verdict.name)" : verdict.marked
    }
    return table.text + "\nNumber of subjects per verdict: " + legend.joined(separator: " · ")
      + ".\n\n" + claims.map(details).joined() + replay(context)
  }

  private func details(_ one: ClaimSummary) -> String {
    let subjects = one.subjects
    var table = Markdown.Table([("Subject", .left), ("Verdict", .left), ("Reason", .left)])
    for (name, results) in subjects {
      guard let worst = ClaimSummary.worst(results) else { continue }
      let times = results.count == 1 ? "" : " (\(results.count)×)"
      let qualifier = worst.qualifier.map { " (\(Markdown.literal($0)))" } ?? ""
      table.add([
        Markdown.literal(name) + times, worst.verdict.marked + qualifier,
        Markdown.literal(Markdown.shortened(worst.reason)),
      ])
    }
    let count = subjects.count == 1 ? "1 subject" : "\(subjects.count) subjects"
    let source = "Source: \(Markdown.literal(one.claim.source)).\n\n"
    return "<a id=\"claim-\(one.claim.id)\"></a>\n"
      + Markdown.details(
        "<b>\(one.claim.id)</b>: \(Markdown.html(one.claim.title)) (\(count))",
        source + premises(one) + table.text + "\n" + evidence(one) + commands(one))
  }

  private func premises(_ one: ClaimSummary) -> String {
    guard !one.premises.isEmpty else { return "" }
    var table = Markdown.Table([
      ("Premise", .left), ("met", .right), ("not met", .right), ("unknown", .right),
      ("For example", .left),
    ])
    for (statement, counts, example) in one.premises {
      table.add([
        Markdown.literal(statement),
        counts[.met].map(String.init) ?? "", counts[.notMet].map(String.init) ?? "",
        counts[.unknown].map(String.init) ?? "",
        Markdown.literal(Markdown.shortened(example.evidence)),
      ])
    }
    return table.text + "\n"
  }

  /// Where violated claims fail, worst first.
  private func evidence(_ one: ClaimSummary) -> String {
    let rows = one.results.filter { $0.verdict == .violated }.flatMap { result in
      result.evidence.sorted { $0.excess > $1.excess }.prefix(3).map { (result.subject, $0) }
    }
    guard !rows.isEmpty else { return "" }
    var table = Markdown.Table([
      ("Violated on", .left), ("at", .left), ("is", .right), ("should be", .right),
      ("error bar", .right),
    ])
    for (subject, evidence) in rows {
      table.add([
        Markdown.literal(subject), Markdown.code(evidence.path),
        Number.significant(evidence.actual, digits: 4),
        Number.significant(evidence.reference, digits: 4),
        Number.scientific(evidence.allowed, digits: 1),
      ])
    }
    return table.text + "\n"
  }

  /// The commands that replay the worst results.
  private func commands(_ one: ClaimSummary) -> String {
    let worst = one.worst?.verdict
    let lines = one.results.filter { $0.verdict == worst }.compactMap(\.replay).uniqued.prefix(5)
    return lines.isEmpty ? "" : "Replay:\n\n" + Markdown.commands(Array(lines))
  }
}
