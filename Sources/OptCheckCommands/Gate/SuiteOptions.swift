import ArgumentParser
import Foundation
import OptCheck

/// Rules in other processes, and what rules are measured on: options of all commands that measure pace.
struct SuiteOptions: ParsableArguments {
  @OptionGroup var foreign: ForeignOptions

  @Option(
    help: ArgumentHelp("Only families whose name matches; may be repeated.", valueName: "glob"))
  var problems: [String] = []

  @Option(
    help: ArgumentHelp(
      "Seeds of problems and starts, such as 1-5 or 3,7; 1-5 without, and 1-2 where slow rules have their own.",
      valueName: "seeds"))
  var seeds: String?

  @Option(help: ArgumentHelp("Threads; no figure depends on it.", valueName: "n"))
  var threads = Parallel.coreCount

  /// Measures rules, those of `names` first.
  ///
  /// - Parameter usual: what of a rule is measured, and on what, where the options do not say.
  func records(
    of names: [String], _ console: Console,
    usual: (any Candidate) -> (suite: GateSuite, parts: Set<GateStudy.Part>)
  ) throws -> [GateRecord] {
    let plan = try plan()
    let interruption = Interruption()
    func record(of rule: any Candidate, _ source: RuleSource) throws -> GateRecord {
      var (suite, parts) = usual(rule)
      plan.restrict(&suite)
      let clock = ContinuousClock.now
      let record = try GateStudy(rule, from: source, on: suite, parts: parts, threads: threads)
        .run { if interruption.isRequested { throw Finding(status: .interrupted) } }
      let seconds = Number.fixed((ContinuousClock.now - clock) / .seconds(1), decimals: 1)
      console.note(
        "\(rule.name): \(record.cells.count) cells, \(record.training.count) trainings, "
          + "\(record.verdicts.count) verdicts in \(seconds) s")
      return record
    }
    let rules = try names.map { (RuleSource($0), try NamedRules.candidate($0)) }
    var seen: Set<String> = []
    func check(_ name: String) throws {
      guard seen.insert(name).inserted else {
        throw UsageError("two rules are called '\(name)'; accepted: one of a name")
      }
    }
    for (_, rule) in rules { try check(rule.name) }
    var records = try rules.map { try record(of: $1, $0) }
    for command in foreign.external {
      records.append(
        try NamedRules.withForeignRule(command, limits: foreign.limits) {
          try check($0.name)
          return try record(of: $0, RuleSource(command, isExternal: true))
        })
    }
    return records
  }

  /// The words that ask another command or build for the same.
  var words: [String] {
    var words = foreign.external.flatMap { ["--external", $0] }
    words += problems.flatMap { ["--problems", $0] }
    if let seeds { words += ["--seeds", seeds] }
    return words
  }

  /// What was asked for; nil where nothing was, and the usual will do.
  struct Plan {
    var families: [String]?
    var seeds: [UInt64]?

    func restrict(_ suite: inout GateSuite) {
      suite.families = families ?? suite.families
      suite.seeds = seeds ?? suite.seeds
    }
  }

  /// The problems and seeds that the options name.
  ///
  /// - Throws: `UsageError` for options that name none.
  func plan() throws -> Plan {
    guard threads >= 1 else { throw UsageError("--threads \(threads); accepted: 1 and up") }
    let all = ProblemSuite.families.map(\.name)
    let selection = Selection(problems)
    let families = problems.isEmpty ? nil : all.filter(selection.matches)
    guard families?.isEmpty != true else {
      throw UsageError("--problems matches none of " + all.joined(separator: ", "))
    }
    return Plan(families: families, seeds: try seeds.map(Self.seeds))
  }

  /// `1-5` and `3,7` as numbers.
  static func seeds(_ text: String) throws -> [UInt64] {
    let wrong = UsageError("--seeds \(text); accepted: numbers and ranges of them, such as 1-5,9")
    let seeds = try text.split(separator: ",", omittingEmptySubsequences: false).flatMap { part in
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { UInt64($0) }
      switch ends.count {
      case 1: if let seed = ends[0] { return [seed] }
      case 2:
        if let first = ends[0], let last = ends[1], first <= last, last - first < 10_000 {
          return Array(first...last)
        }
      default: break
      }
      throw wrong
    }
    guard Set(seeds).count == seeds.count else { throw wrong }
    return seeds
  }
}
