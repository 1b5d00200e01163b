import ArgumentParser
import Foundation
import History
import OptCheck
import Synchronization

/// `optcheck rates`.
struct RatesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rates",
    abstract: "Measures rates that are known, and writes Reports/rate-calibration.md.",
    discussion: """
      Synthetic series of seven courses with correlated noise, whose rates and regimes the analysis has
      to find, and runs of rules whose rates have closed forms.

      Examples:
        optcheck rates
        optcheck rates --quick --out /tmp/rates
      """)

  @Flag(help: "A few series of each kind, to see that it works.")
  var quick = false

  @Option(help: ArgumentHelp("Series of each kind.", valueName: "n"))
  var series = 1000

  @Option(help: ArgumentHelp("Folder for the report.", valueName: "dir"))
  var out = "Reports"

  @Option(help: ArgumentHelp("Seed of all draws.", valueName: "n"))
  var seed: UInt64 = 1

  @Option(help: ArgumentHelp("Series side by side.", valueName: "n"))
  var threads = Parallel.coreCount

  @OptionGroup var history: HistoryOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let console = Console(common)
    guard series >= 1 else { throw UsageError("--series \(series); accepted: 1 and up") }
    guard threads >= 1 else { throw UsageError("--threads \(threads); accepted: 1 and up") }
    let writer = try ReportWriter(
      Report<RateRecord>.rateCalibration, into: URL(fileURLWithPath: out, isDirectory: true))
    try history.recorded(
      "rates", seed: seed, threads: threads, settings: ["series": "\(quick ? 10 : series)"], console
    ) { try measure(writer, console, into: &$0) }
  }

  private func measure(
    _ writer: ReportWriter<RateRecord>, _ console: Console, into history: inout HistoryRecord
  ) throws {
    let bar = Mutex(ProgressBar("rates", total: 1000, on: console))
    let study = RateCalibration(series: quick ? 10 : series, seed: seed, threads: threads)
    let cells = try study.run { done, total in
      bar.withLock { $0.update(done * 1000 / total, "") }
    }
    bar.withLock { $0.finish() }
    var command = "optcheck rates"
    if quick { command += " --quick" }
    if !quick, series != 1000 { command += " --series \(series)" }
    if seed != 1 { command += " --seed \(seed)" }
    let record = RateRecord(
      command: command, cells: cells, closedForms: try ClosedFormRates.measured())
    _ = try writer.write(record, record: .current)
    history.note(record, as: writer.report.name)
    console.result(record) { record in
      record.targets.map { "\($0.target) \($0.what): \($0.met) of \($0.of)" }
        .joined(separator: "\n") + "\n" + writer.markdownFile.path
    }
  }
}
