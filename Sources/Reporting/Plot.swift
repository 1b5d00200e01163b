import Foundation

/// A chart as a value: axes, series and legend; `Gnuplot` draws it.
///
/// Texts are gnuplot's enhanced text, so `F(X_{20})` and `10^{-3}` have a subscript and a superscript; `Plot.literal`
/// takes words as they are. Series with the same label share one line of the legend and should share their hue.
public struct Plot: Sendable, Hashable {
  /// Large, above the chart.
  public var title: String
  /// Small, under the title: how to read the marks; empty for none.
  public var subtitle: String
  /// Horizontal axis.
  public var x: Axis
  /// Vertical axis.
  public var y: Axis
  /// What is drawn: bands lie under lines and lines under points, else in this order.
  public var series: [Series]
  /// Horizontal lines at fixed values.
  public var levels: [Level]

  /// A chart of `series`, with horizontal lines at `levels`.
  public init(
    title: String, subtitle: String = "", x: Axis, y: Axis, series: [Series], levels: [Level] = []
  ) {
    self.title = title
    self.subtitle = subtitle
    self.x = x
    self.y = y
    self.series = series
    self.levels = levels
  }

  /// What an axis shows and how far it reaches.
  public struct Axis: Sendable, Hashable {
    /// How values are laid out along an axis.
    public enum Scale: String, Sendable, Hashable {
      /// Equal differences are equally long.
      case linear
      /// Equal ratios are equally long; values that are not positive are left out.
      case logarithmic
    }

    /// The quantity's name and symbol.
    public var label: String
    /// The quantity's unit, `1` if it has none, printed in brackets.
    public var unit: String
    /// Linear or logarithmic.
    public var scale: Scale
    /// From one end to the other; `nil` to hold all data.
    public var range: ClosedRange<Double>?
    /// Words at places of their own; empty for numbers where gnuplot puts them.
    public var ticks: [Tick]

    /// An axis for the quantity `label`, measured in `unit`.
    public init(
      _ label: String, unit: String, scale: Scale = .linear, range: ClosedRange<Double>? = nil,
      ticks: [Tick] = []
    ) {
      self.ticks = ticks
      self.label = label
      self.unit = unit
      self.scale = scale
      self.range = range
    }
  }

  /// Words at one place of an axis.
  public struct Tick: Sendable, Hashable {
    /// Where, on the axis.
    public var place: Double
    /// The words.
    public var label: String

    /// `label` at `place`.
    public init(at place: Double, _ label: String) {
      self.place = place
      self.label = label
    }
  }

  /// A colour together with a dash pattern and a point shape of its own.
  ///
  /// After the palette of Okabe and Ito (2008), which people with any kind of colour vision can tell apart, darkened
  /// where it would be pale on a light ground. Dashes and shapes serve those who see no colours, and let one line
  /// show through the gaps of another.
  public enum Hue: Int, Sendable, Hashable, CaseIterable {
    /// Solid line, circles.
    case blue
    /// Long dashes, triangles.
    case vermillion
    /// Dash and dot, squares.
    case green
    /// Medium dashes, diamonds.
    case purple
    /// Dash and two dots, triangles on their tip.
    case orange
    /// Short dashes, pentagons.
    case sky
    /// Solid line, crosses.
    case black
    /// Solid line, plus signs; for what stands in the background.
    case grey

    /// The hue of the curve at `index`, in order and over again after the seven that are not grey.
    public static func cycled(_ index: Int) -> Hue {
      precondition(index >= 0, "curve \(index)")
      return Hue.allCases[index % (Hue.allCases.count - 1)]
    }

    var colour: String {
      ["#0072b2", "#d55e00", "#009e73", "#b0578d", "#c98a00", "#3a9bd9", "#222222", "#777777"][
        rawValue]
    }

    var dash: String {
      ["solid", "(18,4)", "(18,4,3,4)", "(9,4)", "(14,4,3,4,3,4)", "(5,3)", "solid", "solid"][
        rawValue]
    }

    var pointType: Int { [6, 8, 4, 12, 10, 14, 2, 1][rawValue] }

    /// The filled shape that covers the hollow one; crosses have none.
    var groundType: Int? { pointType < 4 ? nil : pointType + 1 }
  }

  /// One thing drawn from data.
  public struct Series: Sendable, Hashable {
    /// What it is drawn as.
    public enum Shape: Sendable, Hashable {
      /// A line in the hue's dash pattern.
      case line
      /// A thin line of short dashes.
      case dashed
      /// Hollow marks.
      case points
      /// The area between the series' values and these.
      case band(upper: [Double])
    }

