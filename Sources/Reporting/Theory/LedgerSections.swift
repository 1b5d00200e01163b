import Checks
import Experiments
import Foundation
import Storage

/// The first screen: claims by verdict, and where paper and measurement are farthest apart.
struct LedgerSummarySection: ReportSection {
  let id = "summary"
  let title = "In short"

  func plots(_ context: ReportContext<TheoryResults>) -> [NamedPlot] {
    plot(context.results).map { [NamedPlot("farthest", $0)] } ?? []
  }

  func markdown(_ context: ReportContext<TheoryResults>) -> String {
    let rows = Ledger.rows(context.results)
    let conditions = Set(context.results.conditions.map(\.claim.id))
    var table = Markdown.Table([
      ("Verdict that matters most", .left), ("Claims about rules, training and experiments", .left),
    ])
    for verdict in Verdict.ordered where verdict != .notApplicable {
      let own = rows.filter { $0.verdict == verdict && !conditions.contains($0.id) }
      guard !own.isEmpty else { continue }
      table.add([
        Markdown.verdict(verdict),
        own.map { "[\($0.id)](#ledger-\($0.id))" }.joined(separator: ", "),
      ])
    }
    let far = Ledger.discrepancies(context.results).prefix(3).map { gap in
      "**\(gap.claim)**: \(Markdown.literal(gap.what)): \(Self.power(gap.log10Stated)) against "
        + "\(Self.power(gap.log10Measured)), \(Number.significant(gap.decades, digits: 2)) decades"
    }
    return Self.curves(context.results) + table.text
      + "\nA claim stands under the worst verdict that any of its subjects got; the [ledger](#ledger) counts "
      + "them all.\n\n" + Self.conditions(rows.filter { conditions.contains($0.id) })
      + "Farthest from what the papers state or promise:\n\n"
      + Markdown.list(Array(far))
      + context.image("farthest", "What the papers state and what was measured, in powers of ten")
      + Markdown.commands([context.results.command])
  }

  /// Paper B's conditions are properties that a rule has or has not.
  private static func conditions(_ rows: [Ledger.Row]) -> String {
    guard !rows.isEmpty else { return "" }
    func list(_ verdict: Verdict) -> String {
      rows.filter { ($0.counts[verdict] ?? 0) > 0 }.map { row in
        "[\(row.id)](#ledger-\(row.id)) (\(row.counts[verdict] ?? 0))"
      }.joined(separator: ", ")
    }
    return
      "Conditions of paper B, with the number of rules: kept \(list(.holds)); broken \(list(.violated)) "
      + "([rule by rule](#conditions)).\n\n"
  }

  /// How the published curves came out.
  private static func curves(_ results: TheoryResults) -> String {
    let figures = results.convergence.figures.flatMap(\.curves)
    let others = results.experiments.flatMap { experiment in
      experiment.curves.compactMap { $0.agreement(experiment.closeness) }
    }
    let within =
      figures.count { $0.agreement == .within } + others.count { $0 == .within }
    let inBand =
      figures.count { $0.agreement == .insideBand } + others.count { $0 == .insideBand }
    let total = figures.count + others.count
    return
      "Published curves that can be judged: \(total). Within tolerance at every point: **\(within)**; inside "
      + "the band of their twins: **\(inBand)**; listed with their difference: **\(total - within - inBand)** "
      + "([plots](#experiments), [figures](#figures)).\n\n"
  }

  /// 10^x, in words that a table holds.
  static func power(_ exponent: Double) -> String {
    abs(exponent) < 4
      ? Number.significant(pow(10, exponent), digits: 3)
      : "10^\(Number.fixed(exponent, decimals: 1))"
  }

  private func plot(_ results: TheoryResults) -> Plot? {
    let far = Ledger.discrepancies(results)
    guard !far.isEmpty else { return nil }
    let x = far.indices.map { Double($0 + 1) }
    let ticks = zip(x, far).map { Plot.Tick(at: $0, Plot.literal($1.claim)) }
    return Plot(
      title: "What is stated and what was measured",
      subtitle: "the farthest of each claim",
      x: Plot.Axis("claim", unit: "1", range: 0.5...(Double(far.count) + 0.5), ticks: ticks),
      y: Plot.Axis("log_{10} of the number", unit: "1"),
      series: [
        .points("stated or promised", .vermillion, x: x, y: far.map(\.log10Stated)),
        .points("measured", .blue, x: x, y: far.map(\.log10Measured)),
      ])
  }
}

/// Every claim with what was found.
struct LedgerSection: ReportSection {
  let id = "ledger"
  let title = "The ledger"

