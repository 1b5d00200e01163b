import Checks
public import Experiments
import Foundation
import Storage

extension PowerStudy.Results {
  /// The faults at relative sizes of at least `size`.
  func faults(from size: Double) -> [PowerStudy.FaultUnit] { faults.filter { $0.size >= size } }

  /// The share of `units` that was caught.
  static func share(_ units: [PowerStudy.FaultUnit]) -> Double {
    units.isEmpty ? .nan : Double(units.count { !$0.caughtBy.isEmpty }) / Double(units.count)
  }

  /// Clean cells by verdict.
  var cleanVerdicts: [String: Int] {
    clean.reduce(into: [:]) { sums, unit in
      for (verdict, count) in unit.verdicts { sums[verdict, default: 0] += count }
    }
  }

  /// Cells that a fault is known to break, by verdict.
  var certainVerdicts: [String: Int] {
    faults.compactMap(\.certain).reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
  }

  /// All clean cells, and those that were called violated.
  public var falseAlarms: (cells: Int, alarms: Int) {
    (cleanVerdicts.values.reduce(0, +), clean.reduce(0) { $0 + $1.alarms.count })
  }

  /// Names of different faults.
  var faultNames: Set<String> { Set(faults.map { $0.place + "/" + $0.fault }) }
}

/// What the study found, with what else was measured beside it.
public struct PowerRecord: Sendable, Hashable, Codable {
  /// The command that makes it again.
  public var command: String
  /// Faults and clean runs.
  public var study: PowerStudy.Results
  /// Derivatives with their error bars; nil if not measured.
  public var derivatives: DerivativePower?
  /// Rules in another process; nil if not run.
  public var foreign: [ForeignUnit]?
  /// The table of rules by conditions; nil if there is none yet.
  public var conditions: ConditionCount?
  /// How long new rules are; empty outside the package.
  public var lengths: [RuleLength]

  /// Puts the parts together.
  public init(
    command: String, study: PowerStudy.Results, derivatives: DerivativePower? = nil,
    foreign: [ForeignUnit]? = nil, conditions: ConditionCount? = nil, lengths: [RuleLength] = []
  ) {
    self.command = command
    self.study = study
    self.derivatives = derivatives
    self.foreign = foreign
    self.conditions = conditions
    self.lengths = lengths
  }
}

extension Report where Results == PowerRecord {
  /// What the checks catch.
  public static var checkPower: Report {
    Report(
      name: "check-power", title: "What the checks catch, and what they do not",
      sections: [
        PowerSummarySection(), PowerMatrixSection(), PowerEscapeSection(), PowerCleanSection(),
        PowerDerivativeSection(), PowerForeignSection(),
      ],
      encoded: { record, machine in
        JSONFile.encoded(PowerFile(record: record, machine: machine))
      })
  }
}

private struct PowerFile: Encodable {
  let record: PowerRecord
  let machine: RunRecord
}

private func percent(_ part: Int, _ whole: Int) -> String {
  whole == 0 ? Number.dash : "\(Number.fixed(100 * Double(part) / Double(whole), decimals: 1)) %"
}

/// Targets and figures.
struct PowerSummarySection: ReportSection {
  let id = "targets"
  let title = "Targets"

