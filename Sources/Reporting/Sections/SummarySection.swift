import Checks
public import Experiments
import Storage

/// The first screen: what was reproduced, what holds, what does not.
public struct SummarySection: ReportSection {
  public let id = "summary"
  public let title = "What holds"

  /// Creates the section.
  public init() {}

  public func markdown(_ context: ReportContext<ConvergenceResults>) -> String {
    let results = context.results
    let findings = Findings(results)
    let study = results.study
    let opening = """
      From the authors' seed \(study.seed), \(findings.curves) published training curves in \
      \(results.figures.count) plots were run again in double precision (\(findings.settings) different \
      settings, \(study.steps) training steps each, \(study.runCount) runs with twins), and the theory's \
      claims were checked on the same runs and on their twins with the theorem's own step 1/β.


      """
    return opening + Markdown.list(Self.answers(results)) + picture(context)
      + "Verdicts: [table](#verdicts). Every number of this page with all its digits: "
      + "`results.json`, in the folder of the plots. Make it again:\n\n"
      + Markdown.commands([study.command])
  }

  /// One line per finding, each with the numbers that show it.
  static func answers(_ results: ConvergenceResults) -> [String] {
    let findings = Findings(results)
    return [
      curves(findings), chaos(findings), descent(findings), baseline(findings),
      verdicts(findings), premise(results.theorem), fullRank(results.theorem),
      width(results.widths),
    ].compactMap { $0 }
  }

  private static func curves(_ found: Findings) -> String? {
    guard found.curves > 0 else { return nil }
    let tolerance = Number.short(CurveComparison.tolerance)
    var parts = [
      "**\(found.within) of \(found.curves) curves** agree within \(tolerance) at every point"
    ]
    if found.within > 0 {
      parts[0] += " (worst \(Number.scientific(found.largestWithin, digits: 2)))"
    }
    if found.insideBand > 0 {
      parts.append("\(found.insideBand) more inside the band that rounding opens")
    }
    if found.near > 0 {
      parts.append(
        "\(found.near) within \(Number.short(CurveComparison.looseTolerance))")
    }
    parts.append("**\(found.different)** \(found.different == 1 ? "differs" : "differ")")
    let draws = found.draws.map { "\($0.count) in `\($0.name)`" }.joined(separator: ", ")
    return "Published curves: " + parts.joined(separator: ", ")
      + ". Nearer draw of W_2: \(draws). [Figures](#figures)"
  }

  private static func chaos(_ found: Findings) -> String? {
    guard found.banded > 0 else { return nil }
    return """
      Chaos: \(found.banded) \(found.banded == 1 ? "curve moves" : "curves move") by more than \(Number.short(CurveComparison.sensitivity)) when \
      the data change by \(Number.short(Twin.probe.size)) relative. Such curves are compared with a band over \
      \(Twin.all.count) such twins, and no digits beyond it are printed.
      """
  }

  private static func descent(_ found: Findings) -> String? {
    found.descentError.map {
      "Gradient descent itself agrees with the published values to "
        + "\(Number.scientific($0, digits: 1)) relative. [Values](#gradient-descent)"
    }
  }

  private static func verdicts(_ found: Findings) -> String? {
    guard !found.claims.isEmpty else { return nil }
    func ids(_ verdict: Verdict) -> String {
      found.claims.filter { $0.count(verdict) > 0 }
        .map { "\($0.claim.id) (\($0.count(verdict)) of \($0.results.count))" }
        .joined(separator: ", ")
    }
    let clean = found.claims.filter { $0.count(.holds) == $0.results.count }.map(\.claim.id)
    let parts = [
      clean.isEmpty ? "" : "hold everywhere: **\(clean.joined(separator: ", "))**",
      ids(.violated).isEmpty ? "violated: none" : "**violated: \(ids(.violated))**",
      ids(.holdsVacuously).isEmpty ? "" : "hold vacuously: \(ids(.holdsVacuously))",
      ids(.premiseFails).isEmpty ? "" : "a premise fails: \(ids(.premiseFails))",
      ids(.inconclusive).isEmpty ? "" : "inconclusive: \(ids(.inconclusive))",
    ]
    return "Claims: " + parts.filter { !$0.isEmpty }.joined(separator: "; ")
      + ". [Verdicts](#verdicts)"
  }