    /// Its words in the legend; empty for none.
    public var label: String
    /// Colour, dash pattern and point shape.
    public var hue: Hue
    /// Line, dashed line, points or band.
    public var shape: Shape
    /// Horizontal coordinates.
    public var x: [Double]
    /// Vertical coordinates, as many as horizontal ones; the lower edge of a band.
    ///
    /// What is not finite leaves a gap.
    public var y: [Double]

    /// A line through the points (x, y).
    public static func line(_ label: String, _ hue: Hue, x: [Double], y: [Double]) -> Series {
      Series(label: label, hue: hue, shape: .line, x: x, y: y)
    }

    /// A thin dashed line through the points (x, y), for a baseline or a bound.
    public static func dashed(_ label: String, _ hue: Hue, x: [Double], y: [Double]) -> Series {
      Series(label: label, hue: hue, shape: .dashed, x: x, y: y)
    }

    /// Marks at the points (x, y), for numbers that somebody else published.
    public static func points(_ label: String, _ hue: Hue, x: [Double], y: [Double]) -> Series {
      Series(label: label, hue: hue, shape: .points, x: x, y: y)
    }

    /// The area between `low` and `high`.
    public static func band(
      _ label: String, _ hue: Hue, x: [Double], low: [Double], high: [Double]
    ) -> Series {
      precondition(high.count == low.count, "\(low.count) low values, \(high.count) high ones")
      return Series(label: label, hue: hue, shape: .band(upper: high), x: x, y: low)
    }

    private init(label: String, hue: Hue, shape: Shape, x: [Double], y: [Double]) {
      precondition(x.count == y.count, "\(x.count) horizontal values, \(y.count) vertical ones")
      self.label = label
      self.hue = hue
      self.shape = shape
      self.x = x
      self.y = y
    }
  }

  /// A horizontal line at one value.
  public struct Level: Sendable, Hashable {
    /// Its words in the legend; empty for none.
    public var label: String
    /// Where it lies on the vertical axis.
    public var value: Double

    /// A line at `value`.
    public init(_ label: String, at value: Double) {
      self.label = label
      self.value = value
    }
  }

  /// `text` made literal: every character that enhanced text would take as markup is escaped.
  public static func literal(_ text: String) -> String {
    text.reduce(into: "") { result, character in
      if "_^{}@&~\\".contains(character) { result.append("\\") }
      result.append(character)
    }
  }

  /// A light ground, painted, since a page in dark mode would swallow dark text.
  static let ground = "#fcfcfa"

  /// Width and height of one chart in pixels, before anyone scales it.
  static let size = (width: 820, height: 440)

  /// The gnuplot script that draws this chart as SVG on standard output.
  public var script: String { Plot.script([self], columns: 1) }

  /// The gnuplot script that draws several charts in one picture, row by row.
  public static func script(_ panels: [Plot], columns: Int) -> String {
    precondition(!panels.isEmpty && columns >= 1, "\(panels.count) panels in \(columns) columns")
    let rows = (panels.count + columns - 1) / columns
    // Panels side by side have their legend below and can be narrower.
    let width = columns == 1 ? size.width : 620 * columns
    let head = """
      set terminal svg size \(width),\(size.height * rows) dynamic enhanced rounded \
      font 'sans-serif,14' background rgb '\(ground)'
      set encoding utf8

      """
    let layout = panels.count == 1 ? "" : "set multiplot layout \(rows),\(columns)\n"
    let bodies = panels.enumerated().map {
      $1.panel($0, legendBelow: columns > 1) + (panels.count == 1 ? "" : "reset\n")
    }
    return head + layout + bodies.joined() + (panels.count == 1 ? "" : "unset multiplot\n")
  }
}

// MARK: - The script