  func markdown(_ context: ReportContext<PowerRecord>) -> String {
    let study = context.results.study
    var table = Markdown.Table([
      ("Target", .left), ("What", .left), ("Figure", .left), ("Met", .centre),
    ])
    let large = study.faults(from: 1e-4)
    let caught = large.count { !$0.caughtBy.isEmpty }
    let (cells, alarms) = study.falseAlarms
    let isWhole = study.thinning == 1
    func met(_ isMet: Bool) -> String { isMet ? "✓" : "✗" }
    table.add([
      "G3", "faults of size ≥ 1e-4 caught: at least 95 %",
      "\(caught) of \(large.count) (\(percent(caught, large.count))), "
        + "\(study.faultNames.count) different faults",
      met(caught * 100 >= 95 * large.count && study.faultNames.count >= 60),
    ])
    let checks = Set(allChecks.map(\.claim.id))
    let alone = Set(study.faults.filter { $0.caughtBy.count == 1 }.flatMap(\.caughtBy))
    let never = checks.subtracting(alone).sorted()
    table.add([
      "G3", "each check is the only one to catch some fault",
      "\(checks.count - never.count) of \(checks.count)"
        + (never.isEmpty || !isWhole ? "" : ", not \(never.joined(separator: ", "))"),
      met(never.isEmpty || !isWhole),
    ])
    table.add([
      "G3", "false alarms in 1,000 clean runs: none", "\(alarms) in \(cells)",
      met(alarms == 0 && (cells >= 1000 || !isWhole)),
    ])
    let verdicts = study.cleanVerdicts
    let holds = (verdicts["holds"] ?? 0) + (verdicts["holds vacuously"] ?? 0)
    let open = verdicts["inconclusive"] ?? 0
    table.add([
      "G5", "clean cells that hold: at least 90 %; inconclusive: at most 10 %",
      "\(percent(holds, cells)) hold, \(percent(open, cells)) inconclusive",
      met(holds * 10 >= 9 * cells && open * 10 <= cells),
    ])
    let certain = study.certainVerdicts
    let broken = certain.values.reduce(0, +)
    let found = certain["violated"] ?? 0
    table.add([
      "G5", "cells that a fault is known to break: at least 95 % violated",
      "\(found) of \(broken) (\(percent(found, broken))), "
        + "\(percent(certain["inconclusive"] ?? 0, broken)) inconclusive",
      met(found * 100 >= 95 * broken),
    ])
    if let derivatives = context.results.derivatives {
      for row in derivatives.rows {
        table.add([row.target, row.what, row.figure, met(row.isMet)])
      }
    }
    addForeign(context.results, &table)
    addTable(context.results, &table)
    for length in context.results.lengths {
      table.add([
        "X1", "a new rule in at most \(length.allowed) lines of one file",
        "\(length.lines) in `\(length.file)`", met(length.lines <= length.allowed),
      ])
    }
    let thin =
      isWhole
      ? "" : "One unit in \(study.thinning) was run: figures are of the sample.\n\n"
    let commands =
      [context.results.command]
      + (context.results.conditions.map { ["# F1, before it:", $0.command] } ?? [])
    return thin + table.text + "\n" + Markdown.commands(commands)
  }

  private func addForeign(_ results: PowerRecord, _ table: inout Markdown.Table) {
    guard let foreign = results.foreign else { return }
    let faults = foreign.filter { $0.twin != nil }
    let sound = foreign.filter { $0.twin == nil }
    let caught = faults.count { $0.status == 1 }
    let passed = sound.count { $0.status == 0 }
    table.add([
      "G3", "faults in another process that end with status 1: at least 25",
      "\(caught) of \(faults.count)", caught >= 25 ? "✓" : "✗",
    ])
    table.add([
      "G3", "their sound twins that end with status 0: all", "\(passed) of \(sound.count)",
      passed == sound.count ? "✓" : "✗",
    ])
  }

  private func addTable(_ results: PowerRecord, _ table: inout Markdown.Table) {
    guard let conditions = results.conditions else { return }
    table.add([
      "F1", "a table of at least 14 rules by 8 conditions",
      "\(conditions.rules) rules: "
        + conditions.verdicts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        .joined(separator: ", "), conditions.rules >= 14 ? "✓" : "✗",
    ])
    let large = conditions.dimensions.count { $0 > 2 }
    let rest = "; of the others none was found among problems of 1 and 2 unknowns, if they fit any"
    table.add([
      "F1", "counterexamples in at most 2 unknowns, where one exists",
      "\(conditions.dimensions.count - large) of \(conditions.dimensions.count)"
        + (large == 0 ? "" : rest),
      // Whether one exists is not known where none was found.
      large == 0 ? "✓" : "?",
    ])
  }
}

/// Which check catches what.
struct PowerMatrixSection: ReportSection {
  let id = "matrix"
  let title = "What catches what"

