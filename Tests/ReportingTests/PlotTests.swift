import Foundation
import OptCheck
import TestSupport
import Testing

@testable import Reporting

private let k = [0.0, 100, 200, 300, 400]

private let ratio = Plot(
  title: "Figure 0: it's a test", subtitle: "lines: this run; marks: published; shaded: twins",
  x: .init("training step k", unit: "steps"), y: .init("(F_{GD} − F_k) / F_{GD}", unit: "1"),
  series: [
    .points("eta = 1e-3", .blue, x: k, y: [0, 0.1, 0.15, 0.17, 0.18]),
    .line("eta = 1e-3", .blue, x: k, y: [0, 0.11, 0.15, 0.17, 0.18]),
    .band(
      "", .blue, x: k, low: [-0.01, 0.1, 0.14, 0.16, 0.17], high: [0, 0.12, 0.16, 0.18, 0.19]),
    .dashed("baseline", .grey, x: k, y: [0.05, 0.05, .nan, 0.05, 0.05]),
  ], levels: [.init("GD, P = 1.5", at: 0.2)])

private let gap = Plot(
  title: "Gap", x: .init("iteration t", unit: "1"),
  y: .init("F(X_t) − F^{*}", unit: "1", scale: .logarithmic),
  series: [.line("measured", .vermillion, x: k, y: [500, 10, 0.1, 0, 1e-6])])

@Suite struct PlotTests {
  @Test func scriptIsGolden() throws {
    #expect(try Golden.difference(ratio.script, from: "plot.gp") == nil)
    #expect(try Golden.difference(Plot.script([ratio, gap], columns: 2), from: "panels.gp") == nil)
  }

  /// Numbers have a unit, words have none.
  @Test func wordsOnAnAxisHaveNoUnit() {
    var plot = ratio
    #expect(plot.script.contains("training step k\u{a0} [steps]"))
    plot.x.ticks = [Plot.Tick(at: 100, "one"), Plot.Tick(at: 300, "two")]
    #expect(plot.script.contains("training step k") && !plot.script.contains("[steps]"))
  }

  /// Order of drawing decides what can be seen: bands, levels, lines, marks.
  @Test func pointsLieOverLinesAndLinesOverBands() throws {
    let script = ratio.script
    let band = try #require(script.range(of: "with filledcurves closed"))
    let line = try #require(script.range(of: "$p0s1 with lines"))
    let mark = try #require(script.range(of: "$p0s0 with points"))
    #expect(band.lowerBound < line.lowerBound && line.lowerBound < mark.lowerBound)
    // One legend line for the two series of one label, one for the baseline, one for the level.
    #expect(script.components(separatedBy: "NaN with ").count - 1 == 3)
  }

  @Test func huesDifferInColourDashAndShape() {
    let plot = Plot(
      title: "", x: .init("x", unit: "1"), y: .init("y", unit: "1"),
      series: (0..<6).map { .line("\($0)", .cycled($0), x: k, y: k) })
    let styles = plot.script.split(separator: "\n").filter { $0.contains("NaN with ") }
      .compactMap { $0.components(separatedBy: " title '").first }
    #expect(Set(styles).count == 6)
    #expect(Plot.Hue.cycled(7) == .blue)
  }

  /// Of twice as many curves as there are hues, no two look alike, and neither do their marks.
  @Test func aSecondLapIsTold() {
    func styles(_ series: (Int) -> Plot.Series) -> Set<String> {
      let plot = Plot(
        title: "", x: .init("x", unit: "1"), y: .init("y", unit: "1"),
        series: (0..<14).map { series($0).onLap(of: $0) })
      return Set(
        plot.script.split(separator: "\n").filter { $0.contains("NaN with ") }
          .compactMap { $0.components(separatedBy: " title '").first })
    }
    #expect(styles { .line("\($0)", .cycled($0), x: k, y: k) }.count == 14)
    #expect(styles { .points("\($0)", .cycled($0), x: k, y: k) }.count == 14)
  }

