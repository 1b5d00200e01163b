import Foundation
import OptCheck
import TestSupport
import Testing

@testable import OptCheckCommands

/// `optcheck verify` and `explain`, in a process of their own.
@Suite struct VerifyTests {
  private static let rules = Fixtures.folder.appendingPathComponent("ForeignRules")

  private let tool: Tool

  init() throws { tool = try Tool() }

  private func verify(_ arguments: [String], budget: Int = 400_000) throws -> ChildProcess.Output {
    try tool.run(["verify"] + arguments + ["--out", "out", "--budget", "\(budget)"])
  }

  private func report(_ name: String) throws -> String {
    try String(contentsOf: tool.url("out/verify-\(name).md"), encoding: .utf8)
  }

  private func external(_ words: String) -> String {
    "cd '\(Self.rules.path)' && exec python3 \(words)"
  }

  @Test func aCleanRulePassesAndHasItsReport() throws {
    let run = try verify(["gradient-descent", "--json"])
    defer { tool.cleanUp() }
    #expect(run.status == 0, "\(run.standardError)")
    let report = try report("gradient-descent")
    #expect(report.contains("| FP1 |") && report.contains("✓ holds (exact)"))
    #expect(!report.contains("violated**"))
    let records = try JSONFile.decode(
      [VerificationRecord].self, from: Data(run.standardOutput.utf8), path: "output")
    #expect(records[0].verification.findings.count == conditionChecks.count)
  }

  @Test func aFaultyRuleExitsWithOneAndACounterexample() throws {
    defer { tool.cleanUp() }
    let run = try verify(["gradient-descent:2.1", "--checks", "GC*", "--junit", "junit.xml"])
    #expect(run.status == 1)
    let report = try report("gradient-descent-p2.1")
    #expect(report.contains("✗ **violated**") && report.contains("x0 ="))
    // One unknown shows it, so that is what must be shown.
    #expect(report.contains("in 1 unknown"), "\(report)")
    let xml = try String(contentsOf: tool.url("junit.xml"), encoding: .utf8)
    #expect(xml.contains("<failure message=") && xml.contains("failures=\"1\""))
  }

  @Test(arguments: [
    (["nosuch"], "gradient-descent"), (["gradient-descent:x"], "a number"),
    (["gradient-descent", "--checks", "ZZ"], "FP1"),
    (["gradient-descent", "--problems", "ZZ"], "lasso"), ([], "--external"),
    (["fista:1"], "accepted: none"), (["CoordMathLSTM"], "Fixtures/Trained"),
    (["RNNprop@/no/such/file"], "/no/such/file"),
    (["fista", "--problem", "/dev/null"], "safetensors, npz, mat, csv"),
  ]) func badInputIsNamedInOneLine(arguments: [String], names: String) throws {
    defer { tool.cleanUp() }
    expectRefusal(try verify(arguments), naming: [names])
    #expect(tool.contents.isEmpty, "\(tool.contents)")
  }

  @Test func explainsEveryCheck() throws {
    defer { tool.cleanUp() }
    for check in allChecks {
      let run = try tool.run(["explain", check.claim.id.lowercased()])
      #expect(run.status == 0 && run.standardOutput.hasPrefix(check.claim.id))
      for part in ["equation", "source", "tolerance", "cannot see", "must catch", "must pass"] {
        #expect(run.standardOutput.contains("  " + part), "\(check.claim.id) lacks \(part)")
      }
    }
    #expect(try tool.run(["explain", "nosuch"]).status == 64)
  }

  // MARK: Rules in another process

  @Test(arguments: ["gradient-descent", "proximal-gradient", "gradient-descent-single"])
  func aForeignCleanRulePasses(name: String) throws {
    let run = try verify(
      [
        "--external", external("rules.py \(name)"), "--problems", "quadratic-n2-k10", "--problems",
        "lasso",
      ])
    defer { tool.cleanUp() }
    #expect(run.status == 0, "\(run.standardError)")
  }

