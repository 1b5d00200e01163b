import ArgumentParser
import Foundation
import History
import OptCheck

/// `optcheck power`.
struct PowerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "power",
    abstract: "Plants faults, counts what the checks catch, and writes Reports/check-power.md.",
    discussion: """
      Faults in rules, gradients, proximal operators, initialisations, trainers and problems, at relative \
      sizes 1 to 1e-8; clean runs for false alarms; derivatives with their error bars; rules in another \
      process (with python3). A study that was interrupted goes on where it stood. The table of rules \
      that `optcheck verify` has left in the same folder is counted too.

      Examples:
        optcheck power
        optcheck power --part 100 --out /tmp/power
      """)

  @Option(help: ArgumentHelp("Run one unit in so many.", valueName: "n"))
  var part = 1

  @Option(
    help: ArgumentHelp("Folder for the report and for what is done already.", valueName: "dir"))
  var out = "Reports"

  @Option(help: ArgumentHelp("Seed of all draws.", valueName: "n"))
  var seed: UInt64 = 1

  @Option(
    help: ArgumentHelp("Directions for each derivative; 27 make 10,368 probes.", valueName: "n"))
  var directions = 27

  @Flag(help: "Forget what is done already.")
  var afresh = false

  @OptionGroup var history: HistoryOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let console = Console(common)
    guard part >= 1 else { throw UsageError("--part \(part); accepted: 1 and up") }
    guard directions >= 1 else {
      throw UsageError("--directions \(directions); accepted: 1 and up")
    }
    try history.recorded(
      "power", seed: seed, settings: ["part": "\(part)", "directions": "\(directions)"], console
    ) { try measure(console, into: &$0) }
  }

  private func measure(_ console: Console, into history: inout HistoryRecord) throws {
    let folder = URL(fileURLWithPath: out, isDirectory: true)
    let report = Report<PowerRecord>.checkPower
    let writer = try ReportWriter(report, into: folder, selection: .everything)
    let kept = folder.appendingPathComponent("check-power/units.json")
    let folderOfParts = kept.deletingLastPathComponent()
    if afresh {
      for name in ["units", "derivatives-\(part)-\(directions)", "foreign"] {
        try? FileManager.default.removeItem(
          at: folderOfParts.appendingPathComponent("\(name).json"))
      }
    }
    let study = PowerStudy(
      thinning: part, cleanSeeds: 12, file: kept, seed: seed)
    let interruption = Interruption()
    var bar = ProgressBar("power", total: 1000, on: console)
    let results = try study.run(
      isCancelled: { interruption.isRequested },
      progress: { done, total, what in bar.update(done * 1000 / max(total, 1), what) })
    bar.finish()
    guard !interruption.isRequested else { throw Finding(status: .interrupted) }
    let foreign = try foreign(folderOfParts, interruption, console)
    guard !interruption.isRequested else { throw Finding(status: .interrupted) }
    let derivatives = try derivatives(
      folderOfParts.appendingPathComponent("derivatives-\(part)-\(directions).json"), interruption,
      console)
    guard !interruption.isRequested else { throw Finding(status: .interrupted) }
    var command = "optcheck power"
    if part != 1 { command += " --part \(part)" }
    if seed != 1 { command += " --seed \(seed)" }
    if directions != 27 { command += " --directions \(directions)" }
    let record = PowerRecord(
      command: command, study: results, derivatives: derivatives, foreign: foreign,
      conditions: try conditions(folder), lengths: Self.lengths)
    _ = try writer.write(record, record: .current)
    history.note(record, as: report.name)
    console.result(record) { record in
      let (cells, alarms) = record.study.falseAlarms
      let caught = record.study.faults.count { !$0.caughtBy.isEmpty }
      return """
        \(caught) of \(record.study.faults.count) faults caught, \(alarms) false alarms in \(cells) clean cells
        \(writer.markdownFile.path)
        """
    }
    if alarmsFound(record) { throw Finding(status: .violated) }
  }

  private func derivatives(
    _ file: URL, _ interruption: Interruption, _ console: Console
  ) throws -> DerivativePower? {
    var bar = ProgressBar("derivatives", total: 1000, on: console)
    defer { bar.finish() }
    return try DerivativePower.measured(
      seeds: max(1, 32 / part), directions: part == 1 ? directions : 2, file: file,
      isCancelled: { interruption.isRequested },
      progress: { done, total, what in bar.update(done * 1000 / max(total, 1), what) })
  }

  private func foreign(
    _ folder: URL, _ interruption: Interruption, _ console: Console
  ) throws -> [ForeignUnit]? {
    guard let package = try? PackageFolder.locate() else { return nil }
    var bar = ProgressBar("foreign", total: 1000, on: console)
    let units = try ForeignPower(
      folder: package.appendingPathComponent("Fixtures/ForeignRules"), thinning: part,
      file: folder.appendingPathComponent("foreign.json")
    ).run(
      isCancelled: { interruption.isRequested },
      progress: { done, total, what in bar.update(done * 1000 / max(total, 1), what) })
    bar.finish()
    return units
  }

  /// What `optcheck verify` of several rules has left in the folder.
  private func conditions(_ folder: URL) throws -> ConditionCount? {
    struct File: Decodable {
      struct Table: Decodable {
        struct Row: Decodable {
          var rule: String
          var check: String
          var verdict: String
        }
        struct Example: Decodable { var dimension: Int }
        var command: String
        var rows: [Row]
        var counterexamples: [Example]
      }
      var table: Table
    }
    let file = folder.appendingPathComponent("conditions/results.json")
    guard FileManager.default.fileExists(atPath: file.path) else { return nil }
    let table = try JSONFile.read(File.self, from: file).table
    let cells = table.rows.filter { $0.check.hasPrefix("FP") || $0.check.hasPrefix("GC") }
    return ConditionCount(
      command: table.command, rules: Set(table.rows.map(\.rule)).count,
      verdicts: Dictionary(grouping: cells, by: \.verdict).mapValues(\.count),
      dimensions: table.counterexamples.map(\.dimension))
  }

  /// A rule in Swift, and one in another language.
  private static var lengths: [RuleLength] {
    guard let package = try? PackageFolder.locate() else { return [] }
    return [
      ("Fixtures/ExamplePackage/Sources/MyRules/HeavyBall.swift", 30),
      ("Fixtures/ForeignRules/coord_math_dnn.py", 60),
    ].compactMap { file, allowed in
      guard
        let text = try? String(
          contentsOf: package.appendingPathComponent(file), encoding: .utf8)
      else { return nil }
      return RuleLength(
        file: file, lines: text.split(separator: "\n", omittingEmptySubsequences: false).count - 1,
        allowed: allowed)
    }
  }

  private func alarmsFound(_ record: PowerRecord) -> Bool { record.study.falseAlarms.alarms > 0 }
}
