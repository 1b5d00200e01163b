public import Experiments
import Storage

/// Gradient descent with a constant factor on its step: the baseline that nobody plots.
public struct ConstantStepSection: ReportSection {
  public let id = "constant-steps"
  public let title = "The baseline nobody plots"

  /// Creates the section.
  public init() {}

  public func plots(_ context: ReportContext<ConvergenceResults>) -> [NamedPlot] {
    let rows = context.results.constantSteps
    guard !rows.isEmpty else { return [] }
    var series: [Plot.Series] = []
    var levels: [Plot.Level] = []
    for (index, horizon) in rows.map(\.horizon).uniqued.enumerated() {
      let own = rows.filter { $0.horizon == horizon }
      let label = "T = \(horizon)"
      let hue = Plot.Hue.cycled(index)
      // A factor of 1 is gradient descent itself.
      let (x, y) = ([1] + own.map(\.factor), [0] + own.map(\.ratio))
      series.append(.line(label, hue, x: x, y: y))
      series.append(.points(label, hue, x: x, y: y))
      if let learned = own.compactMap(\.bestLearned).max() {
        levels.append(Plot.Level("best learned, \(label)", at: learned))
      }
    }
    return [
      NamedPlot(
        id,
        Plot(
          title: "Gradient descent with its step times p",
          subtitle: "marks: p that were run; horizontal lines: the best of all learned runs",
          x: Plot.Axis("factor p", unit: "1"),
          y: Plot.Axis("improvement over GD, (F_{GD} − F_p) / F_{GD}", unit: "1"), series: series,
          levels: levels))
    ]
  }

  public func markdown(_ context: ReportContext<ConvergenceResults>) -> String {
    let rows = context.results.constantSteps
    var table = Markdown.Table([
      ("T", .right), ("p", .right), ("Improvement over GD", .right), ("Authors' classes", .right),
      ("Best learned run, any k", .right), ("Constant p is", .left),
    ])
    for row in rows.sorted(by: { ($0.horizon, $0.factor) < ($1.horizon, $1.factor) }) {
      let isBetter = row.bestLearned.map { row.ratio > $0 }
      table.add([
        "\(row.horizon)", Number.short(row.factor), Number.significant(row.ratio, digits: 4),
        Number.orDash(row.published) { Number.significant($0, digits: 4) },
        Number.orDash(row.bestLearned) { Number.significant($0, digits: 3) },
        isBetter.map { $0 ? "**better**" : "worse" } ?? "",
      ])
    }
    return """
      No network, no training: P_t = p for all steps and coordinates, s_i = 0.9999/β_i. A learned run may \
      choose its best training step.


      """ + context.image(id, "Improvement of gradient descent with constant p over p = 1")
        + table.text
        + "\n" + replay(context)
  }
}
