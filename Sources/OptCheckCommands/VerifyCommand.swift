import ArgumentParser
import Datasets
import ForeignRules
import Foundation
import History
import OptCheck

/// `optcheck verify`.
struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Checks fixed points, convergence, structure and derivatives of rules.",
    discussion: """
      RULE is a name of `optcheck list`, an option after a colon where it takes one, and weights after \
      an @: a safetensors file, or a name in Fixtures/Trained.

      Examples:
        optcheck verify gradient-descent fista
        optcheck verify gradient-descent:2.1 --checks 'GC*'
        optcheck verify CoordMathLSTM@coordmathlstm-pa-lasso
        optcheck verify --external 'python3 my_rule.py'
        optcheck verify --replay Reports/Regressions/gradient-descent-2.1-GC1.json

      Whatever is violated leaves a counterexample in Regressions below the folder for the reports (a \
      package's Fixtures only if --regressions says so): JSON, arrays for NumPy and the lines that \
      use them. The next run replays what is there first, whichever problems are chosen.

      Exits with 1 when a check is violated, with 3 when nothing is violated and nothing decided \
      (--strict: when anything is undecided).
      """)

  @Argument(help: ArgumentHelp("Rules.", valueName: "rule"))
  var rules: [String] = []

  @OptionGroup var foreign: ForeignOptions

  @Option(
    help: ArgumentHelp(
      "Only checks whose id matches, such as 'FP*'; may be repeated.", valueName: "glob"))
  var checks: [String] = []

  @Option(
    help: ArgumentHelp("Only problems whose name matches; may be repeated.", valueName: "glob"))
  var problems: [String] = []

  @Option(
    help: ArgumentHelp(
      "A problem of yours (M, y, rho) in safetensors, npz, CSV or .mat, instead of the suite.",
      valueName: "file"))
  var problem: String?

  @Option(
    help: ArgumentHelp(
      "What that problem is: least-squares, lasso or logistic-l1.", valueName: "kind"),
    transform: problemKind(named:))
  var problemKind = ProblemFile.Kind.lasso

  @Option(help: ArgumentHelp("Its weight, instead of the file's.", valueName: "x"))
  var rho: Double?

  @Option(help: ArgumentHelp("Seed of all starts.", valueName: "n"))
  var seed: UInt64 = 1

  @Option(
    help: ArgumentHelp(
      "Steps of the rule, all checks together; by default about a minute's.", valueName: "steps"))
  var budget: Int?

  @Flag(help: "Exit with 3 when anything is undecided.")
  var strict = false

  @Option(help: ArgumentHelp("Folder for the reports.", valueName: "dir"))
  var out = "Reports"

  @Option(
    help: ArgumentHelp(
      "Folder of counterexamples: replayed first, new ones stored; by default Regressions in --out.",
      valueName: "dir"))
  var regressions: String?

  @Option(
    help: ArgumentHelp(
      "Replay this counterexample and nothing else, on its own rule or on the one given.",
      valueName: "file"))
  var replay: String?

  @Option(help: ArgumentHelp("Also write JUnit XML.", valueName: "file"))
  var junit: String?

  @OptionGroup var history: HistoryOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let console = Console(common)
    let interruption = Interruption()
    if let replay { return try replayed(replay, console) }
    try history.recorded("verify", seed: seed, settings: settings, console) { record in
      try verify(console, interruption, into: &record)
    }
  }

  /// What makes two runs comparable.
  private var settings: [String: String] {
    let given = [
      "checks": checks.joined(separator: " "), "problems": problems.joined(separator: " "),
      "problem": problem ?? "", "budget": budget.map(String.init) ?? "",
    ]
    return given.filter { !$0.value.isEmpty }
  }

  private func verify(
    _ console: Console, _ interruption: Interruption, into history: inout HistoryRecord
  ) throws {
    guard !rules.isEmpty || !external.isEmpty else {
      throw UsageError(
        "no rule to verify; accepted: "
          + CandidateCatalog.entries.map(\.name).joined(separator: ", ") + ", --external COMMAND")
    }
    if let budget, budget < 1000 { throw UsageError("--budget \(budget); accepted: 1000 and up") }
    let wanted = Selection(checks)
    let chosen = conditionChecks.filter { wanted.matches($0.claim.id) }
    guard !chosen.isEmpty || wanted.matches("G") else {
      throw UsageError(
        "--checks matches none of "
          + (conditionChecks.map(\.claim.id) + ["G"]).joined(separator: ", "))
    }
    let job = Job(
      ground: try ground(), chosen: chosen, wanted: wanted, console: console,
      interruption: interruption)
    let named = try rules.map { (RuleSource($0), try NamedRules.candidate($0)) }
    var records: [VerificationRecord] = []
    for (source, candidate) in named {
      records.append(try verify(candidate, source, job, into: &history))
    }
    for command in external {
      let source = RuleSource(command, isExternal: true)
      records.append(
        try NamedRules.withForeignRule(command, limits: foreign.limits) {
          try verify($0, source, job, into: &history)
        })
    }
    if records.count > 1 {
      let table = ConditionTable(
        command: command, records: records, schemes: try SchemeStudy.run())
      let writer = try ReportWriter(
        Report<ConditionTable>.conditions, into: URL(fileURLWithPath: out, isDirectory: true),
        selection: .everything)
      _ = try writer.write(table, record: .current)
      console.note(writer.markdownFile.path)
    }
    if let junit {
      try AtomicFile.write(Data(JUnit.text(records).utf8), to: URL(fileURLWithPath: junit))
    }
    console.result(records) { Self.table($0) }
    try conclude(records)
  }

  /// What all rules are put to.
  private struct Job: Sendable {
    let ground: [SolvedProblem]
    let chosen: [any TrialCheck]
    let wanted: Selection
    let console: Console
    let interruption: Interruption

    /// Ends the run where somebody asked for it.
    func proceed() throws {
      if interruption.isRequested { throw Finding(status: .interrupted) }
    }
  }

  /// Commands of rules in other processes.
  var external: [String] { foreign.external }

  /// Where counterexamples are.
  private var regressionFolder: CounterexampleFolder {
    let parent = URL(fileURLWithPath: out, isDirectory: true)
    return CounterexampleFolder(
      regressions.map { URL(fileURLWithPath: $0, isDirectory: true) }
        ?? parent.appendingPathComponent("Regressions", isDirectory: true))
  }

  /// The problems to check on.
  private func ground() throws -> [SolvedProblem] {
    if let problem {
      return try UserProblem.solved(
        URL(fileURLWithPath: problem), as: problemKind, rho: rho)
    }
    let selection = Selection(problems)
    let suite = try ProblemSuite.standard().filter { selection.matches($0.name) }
    guard !suite.isEmpty else {
      throw UsageError(
        "--problems matches none of " + ProblemSuite.families.map(\.name).joined(separator: ", "))
    }
    return suite
  }

  private func verify(
    _ candidate: any Candidate, _ source: RuleSource, _ job: Job,
    into history: inout HistoryRecord
  ) throws -> VerificationRecord {
    let console = job.console
    try job.proceed()
    let verification = Verification(
      candidate, on: job.ground, checks: job.chosen, seed: seed, budget: budget)
    console.note(
      "\(candidate.name): \(job.ground.count) problems, \(verification.budget) steps")
    let replays = try regressionFolder.replay(candidate, from: source, checks: job.chosen) {
      console.note(
        "  \($0.entry.example.check)  \($0.entry.path) replays: \($0.replay.outcome)")
      try job.proceed()
    }
    var results = try verification.run { finding in
      console.note(
        "  \(finding.claim.id)  \(finding.verdict.name)"
          + (finding.qualifier.map { " (\($0))" } ?? "") + ": \(finding.reason)")
      history.note(finding, of: candidate.name)
      try job.proceed()
    }
    results.note(replays)
    for note in results.skipped { console.note("  note: \(note)") }
    let (derivatives, reason) =
      job.wanted.matches("G")
      ? DerivativeStudy.results(of: candidate, on: job.ground, seed: seed) : (nil, "not asked for")
    if let derivatives {
      console.note("  G  \(derivatives.verdict.name): \(derivatives.reason)")
    }
    let examples = try counterexamples(candidate, source, results, replays, job)
    let record = VerificationRecord(
      command: command, verification: results, derivatives: derivatives,
      noDerivatives: reason, counterexamples: examples, replays: replays)
    history.conclude(record)
    let report = Report<VerificationRecord>.verification(of: candidate.name)
    let writer = try ReportWriter(
      report, into: URL(fileURLWithPath: out, isDirectory: true), selection: .everything)
    _ = try writer.write(record, record: .current)
    console.note("  \(writer.markdownFile.path)")
    return record
  }

  /// The smallest counterexample to every claim that is violated: the stored one where it still is
  /// one, else a new one, which is stored.
  private func counterexamples(
    _ candidate: any Candidate, _ source: RuleSource, _ results: Verification.Results,
    _ replays: [StoredReplay], _ job: Job
  ) throws -> [CounterexampleFolder.Entry] {
    let broken = results.findings.filter { $0.verdict == .violated }
    let chosen = ProblemSuite.families.filter { Selection(problems).matches($0.name) }
    let families = chosen.isEmpty ? ProblemSuite.families : chosen
    let known = broken.map { finding in
      replays.first {
        $0.entry.example.check == finding.claim.id && $0.replay.isStillViolated
      }
    }
    // Of a problem of the user's there are no neighbours to search.
    let open = problem != nil ? [] : broken.indices.filter { known[$0] == nil }
    let seed = seed
    let found = try Parallel.map(open, threads: candidate.isConcurrent ? Parallel.coreCount : 1) {
      index -> RuleCounterexample? in
      let finding = broken[index]
      guard let check = job.chosen.first(where: { $0.claim.id == finding.claim.id }) else {
        return nil
      }
      return try Falsifier(
        candidate, from: source, against: check, families: families,
        suspects: finding.violatedProblems, budget: Falsifier.liveBudget(for: candidate), seed: seed
      ).search(proceed: job.proceed)
    }
    return try broken.indices.compactMap { index in
      let fresh = open.firstIndex(of: index).flatMap { found[$0] }
      guard
        let entry = try known[index]?.entry ?? fresh.map({ try regressionFolder.store($0) })
      else { return nil }
      let n = entry.example.start.count
      job.console.note(
        "  \(broken[index].claim.id)  counterexample in \(n) unknown\(n == 1 ? "" : "s"); replay: "
          + entry.command)
      return entry
    }
  }

  private var command: String {
    var words = ["optcheck verify"]
    words += rules.map { RuleSource($0).words }
    words += external.map { RuleSource($0, isExternal: true).words }
    words += checks.map { "--checks '\($0)'" } + problems.map { "--problems '\($0)'" }
    if let problem { words.append("--problem \(problem)") }
    if let regressions { words.append("--regressions \(RuleSource.quoted(regressions))") }
    if seed != 1 { words.append("--seed \(seed)") }
    if let budget { words.append("--budget \(budget)") }
    return words.joined(separator: " ")
  }

  /// Rules by checks.
  static func table(_ records: [VerificationRecord]) -> String {
    let ids = records.first?.verification.findings.map(\.claim.id) ?? []
    let columns = ids + ["G"]
    let rows = records.map { record in
      let verdicts = Dictionary(record.verdicts, uniquingKeysWith: { a, _ in a })
      return [record.verification.rule]
        + columns.map { (verdicts[$0] ?? .notApplicable).mark }
    }
    let table = TextTable.aligned(
      [["rule"] + columns] + rows, left: Set(0...columns.count))
    return table + "\n" + Verdict.legend
  }

  private func conclude(_ records: [VerificationRecord]) throws {
    let verdicts = records.flatMap(\.verdicts).map(\.verdict)
    if verdicts.contains(.violated) { throw Finding(status: .violated) }
    let isOpen = verdicts.contains { $0 == .inconclusive || $0 == .premiseFails }
    let isDecided = verdicts.contains { $0 == .holds || $0 == .holdsVacuously }
    if !isDecided || (strict && isOpen) { throw Finding(status: .undecided) }
  }
}

private func problemKind(named name: String) throws -> ProblemFile.Kind {
  guard let kind = ProblemFile.Kind(rawValue: name) else {
    throw ValidationError(
      "accepted: \(ProblemFile.Kind.allCases.map(\.rawValue).joined(separator: ", "))")
  }
  return kind
}