  /// Each seed has a process of its own, and none is left behind.
  @Test func aRandomRuleIsJudgedByItsMean() throws {
    let run = try verify([
      "--external", external("rules.py random-steps"), "--problems", "quadratic-n2-k10",
    ])
    defer { tool.cleanUp() }
    #expect(run.status == 0, "\(run.standardError)")
    #expect(run.standardError.contains("the mean over 5 seeds"))
  }

  @Test(arguments: ["bias-one", "sign-one", "step-2.1", "nan-after-50", "leaking-probes"])
  func aForeignFaultIsCaught(name: String) throws {
    let run = try verify(
      ["--external", external("rules.py \(name)"), "--problems", "quadratic-n2-k10"])
    defer { tool.cleanUp() }
    #expect(run.status == 1, "\(run.standardError)")
  }

  @Test(arguments: [
    ("hang-at-hello", "no answer within"), ("hang-at-step", "no answer within"),
    ("exits-at-start", "ended with status"), ("exits-at-step", "ended with status"),
    ("rubbish-line", "not a JSON object"), ("missing-key", "want"),
    ("wrong-length", "numbers, want"), ("wrong-version-hello", "optcheck-1"),
  ]) func aChildThatDoesNotSpeakEndsTheRun(mode: String, words: String) throws {
    let run = try verify([
      "--external", external("misbehaving.py \(mode)"), "--hello-timeout", "2", "--line-timeout",
      "1", "--problems", "quadratic-n2-k10",
    ])
    defer { tool.cleanUp() }
    #expect(run.status == 69, "\(run.standardError)")
    #expect(run.standardError.contains(words), "\(run.standardError)")
  }

  @Test(arguments: ["nan-iterate", "infinity-iterate"])
  func numbersThatAreNotFiniteAreAViolation(mode: String) throws {
    let run = try verify([
      "--external", external("misbehaving.py \(mode)"), "--problems", "quadratic-n2-k10",
    ])
    defer { tool.cleanUp() }
    #expect(run.status == 1, "\(run.standardError)")
  }