  func markdown(_ context: ReportContext<PowerRecord>) -> String {
    let faults = context.results.study.faults
    let ids = Set(faults.flatMap(\.caughtBy)).sorted()
    var checks = Markdown.Table(
      "Check", numbers: ["caught", "alone", "alone with its siblings", "smallest size"])
    // FP1 to FP4 ask the same of four kinds of problems.
    func family(_ id: String) -> String {
      ["FP", "GC", "S"].first { id.hasPrefix($0) && id.dropFirst($0.count).allSatisfy(\.isNumber) }
        ?? id
    }
    for id in ids {
      let own = faults.filter { $0.caughtBy.contains(id) }
      checks.add([
        id, "\(own.count)", "\(own.count { $0.caughtBy == [id] })",
        "\(own.count { Set($0.caughtBy.map(family)) == [family(id)] })",
        Number.orDash(own.map(\.size).min()) { Number.significant($0, digits: 2) },
      ])
    }
    var table = Markdown.Table([
      ("Place", .left), ("Fault", .left), ("1", .left), ("1e-2", .left), ("1e-4", .left),
      ("1e-6", .left), ("At initialisation", .left),
    ])
    for (place, name) in unique(faults.map { ($0.place, $0.fault) }) {
      let units = faults.filter { $0.place == place && $0.fault == name }
      func cell(_ sizes: ClosedRange<Double>) -> String {
        let those = units.filter { sizes.contains($0.size) }
        guard !those.isEmpty else { return "" }
        let caught = those.filter { !$0.caughtBy.isEmpty }
        let by = Set(caught.flatMap(\.caughtBy)).sorted().joined(separator: " ")
        return "\(caught.count)/\(those.count)" + (by.isEmpty ? "" : " " + by)
      }
      let atStart = units.compactMap(\.caughtAtInitialization)
      table.add([
        place, name, cell(0.05...1), cell(5e-3...0.04), cell(5e-5...4e-3), cell(0...4e-5),
        atStart.isEmpty ? "" : "\(atStart.count { !$0.isEmpty })/\(atStart.count)",
      ])
    }
    return checks.text
      + "\nBy relative size: rules in which the fault was caught, of those it was planted in, "
      + "and the checks that called it.\n\n" + table.text
  }

  private func unique(_ pairs: [(String, String)]) -> [(String, String)] {
    var seen: Set<String> = []
    return pairs.filter { seen.insert($0.0 + "/" + $0.1).inserted }
  }
}

/// What gets through, by name.
struct PowerEscapeSection: ReportSection {
  let id = "escapes"
  let title = "What gets through"

  func markdown(_ context: ReportContext<PowerRecord>) -> String {
    let missed = context.results.study.faults.filter(\.caughtBy.isEmpty)
    guard !missed.isEmpty else { return "Nothing.\n" }
    var table = Markdown.Table([
      ("Rule", .left), ("Fault", .left), ("Size", .right), ("Undecided cells", .right),
    ])
    for unit in missed {
      table.add([
        unit.rule, unit.fault, Number.short(unit.size), "\(unit.undecided) of \(unit.cells)",
      ])
    }
    return table.text
  }
}

/// Clean runs.
struct PowerCleanSection: ReportSection {
  let id = "clean"
  let title = "Clean runs"

  func markdown(_ context: ReportContext<PowerRecord>) -> String {
    let study = context.results.study
    var table = Markdown.Table(
      "Rule",
      numbers: ["seeds", "cells", "hold", "vacuously", "premise fails", "inconclusive", "violated"])
    for rule in Set(study.clean.map(\.rule)).sorted() {
      let units = study.clean.filter { $0.rule == rule }
      func count(_ verdict: String) -> String {
        "\(units.reduce(0) { $0 + ($1.verdicts[verdict] ?? 0) })"
      }
      table.add([
        rule, "\(units.count)", "\(units.reduce(0) { $0 + $1.verdicts.values.reduce(0, +) })",
        count("holds"), count("holds vacuously"), count("premise fails"), count("inconclusive"),
        count("violated"),
      ])
    }
    let alarms = study.clean.flatMap(\.alarms)
    return table.text
      + (alarms.isEmpty ? "" : "\nAlarms:\n\n" + Markdown.list(alarms.map(Markdown.literal)))
  }
}

/// Error bars of derivatives.
struct PowerDerivativeSection: ReportSection {
  let id = "derivatives"
  let title = "Derivatives"

  func markdown(_ context: ReportContext<PowerRecord>) -> String {
    guard let derivatives = context.results.derivatives else { return "Not measured.\n" }
    return derivatives.explanation + "\n"
  }
}

/// Rules in another process, one by one.
struct PowerForeignSection: ReportSection {
  let id = "foreign"
  let title = "Rules in another process"

  func markdown(_ context: ReportContext<PowerRecord>) -> String {
    guard let foreign = context.results.foreign else { return "Not run.\n" }
    var table = Markdown.Table([
      ("Rule", .left), ("Fault", .left), ("Status", .right), ("Caught by", .left),
    ])
    for unit in foreign {
      table.add([
        Markdown.literal(unit.name),
        unit.twin.map { "\(Markdown.literal($0)): \(Markdown.literal(unit.what))" } ?? "none",
        "\(unit.status)", unit.caughtBy.joined(separator: " "),
      ])
    }
    return "Each by itself, through the pipe, on six problems.\n\n" + table.text
  }
}
