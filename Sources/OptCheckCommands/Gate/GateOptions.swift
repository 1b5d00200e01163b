import ArgumentParser
import ForeignRules
import Foundation
import OptCheck

/// What is measured for the regression gate: options that `baseline` and `compare` share.
struct GateOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A command that speaks optcheck-1 on standard input and output; may be repeated.",
      valueName: "command"))
  var external: [String] = []

  @Option(
    help: ArgumentHelp("Only families whose name matches; may be repeated.", valueName: "glob"))
  var problems: [String] = []

  @Option(
    help: ArgumentHelp(
      "Seeds of problems and starts, such as 1-5 or 3,7; by default 1-5, and 1-2 for slow rules.",
      valueName: "seeds"))
  var seeds: String?

  @Option(
    help: ArgumentHelp(
      "Only these figures: pace, training, verdicts; may be repeated.", valueName: "part"))
  var only: [String] = []

  @Option(help: ArgumentHelp("Threads; no figure depends on it.", valueName: "n"))
  var threads = Parallel.coreCount

  /// Measures rules, those of `names` first; on what `baseline` measured them on, where it did.
  func records(
    of names: [String], like baseline: GateBaseline? = nil, _ console: Console
  ) throws -> [GateRecord] {
    let measurement = Measurement(
      plan: try plan(), baseline: baseline, console: console, interruption: Interruption())
    let rules = try names.map { (RuleSource($0), try NamedRules.candidate($0)) }
    var seen: Set<String> = []
    func check(_ name: String) throws {
      guard seen.insert(name).inserted else {
        throw UsageError("two rules are called '\(name)'; accepted: one of a name")
      }
    }
    for (_, rule) in rules { try check(rule.name) }
    var records = try rules.map { try measurement.record(of: $1, $0) }
    for command in external {
      records.append(
        try NamedRules.withForeignRule(command, limits: ForeignRule.Limits()) {
          try check($0.name)
          return try measurement.record(of: $0, RuleSource(command, isExternal: true))
        })
    }
    return records
  }

  /// The words that ask another build for the same.
  var words: [String] {
    var words = external.flatMap { ["--external", $0] }
    words += problems.flatMap { ["--problems", $0] }
    words += only.flatMap { ["--only", $0] }
    if let seeds { words += ["--seeds", seeds] }
    return words + ["--threads", "\(threads)"]
  }

  /// What was asked for; nil where nothing was, and the usual will do.
  private struct Plan {
    var families: [String]?
    var seeds: [UInt64]?
    var parts: Set<GateStudy.Part>?
    var threads: Int
  }

  private func plan() throws -> Plan {
    guard threads >= 1 else { throw UsageError("--threads \(threads); accepted: 1 and up") }
    let all = ProblemSuite.families.map(\.name)
    let selection = Selection(problems)
    let families = problems.isEmpty ? nil : all.filter(selection.matches)
    guard families?.isEmpty != true else {
      throw UsageError("--problems matches none of " + all.joined(separator: ", "))
    }
    let parts = try only.map { name in
      guard let part = GateStudy.Part(rawValue: name) else {
        throw UsageError(
          "--only \(name); accepted: "
            + GateStudy.Part.allCases.map(\.rawValue).joined(separator: ", "))
      }
      return part
    }
    return Plan(
      families: families, seeds: try seeds.map(Self.seeds),
      parts: parts.isEmpty ? nil : Set(parts), threads: threads)
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

  /// Rules one after the other.
  private struct Measurement {
    var plan: Plan
    var baseline: GateBaseline?
    var console: Console
    var interruption: Interruption

    func record(of rule: any Candidate, _ source: RuleSource) throws -> GateRecord {
      let known = baseline?.rules.first { $0.rule == rule.name }
      var suite = known?.suite ?? .standard(for: rule)
      suite.families = plan.families ?? suite.families
      suite.seeds = plan.seeds ?? suite.seeds
      let parts = plan.parts ?? known?.parts ?? Set(GateStudy.Part.allCases)
      let clock = ContinuousClock.now
      let interruption = interruption
      let record = try GateStudy(
        rule, from: source, on: suite, parts: parts, threads: plan.threads
      ).run { if interruption.isRequested { throw Finding(status: .interrupted) } }
      let seconds = Number.fixed((ContinuousClock.now - clock) / .seconds(1), decimals: 1)
      console.note(
        "\(rule.name): \(record.cells.count) cells, \(record.training.count) trainings, "
          + "\(record.verdicts.count) verdicts in \(seconds) s")
      return record
    }
  }
}

/// Baselines on disk, by name or by path.
struct BaselineFolder {
  let folder: URL

  init(_ path: String) { folder = URL(fileURLWithPath: path, isDirectory: true) }

  /// The file of a baseline: itself where the name is a path, else in the folder.
  func file(_ name: String) throws -> URL {
    guard !name.isEmpty else { throw UsageError("a baseline has a name") }
    if name.contains("/") || name.hasSuffix(".json") { return URL(fileURLWithPath: name) }
    return folder.appendingPathComponent(name).appendingPathExtension("json")
  }

  /// Reads one.
  ///
  /// - Throws: `UsageError` naming those there are, `StorageError` where the file is no baseline.
  func read(_ name: String) throws -> GateBaseline {
    let file = try file(name)
    guard FileManager.default.fileExists(atPath: file.path) else {
      let known = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
        .filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()
      throw UsageError(
        "no baseline '\(name)'; accepted: a file, an executable"
          + (known.isEmpty ? "" : ", " + known.joined(separator: ", ")))
    }
    let baseline: GateBaseline = try JSONFile.read(from: file)
    guard baseline.schema == GateBaseline.currentSchema else {
      throw UsageError(
        "\(file.path): format \(baseline.schema); accepted: \(GateBaseline.currentSchema)")
    }
    return baseline
  }
}
