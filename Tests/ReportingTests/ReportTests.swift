import Foundation
import OptCheck
import TestSupport
import Testing

@Suite struct ReportTests {
  private let report = Report<ConvergenceResults>.mathL2OConvergence

  /// A section is compared with a text that a person has read.
  @Test(arguments: Report<ConvergenceResults>.mathL2OConvergence.sections.map(\.id))
  func sectionIsGolden(id: String) throws {
    let section = try #require(report.sections.first { $0.id == id })
    let text = section.markdown(Sample.context())
    #expect(try Golden.difference(text, from: "Report/\(id).md") == nil)
  }

  @Test func wholeReportHoldsItsSectionsInOrder() throws {
    let text = report.markdown(Sample.context())
    let places = try report.sections.map { section in
      try #require(text.firstRange(of: "## \(section.title)")?.lowerBound, "\(section.id)")
    }
    #expect(places == places.sorted())
    #expect(text.hasPrefix("# \(report.title)\n"))
    #expect(!text.contains("\n\n\n"))
  }

  /// Every link to a place in the page has its place.
  @Test func linksLeadSomewhere() {
    let text = report.markdown(Sample.context())
    let links = text.matches(of: /\]\(#([^)]+)\)/).map { String($0.output.1) }
    #expect(links.count > 15)
    for link in links { #expect(text.contains("<a id=\"\(link)\"></a>"), "\(link)") }
  }

  /// Every picture is drawn and every drawing shown, once, in the whole and in each part.
  @Test(
    arguments: ["*"] + Report<ConvergenceResults>.mathL2OConvergence.sections.map(\.id) + [
      "figure-9a"
    ])
  func picturesAreDrawn(part: String) {
    let context = Sample.context(only: [part])
    let images = report.markdown(context).matches(of: /\]\(math-l2o-convergence\/([^)]+)\.svg\)/)
      .map { String($0.output.1) }
    let plots = report.plots(context).map(\.name)
    #expect(Set(images) == Set(plots))
    #expect(Set(plots).count == plots.count)
  }

  /// Tables stay tables whatever cells hold: as many unescaped pipes in each row as in its head.
  @Test func everyTableIsRectangular() {
    var widths: [Int] = []
    for line in report.markdown(Sample.context()).split(
      separator: "\n", omittingEmptySubsequences: false)
    {
      guard line.hasPrefix("|") else {
        #expect(Set(widths).count <= 1)
        widths = []
        continue
      }
      // As GitHub reads it: a backslash takes the next character with it, be it a backslash.
      widths.append(line.replacing(/\\./, with: "").count { $0 == "|" })
    }
  }

  /// Only the section on machine and times reads what another run may change.
  @Test func onlyOneSectionMayDiffer() {
    var other = Sample.context()
    other.results.seconds = [("all", 9)]
    other.record.processor = "another"
    other.record.commit = "def"
    for section in report.sections {
      let isSame = section.markdown(Sample.context()) == section.markdown(other)
      #expect(isSame == (section.id != "machine"), "\(section.id)")
    }
  }

  @Test func onlyPicksSectionsAndFigures() {
    let one = Sample.context(only: ["figure-9?"])
    #expect(report.plots(one).map(\.name) == ["figure-9a"])
    let text = report.markdown(one)
    #expect(text.contains("### Figure 9a") && !text.contains("### Figure 5a"))
    #expect(!text.contains("## Verdicts"))
    #expect(report.markdown(Sample.context(only: ["widths"])).contains("Nd = 1024"))
    #expect(report.fileName(one.selection) != report.name)
    #expect(report.names(figures: Sample.figures.map(\.figure)).contains("figure-5a"))
    #expect(!Selection(["figure-*"]).matches("widths"))
  }

  @Test func withoutPlotsThereAreTablesAndAdvice() {
    let text = report.markdown(Sample.context(plots: false))
    #expect(text.contains(Gnuplot.advice))
    #expect(!text.contains(".svg"))
    #expect(text.contains("| η = 1e-3 | 100 |"))
  }