  /// More labels than stand beside a chart stand below it, in a picture that is as much taller.
  @Test func manyLabelsStandBelow() throws {
    func plot(_ count: Int) -> Plot {
      Plot(
        title: "", x: .init("x", unit: "1"), y: .init("y", unit: "1"),
        series: (0..<count).map { .line("curve \($0)", .cycled($0), x: k, y: k) })
    }
    func height(_ plot: Plot) throws -> Int {
      try #require(plot.script.firstMatch(of: /size \d+,(\d+)/).flatMap { Int($0.output.1) })
    }
    #expect(!plot(9).script.contains("below") && plot(10).script.contains("below"))
    #expect(try height(plot(10)) > height(plot(9)))
    #expect(try height(plot(13)) > height(plot(12)))
    // A few long ones, too.
    var long = plot(2)
    long.series[0].label = "a rule that was trained elsewhere, with its own step"
    #expect(!plot(2).script.contains("below") && long.script.contains("below"))
  }

  @Test func titlesWrapBetweenWords() {
    let title = "Training at the first T beyond the end of a published curve, for every step size"
    let lines = Plot.wrapped(title, to: 50)
    #expect(lines.count == 2 && lines.allSatisfy { $0.count <= 50 })
    #expect(lines.joined(separator: " ") == title)
    let word = String(repeating: "x", count: 60)
    #expect(Plot.wrapped("a \(word) b", to: 50) == ["a", word, "b"])
    #expect(Plot.wrapped("", to: 50).isEmpty)
    // No line ends within an equation, and none has one word alone.
    let equation = "LISTA-CPSS trained layer by layer on one matrix, d = 512"
    let broken = Plot.wrapped(equation, to: 50)
    #expect(broken.count == 2 && broken[1].hasSuffix(" d\u{a0}=\u{a0}512"))
    #expect(broken.allSatisfy { $0.count > 20 })
  }

  /// Few points among many places where there is none are all marked.
  @Test func sparsePointsAreAllMarked() {
    let x = (0..<50).map(Double.init)
    let y = x.map { [1, 10, 49].contains($0) ? $0 : Double.nan }
    let plot = Plot(
      title: "", x: .init("x", unit: "1"), y: .init("y", unit: "1"),
      series: [.points("a", .blue, x: x, y: y), .points("b", .orange, x: x, y: y.map { 2 * $0 })])
    #expect(!plot.script.contains(" every ") && !plot.script.contains("NaN NaN"))
    let full = Plot(
      title: "", x: .init("x", unit: "1"), y: .init("y", unit: "1"),
      series: [.points("a", .blue, x: x, y: x), .points("b", .orange, x: x, y: x)])
    #expect(full.script.contains(" every 2::"))
  }

