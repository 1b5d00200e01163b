import Foundation
import OptCheck
import Testing

/// `optcheck profile`, in a process of its own.
@Suite struct ProfileCommandTests {
  private let tool: Tool
  private static let quick = ["--problems", "quadratic-n10-k10", "--problems", "lasso"]

  init() throws { tool = try Tool() }

  private func saved() throws {
    let run = try tool.run(
      ["baseline", "save", "base.json", "proximal-gradient", "fista", "--only", "pace"] + Self.quick
    )
    try #require(run.status == 0, "\(run.standardError)")
  }

  /// Measured or from a baseline: the same rules, the same steps.
  @Test func aBaselineTellsTheSame() throws {
    defer { tool.cleanUp() }
    try saved()
    let options = ["--out", "out", "--json", "--quiet"]
    let measured = try tool.run(
      ["profile", "proximal-gradient", "fista"] + Self.quick + options)
    let stored = try tool.run(["profile", "--baseline", "base.json"] + options)
    #expect(measured.status == 0 && stored.status == 0, "\(measured) \(stored)")
    func profiles(_ output: ChildProcess.Output) throws -> Profiles {
      try JSONFile.decode(
        ProfileRecord.self, from: Data(output.standardOutput.utf8), path: "output"
      ).profiles
    }
    let own = try profiles(measured)
    #expect(own == (try profiles(stored)))
    #expect(own.problems.count == 10 && own.rules == ["proximal-gradient", "fista"])
    let text = try String(contentsOf: tool.url("out/profiles.md"), encoding: .utf8)
    #expect(text.contains("optcheck profile --baseline base.json"))
    let part = try tool.run(
      ["profile", "fista", "--baseline", "base.json", "--problems", "lasso", "--seeds", "2-3"]
        + options)
    #expect(try profiles(part).problems == ["lasso#2", "lasso#3"])
  }

  @Test(arguments: [
    (["profile", "nosuch"], "gradient-descent"),
    (["profile", "fista", "fista"], "two rules"),
    (["profile", "fista", "--seeds", "5-1"], "--seeds 5-1"),
    (["profile", "fista", "--problems", "ZZ"], "lasso"),
    (["profile", "fista", "--threads", "0"], "--threads 0"),
    (["profile", "--baseline", "nosuch"], "no baseline 'nosuch'"),
    (["profile", "--baseline", "broken.json"], "broken.json"),
    (["profile", "adam", "--baseline", "base.json"], "'adam'; accepted: proximal-gradient, fista"),
    (["profile", "fista", "fista", "--baseline", "base.json"], "named twice"),
    (["profile", "--baseline", "base.json", "--external", "true"], "--external"),
    (["profile", "--baseline", "base.json", "--problems", "simplex"], "no problem"),
    (["profile", "gradient-descent", "--problems", "lasso", "--seeds", "1"], "no problem"),
  ]) func badInputIsNamedInOneLine(arguments: [String], names: String) throws {
    defer { tool.cleanUp() }
    try saved()
    try tool.write("{\"schema\": 1}", to: "broken.json")
    let before = tool.contents
    expectRefusal(try tool.run(arguments + ["--quiet"]), naming: [names])
    #expect(tool.contents == before, "no partial output")
  }
}
