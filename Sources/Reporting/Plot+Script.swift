import Foundation

extension Plot {
  /// The gnuplot script that draws this chart as SVG on standard output.
  public var script: String { Plot.script([self], columns: 1) }

  /// The gnuplot script that draws several charts in one picture, row by row.
  public static func script(_ panels: [Plot], columns: Int) -> String {
    precondition(!panels.isEmpty && columns >= 1, "\(panels.count) panels in \(columns) columns")
    let rows = (panels.count + columns - 1) / columns
    // Panels side by side have their legend below and can be narrower.
    let width = columns == 1 ? size.width : 620 * columns
    let height = size.height * rows + (panels.count == 1 ? panels[0].roomBelow : 0)
    let head = """
      set terminal svg size \(width),\(height) dynamic enhanced rounded \
      font 'sans-serif,14' background rgb '\(ground)'
      set encoding utf8

      """
    let layout = panels.count == 1 ? "" : "set multiplot layout \(rows),\(columns)\n"
    let bodies = panels.enumerated().map {
      $1.panel($0, legendBelow: columns > 1 || $1.needsLegendBelow)
        + (panels.count == 1 ? "" : "reset\n")
    }
    return head + layout + bodies.joined() + (panels.count == 1 ? "" : "unset multiplot\n")
  }

  /// Whether a legend beside the chart would take its room.
  private var needsLegendBelow: Bool { labels.count > 9 || widestLabel > 26 }

  /// Pixels for a legend below, in as many columns as its words leave room for.
  private var roomBelow: Int {
    let columns = max(1, min(3, 60 / (widestLabel + 4)))
    return needsLegendBelow ? (labels.count + columns - 1) / columns * 22 : 0
  }

  /// Characters of the longest label.
  private var widestLabel: Int { labels.map(\.count).max() ?? 0 }

  private var labels: [String] { series.map(\.label).filter { !$0.isEmpty }.uniqued }

  private func panel(_ index: Int, legendBelow: Bool) -> String {
    let xRange = x.range ?? extent(of: series.flatMap(\.x), x.scale, padding: 0)
    let heights = series.flatMap { series in
      if case .band(let upper) = series.shape { series.y + upper } else { series.y }
    }
    let yRange = y.range ?? extent(of: heights + levels.map(\.value), y.scale, padding: 0.05)
    let frame = PlotFrame(x: xRange, y: yRange, xScale: x.scale, yScale: y.scale)

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
        lines.append("\(block) with lines lc \(colour) lw \(one.lineWidth) dt \(one.hue.dash)")
      case .dashed:
        data += rows(frame.thinned(one.x, one.y), block)
        lines.append("\(block) with lines lc \(colour) lw 1.5 dt (5,4)")
      case .points:
        // What cannot be drawn takes no turn.
        let points = zip(one.x, one.y).filter { $0.isFinite && $1.isFinite }
        data += rows(points, block)
        let turn = marked
        marked += 1
        // Where the marks of several curves would hide each other, all points become beads on their line, and the
        // curves take turns in showing a mark.
        let turns = points.count > 15 ? pointSeries : 1
        if turns > 1 { beads.append("\(block) with points lc \(colour) pt 7 ps 0.35") }
        let every = turns > 1 ? " every \(turns)::\(turn % turns)" : ""
        // A filled ground under each hollow mark keeps it apart from the line that it lies on.
        if one.lap == 0, let ground = one.hue.groundType {
          marks.append("\(block)\(every) with points lc rgb '\(Plot.ground)' pt \(ground) ps 0.75")
        }
        marks.append(
          "\(block)\(every) with points lc \(colour) lw 1.5 pt \(one.pointType) ps 0.75")
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

  private func settings(_ frame: PlotFrame, legendBelow: Bool) -> String {
    let small = subtitle.isEmpty ? "" : "{/*0.85 \(subtitle)}"
    // Headings stand over the chart, which a legend beside it makes narrower.
    let heading =
      Plot.wrapped(title, to: legendBelow ? 80 : 50).map { "{/:Bold \($0)}" }
      + (small.isEmpty ? [] : [small])
    var lines = [
      "set title \(heading.isEmpty ? "''" : quoted(heading)) offset 0,0.3 tc rgb '#222222'",
      "set border 3 lc rgb '#555555' lw 1",
      "set grid xtics ytics lt 1 lc rgb '#e2e2e0' lw 1",
      "set tics nomirror out scale 0.6 tc rgb '#333333'",
      "set xlabel \(quoted([x.heading] + (legendBelow ? [""] : []))) offset 0,0.4 tc rgb '#222222'",
      "set ylabel \(quoted([y.heading])) tc rgb '#222222'",
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
    let entries = labels.map { label in
      let same = series.filter { $0.label == label }
      let colour = same.first?.hue.colour ?? Hue.black.colour
      let line = same.first { $0.shape == .line } ?? same.first { $0.shape == .dashed }
      let mark = same.first { $0.shape == .points }
      var sample = "fc rgb '\(colour)' fs transparent solid 0.22 noborder"
      if line != nil || mark != nil {
        let solid = line?.shape == .line
        sample = "lc rgb '\(colour)'"
        if let line { sample += " lw \(line.lineWidth) dt \(solid ? line.hue.dash : "(5,4)")" }
        if let mark { sample += " pt \(mark.pointType) ps 0.75" }
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

  /// `text` in lines of at most `width` characters where blanks allow it, about equally long; no line ends
  /// within an equation.
  static func wrapped(_ text: String, to width: Int) -> [String] {
    let words = text.replacing(" = ", with: "\u{a0}=\u{a0}").split(separator: " ").map(String.init)
    func filled(_ width: Int) -> [String] {
      words.reduce(into: []) { lines, word in
        if let last = lines.last, last.count + 1 + word.count <= width {
          lines[lines.count - 1] = last + " " + word
        } else {
          lines.append(word)
        }
      }
    }
    let lines = filled(width).count
    let least = (1...max(1, width)).first { filled($0).count <= lines } ?? width
    return filled(least)
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