  func markdown(_ context: ReportContext<TheoryResults>) -> String {
    var table = Markdown.Table(
      [("Claim", .left), ("Statement", .left)] + Verdict.ordered.map { ($0.mark, .right) }
        + [("Found, where it matters most", .left)])
    for row in Ledger.rows(context.results) {
      table.add(
        [
          "<a id=\"ledger-\(row.id)\"></a>[\(row.id)](\(target(row, context.results)))",
          Markdown.literal(row.statement),
        ]
          + Verdict.ordered.map { row.counts[$0].map(String.init) ?? "" }
          + [Markdown.literal(Markdown.shortened(row.found))])
    }
    return table.text + "\nSubjects by verdict: \(Verdict.legend).\n"
  }

  private func target(_ row: Ledger.Row, _ results: TheoryResults) -> String {
    results.conditions.contains { $0.claim.id == row.id } ? "#conditions" : "#claim-\(row.id)"
  }
}

extension ExperimentResult {
  /// Whether anything was published to compare with.
  fileprivate var isPublished: Bool { curves.contains { $0.published != nil } }
  /// Whether it is known of any curve how far rounding moves it.
  fileprivate var hasTwins: Bool { curves.contains { $0.twins != nil } }
}

/// Published experiments, plot over plot.
struct ExperimentSection: ReportSection {
  let id = "experiments"
  let title = "Published experiments beside ours"

  func parts(_ results: TheoryResults) -> [String] { results.experiments.map(\.name) }

  private func wanted(_ context: ReportContext<TheoryResults>) -> [ExperimentResult] {
    context.results.experiments.filter { experiment in
      [id, experiment.name].contains(where: context.selection.matches)
    }
  }

  func plots(_ context: ReportContext<TheoryResults>) -> [NamedPlot] {
    wanted(context).map { NamedPlot("experiment-\($0.name)", Self.plot($0)) }
  }

  func markdown(_ context: ReportContext<TheoryResults>) -> String {
    let wanted = wanted(context)
    guard !wanted.isEmpty else { return "None was run.\n" }
    let kept = Set(context.results.stored.map(\.name))
    return
      "Marks: published. Lines: this program. The figures at d = 32 have a [section](#figures) of their own.\n\n"
      + wanted.map { body($0, isKept: kept.contains($0.name), context) }.joined()
  }

  private func body(
    _ experiment: ExperimentResult, isKept: Bool, _ context: ReportContext<TheoryResults>
  ) -> String {
    let machine = experiment.machine
    let origin =
      isKept
      ? "Computed on \(experiment.date) at commit \(machine.commit) on \(Markdown.literal(machine.processor))"
        + (experiment.seconds > 0 ? " in \(Int(experiment.seconds)) s, its runs added up." : ".")
      : "Computed for this report."
    return "<a id=\"\(experiment.name)\"></a>\n\n### \(Markdown.literal(experiment.title))\n\n"
      + "\(Markdown.literal(experiment.source)). \(Self.measure(experiment)) \(origin)\n\n"
      + context.image(
        "experiment-\(experiment.name)", "\(experiment.title), published points on our curves")
      + Self.table(experiment) + "\n" + (experiment.hasTwins ? Self.twinNote : "")
      + experiment.notes.map { Markdown.prose($0) + "\n\n" }.joined()
      + Markdown.commands([experiment.command])
      + Markdown.details(
        "The authors' own command", Markdown.commands([experiment.referenceCommand]))
  }

  /// The curves, beside what was published where something was, with bands where they have twins.
  private static func table(_ experiment: ExperimentResult) -> String {
    typealias Curve = ExperimentResult.Curve
    typealias Column = (title: String, alignment: Markdown.Alignment, cell: (Curve) -> String)
    let closeness = experiment.closeness
    let agreement: [Column] = [
      ("Agreement", .left, { Self.agreement($0, closeness) }),
      (
        "Largest difference", .right,
        { Number.orDash($0.worst(closeness)?.distance) { Number.significant($0, digits: 2) } }
      ),
      ("at", .right, { $0.worst(closeness).map { Number.short($0.x) } ?? "" }),
    ]
    let band: Column = ("Band there", .right, { Self.band($0, closeness) })
    let values: [Column] = [
      (
        "First value", .right,
        {
          Number.orDash($0.y.first.flatMap { $0.isFinite ? $0 : nil }) {
            Number.significant($0, digits: 4)
          }
        }
      ),
      ("Last value", .right, { Self.last($0.y, of: $0) }),
    ]
    let published: Column = ("Published last", .right, { Self.last($0.published ?? [], of: $0) })
    let columns: [Column] =
      [("Curve", .left, { Markdown.literal($0.label) })] + (experiment.isPublished ? agreement : [])
      + (experiment.hasTwins ? [band] : []) + values + (experiment.isPublished ? [published] : [])
    var table = Markdown.Table(columns.map { ($0.title, $0.alignment) })
    for curve in experiment.curves { table.add(columns.map { $0.cell(curve) }) }
    return table.text
  }

