import ArgumentParser
import Foundation
import History
import OptCheck

/// `optcheck compare`.
struct CompareCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Says of every rule whether it is worse, better or the same as in a baseline.",
    discussion: """
      BASELINE is a name in the folder, a file, or an executable of another build, which is measured \
      first. With --head the figures of now come from another executable too: two builds of a package \
      in one job.

      A rule is worse on a problem where it needs more steps to the same gap, by more than rounding \
      explains and by more than --margin; where a training ends at a larger loss; where a check is \
      violated that was not. Seeds are paired; with seeds that the baseline does not have, means over \
      seeds are compared.

      Exits with 1 when a check is newly violated, with 2 when a rule is worse, with 3 when nothing \
      could be compared.

      Examples:
        optcheck compare main
        optcheck compare main gradient-descent:0.97 --as gradient-descent
        optcheck compare base/.build/release/optcheck --head .build/release/optcheck --time
      """)

  @Argument(
    help: ArgumentHelp("A name in the folder, a file, or an executable.", valueName: "baseline"))
  var baseline: String
  @Argument(help: ArgumentHelp("Rules; without, all of the baseline.", valueName: "rule"))
  var rules: [String] = []
  @Option(
    help: ArgumentHelp("The executable whose figures are compared; this one.", valueName: "path"))
  var head: String?
  @Option(
    name: .customLong("as"),
    help: ArgumentHelp("What the baseline calls the rule; for one rule.", valueName: "name"))
  var alias: String?
  @Option(
    help: ArgumentHelp(
      "Percent of the steps below which a change is not worth an answer.", valueName: "percent"))
  var margin = 100 * GateComparison.defaultMargin
  @Flag(help: "Also time both executables, in turns; needs an executable as BASELINE.")
  var time = false
  @Flag(help: "Exit with 3 when a rule of the baseline is gone or could not be compared.")
  var strict = false
  @Option(help: ArgumentHelp("Also write the summary for a pull request.", valueName: "file"))
  var markdown: String?
  @Option(help: ArgumentHelp("Also write JUnit XML.", valueName: "file"))
  var junit: String?
  @Flag(help: "Print GitHub's annotations; by default where GITHUB_ACTIONS is set.")
  var annotations = false
  @OptionGroup var place: BaselineCommand.Place
  @OptionGroup var gate: GateOptions
  @OptionGroup var history: HistoryOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let console = Console(common)
    try history.recorded(
      "compare", threads: gate.suite.threads, settings: ["baseline": baseline], console
    ) { record in
      try compare(console, into: &record)
    }
  }

  private func compare(_ console: Console, into history: inout HistoryRecord) throws {
    guard margin >= 0, margin.isFinite else {
      throw UsageError("--margin \(margin); accepted: percents from 0 up")
    }
    if alias != nil, rules.count + gate.external.count != 1 {
      throw UsageError("--as names one rule; accepted: one RULE or --external")
    }
    let base = BuiltTool(baseline)
    if time, base == nil { throw UsageError("--time needs an executable as BASELINE") }
    let new = try head.map { path in
      guard let tool = BuiltTool(path) else {
        throw UsageError("--head \(path); accepted: an executable")
      }
      return tool
    }
    let old =
      try base.map { try $0.baseline(of: rules, gate.words) } ?? place.baselines.read(baseline)
    var known = old
    let names = names(in: old, console)
    var now: [GateRecord]
    if let new {
      now = try new.baseline(of: names, gate.words).rules
    } else {
      now = try gate.records(of: names, like: old, console)
    }
    if let alias { now[0].rule = alias }
    if !rules.isEmpty || !gate.external.isEmpty {
      known.rules.removeAll { rule in !now.contains { $0.rule == rule.rule } }
    }
    known.rules.removeAll { $0.source.isExternal && !now.map(\.rule).contains($0.rule) }
    let comparison = GateComparison(from: known.rules, to: now, margin: log1p(margin / 100))
    for rule in comparison.rules { history.note(rule) }
    for record in now { history.note(record) }
    let words = GateWords(comparison, subject: subject(old))
    try write(words)
    console.result(comparison) { _ in words.plain }
    if annotations || ProcessInfo.processInfo.environment["GITHUB_ACTIONS"] == "true",
      !common.json
    {
      for line in words.annotations { print(line) }
    }
    if time, let base {
      let timing = try GateTiming(base: base, head: new ?? .this, rules: now.map(\.source))
      console.note(timing.words)
    }
    try conclude(comparison)
  }

  /// The rules to measure; those that nobody knows any more are gone.
  private func names(in old: GateBaseline, _ console: Console) -> [String] {
    guard rules.isEmpty, gate.external.isEmpty else { return rules }
    for rule in old.rules where rule.source.isExternal {
      console.note(
        "\(rule.rule) is another process and not run from a file: give it again: "
          + rule.source.words)
    }
    guard head == nil else { return old.nativeSources }
    return old.nativeSources.filter { (try? NamedRules.candidate($0)) != nil }
  }

  private func subject(_ old: GateBaseline) -> String {
    "\(baseline) (commit \(old.machine.commit), \(old.date)) against "
      + (head ?? "commit \(Version.current.commit)")
  }

  private func write(_ words: GateWords) throws {
    if let markdown {
      try AtomicFile.write(Data(words.markdown.utf8), to: URL(fileURLWithPath: markdown))
    }
    if let junit {
      try AtomicFile.write(Data(words.junit.utf8), to: URL(fileURLWithPath: junit))
    }
  }

  private func conclude(_ comparison: GateComparison) throws {
    let rules = comparison.rules
    if rules.contains(where: \.isNewlyViolated) { throw Finding(status: .violated) }
    if rules.contains(where: { $0.answer == .worse }) { throw Finding(status: .worse) }
    let compared = rules.filter { !$0.families.isEmpty }
    if compared.isEmpty || (strict && compared.count < rules.count) {
      throw Finding(status: .undecided)
    }
  }
}
