import Checks
public import Experiments
import Foundation
import Storage

/// Several rules side by side.
public struct ConditionTable: Sendable, Hashable, Codable {
  /// The command that makes it again.
  public var command: String
  /// Rule by rule.
  public var records: [VerificationRecord]
  /// What is about no rule of a user's: special cases, step schedules, proximal operators; nil if not run.
  public var schemes: SchemeStudy.Results?

  /// Puts records together.
  public init(
    command: String, records: [VerificationRecord], schemes: SchemeStudy.Results? = nil
  ) {
    self.command = command
    self.records = records
    self.schemes = schemes
  }
}

extension Report where Results == ConditionTable {
  /// Rules by conditions, with reasons.
  public static var conditions: Report {
    Report(
      name: "conditions", title: "Which rules keep which conditions",
      sections: [
        ConditionMatrixSection(), ConditionReasonSection(), SmallestCaseSection(),
        SpecialCaseSection(),
        SubgradientStepSection(), ProximalOperatorSection(), ConditionMachineSection(),
      ],
      encoded: { table, machine in
        JSONFile.encoded(ConditionFile(table: ConditionSummary(table), machine: machine))
      })
  }
}

/// What the file holds: verdicts and reasons; curves stand in the files of the rules.
private struct ConditionSummary: Encodable {
  struct Row: Encodable {
    var rule: String
    var check: String
    var verdict: String
    var qualifier: String?
    var reason: String
  }

  struct Example: Encodable {
    var rule: String
    var check: String
    var dimension: Int
    var level: Double
    var replay: String
  }

  let command: String
  let rows: [Row]
  let counterexamples: [Example]
  let schemes: SchemeStudy.Results?

  init(_ table: ConditionTable) {
    command = table.command
    schemes = table.schemes
    counterexamples = table.records.flatMap { record in
      record.counterexamples.map {
        Example(
          rule: record.verification.rule, check: $0.example.check,
          dimension: $0.example.start.count, level: $0.example.level, replay: $0.command)
      }
    }
    rows = table.records.flatMap { record in
      record.verification.findings.map {
        Row(
          rule: record.verification.rule, check: $0.claim.id, verdict: $0.verdict.name,
          qualifier: $0.qualifier, reason: $0.reason)
      }
    }
  }
}

private struct ConditionFile: Encodable {
  let schema = 1
  let table: ConditionSummary
  let machine: RunRecord
}

/// Marks.
struct ConditionMatrixSection: ReportSection {
  let id = "table"
  let title = "The table"

  func markdown(_ context: ReportContext<ConditionTable>) -> String {
    let records = context.results.records
    let ids = records.first?.verification.findings.map(\.claim.id) ?? []
    var table = Markdown.Table([("Rule", .left)] + (ids + ["G"]).map { ($0, .centre) })
    for record in records {
      let verdicts = Dictionary(record.verdicts, uniquingKeysWith: { a, _ in a })
      table.add(
        ["[\(Markdown.literal(record.verification.rule))](#\(anchor(record)))"]
          + (ids + ["G"]).map { verdicts[$0]?.mark ?? "" })
    }
    return table.text
      + "\n\(Verdict.legend). FP: a minimiser is a fixed point; GC: convergence from any start; 1 smooth, 2 f = 0, 3 composite, 4 with "
      + "memory; S: structure; D1P: certified descent (D1 where r = 0); G: gradients of the weights.\n\n"
      + Markdown.commands([context.results.command])
  }
}

private func anchor(_ record: VerificationRecord) -> String {
  Report<VerificationRecord>.fileName(of: record.verification.rule).lowercased()
}

/// Reasons, rule by rule.
struct ConditionReasonSection: ReportSection {
  let id = "reasons"
  let title = "Reasons"

  func markdown(_ context: ReportContext<ConditionTable>) -> String {
    context.results.records.map { record in
      var table = Markdown.Table([("Check", .left), ("Verdict", .left), ("Reason", .left)])
      for finding in record.verification.findings where finding.verdict != .notApplicable {
        table.add([
          finding.claim.id,
          Markdown.verdict(finding.verdict, finding.qualifier),
          Markdown.literal(Markdown.shortened(finding.reason)),
        ])
      }
      if let derivatives = record.derivatives {
        table.add([
          "G", Markdown.verdict(derivatives.verdict), Markdown.literal(derivatives.reason),
        ])
      }
      let off = record.verification.findings.filter { $0.verdict == .notApplicable }
      let reasons = Dictionary(grouping: off, by: \.reason).sorted { $0.key < $1.key }
        .map { "\($0.value.map(\.claim.id).joined(separator: ", ")): \($0.key)" }
      return
        "<a id=\"\(anchor(record))\"></a>\n\n### \(Markdown.literal(record.verification.rule))\n\n"
        + table.text
        + (reasons.isEmpty
          ? "" : "\nNot applicable: " + Markdown.literal(reasons.joined(separator: "; ")) + ".\n")
    }.joined(separator: "\n")
  }
}

/// The smallest counterexamples, with what replays them.
struct SmallestCaseSection: ReportSection {
  let id = "counterexamples"
  let title = "Smallest counterexamples"

  func markdown(_ context: ReportContext<ConditionTable>) -> String {
    let found = context.results.records.flatMap { record in
      record.counterexamples.map { (record.verification.rule, $0) }
    }
    guard !found.isEmpty else { return "None was needed.\n" }
    var table = Markdown.Table([
      ("Rule", .left), ("Check", .left), ("Problem", .left), ("Unknowns", .right),
      ("Steps", .right), ("Distance left", .right), ("Replay", .left),
    ])
    for (rule, entry) in found {
      let example = entry.example
      table.add([
        Markdown.literal(rule), example.check, Markdown.literal(example.family),
        "\(example.start.count)", "\(example.horizon)",
        Number.significant(example.level, digits: 3),
        "`\(entry.command)`",
      ])
    }
    return table.text
      + "\nIn units of the distance of the start; under FP, the displacement from the minimiser. Where a case has "
      + "more than two unknowns, all families in one and two unknowns were searched too, at three scales and "
      + "from up to 32 seeds while the budget lasted, and gave none (a rule that fits one size cannot be "
      + "shrunk).\n"
  }
}

/// On what it ran.
struct ConditionMachineSection: ReportSection {
  let id = "machine"
  let title = "Machine"

  func markdown(_ context: ReportContext<ConditionTable>) -> String {
    let record = context.record
    return "OptCheck \(record.version) at \(record.commit), \(Markdown.literal(record.toolchain)), "
      + "OpenBLAS \(record.blasCore) kernels, \(Markdown.literal(record.processor)), "
      + "seed \(context.results.records.first?.verification.seed ?? 0).\n"
  }
}
