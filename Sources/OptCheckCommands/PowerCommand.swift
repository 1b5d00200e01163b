import ArgumentParser
import Foundation
import OptCheck

/// `optcheck power`.
struct PowerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "power",
    abstract: "Plants faults, counts what the checks catch, and writes Reports/check-power.md.",
    discussion: """
      Faults in rules, gradients, proximal operators and constants, at relative sizes 1 to 1e-6; clean
      runs for false alarms; derivatives with their error bars. A study that was interrupted goes on
      where it stood.

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

  @Flag(help: "Forget what is done already.")
  var afresh = false

  @OptionGroup var common: CommonOptions

  func run() async throws {
    let console = Console(common)
    guard part >= 1 else { throw UsageError("--part \(part); accepted: 1 and up") }
    let folder = URL(fileURLWithPath: out, isDirectory: true)
    let report = Report<PowerRecord>.checkPower
    let writer = try ReportWriter(report, into: folder, selection: .everything)
    let kept = folder.appendingPathComponent("check-power/units.json")
    try FileManager.default.createDirectory(
      at: kept.deletingLastPathComponent(), withIntermediateDirectories: true)
    if afresh { try? FileManager.default.removeItem(at: kept) }
    let study = PowerStudy(
      thinning: part, cleanSeeds: 12, file: kept, seed: seed)
    let interruption = Interruption()
    var bar = ProgressBar("power", total: 1000, on: console)
    let results = try study.run(
      isCancelled: { interruption.isRequested },
      progress: { done, total, what in bar.update(done * 1000 / max(total, 1), what) })
    bar.finish()
    guard !interruption.isRequested else { throw Finding(status: .interrupted) }
    let derivatives = try DerivativePower.measured(
      seeds: max(1, 32 / part), directions: part == 1 ? 26 : 2
    ) { console.note($0) }
    var command = "optcheck power"
    if part != 1 { command += " --part \(part)" }
    if seed != 1 { command += " --seed \(seed)" }
    let record = PowerRecord(command: command, study: results, derivatives: derivatives)
    _ = try writer.write(record, record: .current)
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

  private func alarmsFound(_ record: PowerRecord) -> Bool { record.study.falseAlarms.alarms > 0 }
}