  /// The answers change when the numbers do.
  @Test func answersFollowTheNumbers() {
    func summary(_ change: (inout ConvergenceResults) -> Void) -> String {
      var results = Sample.results
      change(&results)
      return SummarySection().markdown(Sample.context(results))
    }
    #expect(summary { _ in }.contains("**2 of 5 curves** agree"))
    #expect(summary { _ in }.contains("**nothing happens at Nd**"))
    #expect(summary { $0.widths[2].ratios[1] = 0.5 }.contains("the largest move is at Nd"))
    #expect(summary { _ in }.contains("**violated: D1 (1 of 2), I4 (1 of 1)**"))
    #expect(summary { $0.checks = [$0.checks[0]] }.contains("violated: none"))
    #expect(summary { _ in }.contains("p = 1.8 improves by 0.591 and **beats every learned run**"))
    #expect(!summary { $0.constantSteps[1].ratio = 0.46 }.contains("**beats every learned run**"))
    #expect(summary { _ in }.contains("In 2 of them α₀ = 0 makes its bound **vacuous**"))
    #expect(!summary { $0.theorem = Array($0.theorem.suffix(2)) }.contains("**vacuous**"))
  }

  /// A study of nothing is a report, not a crash.
  @Test func emptyResultsRender() {
    var results = Sample.results
    results.figures = []
    results.checks = []
    results.theorem = []
    results.widths = []
    results.constantSteps = []
    results.descentValues = []
    let text = report.markdown(Sample.context(results))
    #expect(text.contains("No claim was checked."))
    #expect(report.plots(Sample.context(results)).isEmpty)
  }
}

@Suite struct FigureDigitTests {
  private func row(_ curve: CurveComparison, k: Int) throws -> [String] {
    let text = FigureSection().markdown(
      Sample.context(
        {
          var results = Sample.results
          results.figures = [Sample.figure("5a", [curve])]
          return results
        }()))
    let lines = text.split(separator: "\n").map { line in
      line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    }
    return try #require(lines.first { $0.count == 6 && $0[1] == "\(k)" })
  }

  /// A printed number p with its last place u claims |value - p| <= u for every value in the band.
  private func claims(_ printed: String, _ value: Double) throws -> Bool {
    let parts = printed.split(separator: " ± ").map(String.init)
    let number = try #require(Double(parts[0]))
    let decimals = parts[0].split(separator: ".").dropFirst().first?.count ?? 0
    let bar = try parts.count > 1 ? #require(Double(parts[1])) : pow(10, -Double(decimals))
    // Half a unit of rounding of the printed number itself comes on top of a stated bar.
    return abs(value - number) <= bar + (parts.count > 1 ? 0.5 * pow(10, -Double(decimals)) : 0)
  }

  @Test(arguments: [1e-8, 1e-6, 3e-5, 4e-4, 2e-3, 0.05, 0.7])
  func noDigitBeyondTheBand(spread: Double) throws {
    let ratio = 0.212_345_678
    for banded in [true, false] {
      let curve = Sample.curve(
        eta: 1e-3, offset: 1e-4, probe: spread, spread: banded ? spread : nil
      ) { $0 == 0 ? 0 : ratio }
      let cells = try row(curve, k: 100)
      for edge in [-1.0, 0, 1] {
        let inside = ratio + edge * spread
        #expect(try claims(cells[2], inside), "\(cells[2]) for \(inside)")
        #expect(try claims(cells[4], 1e4 * (inside - ratio) - 1), "\(cells[4]), edge \(edge)")
      }
      #expect(cells[5].hasPrefix("[") == banded)
    }
  }

  @Test func narrowBandsKeepTheirDigits() throws {
    let curve = Sample.curve(eta: 1e-3, offset: 1e-4, probe: 1e-9) { $0 == 0 ? 0 : 0.212_345_678 }
    let cells = try row(curve, k: 100)
    #expect(cells[2] == "0.21235")
    #expect(cells[3] == "0.21245")
    #expect(cells[4] == "-1.0")
  }

  @Test func aRunThatStoppedSaysSo() throws {
    var curve = Sample.curve(eta: 1e-3, offset: 0)
    curve.run.losses.removeSubrange(50...)
    #expect(try row(curve, k: 100)[2] == "stopped before")
    curve = Sample.curve(eta: 1e-3, offset: 0, probe: .nan)
    #expect(try row(curve, k: 1000)[2] == "0.2 ± ?")
    curve.run.losses[1000] = .nan
    #expect(try row(curve, k: 1000)[2] == "nan")
  }
}
