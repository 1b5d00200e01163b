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

  @Test(arguments: ["bias-one", "sign-one", "step-2.1", "nan-after-50"])
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
}