  @Test func grandchildrenAreNotLeftBehind() throws {
    #expect(
      try verify([
        "--external", external("misbehaving.py leaves-grandchild"), "--problems",
        "quadratic-n2-k10", "--checks", "FP1",
      ]).status == 0)
    defer { tool.cleanUp() }
    let left = try ChildProcess.run("pgrep", ["-f", "sleep 1000"])
    #expect(left.standardOutput.isEmpty, "\(left.standardOutput)")
  }

  @Test func aRandomRuleIsReportedAsSuch() throws {
    let run = try verify([
      "--external", external("misbehaving.py not-deterministic"), "--problems",
      "quadratic-n2-k10", "--checks", "FP1",
    ])
    defer { tool.cleanUp() }
    #expect(run.standardError.contains("not deterministic"), "\(run.standardError)")
  }

  // MARK: Counterexamples

  /// Stored, replayed first whatever problems are chosen, and by itself from its file.
  @Test func counterexamplesAreKeptAndReplayed() throws {
    defer { tool.cleanUp() }
    let run = try verify(["gradient-descent:2.1", "--checks", "GC1"])
    #expect(run.status == 1)
    let file = "out/Regressions/gradient-descent-2.1-GC1.json"
    let command = "optcheck verify --replay \(file)"
    #expect(run.standardError.contains(command), "\(run.standardError)")
    let report = try report("gradient-descent-p2.1")
    #expect(report.contains(command) && report.contains("import numpy"))
    #expect(
      ["json", "npz", "py"].allSatisfy {
        tool.contents.contains("out/Regressions/gradient-descent-2.1-GC1.\($0)")
      }, "\(tool.contents)")

    // At scale 1e-3 the rule breaks the claim as well; the choice of problems is the point, not that.
    let again = try verify([
      "gradient-descent:2.1", "--checks", "GC1", "--problems", "huber", "--quiet", "--json",
    ])
    #expect(again.status == 1)
    let records = try JSONFile.decode(
      [VerificationRecord].self, from: Data(again.standardOutput.utf8), path: "output")
    #expect(records[0].replays.map(\.replay.isStillViolated) == [true])
    #expect(records[0].counterexamples.map(\.path) == [file])

    let replay = try tool.run(["verify", "--replay", file])
    #expect(replay.status == 1, "\(replay.standardError)")
    for words in ["M =", "y =", "x0 =", "x* =", "level now", "recorded", "still violated"] {
      #expect(replay.standardOutput.contains(words), "\(words) in \(replay.standardOutput)")
    }
    let mended = try tool.run(["verify", "--replay", file, "gradient-descent"])
    #expect(mended.status == 0 && mended.standardOutput.contains("now passes"))
    // A rule of another name leaves the file alone.
    let other = try verify(["gradient-descent", "--checks", "GC1", "--problems", "*n2*"])
    #expect(other.status == 0 && !other.standardError.contains("replays"))
  }

  /// A rule that holds on the problems chosen is violated by what is stored.
  @Test func aStoredCounterexampleDecides() throws {
    defer { tool.cleanUp() }
    #expect(try verify(["adam", "--checks", "GC1", "--problems", "logistic@1e3"]).status == 1)
    let quiet = ["adam", "--checks", "GC1", "--problems", "quadratic-n2-k10"]
    let run = try verify(quiet)
    #expect(run.status == 1 && run.standardError.contains("replays: still violated"))
    #expect(try report("adam").contains("on the stored counterexample"))
    let elsewhere = try verify(quiet + ["--regressions", "elsewhere"])
    #expect(elsewhere.status != 1, "\(elsewhere.standardError)")
    #expect(!tool.contents.contains("elsewhere"))
  }

  @Test func aDamagedCounterexampleIsNamed() throws {
    defer { tool.cleanUp() }
    let name = "gradient-descent-GC1.json"
    try FileManager.default.createDirectory(
      at: tool.url("known"), withIntermediateDirectories: true)
    try tool.write("{\"format\": 2, ", to: "known/\(name)")
    expectRefusal(
      try verify(["gradient-descent", "--regressions", "known", "--quiet"]), naming: [name])
    expectRefusal(try tool.run(["verify", "--replay", "known/\(name)"]), naming: [name])
    expectRefusal(try tool.run(["verify", "--replay", "known/no.json"]), naming: ["no.json"])
  }

  /// The rule of another process is named, and runs only when it is given again.
  @Test func aCommandInAFileIsNotRun() throws {
    defer { tool.cleanUp() }
    let command = external("rules.py step-2.1")
    let arguments = ["--external", command, "--checks", "GC1", "--problems", "quadratic-n2-k10"]
    #expect(try verify(arguments).status == 1)
    let file = try #require(tool.contents.first { $0.hasSuffix("-GC1.json") })
    expectRefusal(try tool.run(["verify", "--replay", file]), naming: ["--external", "rules.py"])
    let replay = try tool.run(["verify", "--replay", file, "--external", command])
    #expect(replay.status == 1 && replay.standardOutput.contains("still violated"))
  }

  // MARK: Interruption

  /// The running check ends, what was written stays, and no process is left.
  @Test func anInterruptionEndsTheRunAndTheChild() throws {
    defer { tool.cleanUp() }
    // The shell that notes its number becomes the rule.
    let command =
      "echo $$ >'\(tool.url("child").path)' && \(external("rules.py gradient-descent"))"
    let script = """
      '\(try Tool.executable.path)' verify gradient-descent --problems 'quadratic-n*' \
        --external "$1" --budget 100000000 --out out 2>log & pid=$!
      while ! test -s child && kill -0 $pid; do sleep 0.02; done
      kill -INT $pid; wait $pid; status=$?
      kill -0 $(cat child) 2>/dev/null && echo left
      exit $status
      """
    let run = try ChildProcess.run(
      "env", ["-C", tool.folder.path, "sh", "-c", script, "sh", command])
    let log = (try? String(contentsOf: tool.url("log"), encoding: .utf8)) ?? ""
    #expect(run.status == 130, "\(log)")
    #expect(tool.contents.contains("out/verify-gradient-descent.md"), "\(tool.contents)")
    #expect(!run.standardOutput.contains("left"), "\(log)")
  }
}
