import Catalog
public import Experiments
import Foundation
import Optimization
import Storage

extension Report where Results == LearnedResults {
  /// Learned rules against the classical ones: paper B's setting, LISTA at small size, a network.
  public static var learnedOptimizers: Report {
    let name = "learned-optimizers"
    return Report(
      name: name, title: "Learned optimizers against ISTA, FISTA and Adam",
      sections: [
        LearnedSummarySection(),
        GapSection(id: "lasso"),
        GapSection(id: "image-patches"),
        GapSection(id: "logistic"),
        GapSection(id: "ionosphere"),
        GapSection(id: "spambase"),
        TrainingSection(),
        UnfoldedSection(),
        NetworkSection(),
        LearnedMachineSection(),
      ],
      encoded: { JSONFile.encoded(LearnedFile($0, record: $1, report: name)) })
  }
}

extension ReportSection where Results == LearnedResults {
  /// The block that tells how to make this section again.
  func replay(_ context: ReportContext<LearnedResults>) -> String {
    Markdown.commands(["\(context.results.command) --only \(id)"])
  }
}

/// `results.json` of this report: everything that it prints, with all digits.
struct LearnedFile: Sendable, Encodable {
  let schema = 1
  let report: String
  let command: String
  let trained: [String: TrainedRule.Record]
  let comparisons: [GapComparison]
  let unfolded: [ListaStudy.Row]
  let unfoldedStudy: ListaStudy
  let network: NetworkComparison?
  let missing: [String: String]
  let record: RunRecord

  init(_ results: LearnedResults, record: RunRecord, report: String) {
    self.report = report
    command = results.command
    trained = Dictionary(uniqueKeysWithValues: results.trained.map { ($0.name, $0.record) })
    comparisons = results.comparisons
    unfolded = results.lista
    unfoldedStudy = results.listaStudy
    network = results.network
    missing = results.missing
    self.record = record
  }
}

/// What was found, in one table.
struct LearnedSummarySection: ReportSection {
  let id = "summary"
  let title = "In short"

  func markdown(_ context: ReportContext<LearnedResults>) -> String {
    let results = context.results
    var table = Markdown.Table([
      ("Instances", .left), ("Learned rule", .left), ("Iteration", .right),
      ("Mean gap, learned", .right), ("FISTA", .right), ("Wins", .right),
      ("Median, decades against FISTA", .right),
    ])
    for comparison in results.comparisons {
      guard let mark = comparison.summaryMark, let paired = comparison.againstFISTA[mark],
        let fista = comparison.fista
      else { continue }
      table.add([
        "[\(comparison.title)](#\(comparison.id))", comparison.curves[0].label, "\(mark)",
        gap(comparison.curves[0].mean[mark]), gap(fista.mean[mark]),
        "\(paired.wins) of \(paired.count)", decades(paired),
      ])
    }
    var text = table.text
    let better = results.lista.filter(\.isBetter)
    if !results.lista.isEmpty {
      text +=
        "\nLISTA and its kin at small size: \(better.count) of \(results.lista.count) comparisons with ISTA "
        + "at equal depth have their whole 95 % interval on the learned side ([table](#unfolded)).\n"
    }
    if let network = results.network {
      let moved = network.rows.map { row in
        let largest = row.displacement.values.max() ?? 0
        return "`\(row.backward)`: \(largest == 0 ? "no weight moves" : "weights move")"
      }
      text +=
        "\nTraining on a network's weights, \(moved.joined(separator: "; ")) ([numbers](#network)).\n"
    }
    for (part, reason) in results.missing.sorted(by: { $0.key < $1.key }) {
      text += "\nNot run: \(part), since \(reason).\n"
    }
    return text
  }
}

extension GapComparison {
  /// The iteration that the summary speaks of.
  var summaryMark: Int? {
    againstFISTA[100] != nil ? 100 : againstFISTA.keys.max()
  }
}

/// A gap, or that it is at the level of rounding.
func gap(_ value: Double) -> String {
  if value.isNaN { return "diverged" }
  return value < 1e-14 ? "< 1e-14" : Number.significant(value, digits: 3)
}

/// The median difference in decades with its interval.
func decades(_ paired: PairedComparison) -> String {
  func number(_ value: Double) -> String { Number.fixed(value, decimals: 2) }
  if paired.count == 1 { return number(paired.median) }
  return
    "\(number(paired.median)) [\(number(paired.interval.lowerBound)), \(number(paired.interval.upperBound))]"
}

/// Gap curves of all rules on one family of instances.
struct GapSection: ReportSection {
  let id: String

