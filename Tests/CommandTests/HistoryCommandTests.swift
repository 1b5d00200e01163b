import Foundation
import History
import OptCheck
import Testing

/// `optcheck history`, and what other commands leave for it.
@Suite struct HistoryCommandTests {
  private let tool: Tool

  init() throws { tool = try Tool() }

  /// A verification of a blink.
  private static let quickVerify =
    "verify gradient-descent --checks FP1 --problems quadratic-n2-k10 --budget 1000 --out out"

  /// Seven runs of a rule whose level falls and whose GC1 breaks on the third.
  private func writeHistory() throws {
    let history = try RunHistory(writing: tool.url("history.sqlite"))
    for k in 1...7 {
      var record = HistoryRecord(
        command: "verify", settings: ["budget": k == 5 ? "99" : "1000"], seed: 1, threads: 2)
      let level = k == 4 ? Double.nan : k == 2 ? 1 : 4 / Double(k)
      record.figures = [
        .init("level", level, of: "my-rule", in: "GC1"),
        .init("steps", 1000, of: "my-rule"), .init("steps", 5, of: "other-rule"),
      ]
      record.verdicts = [
        .init("GC1", k == 3 ? .violated : .holds, on: "my-rule"),
        .init("GC2", .notApplicable, on: "my-rule"),
      ]
      try history.add(
        record,
        under: RunCircumstances(
          started: Date(timeIntervalSince1970: 86_400 * Double(k)), arguments: [],
          machine: RunRecord(
            version: "1", commit: "012345678\(k)" + (k > 5 ? "-dirty" : ""), toolchain: "Swift",
            blasCore: "Haswell", blas: "", processor: "", cores: 2, system: ""),
          seconds: 1, exitStatus: 0))
    }
  }

  private func history(_ words: String) throws -> ChildProcess.Output {
    try tool.run("history --history history.sqlite " + words)
  }

  // MARK: The command

  @Test func changesAreThoseToTheRunBefore() throws {
    defer { tool.cleanUp() }
    try writeHistory()
    let run = try history("my-rule")
    #expect(run.status == 0, "\(run.standardError)")
    let lines = run.standardOutput.split(separator: "\n").map(String.init)
    #expect(lines.allSatisfy { $0.count <= 100 })
    #expect(lines[0].hasPrefix("my-rule: GC1 level"))
    // 4 -> 1 -> 4/3 -> NaN -> 4/5 -> 4/6 -> 4/7.
    let expected = [
      "1  1970-01-02 00:00  0123456  verify    4.000             1✓ 1–",
      "2  1970-01-03 00:00  0123456  verify    1.000    -75 %    1✓ 1–",
      "3  1970-01-04 00:00  0123456  verify    1.333    +33 %    1✗ 1–  GC1 ✓→✗",
      "4  1970-01-05 00:00  0123456  verify        –             1✓ 1–  GC1 ✗→✓",
      "5  1970-01-06 00:00  0123456  verify   0.8000             1✓ 1–",
      "6  1970-01-07 00:00  0123456+ verify   0.6667  (-17 %)    1✓ 1–",
      "7  1970-01-08 00:00  0123456+ verify   0.5714    -14 %    1✓ 1–",
    ]
    func words(_ line: String) -> [Substring] { line.split(separator: " ") }
    #expect(lines[2..<9].map(words) == expected.map(words), "\(run.standardOutput)")
    #expect(lines.last == Verdict.legend)
  }

  @Test func figuresAndRunsCanBeChosen() throws {
    defer { tool.cleanUp() }
    try writeHistory()
    let run = try history("my-rule --figure * --last 2 --json")
    #expect(run.status == 0, "\(run.standardError)")
    struct Trend: Decodable {
      struct Point: Decodable {
        var run: Int
        var value: Double
        var before: Double
      }
      var figure: String
      var points: [Point]
    }
    let trends = try JSONFile.decode(
      [Trend].self, from: Data(run.standardOutput.utf8), path: "output")
    #expect(trends.map(\.figure) == ["GC1 level", "steps"])
    #expect(trends.map { $0.points.map(\.run) } == [[6, 7], [6, 7]])
    let (fifth, sixth, seventh): (Double?, Double?, Double?) = (4.0 / 5, 4.0 / 6, 4.0 / 7)
    #expect(trends[0].points.map(\.value) == [sixth, seventh])
    #expect(trends[0].points.map(\.before) == [fifth, sixth])
    let patterns = try history("*-rule --figure steps")
    #expect(patterns.standardOutput.contains("my-rule: steps"))
    #expect(patterns.standardOutput.contains("other-rule: steps"))
  }

