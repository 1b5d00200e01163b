import Foundation
import OptCheck
import TestSupport
import Testing

@testable import OptCheckCommands

/// The catalogue's articles on checks are what the checks say.
@Suite struct CheckArticlesTests {
  private static let folder = Fixtures.packageFolder
    .appendingPathComponent("Sources/OptCheck/OptCheck.docc/Checks", isDirectory: true)

  @Test func articlesAreWhatTheCommandWrites() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let run = try tool.run("explain --docc out")
    try #require(run.status == 0, "\(run.standardError)")
    let written = try FileManager.default.contentsOfDirectory(atPath: tool.url("out").path)
    let kept = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    #expect(written.count == allChecks.count + 1)
    #expect(
      written.sorted() == kept.sorted(),
      "optcheck explain --docc Sources/OptCheck/OptCheck.docc/Checks writes them")
    for name in Set(written).intersection(kept).sorted() {
      let (new, old) = (
        try String(contentsOf: tool.url("out/\(name)"), encoding: .utf8),
        try String(contentsOf: Self.folder.appendingPathComponent(name), encoding: .utf8)
      )
      let difference = Golden.difference(new, golden: old)
      #expect(difference == nil, "\(name), \(difference ?? "")")
    }
  }

  /// Every check stands on the page once, and none is without a family.
  @Test func thePageListsEveryCheckOnce() throws {
    let explanations = allChecks.map { Explanation($0) }
    let files = CheckArticles(explanations).files
    let page = try #require(files.first).text
    for check in explanations {
      #expect(
        page.components(separatedBy: "<doc:Check-\(check.id)>").count == 2, "\(check.id)")
      #expect(CheckFamily(of: check.id) != .other, "\(check.id) needs a family")
    }
    #expect(Set(files.map { $0.name.lowercased() }).count == files.count)
  }

  @Test func articlesHoldAllThatChecksSay() {
    for check in allChecks.map({ Explanation($0) }) {
      let article = CheckArticles([check]).files[1].text
      #expect(article.contains("```text\n\(check.equation)\n```"), "\(check.id)")
      for words in [check.source, check.tolerance, check.blindSpots] {
        // Without the first letter, which may have become a capital.
        #expect(
          article.contains(Markdown.literal(String(words.dropFirst())) + "."),
          "\(check.id): \(words)")
      }
      for item in check.mutants + check.cleanCases {
        #expect(article.contains("\n- \(Markdown.literal(item))\n"), "\(check.id): \(item)")
      }
    }
  }

  /// Prose begins with a capital, a formula does not change its name.
  @Test(arguments: [
    ("FP1", "A minimiser is"), ("T3", "F(W^k)"), ("S1", "d\\_k"), ("PROX", "u = "),
    ("GC1", "Iterates converge"),
  ])
  func formulasKeepTheirLetters(id: String, start: String) throws {
    let check = try #require(allChecks.first { $0.claim.id == id })
    let article = CheckArticles([Explanation(check)]).files[1].text
    #expect(article.hasPrefix("# \(id)\n\n\(start)"), "\(article.prefix(80))")
  }

  /// The toolchain's own reader finds every link, beside a module without symbols.
  @Test(.enabled(if: hasDocC, "docc is not installed"))
  func theCatalogueConvertsWithoutWarnings() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    try tool.write(
      """
      {"metadata": {"formatVersion": {"major": 0, "minor": 6, "patch": 0}, "generator": "test"},
       "module": {"name": "OptCheck", "platform": {}}, "symbols": [], "relationships": []}
      """, to: "OptCheck.symbols.json")
    func warnings(in catalogue: URL) throws -> [Substring] {
      let run = try ChildProcess.run(
        "docc",
        [
          "convert", catalogue.path, "--fallback-display-name", "OptCheck",
          "--fallback-bundle-identifier", "OptCheck", "--additional-symbol-graph-dir",
          tool.folder.path, "--output-path", tool.url("archive").path,
        ])
      #expect(run.status == 0, "\(run)")
      return (run.standardError + run.standardOutput).split(separator: "\n")
        .filter { $0.contains("warning:") || $0.contains("error:") }
    }
    let catalogue = Self.folder.deletingLastPathComponent()
    #expect(try warnings(in: catalogue) == [])
    // A page that names one that does not exist is seen.
    let copy = tool.url("Broken.docc")
    try FileManager.default.copyItem(at: catalogue, to: copy)
    try FileManager.default.removeItem(at: copy.appendingPathComponent("Checks/Check-GC1.md"))
    #expect(try !warnings(in: copy).isEmpty)
  }

  private static let hasDocC = (try? ChildProcess.run("docc", ["--help"]).status) == 0

  @Test(arguments: [["explain"], ["explain", "GC1", "--docc", "out"]])
  func oneOfTwoIsAskedFor(arguments: [String]) throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    expectRefusal(try tool.run(arguments), naming: ["--docc DIR", "GC1"])
    #expect(tool.contents.isEmpty)
  }
}
