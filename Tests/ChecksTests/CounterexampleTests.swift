import Foundation
import OptCheck
import TestSupport
import Testing

/// Counterexamples: as small as can be, kept in files, replayed from them alone.
@Suite struct CounterexampleTests {
  private static func family(_ name: String) throws -> ProblemFamily {
    try #require(ProblemSuite.families.first { $0.name == name })
  }

  private static func sample(
    _ name: String, _ draw: ProblemFamily.Draw = .init()
  ) throws -> ProblemGenerator.Sample {
    let family = try family(name)
    return ProblemGenerator.Sample(family: family, draw: draw, problem: try family.problem(draw))
  }

  /// A scratch folder that goes away with the test.
  private static func withScratch<Result>(_ body: (URL) throws -> Result) throws -> Result {
    let scratch = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-\(UUID().uuidString)", isDirectory: true)
    defer { try? FileManager.default.removeItem(at: scratch) }
    return try body(scratch)
  }

  // MARK: Search and shrinking

  /// Rules that break a claim in one unknown or two, with what the suite's checks find first.
  @Test(arguments: [
    ("gradient-descent:2.1", "GC1", "quadratic-n2-k10", 1), ("adam", "GC1", "logistic@1e3", 1),
    ("adam-hd", "GC2", "absolute@1e3", 1), ("adam-hd", "GC3", "lasso@1e3", 2),
    ("RNNprop", "GC1", "quadratic-n2-k10", 1), ("CoordBlackboxLSTM", "GC3", "lasso", 1),
  ]) func violationsShrinkToOneUnknown(
    rule: String, check: String, suspect: String, dimension: Int
  ) throws {
    let candidate = try CandidateCatalog.candidate(rule, trained: nil)
    let check = try #require(conditionChecks.first { $0.claim.id == check })
    let found = try #require(
      try Falsifier(
        candidate, against: check, suspects: [suspect],
        budget: Falsifier.liveBudget(for: candidate)
      ).search())
    #expect(found.start.count == dimension, "\(found)")
    // Three digits or fewer in every number that is drawn.
    let record = found.problem
    #expect(record.rounded(digits: 3) == record, "\(record)")
    #expect(found.start.rounded(digits: 3) == found.start, "\(found.start)")
    let again = try found.replayed(by: candidate)
    #expect(again.isStillViolated && again.level == found.level)
  }

  @Test func problemsComeBackFromTheirRecords() throws {
    for solved in try ProblemSuite.standard() {
      let record = try #require(ProblemRecord(solved), "\(solved.name)")
      let text = JSONFile.encoded(record)
      let back = try JSONFile.decode(ProblemRecord.self, from: text, path: "record").restored()
      #expect(back.kind == solved.kind && back.minimisers.count == solved.minimisers.count)
      let x = solved.minimisers[0].moved(solved.length, Vector(back.minimisers[0].elements))
      #expect(back.problem.value(at: x) == solved.problem.value(at: x), "\(solved.name)")
      let ours = try #require(back.projection)
      let theirs = try #require(solved.projection)
      #expect((ours(x) - theirs(x)).norm <= 1e-9 * solved.length, "\(solved.name)")
    }
  }

  /// Data without a minimiser, with more than a segment of them, or with another one.
  @Test func recordsWithoutTheirMinimiserAreRefused() throws {
    var record = try #require(ProblemRecord(try Self.sample("logistic").problem))
    // A plane separates these labels, so F has no minimum.
    record.matrix = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    record.target = [1, 0, 1, 0]
    #expect(throws: SuiteError.self) { try record.restored() }
    var lasso = try #require(ProblemRecord(try Self.sample("lasso").problem))
    lasso.minimiser[0] += 1e-3
    #expect(throws: SuiteError.self) { try lasso.restored() }
    lasso.matrix = lasso.matrix.map { [$0[0], $0[0], $0[0], $0[1], $0[2]] }
    #expect(throws: SuiteError.self) { try lasso.solved() }
    lasso.weight = -1
    #expect(throws: SuiteError.self) { try lasso.solved() }
  }

  // MARK: Files

  /// What one release stored the next replays, whatever its generators have become.
  @Test func filesAreReplayedWithoutTheGenerator() throws {
    let rule = NativeCandidate(GradientDescent(stepRule: .instance, relaxation: 2.1))
    let source = RuleSource("gradient-descent:2.1")
    let example = try #require(
      try Falsifier(rule, from: source, against: ConvergenceCheck(.smooth), budget: 100_000)
        .search())
    try Self.withScratch { scratch in
      let folder = CounterexampleFolder(scratch)
      var foreign = example
      foreign.family = "a family of another release"
      let entry = try folder.store(foreign)
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: scratch.path).sorted()
          == ["json", "npz", "py"].map { "gradient-descent-2.1-GC1.\($0)" })
      let checks: [any TrialCheck] = [ConvergenceCheck(.smooth), FixedPointCheck(.smooth)]
      let replays = try folder.replay(rule, from: source, checks: checks)
      #expect(replays.map(\.entry) == [entry] && replays[0].replay.isStillViolated)
      #expect(replays[0].replay.level == example.level)
      // The rule is mended.
      let mended = try folder.replay(
        NativeCandidate(GradientDescent(stepRule: .instance)), from: source, checks: checks)
      #expect(mended.map(\.replay.outcome) == ["now passes"])
      // What another rule left is none of this rule's business.
      #expect(try folder.replay(rule, from: RuleSource("fista"), checks: checks).isEmpty)
      // Same name in its hello, another command: another file.
      let (a, b) = (RuleSource("a", isExternal: true), RuleSource("b", isExternal: true))
      #expect(
        folder.file(for: a, name: "r", check: "FP1") != folder.file(for: b, name: "r", check: "FP1")
      )
    }
  }

  /// Every way to spoil a file ends in one line with its name.
  @Test func damagedFilesAreNamed() throws {
    let example = try #require(
      try Falsifier(
        NativeCandidate(GradientDescent(stepRule: .instance, relaxation: 2.1)),
        against: ConvergenceCheck(.smooth), budget: 100_000
      ).search())
    try Self.withScratch { scratch in
      let folder = CounterexampleFolder(scratch)
      let file = URL(fileURLWithPath: try folder.store(example).path)
      let text = String(decoding: try Data(contentsOf: file), as: UTF8.self)
      var spoilt = [String(text.prefix(text.count / 2)), "", "[]", "{\"format\": 1}"]
      func changed(_ change: (inout RuleCounterexample) -> Void) {
        var other = example
        change(&other)
        spoilt.append(String(decoding: JSONFile.encoded(other), as: UTF8.self))
      }
      changed { $0.start = [1, 2] }
      changed { $0.check = "ZZ" }
      changed { $0.horizon = 0 }
      changed { $0.problem.matrix = [] }
      changed { $0.problem.matrix = [[.nan]] }
      changed { $0.problem.target = [] }
      changed { $0.problem.minimiser[0] += 1 }
      for text in spoilt {
        try Data(text.utf8).write(to: file)
        #expect(throws: StorageError.self) { try CounterexampleFolder.read(file) }
        do { _ = try CounterexampleFolder.read(file) } catch {
          #expect("\(error)".contains("-GC1.json") && !"\(error)".contains("\n"), "\(error)")
        }
      }
    }
  }

  // MARK: NumPy

  private static let hasNumPy =
    (try? ChildProcess.run("python3", ["-c", "import numpy"]).status) == 0

  /// The lines that a user gets find the level that we found, in another program.
  @Test(
    .enabled(if: hasNumPy, "python3 has no NumPy"),
    arguments: [
      "gradient-descent", "gradient-descent:2.1", "heavy-ball", "nesterov", "proximal-gradient",
      "fista", "subgradient-descent", "adam", "adam:0.1", "adam-hd:0.01",
    ])
  func snippetsFindTheLevel(rule: String) throws {
    let candidate = try CandidateCatalog.candidate(rule, trained: nil)
    for family in [
      "quadratic-rotated", "logistic", "huber", "lasso", "non-negative", "simplex",
      "absolute-residuals", "absolute",
    ] {
      for check in [ConvergenceCheck(.smooth) as any TrialCheck, FixedPointCheck(.smooth)] {
        let sample = try Self.sample(family)
        if candidate.objection(to: sample.problem.problem) != nil { continue }
        let start = Trial(candidate, on: sample.problem).distantStart(
          around: sample.problem.minimisers[0])
        let example = try #require(
          try RuleCounterexample.measured(
            candidate, RuleSource(rule), check.claim, sample, from: start, seed: 1, horizon: 37))
        try Self.withScratch { scratch in
          let entry = try CounterexampleFolder(scratch).store(example)
          #expect(entry.snippet.split(separator: "\n").count <= 15)
          let script = URL(fileURLWithPath: entry.path).deletingPathExtension()
            .appendingPathExtension("py").lastPathComponent
          let run = try ChildProcess.run("env", ["-C", scratch.path, "python3", script])
          let level = try #require(
            Double(run.standardOutput.trimmingCharacters(in: .whitespacesAndNewlines)),
            "\(run.standardError)")
          // Below that the level is rounding itself: the rule has arrived.
          #expect(
            abs(level - example.level) <= max(1e-9 * example.level, 1e-12),
            "\(rule), \(family), \(check.claim.id): \(level), ours \(example.level)")
        }
      }
    }
  }

  @Test func aRuleWithoutFormulaLeavesItsLineToTheUser() throws {
    let candidate = try CandidateCatalog.candidate("RNNprop", trained: nil)
    let sample = try Self.sample("lasso")
    let example = try #require(
      try RuleCounterexample.measured(
        candidate, RuleSource("RNNprop"), ConvergenceCheck(.composite).claim, sample,
        from: sample.problem.minimisers[0].scaled(by: 2), seed: 1, horizon: 5))
    #expect(example.snippet.contains("put your rule here"))
  }

  // MARK: Problems for tests of one's own

  @Test func theGeneratorIsReproducible() throws {
    let generator = ProblemGenerator(dimensions: 1...4)
    let problems = try generator.problems(seed: 3, count: 40)
    #expect(problems.map(\.name) == (try generator.problems(seed: 3, count: 40)).map(\.name))
    #expect(Set(problems.map(\.problem.dimension)) == [1, 2, 3, 4])
    for solved in problems { #expect(solved.residual <= 1e-13 * max(solved.length, 1e-3)) }
  }

  /// A planted fault that needs three unknowns is shrunk to three, one that needs an l1 term to one.
  @Test(arguments: 1...4) func theShrinkerFindsTheLeastDimension(least: Int) throws {
    let generator = ProblemGenerator(dimensions: 1...9)
    let found = try #require(
      try generator.smallest(seed: UInt64(least)) {
        $0.problem.dimension >= least && $0.problem.regularizer is L1Norm
      })
    #expect(found.problem.problem.dimension == least, "\(found.problem.name)")
    let record = try #require(ProblemRecord(found.problem))
    #expect(found.draw.scale == 1 && record.matrix.count <= least)
    // Two columns of one digit may be one and the same, and then there is more than one minimiser.
    #expect(record.rounded(digits: least == 1 ? 1 : 2) == record)
    #expect(try generator.smallest(count: 20) { $0.problem.dimension > 9 } == nil)
  }
}
