import Catalog
public import Checks
public import Experiments
import Foundation
import Storage

/// All that `optcheck verify` found about one rule.
public struct VerificationRecord: Sendable, Hashable, Codable {
  /// The version of this format.
  public var schema = 2
  /// The command that makes it again.
  public var command: String
  /// The conditions.
  public var verification: Verification.Results
  /// The derivatives; nil for rules without.
  public var derivatives: DerivativeStudy.Results?
  /// Why there are none; empty if there are.
  public var noDerivatives: String
  /// Where claims break, as small as they could be made.
  public var counterexamples: [CounterexampleFolder.Entry]
  /// What was stored before, and what has become of it.
  public var replays: [StoredReplay]

  /// Puts the parts together.
  public init(
    command: String, verification: Verification.Results,
    derivatives: DerivativeStudy.Results?, noDerivatives: String = "",
    counterexamples: [CounterexampleFolder.Entry] = [], replays: [StoredReplay] = []
  ) {
    self.command = command
    self.verification = verification
    self.derivatives = derivatives
    self.noDerivatives = noDerivatives
    self.counterexamples = counterexamples
    self.replays = replays
  }

  /// Verdicts of all checks, derivatives as one.
  public var verdicts: [(id: String, verdict: Verdict)] {
    verification.findings.map { ($0.claim.id, $0.verdict) }
      + (derivatives.map { [("G", $0.verdict)] } ?? [])
  }
}

extension Report where Results == VerificationRecord {
  /// The report on one rule, named after it.
  public static func verification(of rule: String) -> Report {
    Report(
      name: "verify-\(fileName(of: rule))", title: "Is \(Markdown.literal(rule)) sound?",
      sections: [
        FindingsSection(), CounterexampleSection(), CurveSection.convergence,
        CurveSection.displacement,
        DerivativeSection(), TrialSection(), VerificationMachineSection(),
      ],
      encoded: { record, machine in
        JSONFile.encoded(VerificationFile(record: record, machine: machine))
      })
  }

  /// A name that is safe in a path: letters, digits, dots, dashes; all else is a dash.
  public static func fileName(of rule: String) -> String {
    let safe = rule.prefix(80).map { character in
      character.isASCII && (character.isLetter || character.isNumber || ".-".contains(character))
        ? character : "-"
    }
    let text = String(safe).trimmingCharacters(in: CharacterSet(charactersIn: ".-"))
    return text.isEmpty ? "rule" : text
  }
}

private struct VerificationFile: Encodable {
  let record: VerificationRecord
  let machine: RunRecord
}

/// The verdicts, one row for each check.
struct FindingsSection: ReportSection {
  let id = "findings"
  let title = "Findings"

  func markdown(_ context: ReportContext<VerificationRecord>) -> String {
    let results = context.results.verification
    var table = Markdown.Table([
      ("Check", .left), ("Claim", .left), ("Verdict", .left), ("Reason", .left),
    ])
    for finding in results.findings {
      let verdict =
        Markdown.verdict(finding.verdict, finding.qualifier)
      table.add([
        finding.claim.id, finding.claim.title, verdict,
        Markdown.literal(Markdown.shortened(finding.reason)),
      ])
    }
    if let derivatives = context.results.derivatives {
      table.add([
        "G", "backpropagation gives the gradient", Markdown.verdict(derivatives.verdict),
        Markdown.literal(derivatives.reason),
      ])
    } else {
      table.add([
        "G", "backpropagation gives the gradient", Number.dash,
        Markdown.literal(context.results.noDerivatives),
      ])
    }
    let scope =
      "\(results.problems.count) problems, \(results.steps) steps of the rule, seed \(results.seed). "
      + "`optcheck explain CHECK` says what a check measures and what it cannot see."
    let skipped = results.skipped.map { "\nSkipped: \(Markdown.literal($0)).\n" }.joined()
    return table.text + "\n" + scope + "\n" + skipped + "\n"
      + Markdown.commands([context.results.command])
  }
}