  private static func premise(_ rows: [TheoremRow]) -> String? {
    let deficient = rows.filter { !$0.hasFullRank && $0.hasTheoryStep }
    guard let first = deficient.first,
      let low = deficient.map(\.rank).min(), let high = deficient.map(\.rank).max(),
      let least = deficient.map(\.deadFraction).min(),
      let most = deficient.map(\.deadFraction).max()
    else { return nil }
    return """
      Premise α₀ > 0 of Theorem 4.3 **fails** in \(deficient.count) of \
      \(rows.count { $0.hasTheoryStep }) runs with the theorem's step: the features G_{L-1,T} have rank \
      \(low == high ? "\(low)" : "\(low) to \(high)") where \(first.neededRank) is needed, and \
      \(percent(least, most)) of the coordinates are dead (a zero column, P = 1 for ever).
      """ + bound(rows)
  }

  private static func bound(_ rows: [TheoremRow]) -> String {
    let own = rows.filter(\.hasTheoryStep)
    let empty = own.count { $0.boundLogGap == -.infinity }
    guard empty > 0 else { return "" }
    return """
       In \(empty) of them α₀ = 0 makes its bound **vacuous**: q = 1, that is F(W^k) <= F(W^0). \
      [Bound against measured loss](#theorem-4-3)
      """
  }

  private static func fullRank(_ rows: [TheoremRow]) -> String? {
    let full = rows.filter { $0.hasFullRank && $0.hasTheoryStep }
    guard !full.isEmpty else { return nil }
    let slacks = full.compactMap(\.slack)
    let loose =
      if let low = slacks.min(), let high = slacks.max() {
        "its rate is \(Number.significant(low, digits: 2)) to "
          + "\(Number.significant(high, digits: 2)) decades below the measured one"
      } else { "no rate could be compared" }
    return
      "Where α₀ > 0 does hold (\(full.count) constructed settings), the bound is tested: \(loose)."
  }

  private static func width(_ rows: [WidthRow]) -> String? {
    guard let jump = WidthSection.jump(rows) else { return nil }
    let across = Number.scientific(jump.across, digits: 1)
    let elsewhere = Number.scientific(jump.elsewhere, digits: 1)
    return """
      Width: from n_2 = \(jump.below) to n_2 = Nd = \(jump.needed) the ratio after \(jump.step) steps moves by \
      \(across), between other neighbours by up to \(elsewhere): \
      \(jump.across <= jump.elsewhere ? "**nothing happens at Nd**" : "the largest move is at Nd, from one draw of weights each"). \
      [Widths](#widths)
      """
  }

  private static func baseline(_ found: Findings) -> String? {
    guard !found.baselines.isEmpty else { return nil }
    let rows = found.baselines.map { row in
      let ratio = Number.significant(row.ratio, digits: 3)
      let learned = Number.significant(row.bestLearned, digits: 3)
      return """
        at T = \(row.horizon), p = \(Number.short(row.factor)) improves by \(ratio) and \
        \(row.isBetter ? "**beats every learned run**" : "does not beat the best learned run") (\(learned), at \
        its best training step)
        """
    }
    return "The baseline nobody plots, gradient descent with its step times a constant p: "
      + rows.joined(separator: "; ") + ". [Baseline](#constant-steps)"
  }

  private static func percent(_ low: Double, _ high: Double) -> String {
    let (a, b) = (
      Number.fixed(100 * low, decimals: 0), Number.fixed(100 * high, decimals: 0)
    )
    return a == b ? "\(a) %" : "\(a) to \(b) %"
  }

  /// The figure that the first screen shows.
  private func shown(_ context: ReportContext<ConvergenceResults>) -> FigureComparison? {
    let figures = context.results.figures
    return figures.first { $0.figure.paperFigure == "5a" } ?? figures.first
  }

  private func picture(_ context: ReportContext<ConvergenceResults>) -> String {
    shown(context).map { context.image($0.figure.name, FigureSection.plot($0).title) } ?? ""
  }

  public func plots(_ context: ReportContext<ConvergenceResults>) -> [NamedPlot] {
    shown(context).map { [NamedPlot($0.figure.name, FigureSection.plot($0))] } ?? []
  }
}