  var title: String {
    switch id {
    case "lasso": "LASSO, fresh instances"
    case "image-patches": "Image patches"
    case "logistic": "Logistic regression, fresh instances"
    case "ionosphere": "Ionosphere"
    case "spambase": "Spambase"
    default: id
    }
  }

  func plots(_ context: ReportContext<LearnedResults>) -> [NamedPlot] {
    comparison(context).map { [NamedPlot(id, Self.plot($0))] } ?? []
  }

  /// Gaps up to here are rounding.
  private static let rounding = 1e-15

  /// Mean gaps over iterations.
  static func plot(_ comparison: GapComparison) -> Plot {
    let series = comparison.curves.enumerated().map { index, curve in
      // A logarithmic axis ends where rounding begins.
      let y = curve.mean.map { $0 > rounding ? $0 : .nan }
      return Plot.Series.line(
        Plot.literal(curve.label), .cycled(index), x: y.indices.map(Double.init), y: y)
    }
    return Plot(
      title: Plot.literal(comparison.title),
      subtitle: comparison.instanceCount > 1
        ? "mean over \(comparison.instanceCount) instances" : "one instance",
      x: Plot.Axis(
        "iteration k", unit: "1",
        scale: mostEndEarly(comparison.curves.map(\.mean)) ? .logarithmic : .linear),
      y: Plot.Axis("(F(x_k) − F*) / F*", unit: "1", scale: .logarithmic), series: series)
  }

  /// Whether at least half of the gaps reach rounding so soon that a linear axis would show the others alone.
  private static func mostEndEarly(_ gaps: [[Double]]) -> Bool {
    let early = gaps.count { gap in
      gap.firstIndex { $0 <= rounding }.map { 10 * $0 < gap.count } ?? false
    }
    return 2 * early >= max(gaps.count, 1)
  }

  func markdown(_ context: ReportContext<LearnedResults>) -> String {
    guard let comparison = comparison(context) else {
      return "Not run: \(context.results.missing[id] ?? "not asked for").\n"
    }
    let marks = comparison.againstFISTA.keys.sorted()
    var table = Markdown.Table("Mean relative gap", numbers: marks.map { "k = \($0)" })
    for curve in comparison.curves {
      table.add([Markdown.literal(curve.label)] + marks.map { gap(curve.mean[$0]) })
    }
    var paired = Markdown.Table(
      "\(comparison.curves[0].label) against FISTA", numbers: marks.map { "k = \($0)" })
    paired.add(
      ["instances won"]
        + marks.map { k in
          comparison.againstFISTA[k].map { "\($0.wins) of \($0.count)" } ?? ""
        })
    paired.add(
      ["median, decades"]
        + marks.map { k in comparison.againstFISTA[k].map { decades($0) } ?? "" })
    let certificates =
      comparison.uncertified == 0
      ? "Every minimum F* carries a duality gap of at most 1e-12 relative."
      : "\(comparison.uncertified) minima lack a certificate of 1e-12."
    return "\(comparison.setting) \(certificates)\n\n"
      + context.image(id, "Relative gap against iteration, \(comparison.title)") + table.text + "\n"
      + paired.text
      + "\nDecades are log10(gap of the learned rule / gap of FISTA), instance by instance, negative where "
      + "the learned rule is ahead; the interval holds the median with 95 %.\n\n" + replay(context)
  }

  private func comparison(_ context: ReportContext<LearnedResults>) -> GapComparison? {
    context.results.comparisons.first { $0.id == id }
  }
}

/// How the trained rules were trained.
struct TrainingSection: ReportSection {
  let id = "training"
  let title = "Training"

  func plots(_ context: ReportContext<LearnedResults>) -> [NamedPlot] {
    context.results.trained.map { name, record in
      let x = record.losses.indices.map { Double($0 + 1) }
      // One diverged segment would flatten all others: the frame ends where nearly all losses do.
      let shown = (record.losses + record.validations.map(\.value)).filter(\.isFinite).sorted()
      let (low, high) = (shown.first ?? 0, shown.isEmpty ? 1 : shown[(shown.count - 1) * 49 / 50])
      let margin = 0.05 * (high - low)
      let above = record.losses.count { $0 > high + margin }
      return NamedPlot(
        "training-\(name)",
        Plot(
          title: Plot.literal("Training \(name)"),
          subtitle: above > 0 ? "\(above) of \(x.count) losses lie above the frame" : "",
          x: Plot.Axis("training problems", unit: "1"),
          y: Plot.Axis(
            "mean objective", unit: "1", range: (low - margin)...(high + margin)),
          series: [
            .line(
              "training loss, mean of segments", .sky, x: x,
              y: record.losses.map { $0 > high + margin ? .nan : $0 }),
            .points(
              "validation", .vermillion, x: record.validations.map { Double($0.problems) },
              y: record.validations.map(\.value)),
          ]))
    }
  }

