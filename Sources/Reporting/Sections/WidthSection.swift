public import Experiments
import Storage

/// The width of the wide layer, and whether anything changes at Nd.
public struct WidthSection: ReportSection {
  public let id = "widths"
  public let title = "Does anything change at width Nd?"

  /// Creates the section.
  public init() {}

  /// How far the last tabulated ratio moves between neighbouring widths.
  struct Jump: Sendable, Hashable {
    /// The width below Nd, and Nd.
    var below: Int
    var needed: Int
    /// The training step that is compared.
    var step: Int
    /// The move from the width below to the first that reaches Nd.
    var across: Double
    /// The largest move between other neighbours.
    var elsewhere: Double
  }

  /// The moves between neighbours; nil without widths on both sides and a third one.
  static func jump(_ rows: [WidthRow]) -> Jump? {
    let sorted = rows.sorted { $0.width < $1.width }
    guard let needed = sorted.first?.neededWidth, let step = sorted.first?.steps.last,
      let reached = sorted.firstIndex(where: { $0.width >= needed }), reached > 0
    else { return nil }
    let moves = zip(sorted, sorted.dropFirst()).map { a, b -> Double in
      guard let x = a.ratios.last, let y = b.ratios.last else { return .nan }
      return abs(x - y)
    }
    let others = moves.indices.filter { $0 != reached - 1 }.map { moves[$0] }
    guard let elsewhere = others.max() else { return nil }
    return Jump(
      below: sorted[reached - 1].width, needed: needed, step: step, across: moves[reached - 1],
      elsewhere: elsewhere)
  }

  public func markdown(_ context: ReportContext<ConvergenceResults>) -> String {
    let rows = context.results.widths
    guard let first = rows.first else { return "No width was run.\n\n" + replay(context) }
    var table = Markdown.Table(
      "n_2",
      numbers: ["n_2 / Nd", "Rank of G", "σ_max", "α₀"] + first.steps.map { "ratio, k = \($0)" })
    for row in rows {
      let ratios = first.steps.indices.map {
        $0 < row.ratios.count ? Number.significant(row.ratios[$0], digits: 4) : ""
      }
      table.add(
        [
          "\(row.width)",
          Number.short(Double(row.width) / Double(row.neededWidth)),
          "\(row.rank) / \(row.neededWidth)",
          Number.significant(row.largestSingularValue, digits: 4),
          Number.scientific(row.alpha, digits: 1),
        ] + ratios)
    }
    return """
      The theorem asks for n_2 >= Nd = \(first.neededWidth). G is G_{L-1,T} at the start; ratio is \
      (F_GD − F_k) / F_GD.


      """ + table.text + "\n" + replay(context)
  }
}
