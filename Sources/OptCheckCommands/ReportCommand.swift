import ArgumentParser
import Foundation
import History
import OptCheck
import Synchronization

/// `optcheck report`.
struct ReportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Reproduces the published figures, checks the theorems, writes the report.",
    discussion: """
      Reports: math-l2o-convergence (paper A's figures and theorems), learned-optimizers (trained rules \
      against ISTA, FISTA and Adam, on fresh and on real instances), theory-vs-experiment (--all: every \
      claim of both papers; about half an hour).

      Examples:
        optcheck report
        optcheck report --only figure-5a --out /tmp/figure
        optcheck report learned-optimizers --data DIR
        optcheck report --all --data DIR

      Exits with 0 when the report is written, whatever it found: finding is its job.
      """)

  @Argument(help: ArgumentHelp("Which report.", valueName: "name"))
  var name = Report<ConvergenceResults>.mathL2OConvergence.name

  @Flag(help: "The ledger of all claims: report theory-vs-experiment.")
  var all = false

  @Option(
    help: ArgumentHelp(
      "Folder for finished parts of --all; default: a folder of the user's caches.",
      valueName: "dir"))
  var cache: String?

  @Option(
    help: ArgumentHelp(
      "Folder with real data (ionosphere.data, spambase.data, ...), for learned-optimizers and --all.",
      valueName: "dir"))
  var data: String?

  @Flag(help: "Few instances and steps, to see that it works; learned-optimizers only.")
  var quick = false

  @Option(help: ArgumentHelp("Folder for the report.", valueName: "dir"))
  var out = "Reports"

  @Option(
    help: ArgumentHelp(
      "Only the parts whose name matches, such as figure-5a or widths; may be repeated.",
      valueName: "glob"))
  var only: [String] = []

  @Option(help: ArgumentHelp("Training runs side by side.", valueName: "n"))
  var threads = Parallel.coreCount

  @OptionGroup var history: HistoryOptions
  @OptionGroup var common: CommonOptions

  /// What the command says when it is done.
  private struct Answer: Encodable {
    var report: String
    var results: String
    var files: Int
    var verdicts: [String: Int]
    var seconds: Double
  }

  func run() async throws {
    let console = Console(common)
    guard threads >= 1 else { throw UsageError("--threads \(threads); accepted: 1 and up") }
    var settings = ["only": only.joined(separator: " "), "data": data ?? ""]
    if quick { settings["quick"] = "true" }
    try history.recorded(
      "report", threads: threads, settings: settings.filter { !$0.value.isEmpty }, console
    ) { try report(console, into: &$0) }
  }

  private func report(_ console: Console, into history: inout HistoryRecord) throws {
    let start = ContinuousClock.now
    let ledger = Report<TheoryResults>.theoryVersusExperiment
    if all || name == ledger.name { return try runLedger(ledger, console, start, &history) }
    let learned = Report<LearnedResults>.learnedOptimizers
    if name == learned.name { return try runLearned(learned, console, start, &history) }
    guard name == Report<ConvergenceResults>.mathL2OConvergence.name else {
      throw UsageError(
        "no report is called '\(name)'; accepted: "
          + "\(Report<ConvergenceResults>.mathL2OConvergence.name), \(learned.name), \(ledger.name)"
      )
    }
    guard data == nil, !quick else {
      throw UsageError("--data and --quick are for \(learned.name) only")
    }
    let folder = try PackageFolder.locate().appendingPathComponent("Fixtures/Published")
    let published = try PublishedFigures.load(from: folder)
    let report = Report<ConvergenceResults>.mathL2OConvergence
    let selection = Selection(only)
    let names = report.names(figures: published.figures)
    for pattern in only where !names.contains(where: Selection([pattern]).matches) {
      throw UsageError("--only '\(pattern)' matches none of \(names.joined(separator: ", "))")
    }
    let writer = try ReportWriter(
      report, into: URL(fileURLWithPath: out, isDirectory: true), selection: selection)
    if writer.gnuplot == nil { console.note(Gnuplot.advice) }

    let results = try study(published, PublishedValues.load(from: folder), selection)
      .run(progress: progress(console))
    let files = try writer.write(results, record: .current)
    var verdicts: [String: Int] = [:]
    for check in results.checks { verdicts[check.verdict.name, default: 0] += 1 }
    history.note(results, as: report.name)
    console.result(
      Answer(
        report: writer.markdownFile.path, results: writer.resultsFile.path, files: files.count,
        verdicts: verdicts, seconds: (ContinuousClock.now - start) / .seconds(1))
    ) { answer in
      let counts = answer.verdicts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
      return """
        \(counts.joined(separator: ", ")); \(Number.fixed(answer.seconds, decimals: 0)) s
        \(answer.report)
        """
    }
  }

  private func runLedger(
    _ report: Report<TheoryResults>, _ console: Console, _ start: ContinuousClock.Instant,
    _ history: inout HistoryRecord
  ) throws {
    guard !quick else { throw UsageError("--quick is for learned-optimizers only") }
    let selection = Selection(only)
    let folder = try PackageFolder.locate()
    let experiments = try ExperimentCommand.known().map(\.name)
    let names = report.names(experiments)
    for pattern in only where !names.contains(where: Selection([pattern]).matches) {
      throw UsageError("--only '\(pattern)' matches none of \(names.joined(separator: ", "))")
    }
    let run = try LedgerRun(
      package: folder, selection: selection,
      data: data.map { URL(fileURLWithPath: $0, isDirectory: true) }, threads: threads,
      cache: ExperimentCommand.cache(cache), interruption: Interruption(), console: console)
    let writer = try ReportWriter(
      report, into: URL(fileURLWithPath: out, isDirectory: true), selection: selection)
    if writer.gnuplot == nil { console.note(Gnuplot.advice) }
    let results = try run.results(progress: progress(console))
    let files = try writer.write(results, record: .current)
    var verdicts: [String: Int] = [:]
    let rows = Ledger.rows(results)
    history.note(rows.map { (claim: $0.id, verdicts: $0.counts) }, of: report.name)
    for row in rows {
      if let verdict = row.verdict { verdicts[verdict.name, default: 0] += 1 }
    }
    console.result(
      Answer(
        report: writer.markdownFile.path, results: writer.resultsFile.path, files: files.count,
        verdicts: verdicts, seconds: (ContinuousClock.now - start) / .seconds(1))
    ) { answer in
      let counts = answer.verdicts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
      return """
        claims: \(counts.joined(separator: ", ")); \(Number.fixed(answer.seconds, decimals: 0)) s
        \(answer.report)
        """
    }
  }

  private func runLearned(
    _ report: Report<LearnedResults>, _ console: Console, _ start: ContinuousClock.Instant,
    _ history: inout HistoryRecord
  ) throws {
    let selection = Selection(only)
    let names = report.sections.map(\.id)
    for pattern in only where !names.contains(where: Selection([pattern]).matches) {
      throw UsageError("--only '\(pattern)' matches none of \(names.joined(separator: ", "))")
    }
    var command = "optcheck report \(report.name)"
    if data != nil { command += " --data DIR" }
    if quick { command += " --quick" }
    var run = try LearnedReportRun(
      selection: selection, data: data.map { URL(fileURLWithPath: $0, isDirectory: true) },
      command: command, isQuick: quick
    ) { console.note("\($0) ...") }
    let writer = try ReportWriter(
      report, into: URL(fileURLWithPath: out, isDirectory: true), selection: selection)
    if writer.gnuplot == nil { console.note(Gnuplot.advice) }
    let results = try run.run()
    history.note(results, as: report.name)
    let files = try writer.write(results, record: .current)
    console.result(
      Answer(
        report: writer.markdownFile.path, results: writer.resultsFile.path, files: files.count,
        verdicts: [:], seconds: (ContinuousClock.now - start) / .seconds(1))
    ) { "\(Number.fixed($0.seconds, decimals: 0)) s\n\($0.report)" }
  }

  /// Only what the chosen sections show is run.
  private func study(
    _ published: PublishedFigures, _ values: PublishedValues, _ selection: Selection
  ) -> ConvergenceStudy {
    let figures = published.figures.filter { selection.matches($0.name) }
    var parts: Set<ConvergenceStudy.Part> = []
    let wanted = figures.isEmpty ? published.figures : figures
    func wants(_ sections: [String]) -> Bool { sections.contains(where: selection.matches) }
    if !figures.isEmpty
      || wants(["summary", "study", "verdicts", "figures", "constant-steps", "theorem-4-3"])
    {
      parts.insert(.figures)
    }
    if wants(["summary", "verdicts", "theorem-4-3"]) { parts.insert(.fullRank) }
    if wants(["summary", "widths"]) { parts.insert(.widths) }
    var study = ConvergenceStudy(
      figures: selection.isEverything ? published.figures : wanted, values: values,
      command: "optcheck report" + only.map { " --only \($0)" }.joined(), parts: parts)
    study.figures.threads = threads
    return study
  }

  /// A bar per stage on a terminal; elsewhere a line when a stage begins.
  private func progress(_ console: Console) -> @Sendable (String, Double) -> Void {
    let state = Mutex<(stage: String, bar: ProgressBar)?>(nil)
    return { stage, share in
      state.withLock { state in
        if state?.stage != stage {
          state?.bar.finish()
          state = (stage, ProgressBar(stage, total: 1000, on: console))
          if !console.isInteractive { console.note("\(stage) ...") }
        }
        state?.bar.update(Int(share * 1000), "")
        if share >= 1 { state?.bar.finish() }
      }
    }
  }
}

extension RunRecord {
  /// This process, its machine and what it was built with.
  static let current: RunRecord = {
    let version = Version.current
    return RunRecord(
      version: version.version, commit: version.commit, toolchain: version.toolchain,
      blasCore: version.blasCore, blas: version.blasConfiguration, processor: processorName,
      cores: Parallel.coreCount, system: ProcessInfo.processInfo.operatingSystemVersionString)
  }()

  private static var processorName: String {
    let file = URL(fileURLWithPath: "/proc/cpuinfo")
    let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
    return line?.split(separator: ":").last.map {
      $0.trimmingCharacters(in: .whitespaces)
    } ?? "unknown"
  }
}
