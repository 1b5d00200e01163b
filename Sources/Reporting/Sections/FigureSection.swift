public import Experiments
import Foundation
import Storage

/// The published figures, each as a plot and as a table.
public struct FigureSection: ReportSection {
  public let id = "figures"
  public let title = "Published figures"
  /// The training steps that the tables show.
  public static let tabulatedSteps = [100, 1000, 4900]

  /// Creates the section.
  public init() {}

  public func parts(_ results: ConvergenceResults) -> [String] {
    results.figures.map(\.figure.name)
  }

  /// The figures that are asked for, by this section's name or by their own.
  private func wanted(_ context: ReportContext<ConvergenceResults>) -> [FigureComparison] {
    context.results.figures.filter { figure in
      [id, figure.figure.name].contains(where: context.selection.matches)
    }
  }

  public func plots(_ context: ReportContext<ConvergenceResults>) -> [NamedPlot] {
    wanted(context).map { NamedPlot($0.figure.name, Self.plot($0)) }
  }

  public func markdown(_ context: ReportContext<ConvergenceResults>) -> String {
    """
    Relative improvement over gradient descent, (F_GD − F_k) / F_GD, after k training steps; F at the last \
    iterate X_T. Lines: this run. Marks: published. Filled: what twins with data changed by rounding-size \
    amounts spread over. Numbers are printed with the digits that the band (or, without one, the probe) \
    supports and no more. ✓ agrees: within \(Number.short(CurveComparison.tolerance)) at all \
    published k; ✓ within its band: there or inside the band; △ near: within \
    \(Number.short(CurveComparison.looseTolerance)).


    """ + wanted(context).map { body($0, context) }.joined()
  }

  private func body(_ figure: FigureComparison, _ context: ReportContext<ConvergenceResults>)
    -> String
  {
    let name = figure.figure.name
    return "<a id=\"\(name)\"></a>\n\n### \(Self.heading(figure.figure))\n\n"
      + context.image(name, Self.plot(figure).title)
      + Self.agreementTable(figure).text + "\n" + Self.valueTable(figure).text + "\n"
      + replay(context, only: name)
      + Markdown.details(
        "Each curve alone", Markdown.commands(figure.curves.map(\.run.setting.command).uniqued))
  }

  static func heading(_ figure: PublishedFigure) -> String {
    let place = figure.paperFigure.map { "Figure \($0)" } ?? "In the repository only"
    return "\(place): \(settings(figure))"
  }

  private static func settings(_ figure: PublishedFigure) -> String {
    guard let first = figure.curves.first else { return "T = \(figure.horizon)" }
    let fixed =
      figure.varied == .eta ? "e = \(Number.short(first.e))" : "η = \(Number.short(first.eta))"
    return "T = \(figure.horizon), \(fixed), \(figure.varied == .eta ? "η" : "e") varied"
  }

  /// A curve's label with the Greek letter.
  private static func label(_ curve: CurveComparison) -> String {
    curve.label.replacing("eta", with: "η")
  }

  /// Bands, lines and published points of all curves.
  static func plot(_ figure: FigureComparison) -> Plot {
    var series: [Plot.Series] = []
    for (index, curve) in figure.curves.enumerated() {
      let (label, hue) = (label(curve), Plot.Hue.cycled(index))
      let ratios = curve.run.ratios
      let ks = ratios.indices.map(Double.init)
      if let band = curve.band {
        series.append(
          .band(label, hue, x: band.low.indices.map(Double.init), low: band.low, high: band.high))
      }
      series.append(.line(label, hue, x: ks, y: ratios))
      series.append(.points(label, hue, x: curve.steps.map(Double.init), y: curve.published))
    }
    return Plot(
      title: heading(figure.figure), subtitle: "marks: published, lines: this run, filled: band",
      x: Plot.Axis("training step k", unit: "1"),
      y: Plot.Axis("improvement over GD, (F_{GD} − F_k) / F_{GD}", unit: "1"), series: series)
  }

