import Foundation
import OptCheck
import TestSupport
import Testing

@testable import Experiments

/// What takes a report no time, or stands in stored results, is made again and must be there, word for
/// word: a report that its own program would not write any more is stale.
@Suite struct CommittedReportTests {
  /// A part of a report that is cheap to make.
  struct Part: Sendable, CustomTestStringConvertible {
    var report: String
    var what: String
    var make: @Sendable () throws -> [String]

    var testDescription: String { "\(report): \(what)" }
  }

  /// Reports without any such part, and why; they need not be there.
  static let costly = [
    "gate-power": "each of its figures counts thousands of comparisons, and none is stored"
  ]

  static let parts = [
    Part(report: "math-l2o-convergence", what: "gradient descent, from the seed", make: descent),
    Part(report: "math-l2o-convergence", what: "widths and answers, as stored", make: stored),
    Part(report: "theory-vs-experiment", what: "stored experiments", make: experiments),
    Part(report: "theory-vs-experiment", what: "scales of Lemmas 5.1 to 5.4", make: scales),
    Part(report: "theory-vs-experiment", what: "yardsticks at d = 32", make: yardsticks),
    Part(report: "theory-vs-experiment", what: "S5, S6 and PROX", make: schemeVerdicts),
    Part(report: "conditions", what: "S5, S6 and PROX", make: schemes),
    Part(report: "conditions", what: "stored counterexamples", make: counterexamples),
    Part(report: "check-power", what: "sizes of rules, and the table of conditions", make: power),
    Part(report: "learned-optimizers", what: "stored training", make: training),
  ]

  @Test(arguments: parts) func whatCanBeMadeAgainIsThere(_ part: Part) throws {
    let report = try CommittedReport(part.report)
    let texts = try part.make()
    #expect(!texts.isEmpty)
    for text in texts {
      let missing = report.missing(text)
      #expect(missing == nil, "Reports/\(part.report).md lacks: \(missing ?? "")")
    }
  }

  /// No report is left out in silence.
  @Test func everyReportIsCheckedOrSaysWhyNot() throws {
    let committed = try Fixtures.trackedFiles().filter {
      $0.hasPrefix("Reports/") && $0.hasSuffix(".md") && $0.split(separator: "/").count == 2
    }.map { String($0.dropFirst("Reports/".count).dropLast(".md".count)) }
    #expect(committed.count >= 6)
    let checked = Set(Self.parts.map(\.report)).union(["rate-calibration", "profiles"])
    let known = checked.union(Self.costly.keys)
    #expect(
      Set(committed).subtracting(known).sorted() == [], "name a cheap part, or why there is none")
    #expect(checked.subtracting(committed).sorted() == [], "no such report")
  }

  /// A changed digit is seen.
  @Test func tamperingIsSeen() throws {
    let report = try CommittedReport("theory-vs-experiment")
    let text = try #require(try Self.scales().first)
    #expect(report.missing(text) == nil)
    let wrong = text.replacing("| 4.67e+03 |", with: "| 4.68e+03 |")
    #expect(wrong != text && report.missing(wrong)?.contains("4.68e+03") == true)
  }

  /// Rates by formula and by measurement; the difference of the two is rounding, and the machine's own.
  @Test func closedFormsOfTheRateReport() throws {
    let report = Report<RateRecord>.rateCalibration
    let record = RateRecord(command: "", cells: [], closedForms: try ClosedFormRates.measured())
    func rows(_ text: String) -> [[String]] {
      CommittedReport.rows(text).map { row in
        row.enumerated().filter { $0.offset != 4 }.map(\.element)
      }
    }
    let committed = try CommittedReport(report.name)
    let ours = rows(try report.section("closed-forms", of: record))
    let theirs = rows(try committed.section("closed-forms"))
    #expect(ours.count > 20 && theirs == ours)
    let target = try #require(record.targets.first { $0.target == "R2" })
    #expect(committed.text.contains("| \(target.what) | \(target.met) of \(target.of) | ✓ |"))
  }

  /// Two rules measured again; how often a rule is the best depends on all others, and is left out.
  @Test func twoRulesOfTheProfiles() throws {
    let suite = GateSuite(
      families: GateSuite.standardFamilies, seeds: [1, 2, 3, 4, 5], horizon: 1000, twins: 0)
    let profiles = Profiles(
      try ["gradient-descent", "fista"].map {
        try GateStudy(
          CandidateCatalog.candidate($0, trained: nil), from: RuleSource($0), on: suite,
          parts: [.pace]
        ).run()
      })
    func rows(_ text: String) -> [[String]] {
      CommittedReport.rows(text).filter { ["`gradient-descent`", "`fista`"].contains($0[0]) }
        .map { row in row.enumerated().filter { ![1, 4].contains($0.offset) }.map(\.element) }
        .sorted { $0[0] < $1[0] }
    }
    let ours = try Report<ProfileRecord>.profiles.section(
      "summary", of: ProfileRecord(command: "", profiles: profiles))
    let theirs = try CommittedReport("profiles").section("summary")
    #expect(rows(ours).count == 2 && rows(theirs) == rows(ours))
  }
}