/// Counterexamples, small enough to read.
struct CounterexampleSection: ReportSection {
  let id = "counterexamples"
  let title = "Counterexamples"

  func markdown(_ context: ReportContext<VerificationRecord>) -> String {
    let replays = context.results.replays.map { stored in
      "- " + Markdown.literal("\(stored.entry.example.check), \(stored.entry.path)")
        + ": \(stored.replay.outcome)\n"
    }
    let before =
      replays.isEmpty ? "" : "Stored before, and replayed first:\n\n\(replays.joined())\n"
    let found = context.results.counterexamples
    guard !found.isEmpty else { return before + "None was found.\n" }
    return before + found.map(Self.markdown).joined(separator: "\n")
  }

  private static func markdown(_ entry: CounterexampleFolder.Entry) -> String {
    let example = entry.example
    let n = example.start.count
    return "**\(example.check)**, \(Markdown.literal(example.family)) in \(n) "
      + "unknown\(n == 1 ? "" : "s"): "
      + Markdown.literal(Markdown.shortened(example.reason)) + "\n\n```\n" + example.summary
      + "\n```\n\n" + Markdown.commands([entry.command])
      + "\nWith NumPy alone, in the folder of that file:\n\n```python\n\(entry.snippet)```\n"
  }
}

extension RuleCounterexample {
  /// Problem, start and level, line by line, with all digits of the data.
  public var summary: String {
    let rows = problem.matrix.map { "  " + list($0) }
    let after = "\(horizon) step\(horizon == 1 ? "" : "s")"
    let ending =
      measure == .distance
      ? "distance left after \(after): \(Number.significant(level, digits: 4))"
      : "displacement at x* after \(after): \(Number.significant(level, digits: 4))"
    return
      (["F(x) = \(problem.formula)", "M ="] + rows
      + ["y = " + list(problem.target), "x0 = " + list(start), "x* = " + list(minimiser), ending])
      .joined(separator: "\n")
  }

  private func list(_ numbers: [Double]) -> String {
    numbers.map(Number.short).joined(separator: "  ")
  }
}

/// The curves behind a group of checks, one line for each problem of the plain scale.
struct CurveSection: ReportSection {
  let id: String
  let title: String
  /// What the ids of the checks begin with.
  let group: String
  /// The measured quantity, in units of the distance of the start.
  let quantity: String
  let caption: String

  /// The way to the minimisers.
  static let convergence = CurveSection(
    id: "convergence", title: "Distance to a minimiser", group: "GC", quantity: "distance",
    caption: "The start shown is the worst of those tried.\n")

  /// How far probes at minimisers lead away.
  static let displacement = CurveSection(
    id: "displacement", title: "Displacement at the minimiser", group: "FP",
    quantity: "displacement",
    caption:
      "One step from x\\*, with the state that k steps of a run left and remembered iterates at x\\*.\n"
  )

  private func plot(_ context: ReportContext<VerificationRecord>) -> NamedPlot? {
    let verification = context.results.verification
    let findings = verification.findings.filter { finding in
      // Memory checks see the same problems again.
      finding.claim.id.hasPrefix(group) && finding.claim.id != group + "4"
    }
    let series = findings.flatMap(\.trials).compactMap { trial in
      // Scaled data look alike.
      trial.curves.first.flatMap { $0.name.contains("@") || $0.values.isEmpty ? nil : (trial, $0) }
    }.enumerated().map { i, pair -> Plot.Series in
      let (trial, curve) = pair
      let floor = max(trial.result.numbers["floor"] ?? 0, 1e-17)
      return .line(
        curve.name, .cycled(i), x: curve.steps,
        // What diverges leaves the picture, what is rounding stays at its foot.
        y: curve.values.map { $0 > 1e6 ? .nan : max($0, floor / 100) })
    }
    guard !series.isEmpty else { return nil }
    return NamedPlot(
      quantity,
      Plot(
        title: "\(title), \(Plot.literal(verification.rule))",
        subtitle: "one line a problem; levels below the floor are rounding",
        x: Plot.Axis("step k", unit: "1", scale: .logarithmic),
        y: Plot.Axis("\(quantity) / distance of x_0", unit: "1", scale: .logarithmic),
        series: series))
  }