  private static func agreement(_ curve: ExperimentResult.Curve, _ closeness: Closeness) -> String {
    guard curve.published != nil else { return "not published" }
    return switch curve.agreement(closeness) {
    case .within: "✓ agrees"
    case .insideBand: "✓ in the band of its twins"
    case .differs: "✗ differs"
    case nil: "shape only"
    }
  }

  private static let twinNote =
    "A band is where Student's t puts one more run like ours and its twins, for all published points of a curve "
    + "together with 99 %; ± is half its width, in the measure of the differences. Where a curve differs, the "
    + "difference is the largest outside its bands.\n\n"

  /// Half the width of the band where the curve lies farthest from its published points, in the measure of the
  /// differences, so that the two can be compared.
  private static func band(_ curve: ExperimentResult.Curve, _ closeness: Closeness) -> String {
    let index = curve.worst(closeness).flatMap { curve.x.firstIndex(of: $0.x) }
    let half = index.flatMap { index -> Double? in
      guard let band = curve.band(at: index), let published = curve.published?[index] else {
        return nil
      }
      return (band.upperBound - band.lowerBound) / 2 / closeness.unit(of: published)
    }
    return Number.orDash(half) { "± " + Number.significant($0, digits: 2) }
  }

  /// The last of `values`; where they end before the places of `curve` do, the last finite one and its place.
  private static func last(_ values: [Double], of curve: ExperimentResult.Curve) -> String {
    guard let end = values.lastIndex(where: \.isFinite) else { return Number.dash }
    let value = Number.significant(values[end], digits: 6)
    return end == curve.x.count - 1 ? value : "\(value) at \(Number.short(curve.x[end]))"
  }

  /// How close curves have to be, in words.
  private static func measure(_ experiment: ExperimentResult) -> String {
    switch (experiment.closeness, experiment.isPublished) {
    case (.shape(let reason), false): "Not judged: \(reason)."
    case (.shape(let reason), true): "Differences relative, not judged: \(reason)."
    case (_, false): "Nothing to compare with was published."
    case (.absolute(let limit), true): "Differences absolute, \(Number.short(limit)) allowed."
    case (.relative(let limit), true): "Differences relative, \(Number.short(limit)) allowed."
    }
  }

  /// What to show of curves that run away; nil where none does, or all do: then that is what there is to see.
  ///
  /// All that lies below a million times their starts, for three times as long as the last of them takes
  /// to leave it.
  private static func window(
    _ experiment: ExperimentResult
  ) -> (x: ClosedRange<Double>, y: ClosedRange<Double>)? {
    let drawable = experiment.curves.flatMap(\.y).filter { $0.isFinite && $0 > 0 }
    let start = experiment.curves.compactMap(\.y.first).filter(\.isFinite).max() ?? 0
    let first = experiment.curves.compactMap(\.x.first).min() ?? 0
    let runaways = experiment.curves.compactMap { curve in
      zip(curve.x, curve.y).first { $0.1.isFinite && $0.1 > 1e6 * start }?.0
    }
    guard experiment.isLogarithmic, let low = drawable.min(), start > 0, let last = runaways.max(),
      last > first, runaways.count < experiment.curves.count
    else { return nil }
    return (first...(first + 3 * (last - first)), low / 2...1e6 * start)
  }

  /// Whether places crowd so at their beginning that a linear axis would show the end alone.
  private static func areDenserAtTheStart(_ x: [Double]) -> Bool {
    let gaps = zip(x.dropFirst(), x).map { $0 - $1 }
    guard let first = gaps.first, let last = gaps.last else { return false }
    return last >= 20 * first
  }

  /// What heights to show: none far below where values say nothing.
  ///
  /// - Parameter window: where no value lies that low.
  private static func heights(
    _ experiment: ExperimentResult, _ window: ClosedRange<Double>?
  ) -> ClosedRange<Double>? {
    let values = experiment.curves.flatMap(\.y).filter(\.isFinite)
    guard let low = experiment.floor.map({ $0 / 10 }), values.contains(where: { $0 < low }),
      let high = window?.upperBound ?? values.max().map({ 2 * $0 }), high > low
    else { return window }
    return low...high
  }

