import ArgumentParser
import Foundation
import OptCheck

/// `optcheck profile`.
struct ProfileCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "profile",
    abstract: "Draws which rule solves how many problems, how soon; writes Reports/profiles.md.",
    discussion: """
      Performance profiles (Dolan and Moré), data profiles (Moré and Wild) and targets reached (COCO) over \
      the small problems of the regression gate. Only problems on which all rules run take part. Without \
      RULE: the rules of your package, or all built-in ones, that run on every smooth problem.

      Examples:
        optcheck profile
        optcheck profile proximal-gradient fista subgradient-descent --problems 'lasso*'
        optcheck profile --baseline main
        optcheck profile fista --external 'python3 my_rule.py' --out /tmp/profiles
      """)

  /// The same problems for all rules, slow ones too, and no twins: nothing is compared with rounding.
  private static let usual = GateSuite(
    families: GateSuite.standardFamilies, seeds: [1, 2, 3, 4, 5], horizon: 1000, twins: 0)

  @Argument(help: ArgumentHelp("Rules.", valueName: "rule"))
  var rules: [String] = []
  @Option(
    help: ArgumentHelp("Take the figures of this baseline and measure nothing.", valueName: "name"))
  var baseline: String?
  @Option(help: ArgumentHelp("Folder for the report.", valueName: "dir"))
  var out = "Reports"
  @OptionGroup var place: BaselineCommand.Place
  @OptionGroup var suite: SuiteOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let console = Console(common)
    let known = try baseline.map { try stored($0) }
    var records = try known?.rules ?? measured(console)
    let isChosen = !rules.isEmpty || !suite.foreign.external.isEmpty
    let all = records.map(\.rule)
    if !isChosen { records = Profiles.general(records) }
    guard !records.isEmpty else {
      throw UsageError(
        "none of \(all.joined(separator: ", ")) runs on all these problems; accepted: rules by name"
      )
    }
    let profiles = Profiles(records)
    guard !profiles.problems.isEmpty else {
      throw UsageError(
        "no problem that all of \(profiles.rules.joined(separator: ", ")) were measured on and run on; "
          + "accepted: rules that share one")
    }
    let writer = try ReportWriter(
      Report<ProfileRecord>.profiles, into: URL(fileURLWithPath: out, isDirectory: true))
    let record = ProfileRecord(
      command: command, specialists: all.filter { !profiles.rules.contains($0) },
      profiles: profiles)
    _ = try writer.write(record, record: known?.machine ?? .current)
    console.result(record) { ProfileFigures($0.profiles).plain + "\n" + writer.markdownFile.path }
  }

  /// The pace of the rules.
  private func measured(_ console: Console) throws -> [GateRecord] {
    let names = rules.isEmpty && suite.foreign.external.isEmpty ? NamedRules.usual : rules
    return try suite.records(of: names, console) { _ in (Self.usual, [.pace]) }
  }

  /// A baseline with the rules, problems and seeds that were asked for.
  private func stored(_ name: String) throws -> GateBaseline {
    guard suite.foreign.external.isEmpty else {
      throw UsageError("--external needs measuring; accepted: --baseline or --external")
    }
    let plan = try suite.plan()
    var baseline = try place.baselines.read(name)
    let known = baseline.rules.filter { !$0.cells.isEmpty }
    let chosen = try rules.map { rule in
      guard let record = known.first(where: { $0.rule == rule }) else {
        throw UsageError(
          "\(name) has no steps to gaps of '\(rule)'; accepted: "
            + known.map(\.rule).joined(separator: ", "))
      }
      return record
    }
    guard Set(rules).count == rules.count else {
      throw UsageError("a rule is named twice; accepted: each once")
    }
    baseline.rules = rules.isEmpty ? known : chosen
    for i in baseline.rules.indices {
      let measured = baseline.rules[i].suite
      if let families = plan.families {
        baseline.rules[i].suite.families = measured.families.filter(families.contains)
      }
      if let seeds = plan.seeds {
        baseline.rules[i].suite.seeds = measured.seeds.filter(seeds.contains)
      }
    }
    guard !baseline.rules.isEmpty else {
      throw UsageError("\(name) holds no steps to gaps; accepted: a baseline with pace")
    }
    return baseline
  }

  private var command: String {
    var words = rules + suite.words
    if let baseline { words += ["--baseline", baseline] }
    return (["optcheck profile"] + words.map(RuleSource.quoted)).joined(separator: " ")
  }
}
