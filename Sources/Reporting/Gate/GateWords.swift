import Checks
public import Experiments
import Storage

/// What a comparison found, in words for a terminal, a pull request and annotations.
public struct GateWords: Sendable {
  /// The comparison.
  public var comparison: GateComparison
  /// What was compared with what, such as `main (1a2b3c) against this build`.
  public var subject: String

  /// Creates the words.
  public init(_ comparison: GateComparison, subject: String) {
    self.comparison = comparison
    self.subject = subject
  }

  /// `+3.1 % [3.0, 3.2]` more steps.
  static func words(_ effect: Effect) -> String {
    if effect.size == .infinity { return "no longer finite" }
    if effect.size == -.infinity { return "finite again" }
    if effect == Effect(size: 0, bar: 0) { return "0" }
    let range = effect.interval
    // No more digits than the interval supports, and no fewer than two decimals.
    let decimals = effect.bar > 0.05 ? 1 : 2
    func number(_ value: Double) -> String { Number.fixed(value, decimals: decimals) }
    let sign = effect.percent > 0 && number(effect.percent) != number(0) ? "+" : ""
    let bar = effect.bar < 1e-5 ? "" : " [\(number(range.lowerBound)), \(number(range.upperBound))]"
    return "\(sign)\(number(effect.percent)) %\(bar)"
  }

  static func percent(_ size: Double) -> String {
    size.isFinite ? "\(Number.significant(100 * size, digits: 2)) %" : Number.dash
  }

  /// A rule in one line: what stands behind its answer.
  public static func reason(_ rule: GateComparison.Rule) -> String {
    switch rule.answer {
    case .new: return "not in the baseline"
    case .gone: return "in the baseline only"
    default: break
    }
    let changes = rule.changes.map {
      "\($0.check): \($0.old.name) before, \($0.new.name) now"
        + ($0.answer == .worse ? " (\($0.reason))" : "")
    }
    func families(_ answer: GateAnswer, _ word: String) -> [String] {
      let those = rule.families.filter { $0.answer == answer }
        .sorted { abs($0.effect.size) > abs($1.effect.size) }
      guard let first = those.first else { return [] }
      return [
        "\(word) on \(those.count) of \(rule.families.count) families, most on \(first.name): "
          + words(first.effect)
      ]
    }
    let same: [String] =
      rule.families.allSatisfy { $0.identical == $0.cells } && !rule.families.isEmpty
      ? ["every bit agrees"] : []
    let all =
      changes + families(.worse, "worse") + families(.better, "better")
      + (rule.answer == .same && changes.isEmpty ? same : []) + rule.notes
    return all.isEmpty
      ? "no family differs by more than it could by rounding" : all.joined(separator: "; ")
  }

  /// The mark of an answer, to be read without colour.
  public static func mark(_ answer: GateAnswer) -> String {
    switch answer {
    case .worse: "✗ worse"
    case .better: "▲ better"
    case .same: "= same"
    case .new: "+ new"
    case .gone: "− gone"
    }
  }

  /// The verdict on all rules in one line.
  public var headline: String {
    let counts = GateAnswer.allCases.reversed().compactMap { answer -> String? in
      let count = comparison.rules.count { $0.answer == answer }
      return count == 0 ? nil : "\(count) \(answer.rawValue)"
    }
    return counts.isEmpty ? "no rule" : counts.joined(separator: ", ")
  }

  /// For a terminal.
  public var plain: String {
    let rows = comparison.rules.map { rule in
      [
        Self.mark(rule.answer), rule.name, rule.effect.map(Self.words) ?? Number.dash,
        Self.reason(rule),
      ]
    }
    let head = ["", "rule", "steps to a gap", "what"]
    return [subject, TextTable.aligned([head] + rows, left: [0, 1, 2, 3]), headline]
      .joined(separator: "\n")
  }

  /// For a comment on a pull request.
  public var markdown: String {
    var table = Markdown.Table([
      ("rule", .left), ("answer", .left), ("steps to a gap", .right), ("would see", .right),
      ("what", .left),
    ])
    for rule in comparison.rules {
      table.add([
        Markdown.code(rule.name),
        rule.answer == .worse ? "**\(Self.mark(.worse))**" : Self.mark(rule.answer),
        rule.effect.map(Self.words) ?? "", rule.effect == nil ? "" : Self.percent(rule.limit),
        Markdown.literal(Self.reason(rule)),
      ])
    }
    let details = comparison.rules.filter { $0.answer == .worse || $0.answer == .better }
      .map(details)
    return "### OptCheck: \(headline)\n\n\(Markdown.literal(subject))\n\n\(table.text)\n"
      + "Steps to a gap: change of the steps that the rule needs, the mean over families of problems, "
      + "[within rounding]; *would see*: the least change of all seeds of a family that this "
      + "comparison would have called worse.\n" + details.map { "\n\($0)" }.joined()
  }

  private func details(_ rule: GateComparison.Rule) -> String {
    var table = Markdown.Table([
      ("family", .left), ("answer", .left), ("effect", .right), ("seeds worse", .right),
      ("better", .right), ("of", .right), ("would see", .right),
    ])
    for family in rule.families {
      table.add([
        family.name, Self.mark(family.answer), Self.words(family.effect), "\(family.worse)",
        "\(family.better)", "\(family.cells)", Self.percent(family.limit),
      ])
    }
    let changes = rule.changes.map {
      "- \($0.check): \(Markdown.verdict($0.old)) before, \(Markdown.verdict($0.new)) now: "
        + "\(Markdown.literal($0.reason))\n"
    }
    return "<details><summary>\(rule.name)</summary>\n\n\(table.text)"
      + (changes.isEmpty ? "" : "\n" + changes.joined()) + "\n</details>\n"
  }

  /// Workflow commands that GitHub shows as annotations: an error for each rule that is worse, a
  /// warning for each that is gone, a notice for each that is better.
  public var annotations: [String] {
    comparison.rules.compactMap { rule in
      let kind: String
      switch rule.answer {
      case .worse: kind = "error"
      case .gone: kind = "warning"
      case .better: kind = "notice"
      case .same, .new: return nil
      }
      return
        "::\(kind) title=\(Self.property("OptCheck: \(rule.name) is \(rule.answer.rawValue)"))::"
        + Self.message(Self.reason(rule))
    }
  }

  private static func message(_ text: String) -> String {
    text.replacing("%", with: "%25").replacing("\r", with: "%0D").replacing("\n", with: "%0A")
  }

  private static func property(_ text: String) -> String {
    message(text).replacing(":", with: "%3A").replacing(",", with: "%2C")
  }

  /// JUnit XML: one case for each rule; worse is a failure, gone is skipped.
  public var junit: String {
    let cases = comparison.rules.map { rule -> String in
      let head = "    <testcase classname=\"optcheck compare\" name=\"\(JUnit.escaped(rule.name))\""
      let reason = JUnit.escaped(Self.reason(rule))
      switch rule.answer {
      case .worse:
        return head + ">\n      <failure message=\"worse\">\(reason)</failure>\n    </testcase>\n"
      case .gone: return head + ">\n      <skipped message=\"\(reason)\"/>\n    </testcase>\n"
      case .better, .same, .new: return head + "/>\n"
      }
    }
    func count(_ answer: GateAnswer) -> Int { comparison.rules.count { $0.answer == answer } }
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
      + "  <testsuite name=\"optcheck compare\" tests=\"\(comparison.rules.count)\" "
      + "failures=\"\(count(.worse))\" errors=\"0\" skipped=\"\(count(.gone))\">\n"
      + cases.joined() + "  </testsuite>\n</testsuites>\n"
  }
}