extension Plot {
  private func panel(_ index: Int, legendBelow: Bool) -> String {
    let xRange = x.range ?? extent(of: series.flatMap(\.x), x.scale, padding: 0)
    let heights = series.flatMap { series in
      if case .band(let upper) = series.shape { series.y + upper } else { series.y }
    }
    let yRange = y.range ?? extent(of: heights + levels.map(\.value), y.scale, padding: 0.05)
    let frame = Frame(x: xRange, y: yRange, xScale: x.scale, yScale: y.scale)

    var data = ""
    var under: [String] = []
    var lines: [String] = []
    var beads: [String] = []
    var marks: [String] = []
    let pointSeries = series.count { $0.shape == .points }
    var marked = 0
    for (number, one) in series.enumerated() {
      let block = "$p\(index)s\(number)"
      let colour = "rgb '\(one.hue.colour)'"
      switch one.shape {
      case .line:
        data += rows(frame.thinned(one.x, one.y), block)
        lines.append("\(block) with lines lc \(colour) lw 2 dt \(one.hue.dash)")
      case .dashed:
        data += rows(frame.thinned(one.x, one.y), block)
        lines.append("\(block) with lines lc \(colour) lw 1.5 dt (5,4)")
      case .points:
        let points = Array(zip(one.x, one.y))
        data += rows(points, block)
        let turn = marked
        marked += 1
        // Where the marks of several curves would hide each other, all points become beads on their line, and the
        // curves take turns in showing a mark.
        let turns = points.count > 15 ? pointSeries : 1
        if turns > 1 { beads.append("\(block) with points lc \(colour) pt 7 ps 0.35") }
        let every = turns > 1 ? " every \(turns)::\(turn % turns)" : ""
        // A filled ground under each hollow mark keeps it apart from the line that it lies on.
        if let ground = one.hue.groundType {
          marks.append("\(block)\(every) with points lc rgb '\(Plot.ground)' pt \(ground) ps 0.75")
        }
        marks.append(
          "\(block)\(every) with points lc \(colour) lw 1.5 pt \(one.hue.pointType) ps 0.75")
      case .band(let upper):
        // A closed outline, since the two edges are thinned each for itself.
        let outline =
          frame.thinned(one.x, one.y) + frame.thinned(one.x, upper).reversed()
        data += rows(outline.filter { $0.0.isFinite && $0.1.isFinite }, block)
        under.append(
          "\(block) with filledcurves closed fc \(colour) fs transparent solid 0.22 noborder")
      }
    }
    for (number, level) in levels.enumerated() {
      under.append(
        "\(decimal(level.value)) with lines lc rgb '#555555' lw 1.2 dt \(levelDash(number))")
    }
    let drawn = (under + lines + beads + marks).map { $0 + " notitle" } + legend
    return data + settings(frame, legendBelow: legendBelow) + "plot "
      + drawn.joined(separator: ", \\\n  ") + "\n"
  }

  private func settings(_ frame: Frame, legendBelow: Bool) -> String {
    let small = subtitle.isEmpty ? "" : "{/*0.85 \(subtitle)}"
    let heading = [title.isEmpty ? "" : "{/:Bold \(title)}", small].filter { !$0.isEmpty }
    var lines = [
      "set title \(heading.isEmpty ? "''" : quoted(heading)) offset 0,0.3 tc rgb '#222222'",
      "set border 3 lc rgb '#555555' lw 1",
      "set grid xtics ytics lt 1 lc rgb '#e2e2e0' lw 1",
      "set tics nomirror out scale 0.6 tc rgb '#333333'",
      "set xlabel \(quoted(["\(x.label)\u{a0} [\(x.unit)]"] + (legendBelow ? [""] : []))) offset 0,0.4 tc rgb '#222222'",
      "set ylabel \(quoted(["\(y.label)\u{a0} [\(y.unit)]"])) tc rgb '#222222'",
      "set xrange [\(decimal(frame.x.lowerBound)):\(decimal(frame.x.upperBound))]",
      "set yrange [\(decimal(frame.y.lowerBound)):\(decimal(frame.y.upperBound))]",
      "set samples 2",
      legendBelow
        ? "set key below center horizontal Left reverse samplen 3.5 width 2 tc rgb '#222222'"
        : "set key outside right top vertical Left reverse samplen 3.5 spacing 1.15 "
          + "tc rgb '#222222'",
    ]
    for (name, axis) in [("x", x), ("y", y)] {
      if axis.scale == .logarithmic { lines.append("set logscale \(name) 10") }
      lines.append("set format \(name) '\(axis.scale == .logarithmic ? "10^{%L}" : "%h")'")
      if !axis.ticks.isEmpty {
        let ticks = axis.ticks.map { "\(quoted([$0.label])) \(decimal($0.place))" }
        lines.append(
          "set \(name)tics (\(ticks.joined(separator: ", ")))"
            + (name == "x" ? " rotate by 30 right" : ""))
      }
    }
    return lines.map { $0 + "\n" }.joined()
  }

  /// One legend line per label, in order of appearance, with a sample of all that carries the label.
  private var legend: [String] {
    var seen: [String] = []
    for one in series where !one.label.isEmpty && !seen.contains(one.label) {
      seen.append(one.label)
    }
    let entries = seen.map { label in
      let same = series.filter { $0.label == label }
      let colour = same.first?.hue.colour ?? Hue.black.colour
      let line = same.first { $0.shape == .line } ?? same.first { $0.shape == .dashed }
      let mark = same.first { $0.shape == .points }
      var sample = "fc rgb '\(colour)' fs transparent solid 0.22 noborder"
      if line != nil || mark != nil {
        let solid = line?.shape == .line
        sample = "lc rgb '\(colour)'"
        if let line { sample += " lw \(solid ? 2 : 1.5) dt \(solid ? line.hue.dash : "(5,4)")" }
        if let mark { sample += " pt \(mark.hue.pointType) ps 0.75" }
      }
      let style =
        line != nil && mark != nil
        ? "linespoints" : line != nil ? "lines" : mark != nil ? "points" : "filledcurves"
      return "NaN with \(style) \(sample) title \(quoted([label]))"
    }
    let horizontals = levels.enumerated().filter { !$0.element.label.isEmpty }.map {
      "NaN with lines lc rgb '#555555' lw 1.2 dt \(levelDash($0)) title \(quoted([$1.label]))"
    }
    return entries + horizontals
  }

