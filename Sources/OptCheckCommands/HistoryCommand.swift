import ArgumentParser
import Foundation
import History
import OptCheck

/// `optcheck history`.
struct HistoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history",
    abstract: "Shows how figures and verdicts have changed from run to run.",
    discussion: """
      Every verify, train, evaluate, report, experiment, rates, power and bench is kept with its commit, \
      machine, seed, settings, figures and verdicts. RULE is a name or a pattern of what was run; without \
      one, all names are listed. Changes in brackets are to a run with another command, seed or settings.

      Examples:
        optcheck history
        optcheck history gradient-descent
        optcheck history fista --figure '*level' --last 5 --plot fista.svg
      """)

  @Argument(help: ArgumentHelp("Rules, reports, experiments.", valueName: "rule"))
  var rules: [String] = []

  @Option(
    help: ArgumentHelp(
      "Only figures whose name matches; by default each command's first; may be repeated.",
      valueName: "glob"))
  var figure: [String] = []

  @Option(help: ArgumentHelp("Only the last runs.", valueName: "n"))
  var last: Int?

  @Option(help: ArgumentHelp("Draw the trends as SVG.", valueName: "file"))
  var plot: String?

  @OptionGroup var history: HistoryOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let console = Console(common)
    if let last, last < 1 { throw UsageError("--last \(last); accepted: 1 and up") }
    guard !rules.isEmpty || (plot == nil && figure.isEmpty && last == nil) else {
      throw UsageError("--figure, --last and --plot need a rule")
    }
    let store = try store()
    let subjects = try store.subjects()
    guard !rules.isEmpty else {
      return console.result(subjects.map(Entry.init)) { Self.list($0, store.file) }
    }
    let names = try Self.names(rules, among: subjects.map(\.name))
    let chosen = try names.flatMap { try trends(of: $0, in: store) }
    if let plot { try draw(chosen, to: URL(fileURLWithPath: plot)) }
    console.result(chosen) { trends in
      let hasVerdicts = trends.contains { $0.points.contains { !$0.verdicts.isEmpty } }
      return (trends.map(\.text) + (hasVerdicts ? [Verdict.legend] : []))
        .joined(separator: "\n\n")
    }
  }

  /// One line of the list.
  private struct Entry: Encodable {
    var name: String
    var runs: Int
    var commands: [String]
    var lastRun: Int64
    /// ISO 8601, UTC.
    var lastStarted: String

    init(_ subject: RunHistory.Subject) {
      (name, runs, commands) = (subject.name, subject.runs, subject.commands)
      (lastRun, lastStarted) = (subject.last, subject.lastStarted.ISO8601Format())
    }
  }

  private func store() throws -> RunHistory {
    guard let place = history.place else {
      throw UsageError(
        "no history: there is no Package.swift above this folder; name a file with --history or "
          + "OPTCHECK_HISTORY")
    }
    guard FileManager.default.fileExists(atPath: place.file.path) else {
      throw UsageError(
        "no history in \(place.file.relativePath) yet: optcheck verify, train, report and others make "
          + "it; --history names another file")
    }
    return try RunHistory(reading: place.file)
  }

  /// The names that are meant; also in the spelling of `verify`, as in `gradient-descent:2.1`.
  private static func names(_ patterns: [String], among known: [String]) throws -> [String] {
    try patterns.flatMap { pattern in
      if known.contains(pattern) { return [pattern] }
      let matching = known.filter(Selection([pattern]).matches)
      if !matching.isEmpty { return matching }
      let candidate = try? NamedRules.candidate(pattern)
      guard let name = candidate?.name, known.contains(name) else {
        throw UsageError(
          "the history has no run of '\(pattern)'; accepted: "
            + (known.isEmpty ? "none, it has no run of any rule" : known.joined(separator: ", ")))
      }
      return [name]
    }
  }

  private func trends(of subject: String, in store: RunHistory) throws -> [HistoryTrend] {
    let runs = try store.runs(of: subject)
    let labels = HistoryTrend.labels(runs)
    for pattern in figure where !labels.contains(where: Selection([pattern]).matches) {
      throw UsageError(
        "--figure '\(pattern)' matches none of \(subject)'s: \(labels.joined(separator: ", "))")
    }
    let chosen =
      figure.isEmpty
      ? HistoryTrend.headlines(runs) : labels.filter(Selection(figure).matches)
    return chosen.map { label in
      var trend = HistoryTrend(of: subject, label, over: runs)
      if let last { trend.points = trend.points.suffix(last) }
      return trend
    }
  }

  private func draw(_ trends: [HistoryTrend], to file: URL) throws {
    guard let gnuplot = Gnuplot.find() else { throw UsageError("--plot: \(Gnuplot.advice)") }
    try AtomicFile.write(
      Data(try gnuplot.svg(trends.map(\.plot), columns: 1).utf8), to: file)
  }

  private static func list(_ entries: [Entry], _ file: URL) -> String {
    let rows = entries.map {
      [
        $0.name, "\($0.runs)", HistoryTrend.minute($0.lastStarted),
        $0.commands.joined(separator: ", "),
      ]
    }
    return TextTable.aligned([["rule", "runs", "last (UTC)", "commands"]] + rows, left: [0, 2, 3])
      + "\n\(file.relativePath)"
  }
}