  @Test func withoutARuleAllAreListed() throws {
    defer { tool.cleanUp() }
    try writeHistory()
    let run = try history("")
    let rows = run.standardOutput.split(separator: "\n").map { $0.split(separator: " ") }
    #expect(rows[1].prefix(3) == ["my-rule", "7", "1970-01-08"])
    #expect(rows[2].prefix(3) == ["other-rule", "7", "1970-01-08"])
    #expect(rows[2].last == "verify")
  }

  @Test(.enabled(if: Gnuplot.find() != nil, "needs gnuplot"))
  func thePlotNamesTheCommits() throws {
    defer { tool.cleanUp() }
    try writeHistory()
    #expect(try history("my-rule --plot trend.svg").status == 0)
    let svg = try String(contentsOf: tool.url("trend.svg"), encoding: .utf8)
    #expect(svg.hasPrefix("<?xml") && svg.contains("GC1 level"))
    for label in ["1: 0123456", "7: 0123456+"] { #expect(svg.contains(label)) }
  }

  @Test(arguments: [
    ("--history history.sqlite nosuch", ["nosuch", "my-rule", "other-rule"]),
    ("--history history.sqlite my-rule --figure nosuch", ["nosuch", "GC1 level, steps"]),
    ("--history history.sqlite my-rule --last 0", ["--last 0", "1 and up"]),
    ("--history history.sqlite --plot x.svg", ["need a rule"]),
    ("--history nowhere.sqlite my-rule", ["nowhere.sqlite", "--history"]),
    ("--history text my-rule", ["text", "not a database"]),
    ("my-rule", ["Package.swift", "--history"]),
  ]) func badInputIsNamedInOneLine(line: String, words: [String]) throws {
    defer { tool.cleanUp() }
    try writeHistory()
    try tool.write(String(repeating: "some text\n", count: 100), to: "text")
    let before = tool.contents
    expectRefusal(try tool.run("history " + line), naming: words)
    #expect(tool.contents == before)
  }

  // MARK: What commands leave

  @Test func aPackageHasItsHistory() throws {
    defer { tool.cleanUp() }
    #expect(try tool.run(Self.quickVerify).status == 0)
    #expect(!tool.contents.contains { $0.hasPrefix(".optcheck") })
    try tool.write("", to: "Package.swift")
    #expect(try tool.run(Self.quickVerify + " --no-history").status == 0)
    #expect(!tool.contents.contains { $0.hasPrefix(".optcheck") })
    for _ in 1...2 { #expect(try tool.run(Self.quickVerify + " --seed 7").status == 0) }
    #expect(tool.contents.contains(".optcheck/history.sqlite"))
    let runs = try RunHistory(reading: tool.url(".optcheck/history.sqlite"))
      .runs(of: "gradient-descent")
    #expect(runs.map(\.number) == [1, 2])
    let (first, second) = (runs[0].record, runs[1].record)
    #expect(first == second)
    #expect(first.command == "verify" && first.seed == 7 && first.threads == Parallel.coreCount)
    #expect(first.settings["budget"] == "1000" && first.settings["checks"] == "FP1")
    #expect(first.verdicts.map(\.check) == ["FP1"])
    #expect(first.figures.contains { $0.label == "FP1 level" })
    #expect(first.figures.contains { $0.label == "steps" && ($0.value ?? 0) > 0 })
    let circumstances = runs[0].circumstances
    #expect(
      circumstances.arguments
        == (Self.quickVerify + " --seed 7").split(separator: " ").map(String.init))
    #expect(circumstances.exitStatus == 0 && circumstances.seconds > 0)
    #expect(circumstances.machine.blasCore == BLAS.coreName)
    #expect(try tool.run("history gradient-descent").standardOutput.contains("FP1 level"))
  }

  @Test func statusAndVerdictOfAFaultAreKept() throws {
    defer { tool.cleanUp() }
    let run = try tool.run(
      "verify gradient-descent:2.1 --checks GC1 --problems quadratic-n2-k10 --budget 100000 --out out "
        + "--history h.sqlite")
    #expect(run.status == 1, "\(run.standardError)")
    let runs = try RunHistory(reading: tool.url("h.sqlite")).runs(of: "gradient-descent-p2.1")
    #expect(runs.map(\.circumstances.exitStatus) == [1])
    #expect(runs[0].record.verdicts.map(\.verdict) == [.violated])
    // The name in the spelling of verify is understood as well.
    let shown = try tool.run("history gradient-descent:2.1 --history h.sqlite")
    #expect(shown.standardOutput.contains("1✗"), "\(shown.standardError)")
  }

  @Test func trainingAndTestsAreKept() throws {
    defer { tool.cleanUp() }
    let run = try tool.run(
      "\(smallRun) --global-training-steps 5 --save-dir a --history h.sqlite --quiet --json")
    #expect(run.status == 0, "\(run.standardError)")
    #expect(
      try tool.run(
        "evaluate -c results/a/config.yaml --save-dir a --test-size 4 --test-batch-size 4 "
          + "--test-length 3 --history h.sqlite"
      ).status == 0)
    let losses = try TextColumn.read(from: tool.url("results/a/train_loss"))
    let runs = try RunHistory(reading: tool.url("h.sqlite")).runs(of: "CoordMathDNN")
    #expect(runs.map(\.record.command) == ["train", "evaluate"])
    let values = Dictionary(
      runs[0].record.figures.map { ($0.name, $0.value) }, uniquingKeysWith: { a, _ in a })
    #expect(values == ["final loss": losses.last, "first loss": losses.first, "steps": 5])
    #expect(runs[0].record.seed == 118 && runs[0].record.settings["input-dim"] == "8")
    let tests = try TextColumn.read(from: tool.url("results/a/test_losses.txt"))
    #expect(runs[1].record.figures.map(\.value) == [tests.last])
  }