  private func levelDash(_ index: Int) -> String {
    ["(2,3)", "(8,3,2,3)", "(12,3)", "(4,6)"][index % 4]
  }

  private func rows(_ points: [(Double, Double)], _ block: String) -> String {
    "\(block) << EOD\n"
      + points.map { "\(decimal($0)) \(decimal($1))\n" }.joined()
      // gnuplot refuses an empty block.
      + (points.isEmpty ? "NaN NaN\n" : "") + "EOD\n"
  }
}

/// The data window of a chart, in which lengths can be compared with pixels.
private struct Frame {
  var x: ClosedRange<Double>
  var y: ClosedRange<Double>
  var xScale: Plot.Axis.Scale
  var yScale: Plot.Axis.Scale

  /// The points of a polyline that are needed to draw it to a sixth of a pixel (Douglas and Peucker 1973).
  ///
  /// Keeps gaps: a point that cannot be drawn is kept as it is.
  func thinned(_ xs: [Double], _ ys: [Double]) -> [(Double, Double)] {
    let at = zip(xs, ys).map { pixel($0, $1) }
    var result: [(Double, Double)] = []
    var start = 0
    while start < at.count {
      guard at[start].isDrawn else {
        result.append((xs[start], .nan))
        start += 1
        continue
      }
      let end = at[start...].firstIndex { !$0.isDrawn } ?? at.count
      result += kept(at[start..<end]).map { (xs[$0], ys[$0]) }
      start = end
    }
    return result
  }

  private struct Pixel {
    var x: Double
    var y: Double
    var isDrawn: Bool { x.isFinite && y.isFinite }
  }

  private func pixel(_ px: Double, _ py: Double) -> Pixel {
    func share(_ value: Double, _ range: ClosedRange<Double>, _ scale: Plot.Axis.Scale) -> Double {
      let f: (Double) -> Double = scale == .linear ? { $0 } : { log10($0) }
      return (f(value) - f(range.lowerBound)) / (f(range.upperBound) - f(range.lowerBound))
    }
    return Pixel(
      x: share(px, x, xScale) * Double(Plot.size.width),
      y: share(py, y, yScale) * Double(Plot.size.height))
  }

  private func kept(_ run: ArraySlice<Pixel>) -> [Int] {
    let (first, last) = (run.startIndex, run.endIndex - 1)
    var keep: Set<Int> = [first, last]
    var open = [(first, last)]
    while let (a, b) = open.popLast() {
      guard b > a + 1 else { continue }
      let (dx, dy) = (run[b].x - run[a].x, run[b].y - run[a].y)
      let length = (dx * dx + dy * dy).squareRoot()
      var (worst, offset) = (a, 1.0 / 6)
      for i in (a + 1)..<b {
        let (ex, ey) = (run[i].x - run[a].x, run[i].y - run[a].y)
        let away = length > 0 ? abs(ex * dy - ey * dx) / length : (ex * ex + ey * ey).squareRoot()
        if away > offset { (worst, offset) = (i, away) }
      }
      if worst != a {
        keep.insert(worst)
        open += [(a, worst), (worst, b)]
      }
    }
    return keep.sorted()
  }
}

/// The range that holds all drawable `values`, widened by `padding` of itself at both ends.
private func extent(of values: [Double], _ scale: Plot.Axis.Scale, padding: Double)
  -> ClosedRange<Double>
{
  let drawable = values.filter { $0.isFinite && (scale == .linear || $0 > 0) }
  guard let low = drawable.min(), let high = drawable.max() else {
    return scale == .linear ? 0...1 : 1...10
  }
  if scale == .logarithmic {
    let (a, b) = (log10(low), log10(high))
    let margin = a == b ? 0.5 : padding * (b - a)
    return pow(10, a - margin)...pow(10, b + margin)
  }
  let margin = low == high ? max(abs(low) / 10, 1e-9) : padding * (high - low)
  return (low - margin)...(high + margin)
}

private func decimal(_ value: Double) -> String {
  value.isFinite ? "\(value)" : "NaN"
}

/// Lines of text as one gnuplot expression; in single quotes only the quote itself is special.
private func quoted(_ lines: [String]) -> String {
  let literals = lines.map { line in
    let oneLine = line.split(whereSeparator: \.isNewline).joined(separator: " ")
    return "'" + oneLine.replacing("'", with: "''") + "'"
  }
  return literals.joined(separator: ".\"\\n\".")
}