  /// Curves that run away are cut where others stay, and shown where they are all there is.
  @Test func aRunawayAloneIsNotCut() {
    func plot(_ curves: [[Double]], published: [Double]? = nil) -> Plot {
      ExperimentSection.plot(
        ExperimentResult(
          name: "n", title: "t", source: "s", command: "c", referenceCommand: "r", quantity: "F",
          abscissa: "k", isLogarithmic: true, closeness: .relative(1e-3), notes: [],
          date: "2026-01-01", seconds: 1, machine: Sample.record,
          curves: curves.map {
            .init(label: "", x: $0.indices.map(Double.init), y: $0, published: published)
          }))
    }
    let (away, stays) = ([1, 1e8, 1e20, 1e29], [1, 0.1, 0.01, 1e-3])
    #expect(plot([away]).y.range == nil)
    #expect(plot([away, stays]).y.range?.upperBound == 1e6)
    // Marks are announced where there are some.
    #expect(
      plot([stays]).subtitle.isEmpty
        && plot([stays], published: .init(repeating: .nan, count: 4)).subtitle.isEmpty)
    #expect(!plot([stays], published: [.nan, 0.1, .nan, .nan]).subtitle.isEmpty)
    // Less than a decade has no use for powers of ten.
    #expect(plot([stays]).y.scale == .logarithmic && plot([[186.6, 88.5]]).y.scale == .linear)
  }

  /// Gaps are drawn as far down as certificates go, and places that crowd at the start on an axis that parts
  /// them.
  @Test func gapsEndWhereTheirCertificatesDo() {
    func plot(_ quantity: String, x: [Double], _ curves: [[Double]]) -> Plot {
      ExperimentSection.plot(
        ExperimentResult(
          name: "n", title: "t", source: "s", command: "c", referenceCommand: "r",
          quantity: quantity, abscissa: "k", isLogarithmic: true, closeness: .shape("none"),
          notes: [], date: "2026-01-01", seconds: 1, machine: Sample.record,
          curves: curves.map { .init(label: "", x: x, y: $0) }))
    }
    let gap = Experiment.gapQuantity
    let (dense, even) = ([0.0, 1, 10, 100], [0.0, 1, 2, 3])
    let curve = [0.5, 1e-3, 1e-9, -1e-17]
    #expect(plot(gap, x: dense, [curve]).y.range == 1e-13...1)
    #expect(plot("F", x: dense, [curve]).y.range == nil)
    #expect(plot(gap, x: dense, [[0.5, 0.1, 1e-3, 1e-5]]).y.range == nil)
    #expect(plot(gap, x: dense, [curve]).x.scale == .logarithmic)
    #expect(plot(gap, x: even, [curve]).x.scale == .linear)
    // A runaway is cut in height; the axis that parts places shows them all.
    let cut = plot(gap, x: dense, [curve, [0.5, 1, 1e9, 1e30]])
    #expect(cut.y.range == 1e-13...5e5 && cut.x.range == nil)
    #expect(plot(gap, x: even, [curve, [0.5, 1, 1e9, 1e30]]).x.range != nil)
  }

  /// A smooth curve of 5000 points needs few of them, and none that is dropped is missed by a sixth of a pixel.
  @Test func thinningIsInvisible() throws {
    let x = (0...4900).map(Double.init)
    let y = x.map { 0.4 * (1 - exp(-$0 / 300)) }
    let plot = Plot(
      title: "", x: .init("x", unit: "1", range: 0...4900),
      y: .init("y", unit: "1", range: 0...0.5), series: [.line("", .blue, x: x, y: y)])
    let kept = try points(of: plot.script)
    #expect(kept.count < 100)
    #expect(kept.first?.0 == 0 && kept.last?.0 == 4900)
    for (a, b) in zip(kept, kept.dropFirst()) {
      for i in Int(a.0)...Int(b.0) {
        let chord = a.1 + (b.1 - a.1) * (x[i] - a.0) / (b.0 - a.0)
        // The distance to the chord is below the vertical one divided by the chord's slope factor.
        let slope = (b.1 - a.1) / 0.5 * 440 / ((b.0 - a.0) / 4900 * 820)
        let pixels = abs(chord - y[i]) / 0.5 * 440 / (1 + slope * slope).squareRoot()
        #expect(pixels <= 1.0 / 6 + 1e-9)
      }
    }
    // A single outlier is never lost.
    var spike = y
    spike[2345] = 0.1
    let other = Plot(title: "", x: plot.x, y: plot.y, series: [.line("", .blue, x: x, y: spike)])
    #expect(try points(of: other.script).contains { $0.0 == 2345 && $0.1 == 0.1 })
  }

  @Test func gapsAndEmptySeriesSurvive() throws {
    let plot = Plot(
      title: "", x: .init("x", unit: "1"), y: .init("y", unit: "1"),
      series: [
        .line("", .blue, x: [0, 1, 2, 3], y: [0, .nan, .infinity, 3]),
        .points("", .blue, x: [], y: []),
      ])
    #expect(plot.script.contains("1.0 NaN\n2.0 NaN\n"))
    #expect(plot.script.contains("<< EOD\nNaN NaN\nEOD"))
  }

  @Test func wordsCannotBecomeCommands() {
    let plot = Plot(
      title: "a'\nsystem 'false", x: .init("x", unit: "1"), y: .init("y", unit: "1"), series: [])
    #expect(plot.script.contains("{/:Bold a'' system ''false}"))
    #expect(Plot.literal("x_1^2 & {y}") == "x\\_1\\^2 \\& \\{y\\}")
  }

  private func points(of script: String) throws -> [(Double, Double)] {
    let start = try #require(script.range(of: "$p0s0 << EOD\n"))
    let end = try #require(script.range(of: "EOD\n", range: start.upperBound..<script.endIndex))
    return script[start.upperBound..<end.lowerBound].split(separator: "\n").compactMap {
      let words = $0.split(separator: " ").compactMap { Double($0) }
      return words.count == 2 ? (words[0], words[1]) : nil
    }
  }
}