  /// The default place gives a warning, a named one an error, and neither changes what was found.
  @Test func anUnusableFileIsAWarningOrAnError() throws {
    defer { tool.cleanUp() }
    try tool.write("", to: "Package.swift")
    try tool.write("in the way", to: ".optcheck")
    let run = try tool.run(Self.quickVerify + " --quiet")
    #expect(run.status == 0)
    #expect(run.standardError.split(separator: "\n").count == 1)
    #expect(run.standardError.contains("warning") && run.standardError.contains(".optcheck"))
    let before = tool.contents
    for place in ["nowhere/h.sqlite", ".optcheck"] {
      expectRefusal(try tool.run(Self.quickVerify + "2 --history \(place)"), naming: [place])
    }
    let named = try tool.run(
      prefix: ["env", "OPTCHECK_HISTORY=nowhere/x"],
      Self.quickVerify.split(separator: " ").map(String.init))
    expectRefusal(named, naming: ["nowhere/x"])
    expectRefusal(
      try tool.run(Self.quickVerify + " --history x --no-history"), naming: ["exclude"])
    #expect(tool.contents == before)
  }

  /// Bad input leaves no file, not even an empty history.
  @Test func whatWasRefusedIsNotKept() throws {
    defer { tool.cleanUp() }
    expectRefusal(try tool.run("verify nosuch --history h.sqlite"), naming: ["nosuch"])
    #expect(tool.contents.isEmpty, "\(tool.contents)")
  }

  /// An interrupted run keeps what it had found.
  @Test func anInterruptedRunIsKeptAsFarAsItGot() throws {
    defer { tool.cleanUp() }
    let script = """
      "$1" verify gradient-descent --budget 100000000 --out out --history h.sqlite 2>log & pid=$!
      while ! grep -q FP2 log && kill -0 $pid; do sleep 0.02; done
      kill -INT $pid; wait $pid
      """
    let run = try ChildProcess.run(
      "env", ["-C", tool.folder.path, "sh", "-c", script, "sh", try Tool.executable.path])
    #expect(run.status == 130, "\(run.standardError)")
    let runs = try RunHistory(reading: tool.url("h.sqlite")).runs(of: "gradient-descent")
    #expect(runs.map(\.circumstances.exitStatus) == [130])
    #expect(runs[0].record.verdicts.prefix(2).map(\.check) == ["FP1", "FP2"])
  }
}
