import Foundation
import OptCheck
import TestSupport
import Testing

@testable import OptCheckCommands

/// `optcheck baseline` and `compare`, in a process of their own.
@Suite struct CompareTests {
  private let tool: Tool
  private static let quick = [
    "--only", "pace", "--problems", "quadratic-n10-k10", "--problems", "lasso",
  ]

  init() throws { tool = try Tool() }

  private func saved(_ rules: [String] = ["gradient-descent", "fista"]) throws {
    let run = try tool.run(["baseline", "save", "base.json"] + rules + Self.quick)
    try #require(run.status == 0, "\(run.standardError)")
  }

  /// Equal, slower, better: the answer, the status, and a summary that says so.
  @Test func fourVariantsGetTheirAnswers() throws {
    defer { tool.cleanUp() }
    try saved()
    let same = try tool.run(["compare", "base.json"])
    #expect(same.status == 0)
    #expect(same.standardOutput.contains("2 same"), "\(same)")
    for (option, status, word) in [("0.97", Int32(2), "✗ worse"), ("1.5", 0, "▲ better")] {
      let run = try tool.run([
        "compare", "base.json", "gradient-descent:\(option)", "--as", "gradient-descent",
        "--markdown", "out.md", "--junit", "out.xml", "--annotations",
      ])
      #expect(run.status == status, "\(run)")
      #expect(run.standardOutput.contains("\(word)"), "\(run)")
      let markdown = try String(contentsOf: tool.url("out.md"), encoding: .utf8)
      #expect(markdown.contains(word) && markdown.contains("would see"))
      let xml = try String(contentsOf: tool.url("out.xml"), encoding: .utf8)
      #expect(xml.contains("failures=\"\(status == 2 ? 1 : 0)\""))
      #expect(run.standardOutput.contains(status == 2 ? "::error title=" : "::notice title="))
    }
  }

  /// Figures of other kernels and another number of threads are the same within their bars.
  @Test func anotherMachineTypeIsTheSame() throws {
    defer { tool.cleanUp() }
    try saved()
    let run = try tool.run(
      prefix: ["OPENBLAS_CORETYPE=Prescott"],
      ["compare", "base.json", "--threads", "1", "--json"])
    #expect(run.status == 0, "\(run)")
    let comparison = try JSONFile.decode(
      GateComparison.self, from: Data(run.standardOutput.utf8), path: "output")
    #expect(comparison.rules.allSatisfy { $0.answer == .same })
  }

  /// Two builds in one job; here both are this one.
  @Test func executablesAreMeasuredByThemselves() throws {
    defer { tool.cleanUp() }
    let path = try Tool.executable.path
    let run = try tool.run(
      ["compare", path, "--head", path, "gradient-descent", "--time"] + Self.quick)
    #expect(run.status == 0, "\(run)")
    #expect(run.standardOutput.contains("every bit agrees"))
    #expect(run.standardError.contains("time per step"))
  }

  @Test func blessingKeepsItsReason() throws {
    defer { tool.cleanUp() }
    try saved(["gradient-descent"])
    let before = try Data(contentsOf: tool.url("base.json"))
    let idle = try tool.run(["baseline", "bless", "base.json", "--reason", "nothing"])
    #expect(idle.status == 0)
    #expect(try Data(contentsOf: tool.url("base.json")) == before, "nothing changed")
    let run = try tool.run(["baseline", "bless", "base.json", "fista", "--reason", "restarts"])
    #expect(run.status == 0, "\(run)")
    let shown = try tool.run(["baseline", "show", "base.json"])
    #expect(shown.standardOutput.contains("restarts") && shown.standardOutput.contains("fista:"))
  }

  /// The same name with other code behind it: what a user's package does from commit to commit.
  @Test func aUsersRuleIsComparedWithItsFormerSelf() async throws {
    defer { tool.cleanUp() }
    struct Mine: UpdateRule {
      var factor = 1.0
      let name = "mine"
      func initialState<P: Problem>(for problem: P) -> Vector { Vector(zeros: problem.dimension) }
      func step<P: Problem>(_ x: inout Vector, _ g: inout Vector, on problem: P) {
        problem.gradient(at: x, into: &g)
        x.add(-factor / problem.smoothness[0], g)
      }
    }
    func run(_ factor: Double, _ arguments: [String]) async -> OptCheckCommands.ExitStatus {
      await OptCheckCommand.$registry.withValue(Registry(rules: [Mine(factor: factor)])) {
        await OptCheckCommand.run(arguments + ["--quiet"])
      }
    }
    let file = tool.url("mine.json").path
    #expect(await run(1, ["baseline", "save", file, "--seeds", "1-3"]) == .done)
    #expect(await run(1, ["compare", file]) == .done)
    #expect(await run(0.97, ["compare", file]) == .worse)
    #expect(await run(1.2, ["compare", file]) == .done)
    // Steps of 2.1/L diverge: no longer only slower, but wrong.
    #expect(await run(2.1, ["compare", file]) == .violated)
  }

  @Test(arguments: [
    (["compare", "nosuch"], "no baseline 'nosuch'"),
    (["compare", "base.json", "--head", "nosuch"], "an executable"),
    (["compare", "base.json", "--time"], "--time needs an executable"),
    (["compare", "base.json", "--margin=-1"], "percents"),
    (["compare", "base.json", "fista", "gradient-descent", "--as", "x"], "--as"),
    (["compare", "broken.json"], "broken.json"),
    (["baseline", "save", "x", "nosuch"], "gradient-descent"),
    (["baseline", "save", "x", "fista", "--seeds", "3-1"], "--seeds 3-1"),
    (["baseline", "save", "x", "fista", "--only", "speed"], "pace"),
    (["baseline", "save", "x", "fista", "--problems", "ZZ"], "lasso"),
    (["baseline", "save", "x", "fista", "fista"], "two rules"),
    (["baseline", "bless", "base.json", "--reason", " "], "--reason"),
    (["gate-power", "--blocks", "1"], "--blocks"),
    (["gate-power", "--also", "nosuch"], "--also"),
  ]) func badInputIsNamedInOneLine(arguments: [String], names: String) throws {
    defer { tool.cleanUp() }
    try saved(["gradient-descent"])
    try tool.write("{\"schema\": 1}", to: "broken.json")
    let before = tool.contents
    expectRefusal(try tool.run(arguments), naming: [names])
    #expect(tool.contents == before, "no partial output")
  }

  /// The whole study on few seeds.
  @Test func thePowerOfTheGate() throws {
    defer { tool.cleanUp() }
    let run = try tool.run([
      "gate-power", "--blocks", "2", "--rules", "gradient-descent", "--rules", "fista", "--out",
      "out", "--json",
    ])
    #expect(run.status == 0, "\(run)")
    let record = try JSONFile.decode(
      GatePowerRecord.self, from: Data(run.standardOutput.utf8), path: "output")
    for (what, expected, counts) in record.targets {
      for count in counts {
        #expect(count.answers == [expected.rawValue: count.total], "\(what): \(count)")
      }
    }
  }
}