@Suite(.enabled(if: Gnuplot.find() != nil, "needs gnuplot"))
struct GnuplotTests {
  @Test func drawsTheSameBytesTwice() throws {
    let gnuplot = try #require(Gnuplot.find())
    let svg = try gnuplot.svg(ratio)
    #expect(try gnuplot.svg(ratio) == svg)
    #expect(svg.hasPrefix("<?xml"))
    #expect(svg.hasSuffix("</svg>\n"))
    #expect(svg.contains("<title>Figure 0: it's a test</title>"))
    #expect(!svg.lowercased().contains("produced by"))
    #expect(!svg.contains("patchlevel"))
    #expect(svg.contains("fill=\"#fcfcfa\""), "no ground: unreadable on a dark page")
    #expect(svg.contains("eta = 1e-3") && svg.contains("training step k"))
    let panels = try gnuplot.svg([ratio, gap], columns: 2)
    #expect(panels.contains("iteration t") && panels.contains("training step k"))
    let parser = XMLCheck()
    #expect(parser.accepts(svg) && parser.accepts(panels))
    #expect(!parser.accepts(String(svg.dropLast(10))))
  }

  @Test func complaintsReachTheCaller() throws {
    let gnuplot = try #require(Gnuplot.find())
    let error = #expect(throws: GnuplotError.self) { try gnuplot.run("plot nonsense(x)\n") }
    let description = try #require(error?.description)
    #expect(description.contains("nonsense"))
    #expect(!description.contains("\n"))
    let missing = Gnuplot(executable: URL(fileURLWithPath: "/nowhere/gnuplot"))
    let other = #expect(throws: GnuplotError.self) { try missing.svg(ratio) }
    #expect(try #require(other?.description).hasPrefix("cannot start /nowhere/gnuplot"))
  }
}

@Suite struct ChildProcessTests {
  @Test func wordsInputAndStatusArriveAsTheyAre() throws {
    let nasty = ["a b", "it's", "$HOME `x` \\ \"", "*", "", "line\nbreak", "é"]
    let echo = try ChildProcess.run(
      "printf", ["%s|"] + nasty, environment: ["PATH": "/usr/bin:/bin"])
    #expect(echo.standardOutput == nasty.map { $0 + "|" }.joined())
    #expect(echo.status == 0 && echo.standardError.isEmpty)
    let long = String(repeating: "0123456789\n", count: 50_000)
    #expect(try ChildProcess.run("cat", input: long).standardOutput == long)
    let three = try ChildProcess.run(
      "sh", ["-c", "echo \"$A\" >&2; exit 3"], environment: ["A": "b"])
    #expect(three.status == 3 && three.standardError == "b\n" && three.standardOutput.isEmpty)
    #expect(try ChildProcess.run("sh", ["-c", "kill -9 $$"]).status == 137)
    #expect(try ChildProcess.run("/nowhere/program").status == 127)
  }
}

@Suite struct GnuplotLookupTests {
  @Test func absentMeansNil() {
    #expect(Gnuplot.find(in: "") == nil)
    #expect(Gnuplot.find(in: "/nowhere:relative") == nil)
    #expect(Gnuplot.find(in: nil) == nil)
    #expect(Gnuplot.advice.contains("sudo apt-get install gnuplot-nox"))
  }
}

/// Whether every tag of a text is closed in order: enough to catch a picture cut short or cleaned too much.
private struct XMLCheck {
  func accepts(_ text: String) -> Bool {
    var open: [Substring] = []
    for match in text.matches(of: /<(\/?)([A-Za-z][\w:.-]*)[^<>]*?(\/?)>/) {
      let (_, closing, name, empty) = match.output
      if !closing.isEmpty {
        if open.popLast() != name { return false }
      } else if empty.isEmpty {
        open.append(name)
      }
    }
    return open.isEmpty && text.contains("<svg")
  }
}
