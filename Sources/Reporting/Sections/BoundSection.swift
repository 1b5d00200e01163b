import Checks
public import Experiments
import Foundation
import Storage

/// Bounds as numbers: how many decades lie between what is promised and what was measured.
public struct BoundSection: ReportSection {
  public let id = "bounds"
  public let title = "Bounds: slack in decades"

  /// Creates the section.
  public init() {}

  public func plots(_ context: ReportContext<BoundResults>) -> [NamedPlot] {
    let results = context.results
    let slack = Self.runsToDraw(results).enumerated().map { number, run in
      NamedPlot("slack-\(number + 1)", Self.slackPlot(results, run))
    }
    return slack
      + [
        NamedPlot("scale-thresholds", Self.scalePlot),
        NamedPlot("growth", Self.growthPlot(results)),
        NamedPlot("descent-ladder", Self.ladderPlot(results)),
      ].filter { !$0.plot.series.isEmpty }
  }

  public func markdown(_ context: ReportContext<BoundResults>) -> String {
    let results = context.results
    let slack = Self.runsToDraw(results).enumerated().map { number, run in
      context.image("slack-\(number + 1)", "Slack of each bound against the training step, \(run)")
    }
    return """
      The slack of a bound is log10(bound / measured); for Theorem 4.3, log10 of measured over promised \
      decay. Constants that are not public were derived, and everything is evaluated as logarithms.


      """ + slack.joined() + slackTable(results) + "\n### Lemma 4.2 on random pairs\n\n"
        + pairTable(results) + "\n### Growth of Lemma 4.2 in the scale e\n\n"
        + context.image("growth", "Bound of Lemma 4.2 and measured difference against the scale e")
        + growthText(results) + "\n### Scales that Lemmas 5.1 to 5.4 ask for\n\n"
        + context.image("scale-thresholds", "Least scales of Lemmas 5.1 to 5.4 against T")
        + scaleText(results) + "\n### Bounds on gradient descent\n\n"
        + context.image("descent-ladder", "Slack of each bound on gradient descent against T")
        + ladderTable(results) + "\n### Verdicts\n\n" + verdicts(results)
  }

  // MARK: - Slack along training

  /// The runs with a plot: the first of the published problem and the first with every claim.
  static func runsToDraw(_ results: BoundResults) -> [String] {
    let runs = results.curves.map(\.run).uniqued
    let complete = runs.first { run in
      Set(results.curves.filter { $0.run == run }.map(\.claim)).count == 4
    }
    return [runs.first, complete].compactMap { $0 }.uniqued
  }

  private static func slackPlot(_ results: BoundResults, _ run: String) -> Plot {
    let names = [
      "T1": "T1 gradient", "T2": "T2 consecutive weights", "T3": "T3 rate", "D3": "D3 loss",
    ]
    let own = results.curves.filter { $0.run == run }
    let series = own.enumerated().map { number, curve in
      Plot.Series.line(
        "\(names[curve.claim] ?? curve.claim)\(curve.part.isEmpty ? "" : ", \(curve.part)")",
        Plot.Hue.cycled(number), x: curve.steps.map(Double.init), y: curve.slack)
    }
    let all = own.flatMap(\.slack).filter { $0 > 0 } + [Verdict.vacuousSlack]
    // Decades of decades need a logarithm themselves; a few do not.
    let spread = (all.max() ?? 1) / (all.min() ?? 1)
    return Plot(
      title: "How loose each bound is along training",
      subtitle: "\(Plot.literal(run)); 6 decades and more say nothing",
      x: Plot.Axis("training step k", unit: "1"),
      y: Plot.Axis("slack", unit: "decades", scale: spread > 20 ? .logarithmic : .linear),
      series: series,
      levels: [Plot.Level("vacuous from here", at: Verdict.vacuousSlack)])
  }