  func markdown(_ context: ReportContext<LearnedResults>) -> String {
    guard !context.results.trained.isEmpty else { return "No trained rules.\n" }
    return context.results.trained.map { name, record in
      let best = record.validations.min { $0.value < $1.value }
      return """
        ### \(name)

        CoordMathLSTM \(record.variant), \(record.problem); computed on \(record.date) at commit \
        \(record.commit) in \(Number.fixed(record.seconds / 60, decimals: 1)) min on \(record.machine), seed \
        \(record.seed). Best validation \(best.map { Number.significant($0.value, digits: 6) } ?? "none") after \
        \(best.map { "\($0.problems)" } ?? "-") problems.


        """ + context.image("training-\(name)", "Training loss and validation of \(name)")
          + Markdown.commands([record.command])
    }.joined(separator: "\n")
  }
}

/// LISTA, LISTA-CPSS and AdaLISTA against ISTA of the same depth.
struct UnfoldedSection: ReportSection {
  let id = "unfolded"
  let title = "LISTA and its kin"

  func markdown(_ context: ReportContext<LearnedResults>) -> String {
    let (rows, study) = (context.results.lista, context.results.listaStudy)
    guard !rows.isEmpty else {
      return "Not run: \(context.results.missing[id] ?? "not asked for").\n"
    }
    var table = Markdown.Table([
      ("Rule", .left), ("Measure", .left), ("ISTA", .right), ("Untrained", .right),
      ("Trained", .right), ("Wins", .right), ("Median, decades against ISTA", .right),
    ])
    for row in rows {
      table.add([
        row.subject.rawValue, row.measure.rawValue, gap(row.ista), gap(row.untrained),
        gap(row.trained), "\(row.comparison.wins) of \(row.comparison.count)",
        decades(row.comparison),
      ])
    }
    return """
      \(study.size.rows) x \(study.size.columns), \(study.size.sparsity) nonzeros, ρ = \
      \(Number.short(study.weight)), \(study.layers) layers, trained layer by layer on \
      \(study.trainingInstances) instances, tested on \(study.size.instances) fresh ones against ISTA with steps \
      1/β after as many iterations. Medians over instances.


      """ + table.text + "\n" + replay(context)
  }
}

/// Training on the weights of a network, with and without the reference code's cut gradient.
struct NetworkSection: ReportSection {
  let id = "network"
  let title = "Training on a network's weights"

  func markdown(_ context: ReportContext<LearnedResults>) -> String {
    guard let network = context.results.network else {
      return "Not run: \(context.results.missing[id] ?? "not asked for").\n"
    }
    let names = network.rows.first?.displacement.keys.sorted() ?? []
    var table = Markdown.Table(
      "Gradient", numbers: names.map { "moved, \($0)" } + ["first loss", "last loss"])
    for row in network.rows {
      table.add(
        ["`\(row.backward)`"]
          + names.map { Number.significant(row.displacement[$0] ?? .nan, digits: 3) }
          + [row.losses.first, row.losses.last].map {
            Number.orDash($0) { Number.significant($0, digits: 5) }
          })
    }
    return """
      \(network.setting). The iterate goes on from one training step to the next, so the loss falls whether or \
      not the rule learns: under `reference` no gradient reaches it and not a bit of its weights changes. Moved: \
      ‖W − W₀‖ in units of ‖W₀‖, absolute where W₀ = 0.


      """ + table.text + "\n" + replay(context)
  }
}

/// Machine and times: the one section that another run may change.
struct LearnedMachineSection: ReportSection {
  let id = "machine"
  let title = "Machine and times"

  func markdown(_ context: ReportContext<LearnedResults>) -> String {
    let record = context.record
    var facts = Markdown.Table([("What", .left), ("Value", .left)])
    for (name, value) in [
      ("OptCheck", record.version), ("Commit", record.commit), ("Toolchain", record.toolchain),
      ("OpenBLAS kernels", record.blasCore), ("Processor", record.processor),
      ("Cores", "\(record.cores)"),
    ] {
      facts.add([name, Markdown.literal(value)])
    }
    var times = Markdown.Table("Stage", numbers: ["Time [s]"])
    for (stage, seconds) in context.results.seconds {
      times.add([Markdown.literal(stage), Number.fixed(seconds, decimals: 1)])
    }
    return facts.text + "\n" + times.text
  }
}