  func plots(_ context: ReportContext<VerificationRecord>) -> [NamedPlot] {
    plot(context).map { [$0] } ?? []
  }

  func markdown(_ context: ReportContext<VerificationRecord>) -> String {
    guard plot(context) != nil else { return "No \(group) check applies.\n" }
    return context.image(quantity, "\(title) against step, one line a problem") + caption
  }
}

/// Derivative errors against the step of the differences.
struct DerivativeSection: ReportSection {
  let id = "derivatives"
  let title = "Derivatives"

  private func plot(_ context: ReportContext<VerificationRecord>) -> NamedPlot? {
    guard let ladders = context.results.derivatives?.ladders, !ladders.isEmpty else { return nil }
    let series = ladders.enumerated().map { i, curve -> Plot.Series in
      let hue = Plot.Hue.cycled(i / 2)
      return i % 2 == 0
        ? .line(curve.name, hue, x: curve.steps, y: curve.values)
        : .dashed(curve.name, hue, x: curve.steps, y: curve.values)
    }
    return NamedPlot(
      "derivatives",
      Plot(
        title: "Central differences against backpropagation",
        subtitle: "dashed: what rounding of the loss leaves; the checks balance the two",
        x: Plot.Axis("step h", unit: "1", scale: .logarithmic),
        y: Plot.Axis("relative difference", unit: "1", scale: .logarithmic), series: series))
  }

  func plots(_ context: ReportContext<VerificationRecord>) -> [NamedPlot] {
    plot(context).map { [$0] } ?? []
  }

  func markdown(_ context: ReportContext<VerificationRecord>) -> String {
    guard let derivatives = context.results.derivatives else {
      return Markdown.literal(context.results.noDerivatives) + "\n"
    }
    var table = Markdown.Table([
      ("Where", .left), ("Verdict", .left), ("Norm", .right), ("Error bar, relative", .right),
      ("Worst, in error bars", .right),
    ])
    for check in derivatives.checks {
      func number(_ key: String) -> String {
        Number.orDash(check.numbers[key]) { Number.significant($0, digits: 3) }
      }
      table.add([
        Markdown.literal(check.subject), Markdown.verdict(check.verdict),
        number("gradientNorm"), number("resolution"), number("worstExcess"),
      ])
    }
    let image =
      plot(context) == nil
      ? "" : context.image("derivatives", "Relative difference against step, with the noise floor")
    return image + table.text
  }
}

/// Every trial, folded.
struct TrialSection: ReportSection {
  let id = "trials"
  let title = "Problem by problem"

  func markdown(_ context: ReportContext<VerificationRecord>) -> String {
    context.results.verification.findings.filter { !$0.trials.isEmpty }.map { finding in
      var table = Markdown.Table([
        ("Problem", .left), ("Verdict", .left), ("Reason", .left), ("Steps", .right),
      ])
      for trial in finding.trials {
        let result = trial.result
        let problem = result.subject.components(separatedBy: " on ").last ?? result.subject
        table.add([
          Markdown.literal(problem),
          Markdown.verdict(result.verdict, result.qualifier),
          Markdown.literal(Markdown.shortened(result.reason)), "\(trial.steps)",
        ])
      }
      return Markdown.details(
        Markdown.html("\(finding.claim.id), \(finding.claim.title)"), table.text)
    }.joined()
  }
}

/// On what it ran.
struct VerificationMachineSection: ReportSection {
  let id = "machine"
  let title = "Machine"

  func markdown(_ context: ReportContext<VerificationRecord>) -> String {
    let record = context.record
    var facts = Markdown.Table([("What", .left), ("Value", .left)])
    for (name, value) in [
      ("OptCheck", record.version), ("Commit", record.commit), ("Toolchain", record.toolchain),
      ("OpenBLAS kernels", record.blasCore), ("Processor", record.processor),
    ] {
      facts.add([name, Markdown.literal(value)])
    }
    return facts.text
  }
}