  /// One row per curve: how well it agrees, and in which draw.
  static func agreementTable(_ figure: FigureComparison) -> Markdown.Table {
    var table = Markdown.Table([
      ("Curve", .left), ("Agreement", .left), ("Largest difference [10⁻⁴]", .right),
      ("at k", .right),
      ("Probe moves it by", .right), ("Draw", .left), ("Other draw [10⁻⁴]", .right),
    ])
    for curve in figure.curves {
      table.add([
        label(curve), curve.agreement.words, difference(curve, at: curve.worstStep),
        "\(curve.worstStep)", Number.scientific(curve.probeDeviation, digits: 1), curve.drawName,
        curve.otherDraw.map { Number.significant($0.difference / unit, digits: 2) } ?? "",
      ])
    }
    return table
  }

  /// Ours, published and their difference at the tabulated steps.
  static func valueTable(_ figure: FigureComparison) -> Markdown.Table {
    var table = Markdown.Table([
      ("Curve", .left), ("k", .right), ("Ours", .right), ("Published", .right),
      ("Difference [10⁻⁴]", .right), ("Band", .right),
    ])
    for curve in figure.curves {
      for k in steps(curve) {
        table.add([
          k == steps(curve).first ? label(curve) : " ", "\(k)", ours(curve, at: k),
          published(curve, at: k), difference(curve, at: k), band(curve, at: k),
        ])
      }
    }
    return table
  }

  /// The tabulated steps at which there is a published point, else the last point.
  private static func steps(_ curve: CurveComparison) -> [Int] {
    let known = tabulatedSteps.filter { curve.steps.contains($0) }
    return known.isEmpty ? curve.steps.suffix(1).map { $0 } : known
  }

  /// Our ratio with no digit that its band does not support.
  static func ours(_ curve: CurveComparison, at k: Int) -> String {
    guard let ratio = ratio(curve, at: k) else { return "stopped before" }
    let range = curve.range(at: k)
    let uncertainty = max(range.upperBound - ratio, ratio - range.lowerBound)
    if curve.band != nil, uncertainty >= worthStating, uncertainty.isFinite {
      return Number.measured(ratio, plusMinus: uncertainty)
    }
    return Number.supported(ratio, by: range, digits: 5)
  }

  /// The published ratio, to the absolute 1e-9 that the plot's coordinates carry.
  static func published(_ curve: CurveComparison, at k: Int) -> String {
    guard let value = publishedValue(curve, at: k) else { return "" }
    return Number.supported(value, by: (value - plotError)...(value + plotError), digits: 5)
  }

  /// Ours minus published in units of 1e-4, with no digit that the band does not support.
  static func difference(_ curve: CurveComparison, at k: Int) -> String {
    guard let value = publishedValue(curve, at: k), let ratio = ratio(curve, at: k)
    else { return "" }
    let range = curve.range(at: k)
    let bounds = (range.lowerBound - value - plotError, range.upperBound - value + plotError)
    return Number.supported(
      (ratio - value) / unit, by: (bounds.0 / unit)...(bounds.1 / unit), digits: 2)
  }

  private static func band(_ curve: CurveComparison, at k: Int) -> String {
    guard let band = curve.band, k < band.low.count, band.low[k] <= band.high[k] else { return "" }
    return Number.band(band.low[k], band.high[k])
  }

  /// The unit of differences; the tolerance is two of them.
  private static let unit = 1e-4

  /// A half-width of a band that is printed with the value: smaller ones only end the digits.
  private static let worthStating = 5e-6

  /// Offset of published ratios that comes from the plot's own coordinates.
  private static let plotError = 1e-9

  private static func publishedValue(_ curve: CurveComparison, at k: Int) -> Double? {
    curve.steps.firstIndex(of: k).map { curve.published[$0] }
  }

  private static func ratio(_ curve: CurveComparison, at k: Int) -> Double? {
    k < curve.run.losses.count ? curve.run.ratios[k] : nil
  }
}
