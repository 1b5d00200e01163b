import ArgumentParser
import Foundation
import OptCheck

/// `optcheck baseline`.
struct BaselineCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "baseline",
    abstract: "Keeps figures of rules, for `compare` to compare with.",
    subcommands: [Save.self, Show.self, Bless.self, Time.self])

  /// Where baselines are.
  struct Place: ParsableArguments {
    @Option(help: ArgumentHelp("Folder of baselines.", valueName: "dir"))
    var folder = "Fixtures/Baselines"

    var baselines: BaselineFolder { BaselineFolder(folder) }
  }

  /// `optcheck baseline save`.
  struct Save: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Measures rules and keeps their figures.",
      discussion: """
        Times to gaps on small problems, paired by problem and seed; the losses of a short training of \
        rules with weights; the verdicts of all checks, with a twentieth of the steps of `verify`. \
        Without RULE: the rules of your package, or all built-in ones.

        Examples:
          optcheck baseline save main
          optcheck baseline save main gradient-descent fista --seeds 1-3
          optcheck baseline save torch --external 'python3 my_rule.py'
        """)

    @Argument(help: ArgumentHelp("A name in the folder, or a file.", valueName: "baseline"))
    var name: String
    @Argument(help: ArgumentHelp("Rules.", valueName: "rule"))
    var rules: [String] = []
    @OptionGroup var place: Place
    @OptionGroup var gate: GateOptions
    @OptionGroup var common: CommonOptions

    func run() async throws {
      let console = Console(common)
      let file = try place.baselines.file(name)
      let names = rules.isEmpty && gate.external.isEmpty ? NamedRules.usual : rules
      let folder = file.deletingLastPathComponent()
      try OutputFolder.expectWritable(folder)
      let records = try gate.records(of: names, console)
      let baseline = GateBaseline(
        date: ExperimentCommand.today, machine: .current, rules: records)
      try OutputFolder.make(folder)
      try JSONFile.write(baseline, to: file)
      console.result(baseline) { _ in "\(records.count) rules in \(file.path)" }
    }
  }

  /// `optcheck baseline show`.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Shows what a baseline holds.",
      discussion: """
        Examples:
          optcheck baseline show main
          optcheck baseline show main --json
        """)

    @Argument(help: ArgumentHelp("A name in the folder, or a file.", valueName: "baseline"))
    var name: String
    @OptionGroup var place: Place
    @OptionGroup var common: CommonOptions

    func run() async throws {
      Console(common).result(try place.baselines.read(name)) { BaselineWords($0).plain }
    }
  }

  /// `optcheck baseline bless`.
  struct Bless: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Takes figures of now into a baseline, with the reason why they changed.",
      discussion: """
        Measures the rules on what the baseline measured them on. Nothing is written where nothing has \
        changed.

        Examples:
          optcheck baseline bless main fista --reason 'restarts'
        """)

    @Argument(help: ArgumentHelp("A name in the folder, or a file.", valueName: "baseline"))
    var name: String
    @Argument(help: ArgumentHelp("Rules; without, all of the baseline.", valueName: "rule"))
    var rules: [String] = []
    @Option(help: ArgumentHelp("Why the change is intended.", valueName: "text"))
    var reason: String
    @OptionGroup var place: Place
    @OptionGroup var gate: GateOptions
    @OptionGroup var common: CommonOptions

    func run() async throws {
      let console = Console(common)
      guard reason.contains(where: { !$0.isWhitespace }) else {
        throw UsageError("--reason is empty; accepted: words")
      }
      var baseline = try place.baselines.read(name)
      let names =
        rules.isEmpty && gate.external.isEmpty ? baseline.nativeSources : rules
      let records = try gate.records(of: names, like: baseline, console)
      let known = baseline.rules.filter { old in records.contains { $0.rule == old.rule } }
      let comparison = GateComparison(from: known, to: records)
      let words = GateWords(comparison, subject: "\(name): what is blessed")
      if known != records {
        baseline.replace(with: records)
        baseline.blessings.append(
          GateBaseline.Blessing(
            date: ExperimentCommand.today, commit: Version.current.commit,
            rules: records.map(\.rule), reason: reason))
        try JSONFile.write(baseline, to: try place.baselines.file(name))
      }
      console.result(comparison) { _ in words.plain }
    }
  }
}
