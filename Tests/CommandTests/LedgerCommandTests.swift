import Foundation
import OptCheck
import Testing

/// Parts of the ledger by command.
@Suite struct LedgerCommandTests {
  /// A stored experiment is shown without computing what others need: the whole takes half an hour.
  @Test func onePartIsMadeFromWhatItNeeds() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let run = try tool.run(
      "report theory-vs-experiment --only figure-2-ends --only start-100 --out out --no-history "
        + "--quiet")
    #expect(run.status == 0, "\(run.standardError)")
    let text = try String(
      contentsOf: tool.url("out/theory-vs-experiment-part.md"), encoding: .utf8)
    #expect(text.contains("<a id=\"figure-2-ends\"></a>"))
    // Of this it was learned after its result was kept.
    #expect(text.contains("drives P to its ends"))
    #expect(!text.contains("<a id=\"figure-2b\"></a>") && !text.contains("## Yardsticks"))
    let results = try String(
      contentsOf: tool.url("out/theory-vs-experiment-part/results.json"), encoding: .utf8)
    #expect(results.contains("figure-2-ends"))
  }
}