  private func slackTable(_ results: BoundResults) -> String {
    var table = Markdown.Table([
      ("Run", .left), ("Bound", .left), ("Least slack", .right), ("at", .left),
      ("First", .right), ("Last", .right),
    ])
    for curve in results.curves {
      table.add(
        [
          Markdown.literal(curve.run),
          curve.claim + (curve.part.isEmpty ? "" : " \(curve.part)"),
          decades(curve.slack.min()), Markdown.literal(curve.sharpest),
          decades(curve.slack.first), decades(curve.slack.last),
        ].map(Markdown.unbroken))
    }
    return table.text
  }

  private func decades(_ value: Double?) -> String {
    Number.orDash(value) { Number.significant($0, digits: 3) }
  }

  private func pairTable(_ results: BoundResults) -> String {
    var table = Markdown.Table([
      ("Run", .left), ("around k", .right), ("‖W_l − W'_l‖", .right), ("Measured", .right),
      ("Bound", .right), ("Least slack [decades]", .right),
    ])
    for row in results.pairs {
      table.add(
        [
          Markdown.literal(row.run), "\(row.step)", Number.short(row.distance),
          Number.power(log10: row.log10Measured), Number.power(log10: row.log10Limit),
          decades(row.slack),
        ].map(Markdown.unbroken))
    }
    return table.text
  }

  // MARK: - Growth

  private static func growthPlot(_ results: BoundResults) -> Plot {
    let rows = results.growth.filter { $0.horizon == 20 && $0.depth == 3 }
    let hues: [Plot.Hue] = [.blue, .vermillion]
    let series = zip(rows, hues).flatMap { row, hue in
      let layers = row.scaledLayers < row.depth ? "W_L fixed" : "W_L scaled too"
      return [
        Plot.Series.line("bound, \(layers)", hue, x: row.scales, y: row.log10Limits),
        Plot.Series.points("measured, \(layers)", hue, x: row.scales, y: row.log10Measured),
      ]
    }
    return Plot(
      title: "What Lemma 4.2 allows, and what happens", subtitle: "T = 20, L = 3, means over pairs",
      x: Plot.Axis("scale e of the weights", unit: "1", scale: .logarithmic),
      y: Plot.Axis("log_{10} of the distance of X_T", unit: "decades"), series: series)
  }

  private func growthText(_ results: BoundResults) -> String {
    var table = Markdown.Table([
      ("Setting", .left), ("Exponent of the bound", .right), ("n T", .right),
      ("Exponent a step", .right), ("Measured exponent", .right),
      ("steepest", .right), ("Bound, decades a step", .right),
      ("Measured, decades a step", .right),
    ])
    for row in results.growth {
      let numbers = row.numbers
      func interval(_ name: String, _ digits: Int = 3) -> String {
        guard let value = numbers[name], let low = numbers[name + "Lower"] else { return "" }
        return Number.measured(value, plusMinus: max(value - low, 1e-12 * abs(value)))
      }
      table.add(
        [
          Markdown.literal(row.run), interval("exponent"),
          Number.short(numbers["predicted"] ?? .nan), decades(numbers["perStep"]),
          interval("measuredExponent"), decades(numbers["largestMeasuredExponent"]),
          interval("growth"), interval("measuredGrowth"),
        ].map(Markdown.unbroken))
    }
    return """
      Exponent: d log bound / d log e, between the two largest scales; n is the number of layers that e \
      multiplies. Decades a step: at e = 25, against t. Euler's number in O(e^{LT}) would make the exponent 0 \
      at every T; the bound grows as the *scale* to the power (L−1)T with W_L fixed and LT with W_L scaled. What is \
      measured cannot grow so: P stays in (0, 2).


      """ + table.text
  }

  // MARK: - Thresholds

  private static let publishedScales = 50.0...100

