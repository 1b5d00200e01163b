import Foundation
import OptCheck
import TestSupport
import Testing

@Suite struct ReportFileTests {
  private func scratch(_ body: (URL) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-report-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder)
  }

  private func names(_ folder: URL) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted()
  }

  @Test func filesAreWrittenAndTheSameTwice() throws {
    try scratch { folder in
      let writer = try ReportWriter(.mathL2OConvergence, into: folder, gnuplot: nil)
      try writer.write(Sample.results, record: Sample.record)
      let first = try Data(contentsOf: writer.resultsFile)
      let text = try String(contentsOf: writer.markdownFile, encoding: .utf8)
      #expect(
        try names(folder) == [
          "math-l2o-convergence", "math-l2o-convergence.md", "math-l2o-convergence/results.json",
        ])
      var slower = Sample.results
      slower.seconds = [("curves", 99)]
      try writer.write(slower, record: Sample.record)
      #expect(try Data(contentsOf: writer.resultsFile) != first)
      try writer.write(Sample.results, record: Sample.record)
      #expect(try Data(contentsOf: writer.resultsFile) == first)
      #expect(try String(contentsOf: writer.markdownFile, encoding: .utf8) == text)
    }
  }

  @Test(.enabled(if: Gnuplot.find() != nil, "needs gnuplot"))
  func plotsAreWrittenToo() throws {
    try scratch { folder in
      let writer = try ReportWriter(.mathL2OConvergence, into: folder)
      let files = try writer.write(Sample.results, record: Sample.record)
      #expect(files.last == writer.markdownFile)
      #expect(
        files.filter { $0.pathExtension == "svg" }.map(\.lastPathComponent) == [
          "figure-5a.svg", "figure-9a.svg", "constant-steps.svg", "theorem-4-3.svg",
        ])
      for file in files { #expect(FileManager.default.fileExists(atPath: file.path)) }
    }
  }

  /// A plot that cannot be drawn leaves the old report as it was.
  @Test func nothingIsHalfWritten() throws {
    try scratch { folder in
      try ReportWriter(.mathL2OConvergence, into: folder, gnuplot: nil).write(
        Sample.results, record: Sample.record)
      let before = try names(folder)
      let broken = Gnuplot(executable: URL(fileURLWithPath: "/bin/false"))
      let writer = try ReportWriter(.mathL2OConvergence, into: folder, gnuplot: broken)
      #expect(throws: GnuplotError.self) {
        try writer.write(Sample.results, record: Sample.record)
      }
      #expect(try names(folder) == before)
    }
  }

  /// The folder is tried before the work; a file in its place stops even the superuser.
  @Test func unwritableFoldersAreNamedFirst() throws {
    try scratch { folder in
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let file = folder.appendingPathComponent("file")
      try Data().write(to: file)
      for place in [file, file.appendingPathComponent("Reports")] {
        let error = #expect(throws: StorageError.self) {
          _ = try ReportWriter(.mathL2OConvergence, into: place)
        }
        let line = try #require(error?.description)
        #expect(line.contains(place.path) && !line.contains("\n"), "\(line)")
      }
      let inTheWay = folder.appendingPathComponent("math-l2o-convergence.md")
      try FileManager.default.createDirectory(at: inTheWay, withIntermediateDirectories: true)
      #expect(throws: StorageError.unwritable(path: inTheWay.path, reason: "it is a folder")) {
        _ = try ReportWriter(.mathL2OConvergence, into: folder)
      }
    }
  }

  private func json() throws -> [String: Any] {
    let writer = try ReportWriter(
      .mathL2OConvergence,
      into: FileManager.default.temporaryDirectory
        .appendingPathComponent("optcheck-report-\(UUID().uuidString)"), gnuplot: nil)
    defer { try? FileManager.default.removeItem(at: writer.folder) }
    let files = try writer.rendered(Sample.results, record: Sample.record)
    let data = try #require(files.first { $0.file == writer.resultsFile }?.content)
    return try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  /// Keys of `value` outside of the free names under `numbers`.
  private func keys(_ value: Any) -> Set<String> {
    if let object = value as? [String: Any] {
      return object.reduce(into: Set(object.keys)) { result, entry in
        if entry.key != "numbers" { result.formUnion(keys(entry.value)) }
      }
    }
    return (value as? [Any])?.reduce(into: []) { $0.formUnion(keys($1)) } ?? []
  }

  @Test func everyKeyIsDocumented() throws {
    let article = try String(
      contentsOf: Fixtures.packageFolder
        .appendingPathComponent("Sources/Reporting/Reporting.docc/results-json.md"), encoding: .utf8
    )
    let documented = Set(article.matches(of: /`([A-Za-z0-9]+)`/).map { String($0.output.1) })
    let used = keys(try json())
    #expect(used.count > 90)
    #expect(used.subtracting(documented).sorted() == [])
  }

  /// Read back by other code: what the report prints is there.
  @Test func resultsHoldTheNumbers() throws {
    let json = try json()
    #expect(json["schema"] as? Int == 1)
    #expect(json["seed"] as? Int == 118)
    let figures = try #require(json["figures"] as? [[String: Any]])
    let curves = try #require(figures[0]["curves"] as? [[String: Any]])
    #expect(
      curves.map { $0["agreement"] as? String } == ["within", "insideBand", "near", "differs"])
    let ours = try #require(curves[0]["ours"] as? [Double])
    // Ratios come from losses 3 (1 - r): a few roundings of numbers near 1.
    #expect(zip(ours, [0, 0.025, 0.25]).allSatisfy { abs($0 - $1) < 1e-14 })
    #expect(curves[0]["band"] == nil)
    let band = try #require(curves[1]["band"] as? [String: [Double]])
    #expect(band["low"]?.count == 3 && band["high"]?.count == 3)
    #expect((curves[2]["otherDraw"] as? [String: Any])?["draw"] as? String == "in-out")

    let claims = try #require(json["claims"] as? [[String: Any]])
    #expect(claims.count == Sample.checks.count)
    #expect(claims[1]["verdict"] as? String == "violated")
    let premises = try #require(claims[3]["premises"] as? [String: [[String: String]]])
    #expect(premises["notMet"]?.first?["statement"] == "α₀ > 0")
    #expect(premises["unknown"]?.count == 1 && premises["met"]?.isEmpty == true)
    let numbers = try #require(claims[3]["numbers"] as? [String: Any])
    #expect(numbers["log10OneMinusQ"] as? String == "-Infinity")
    let theorem = try #require(json["theorem"] as? [[String: Any]])
    #expect(theorem[1]["measuredLogGap"] as? String == "NaN")
    // Both rates are tiny, so the slack is the difference of their logarithms: -3 + 15.5.
    let slack = try #require(theorem[3]["slack"] as? Double)
    #expect(abs(slack - 12.5) < 1e-3)
  }
}