// MARK: - Paper A

extension CommittedReportTests {
  /// The parts of results.json that are read here.
  private struct StoredConvergence: Decodable {
    struct ConstantStep: Decodable { var horizon: Int, factor: Double, bestLearned: Double? }
    struct Width: Decodable {
      var width, neededWidth, rank: Int
      var largestSingularValue, alpha: Double
      var steps: [Int]
      var ratios: [Double]
    }
    struct Summary: Decodable { var answers: [String] }
    var command: String
    var constantSteps: [ConstantStep]
    var widths: [Width]
    var summary: Summary

    static func read() throws -> StoredConvergence {
      try JSONFile.read(
        from: Fixtures.packageFolder.appendingPathComponent(
          "Reports/math-l2o-convergence/results.json"))
    }
  }

  /// Everything that needs no training, from the authors' seed.
  private static func untrained(_ command: String) throws -> ConvergenceResults {
    try ConvergenceStudy(
      figures: [], values: PublishedValues.load(from: Fixtures.published), command: command,
      parts: []
    ).run()
  }

  @Sendable private static func descent() throws -> [String] {
    let stored = try StoredConvergence.read()
    var results = try untrained(stored.command)
    for (i, row) in results.constantSteps.enumerated() {
      results.constantSteps[i].bestLearned =
        stored.constantSteps.first { $0.horizon == row.horizon && $0.factor == row.factor }?
        .bestLearned
    }
    return try ["gradient-descent", "constant-steps"].map {
      try Report.mathL2OConvergence.section($0, of: results)
    }
  }

  @Sendable private static func stored() throws -> [String] {
    let stored = try StoredConvergence.read()
    var results = try untrained(stored.command)
    results.widths = stored.widths.map {
      WidthRow(
        width: $0.width, neededWidth: $0.neededWidth, rank: $0.rank,
        largestSingularValue: $0.largestSingularValue, alpha: $0.alpha, steps: $0.steps,
        ratios: $0.ratios)
    }
    return try [Report.mathL2OConvergence.section("widths", of: results)] + stored.summary.answers
  }
}

// MARK: - The ledger

extension CommittedReportTests {
  private static let ledger = Report<TheoryResults>.theoryVersusExperiment