  private static var scalePlot: Plot {
    let horizons = (5...100).map { $0 }
    let hues: [Plot.Hue] = [.blue, .vermillion, .green, .purple]
    let lines = zip(ScaleThreshold.all, hues).map { threshold, hue in
      let points = horizons.compactMap { t in
        threshold.log10Scale(horizon: t, depth: 3).map { (Double(t), pow(10, $0)) }
      }
      return Plot.Series.line(
        "Lemma \(threshold.lemma)", hue, x: points.map(\.0), y: points.map(\.1))
    }
    let ends = [5.0, 100]
    return Plot(
      title: "Least scale e that Lemmas 5.1 to 5.4 ask for, L = 3",
      subtitle: "constants are not public and taken as 1",
      x: Plot.Axis("unrolled steps T", unit: "1", scale: .logarithmic, range: 5...100),
      y: Plot.Axis("least scale e", unit: "1", scale: .logarithmic),
      series: [
        .band(
          "published runs", .grey, x: ends, low: ends.map { _ in publishedScales.lowerBound },
          high: ends.map { _ in publishedScales.upperBound })
      ] + lines)
  }

  private func scaleText(_ results: BoundResults) -> String {
    let lemmas = ScaleThreshold.all.map(\.lemma)
    var table = Markdown.Table(
      [("T", .right), ("L", .right)] + lemmas.map { ("exponent \($0)", .right) }
        + lemmas.map { ("e, \($0)", .right) } + [("strictest", .left), ("e ≤ 100", .left)])
    for row in results.scales {
      let isMet = row.log10Scales.allSatisfy { ($0 ?? -.infinity) <= 2 }
      table.add(
        ["\(row.horizon)", "\(row.depth)"] + row.exponents.map(decades)
          + row.log10Scales.map { value in
            Number.orDash(value) { Number.significant(pow(10, $0), digits: 3) }
          } + [row.strictest, isMet ? "meets all" : "too small"])
    }
    return table.text
  }

  // MARK: - Gradient descent

  private static func ladderPlot(_ results: BoundResults) -> Plot {
    let rows = results.ladder.filter { $0.run == "N=32 d=32 b=25" }
    let series = DescentRung.allCases.enumerated().compactMap { number, rung -> Plot.Series? in
      let own = rows.compactMap { row in
        row.slacks[rung.rawValue].map { (Double(row.horizon), $0) }
      }
      return own.isEmpty
        ? nil : .line(rung.name, Plot.Hue.cycled(number), x: own.map(\.0), y: own.map(\.1))
    }
    return Plot(
      title: "Bounds on gradient descent, from paper A's to the sharpest",
      subtitle: "N = 32, d = 32, b = 25, step 1/β",
      x: Plot.Axis("steps T", unit: "1", scale: .logarithmic),
      y: Plot.Axis("slack", unit: "decades"), series: series,
      levels: [Plot.Level("measured", at: 0)])
  }

  private func ladderTable(_ results: BoundResults) -> String {
    var table = Markdown.Table(
      [("Run", .left), ("T", .right), ("F(X_T)", .right)]
        + DescentRung.allCases.map { ($0.name, .right) })
    for row in results.ladder {
      table.add(
        [
          Markdown.literal(row.run), "\(row.horizon)", Number.significant(row.value, digits: 5),
        ]
          + DescentRung.allCases.map { rung in
            // What rounding leaves of a slack of zero.
            Number.orDash(row.slacks[rung.rawValue]) {
              abs($0) < 1e-12 ? "0" : Number.fixed($0, decimals: 3)
            }
          })
    }
    return "Slack in decades; 0 where the bound is attained to rounding.\n\n" + table.text
  }

  private func verdicts(_ results: BoundResults) -> String {
    var table = Markdown.Table([
      ("Claim", .left), ("Subject", .left), ("Verdict", .left), ("Reason", .left),
    ])
    for result in results.checks {
      table.add([
        result.claim.id, Markdown.literal(result.subject), result.verdict.marked,
        Markdown.literal(Markdown.shortened(result.reason)),
      ])
    }
    return table.text
  }
}

extension Report where Results == BoundResults {
  /// The bounds of both sides of training, and of gradient descent.
  public static var bounds: Report {
    Report(
      name: "bounds", title: "Bounds against what was measured", sections: [BoundSection()],
      encoded: { results, _ in JSONFile.encoded(results) })
  }
}