  static func plot(_ experiment: ExperimentResult) -> Plot {
    var series: [Plot.Series] = []
    for (i, curve) in experiment.curves.enumerated() {
      let label = Plot.literal(curve.label.replacing("eta", with: "η"))
      series.append(.line(label, .cycled(i), x: curve.x, y: curve.y).onLap(of: i))
      if let published = curve.published {
        series.append(.points(label, .cycled(i), x: curve.x, y: published).onLap(of: i))
      }
    }
    let window = window(experiment)
    let isDense = areDenserAtTheStart(experiment.curves[0].x)
    let hasMarks = experiment.curves.contains { $0.published?.contains { $0.isFinite } == true }
    // On less than a decade a logarithmic axis has next to no numbers.
    let drawable = experiment.curves.flatMap(\.y).filter { $0.isFinite && $0 > 0 }
    let spread = (drawable.max() ?? 1) / (drawable.min() ?? 1)
    return Plot(
      title: Plot.literal(experiment.title),
      subtitle: hasMarks ? "marks: published, lines: this program" : "",
      x: Plot.Axis(
        experiment.abscissa, unit: "1",
        scale: isDense ? .logarithmic : .linear, range: isDense ? nil : window?.x),
      y: Plot.Axis(
        Plot.literal(experiment.quantity), unit: "1",
        scale: experiment.isLogarithmic && spread > 10 ? .logarithmic : .linear,
        range: heights(experiment, window?.y)), series: series)
  }
}

/// What a numerical analyst would have asked for.
struct YardstickSection: ReportSection {
  let id = "yardsticks"
  let title = "Yardsticks: what the same steps yield without learning"

  func markdown(_ context: ReportContext<TheoryResults>) -> String {
    context.results.yardsticks.map { table in
      let horizons = Array(Set(table.rows.map(\.horizon))).sorted()
      var text = Markdown.Table(
        [("Method", .left), ("Knows", .left)] + horizons.map { ("T = \($0)", .right) })
      for method in table.rows.map(\.method).uniqued {
        let own = table.rows.filter { $0.method == method }
        text.add(
          [Markdown.literal(method), Markdown.literal(own.first?.knows ?? "")]
            + horizons.map { t in
              Number.orDash(own.first { $0.horizon == t }?.ratio) {
                Number.significant($0, digits: 4)
              }
            })
      }
      text.add(
        ["**best learned run, any training step**", "trained on these very instances"]
          + horizons.map { t in
            Number.orDash(table.bestLearned[t]) { Number.significant($0, digits: 4) }
          })
      return
        "\(Markdown.literal(table.problems)). Entries: (F_GD − F) / F_GD after T steps from 0; 1 is the "
        + "minimum.\n\n" + text.text + "\n"
    }.joined()
      + Markdown.commands(["\(context.results.command) --only \(id)"])
  }
}

/// Paper B's conditions, rule by rule.
struct ConditionLedgerSection: ReportSection {
  let id = "conditions"
  let title = "Fixed points, convergence and structure (paper B)"

  func markdown(_ context: ReportContext<TheoryResults>) -> String {
    let conditions = context.results.conditions
    guard !conditions.isEmpty else { return "Not run.\n" }
    let ids = conditions.map(\.claim.id).uniqued
    var table = Markdown.Table([("Rule", .left)] + ids.map { ($0, .centre) })
    for rule in conditions.map(\.rule).uniqued {
      let own = conditions.filter { $0.rule == rule }
      table.add(
        [Markdown.literal(rule)]
          + ids.map { id in own.first { $0.claim.id == id }?.verdict.mark ?? "" })
    }
    let broken = conditions.filter { $0.verdict == .violated }.map {
      "\(Markdown.literal($0.rule)), \($0.claim.id): \(Markdown.literal(Markdown.shortened($0.reason)))"
    }
    return table.text + "\n\(Verdict.legend).\n\n"
      + (broken.isEmpty
        ? "" : Markdown.details("What is violated, and where", Markdown.list(broken)))
      + "More rules, and a counterexample for each violation: "
      + Markdown.code("optcheck verify RULE...") + ".\n"
  }
}

/// Paper B's experiments.
struct LearnedLedgerSection: ReportSection {
  let id = "learned"
  let title = "Trained rules against ISTA, FISTA and Adam (paper B)"

  func plots(_ context: ReportContext<TheoryResults>) -> [NamedPlot] {
    guard let learned = context.results.learned else { return [] }
    return learned.comparisons.flatMap { comparison in
      GapSection(id: comparison.id).plots(own(context, learned))
    }
  }

  func markdown(_ context: ReportContext<TheoryResults>) -> String {
    guard let learned = context.results.learned else { return "Not run.\n" }
    let inner = own(context, learned)
    return LearnedSummarySection().markdown(inner)
      + learned.comparisons.map { comparison in
        "\n<a id=\"\(comparison.id)\"></a>\n\n### \(Markdown.literal(comparison.title))\n\n"
          + GapSection(id: comparison.id).markdown(inner)
      }.joined()
      + "\nTime per iteration and time to a gap, beside AdamHD's (paper B, table 2), are measurements of a machine:\n\n"
      + Markdown.commands(["optcheck bench --learned"])
  }

  private func own(
    _ context: ReportContext<TheoryResults>, _ learned: LearnedResults
  ) -> ReportContext<LearnedResults> {
    ReportContext(
      results: learned, record: context.record, selection: context.selection,
      plotFolder: context.plotFolder)
  }
}