  /// Of the results kept in the package, those that the report was made with.
  @Sendable private static func experiments() throws -> [String] {
    let folder = Fixtures.folder.appendingPathComponent("Results")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix(".json") }
    let all = try ExperimentResult.kept(
      in: folder,
      of: allExperiments(
        PublishedCurves.load(from: Fixtures.published), trained: Fixtures.trained))
    #expect(all.count == files.count && files.count >= 10)
    return try all.map { experiment in
      // The ledger computes this one anew, and says so.
      var results = LedgerTests.results(experiment.name == "rows-20" ? [experiment] : [])
      if results.computed.isEmpty { results.stored = [experiment] }
      // Without the lines that introduce all of them.
      let text = try ledger.section("experiments", of: results)
      return String(text[(text.range(of: "<a id=")?.lowerBound ?? text.startIndex)...])
    }
  }

  @Sendable private static func scales() throws -> [String] {
    var results = LedgerTests.results([])
    results.bounds.scales = BoundStudy.scaleRows
    let text = try ledger.section("bounds", of: results)
    let start = try #require(text.range(of: "### Scales that")?.lowerBound)
    let end = try #require(text.range(of: "### Bounds on gradient descent")?.lowerBound)
    return [String(text[start..<end])]
  }

  @Sendable private static func yardsticks() throws -> [String] {
    var results = LedgerTests.results([])
    let setting = TrainingSetting(horizon: 1, scale: 1, metaStepSize: 1)
    results.yardsticks = [
      TheoryResults.YardstickTable(
        setting, rows: try Yardsticks.rows(setting.problem(), horizons: [20, 100]), bestLearned: [:]
      )
    ]
    // All but the row of the learned runs, and of the command.
    let text = try ledger.section("yardsticks", of: results)
    return [String(text[..<(try #require(text.range(of: "| **best learned")?.lowerBound))])]
  }

  @Sendable private static func schemeVerdicts() throws -> [String] {
    var results = LedgerTests.results([])
    results.convergence.checks = []
    results.schemes = try SchemeStudy.run().all
    let text = try ledger.section("verdicts", of: results)
    return ["S5", "S6", "PROX"].compactMap { id in
      text.range(of: "<a id=\"claim-\(id)\"></a>").flatMap { start in
        text[start.lowerBound...].range(of: "</details>").map {
          String(text[start.lowerBound..<$0.upperBound])
        }
      }
    }
  }
}

// MARK: - Paper B

extension CommittedReportTests {
  @Sendable private static func schemes() throws -> [String] {
    let table = ConditionTable(command: "", records: [], schemes: try SchemeStudy.run())
    return try ["special-cases", "subgradient-steps", "prox"].map {
      try Report.conditions.section($0, of: table)
    }
  }

  /// The counterexamples that a report replays stand there with what their files say.
  @Sendable private static func counterexamples() throws -> [String] {
    let report = try CommittedReport("conditions")
    let rows = CommittedReport.rows(try report.section("counterexamples")).dropFirst(2)
    return try rows.map { row in
      let command = try #require(row.last).trimmingCharacters(in: ["`"])
      let path = try #require(command.split(separator: " ").last)
      let example = try CounterexampleFolder.read(
        Fixtures.packageFolder.appendingPathComponent(String(path))
      ).example
      return "| \(row[0]) | \(example.check) | \(Markdown.literal(example.family)) | "
        + "\(example.start.count) | \(example.horizon) | "
        + "\(Number.significant(example.level, digits: 3)) | `\(command)` |"
    }
  }

  /// Target X1, counted again, and F1, from the other report.
  @Sendable private static func power() throws -> [String] {
    let conditions = try CommittedReport("conditions")
    let table = CommittedReport.rows(try conditions.section("table"))
    let columns = table[0].indices.filter {
      table[0][$0].hasPrefix("FP") || table[0][$0].hasPrefix("GC")
    }
    let verdicts: [Verdict] = [
      .holds, .holdsVacuously, .premiseFails, .violated, .inconclusive, .notApplicable,
    ]
    let names = Dictionary(uniqueKeysWithValues: verdicts.map { ($0.mark, $0.name) })
    let cells = table.dropFirst(2).flatMap { row in columns.compactMap { names[row[$0]] } }
    let cases = CommittedReport.rows(try conditions.section("counterexamples")).dropFirst(2)
    let count = ConditionCount(
      command: "", rules: table.count - 2,
      verdicts: Dictionary(grouping: cells) { $0 }.mapValues(\.count),
      dimensions: cases.compactMap { Int($0[3]) })
    let lengths = try [
      ("Fixtures/ExamplePackage/Sources/MyRules/HeavyBall.swift", 30),
      ("Fixtures/ForeignRules/coord_math_dnn.py", 60),
    ].map { file, allowed in
      let text = try String(
        contentsOf: Fixtures.packageFolder.appendingPathComponent(file), encoding: .utf8)
      return RuleLength(file: file, lines: text.count { $0 == "\n" }, allowed: allowed)
    }
    let record = PowerRecord(
      command: "", study: PowerStudy.Results(), conditions: count, lengths: lengths)
    let rows = try Report.checkPower.section("targets", of: record).split(separator: "\n")
      .filter { $0.hasPrefix("| F1") || $0.hasPrefix("| X1") }
    #expect(rows.count == 4)
    return rows.map(String.init)
  }

  @Sendable private static func training() throws -> [String] {
    let name = "coordmathlstm-pa-lasso"
    let record = try JSONFile.read(
      TrainedRule.Record.self, from: Fixtures.folder.appendingPathComponent("Trained/\(name).json"))
    return [
      try Report.learnedOptimizers.section(
        "training",
        of: LearnedResults(
          command: "", trained: [(name, record)], comparisons: [], lista: [],
          listaStudy: ListaStudy(), network: nil, missing: [:], seconds: []))
    ]
  }
}
