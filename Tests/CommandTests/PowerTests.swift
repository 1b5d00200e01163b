import Foundation
import OptCheck
import TestSupport
import Testing

/// `optcheck power`, one unit in many.
@Suite struct PowerTests {
  @Test func aSmallStudyIsReportedAndGoesOn() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let arguments = ["power", "--part", "300", "--out", "out"]
    let run = try tool.run(arguments)
    #expect(run.status == 0, "\(run.standardError)")
    let text = try String(contentsOf: tool.url("out/check-power.md"), encoding: .utf8)
    for id in ["G1", "G2", "G3", "G4", "G5", "X1"] { #expect(text.contains("| \(id) |"), "\(id)") }
    #expect(text.contains("optcheck power --part 300"))
    // Everything is kept: a second run only writes the report again, to the last byte.
    let files = ["units", "foreign", "derivatives-300-27"].map {
      tool.url("out/check-power/\($0).json")
    }
    let before = try files.map { try Data(contentsOf: $0) }
    let again = try tool.run(arguments)
    #expect(again.status == 0)
    #expect(try files.map { try Data(contentsOf: $0) } == before)
    #expect(try String(contentsOf: tool.url("out/check-power.md"), encoding: .utf8) == text)
  }

  @Test func badInputIsRefused() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let run = try tool.run(["power", "--part", "0"])
    #expect(run.status == 64 && run.standardError.contains("--part 0"))
    #expect(tool.contents.isEmpty)
  }
}
