import Checks
public import Experiments
import Storage

/// Theorem 4.3: its premises, measured, and its bound beside the loss.
public struct TheoremSection: ReportSection {
  public let id = "theorem-4-3"
  public let title = "Theorem 4.3: bound against measured loss"

  /// Creates the section.
  public init() {}

  public func plots(_ context: ReportContext<ConvergenceResults>) -> [NamedPlot] {
    let rows = context.results.theorem.filter {
      $0.boundLogGap.isFinite && $0.measuredLogGap.isFinite
    }
    guard !rows.isEmpty else { return [] }
    let bounds = rows.map(\.boundLogGap)
    func points(_ label: String, _ hue: Plot.Hue, _ own: [TheoremRow]) -> [Plot.Series] {
      own.isEmpty
        ? [] : [.points(label, hue, x: own.map(\.boundLogGap), y: own.map(\.measuredLogGap))]
    }
    let reach = (bounds.min() ?? 0) - 1...(bounds.max() ?? 0) + 1
    let ends = [reach.lowerBound, reach.upperBound]
    return [
      NamedPlot(
        id,
        Plot(
          title: "Rate that Theorem 4.3 promises, and rate that was measured",
          subtitle: "one mark per run with α_0 > 0; above the line: faster than promised",
          x: Plot.Axis("promised: log_{10}(1 − q)", unit: "decades", range: reach),
          y: Plot.Axis("measured: log_{10}(1 − rate)", unit: "decades"),
          series: [.dashed("measured = promised", .grey, x: ends, y: ends)]
            + points("step 1/β", .blue, rows.filter(\.hasTheoryStep))
            + points("other step rule", .orange, rows.filter { !$0.hasTheoryStep })))
    ]
  }

  public func markdown(_ context: ReportContext<ConvergenceResults>) -> String {
    // By setting, as tables are read.
    let rows = context.results.theorem.sorted {
      ($0.horizon, $0.scale, -$0.metaStepSize) < ($1.horizon, $1.scale, -$1.metaStepSize)
    }
    let own = rows.filter { $0.hasTheoryStep && !$0.hasFullRank }
    let full = rows.filter { $0.hasTheoryStep && $0.hasFullRank }
    let other = rows.filter { !$0.hasTheoryStep }
    let intro = """
      F(W^k) <= q^k F(W^0) with q = 1 − 4η (β₀²/β²) δ₄ α₀². α₀ is the smallest of the Nd singular \
      values of the hidden features G_{L-1,T} at the start; where their rank is below Nd it is 0, q = 1, and \
      the bound says nothing. δ₃ (in δ₄) is derived here, C_l is the distance that layer l travelled. The \
      bound on η and the thresholds on α₀ have constants that are not public, so those premises stay \
      unknown. Measured: the rate from F_0 = F(W^0) to F_K = F(W^K).


      """
    let plot =
      plots(context).isEmpty
      ? "" : context.image(id, "Rate promised by Theorem 4.3 against the measured rate")
    let groups = [
      ("The published settings with the theorem's step 1/β", own),
      ("Settings where α₀ > 0 holds", full),
    ].filter { !$0.1.isEmpty }.map { "**\($0)**\n\n" + table($1).text + "\n" }
    let fold =
      other.isEmpty
      ? ""
      : Markdown.details(
        "Other step rule: the same with s_i = 0.9999/β_i, for which the theorem is not stated",
        table(other).text)
    return intro + premises(context) + plot + groups.joined() + fold + replay(context)
      + commands(rows)
  }

  /// The premises as the check of this theorem found them.
  private func premises(_ context: ReportContext<ConvergenceResults>) -> String {
    guard let own = ClaimSummary.all(context.results.checks).first(where: { $0.claim.id == "T3" }),
      !own.premises.isEmpty
    else { return "" }
    var table = Markdown.Table([
      ("Premise", .left), ("met", .right), ("not met", .right), ("unknown", .right),
    ])
    for (statement, counts, _) in own.premises {
      table.add(
        [Markdown.literal(statement)]
          + [.met, .notMet, .unknown].map { counts[$0].map(String.init) ?? "" })
    }
    return table.text + "\n"
  }

  /// A run by its T, e and η where the setting is a published one, else by its name.
  private func name(_ row: TheoremRow) -> String {
    let name =
      row.hasFullRank
      ? row.run
      : "T=\(row.horizon) e=\(Number.short(row.scale)) η=\(Number.short(row.metaStepSize))"
    return Markdown.unbroken(Markdown.literal(name))
  }

  private func table(_ rows: [TheoremRow]) -> Markdown.Table {
    let hasSlack = rows.contains { $0.slack != nil }
    var table = Markdown.Table(
      [
        ("Run", .left), ("Rank/Nd", .right), ("Dead", .right), ("α₀", .right),
        ("Bound 1−q", .right), ("Measured 1−rate", .right), ("F_K/F_0", .right),
      ] + (hasSlack ? [("Slack [decades]", .right)] : []) + [("Verdict", .left)])
    for row in rows {
      table.add(
        [
          name(row), "\(row.rank)/\(row.neededRank)",
          Markdown.unbroken(Number.fixed(100 * row.deadFraction, decimals: 0) + " %"),
          Markdown.unbroken(Number.scientific(row.alpha, digits: row.hasFullRank ? 2 : 1)),
          Markdown.unbroken(Number.power(log10: row.boundLogGap)),
          row.measuredLogGap.isNaN
            ? "rose" : Markdown.unbroken(Number.power(log10: row.measuredLogGap)),
          Number.significant(row.lossRatio, digits: 3),
        ] + (hasSlack ? [Number.orDash(row.slack) { Number.fixed($0, decimals: 1) }] : [])
          + [Markdown.unbroken(row.verdict.marked)])
    }
    return table
  }

  private func commands(_ rows: [TheoremRow]) -> String {
    let lines = rows.map(\.replay).filter { !$0.isEmpty }.uniqued
    return lines.isEmpty ? "" : Markdown.details("Each run alone", Markdown.commands(lines))
  }
}
