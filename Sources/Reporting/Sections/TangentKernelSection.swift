import Checks
public import Experiments
import Foundation
import Storage

/// T5 and T6: the exact tangent kernel, where training stops being lazy, and the critical step.
public struct TangentKernelSection: ReportSection {
  public let id = "tangent-kernel"
  public let title = "The exact tangent kernel, lazy training and the critical step"

  /// Creates the section.
  public init() {}

  public func plots(_ context: ReportContext<TangentKernelResults>) -> [NamedPlot] {
    [lazyPlot(context.results), criticalPlot(context.results), spectrumPlot(context.results)]
      .compactMap { $0 }
  }

  public func markdown(_ context: ReportContext<TangentKernelResults>) -> String {
    let results = context.results
    let intro = """
      J = ∂X_T/∂W at W^0 with the network's inputs held constant, H = M J Jᵀ Mᵀ (Nb × Nb). At W_L = 0 only \
      ∂X_T/∂W_L is left, so H = E Eᵀ with E of n_{L-1} columns, and λ_max(H) = e^{2(L-1)} λ_max(H)(e = 1). To \
      first order in η training is r_T^k = (I − ηH)^k r_T^0; what r_T^0 has outside the range of H stays. \
      That share of F(W^0) is the floor below.


      """
    return intro + findings(results) + "**Spectrum of H at the start**\n\n" + kernels(results).text
      + "\n" + image(context, "spectrum", "Leading eigenvalues of H over the largest")
      + "**The linear model beside the run**\n\n"
      + image(context, "lazy", "Loss of training runs beside the linear model's")
      + lazyText + curves(results).text + "\n" + "**The critical step over e**\n\n"
      + image(context, "critical", "2/λ_max and the largest stable η over e")
      + criticalText(results) + critical(results).text + "\n"
      + "**The critical step over T and L**\n\n" + depthText(results) + depths(results).text + "\n"
      + checks(results) + commands(results)
  }

  private func image(
    _ context: ReportContext<TangentKernelResults>, _ part: String, _ description: String
  ) -> String {
    let name = "\(id)-\(part)"
    return plots(context).contains { $0.name == name } ? context.image(name, description) : ""
  }
}

// MARK: - Plots

extension TangentKernelSection {
  /// F(W^k)/F(W^0) of runs at T = 20, e = 50, beside the linear model.
  private func lazyPlot(_ results: TangentKernelResults) -> NamedPlot? {
    let own = results.curves.filter { $0.horizon == 20 && $0.scale == 50 && $0.isPublishedSize }
    let shown = own.filter { $0.initialization == own.first?.initialization }
    guard !shown.isEmpty else { return nil }
    let series = shown.enumerated().flatMap { index, curve -> [Plot.Series] in
      let samples = curve.samples
      let x = samples.map { Double($0.step) }
      let label = "η = \(Number.short(curve.share)) · 2/λ_{max}"
      let hue = Plot.Hue.cycled(index)
      return [
        .line(label, hue, x: x, y: samples.map(\.lossRatio)),
        .dashed("linear model", hue == .blue ? .black : hue, x: x, y: samples.map(\.lazyLossRatio)),
      ]
    }
    return NamedPlot(
      "\(id)-lazy",
      Plot(
        title: "Training beside its linear model, T = 20, e = 50",
        subtitle: "dashed, same colour (black for blue): r_{lin}(k) = (I − ηH)^k r_T^0",
        x: Plot.Axis("training step k", unit: "1", scale: .logarithmic),
        y: Plot.Axis("F(W^k) / F(W^0)", unit: "1", range: 0...1.1), series: series))
  }

  /// 2/λ_max and the largest stable η over e.
  private func criticalPlot(_ results: TangentKernelResults) -> NamedPlot? {
    guard !results.critical.isEmpty else { return nil }
    let series = results.critical.enumerated().flatMap { index, own -> [Plot.Series] in
      let (x, hue) = (own.samples.map(\.scale), Plot.Hue.cycled(index))
      let bracketed = own.samples.filter { $0.stable > 0 }
      return [
        .dashed(
          "2/λ_{max}, \(short(own.initialization))", hue, x: x, y: own.samples.map(\.critical)),
        .points(
          "stable η, \(short(own.initialization))", hue, x: bracketed.map(\.scale),
          y: bracketed.map(\.largestStable)),
      ]
    }
    return NamedPlot(
      "\(id)-critical",
      Plot(
        title: "Critical training step over the scale e of the initial weights",
        subtitle: "stable: the loss never rises over the run and ends below gradient descent's",
        x: Plot.Axis("e", unit: "1", scale: .logarithmic),
        y: Plot.Axis("η", unit: "1", scale: .logarithmic), series: series))
  }

  /// The leading eigenvalues over the largest, one curve per size, T and way of drawing.
  private func spectrumPlot(_ results: TangentKernelResults) -> NamedPlot? {
    let rows = results.kernels.filter { $0.scale == 50 }
    guard !rows.isEmpty else { return nil }
    let series = rows.enumerated().flatMap { index, row -> [Plot.Series] in
      let values = row.leading.prefix(row.rank).map { $0 / (row.leading.first ?? 1) }
      let x = values.indices.map { Double($0 + 1) }
      let label = "Nb = \(row.order), T = \(row.horizon), \(short(row.initialization))"
      let hue = Plot.Hue.cycled(index)
      return [
        .line(label, hue, x: x, y: values), .points(label, hue, x: x, y: values),
      ]
    }
    return NamedPlot(
      "\(id)-spectrum",
      Plot(
        title: "Leading eigenvalues of the tangent kernel, e = 50",
        x: Plot.Axis("index i", unit: "1"),
        y: Plot.Axis("λ_i / λ_1", unit: "1", scale: .logarithmic), series: series))
  }
}

/// The first word of how the layers are drawn: legends have little room.
private func short(_ initialization: String) -> String {
  String(initialization.prefix { $0 != "," })
}

// MARK: - Tables

extension TangentKernelSection {
  private func kernels(_ results: TangentKernelResults) -> Markdown.Table {
    var table = Markdown.Table([
      ("Setting", .left), ("Drawn", .left), ("T", .right), ("e", .right), ("Rank/Nb", .right),
      ("λ_max", .right), ("λ_min", .right), ("2/λ_max", .right), ("Floor F_lin(∞)/F_0", .right),
      ("First step over η‖∇F‖²", .right), ("By", .left),
    ])
    for row in results.kernels {
      table.add([
        Markdown.unbroken(Markdown.literal(row.sizes)), Markdown.unbroken(row.initialization),
        "\(row.horizon)", Number.short(row.scale),
        "\(row.isComplete ? "" : "≥ ")\(row.rank)/\(row.order)",
        Number.significant(row.leading.first ?? .nan, digits: 4),
        Number.orDash(row.smallest) { $0 == 0 ? "0" : Number.scientific($0, digits: 2) },
        Number.scientific(row.critical, digits: 3),
        "\(row.isComplete ? "" : "≤ ")\(Number.significant(row.floor, digits: 3))",
        Number.measured(row.decreaseRatio, plusMinus: row.decreaseBar), row.method,
      ])
    }
    return table
  }

  private var lazyText: String {
    """
    Departure: the first k at which ‖r_T^k − r_lin(k)‖ exceeds a tenth of ‖r_T^0‖, and a tenth of the \
    motion ‖r_T^k − r_T^0‖; a dash for never.


    """
  }

  private func curves(_ results: TangentKernelResults) -> Markdown.Table {
    var table = Markdown.Table([
      ("Drawn", .left), ("Nb", .left), ("T", .right), ("e", .right), ("η", .right),
      ("η / (2/λ_max)", .right), ("10 % of ‖r‖ at k", .right), ("10 % of motion at k", .right),
      ("K", .right), ("F_K/F_0", .right), ("linear model", .right),
    ])
    for curve in results.curves {
      let last = curve.samples.last
      table.add([
        Markdown.unbroken(curve.initialization),
        Markdown.unbroken(Markdown.literal(String(curve.run.prefix { $0 != "n" }))),
        "\(curve.horizon)", Number.short(curve.scale),
        Markdown.unbroken(Number.scientific(curve.metaStepSize, digits: 2)),
        Number.short(Double(String(format: "%.3g", curve.share)) ?? curve.share),
        curve.departure.map(String.init) ?? "", curve.relativeDeparture.map(String.init) ?? "",
        last.map { "\($0.step)" } ?? "",
        last.map { Number.significant($0.lossRatio, digits: 4) } ?? "",
        last.map { Number.significant($0.lazyLossRatio, digits: 4) } ?? "",
      ])
    }
    return table
  }

  private func criticalText(_ results: TangentKernelResults) -> String {
    Markdown.list(
      results.critical.flatMap { own in
        own.slopes.map { slope in
          "\(own.initialization), T = \(own.horizon), \(own.steps) training steps, e from "
            + "\(Number.short(slope.from)): 2/λ_max falls as e^−4, exactly; the largest stable η as e to the "
            + "power \(Number.fixed(slope.value, decimals: 3)) (95 %: \(Number.fixed(slope.low, decimals: 3)) "
            + "to \(Number.fixed(slope.high, decimals: 3)))."
        }
      })
  }

  private func critical(_ results: TangentKernelResults) -> Markdown.Table {
    var table = Markdown.Table([
      ("Drawn", .left), ("e", .right), ("2/λ_max", .right), ("Stable up to", .right),
      ("Unstable at", .right), ("over 2/λ_max", .right), ("Looks stable again at", .left),
    ])
    for own in results.critical {
      for (sample, islands) in zip(own.samples, own.islands) {
        table.add([
          Markdown.unbroken(own.initialization), Number.short(sample.scale),
          Markdown.unbroken(Number.scientific(sample.critical, digits: 4)),
          Markdown.unbroken(Number.scientific(sample.stable, digits: 3)),
          Number.orDash(sample.unstable) { Markdown.unbroken(Number.scientific($0, digits: 3)) },
          Number.significant(sample.largestStable / sample.critical, digits: 3),
          islands.isEmpty
            ? ""
            : "\(islands.prefix(3).map { Number.scientific($0, digits: 1) }.joined(separator: ", "))\(islands.count > 3 ? " …" : "")",
        ])
      }
    }
    return table
  }

  private func depthText(_ results: TangentKernelResults) -> String {
    guard let scale = results.depths.first?.scale else { return "" }
    return "2/λ_max at e = \(Number.short(scale)). One more layer costs e² = "
      + "\(Number.short(scale * scale)) but for what the layer itself does to the features.\n\n"
  }

  private func depths(_ results: TangentKernelResults) -> Markdown.Table {
    let horizons = results.depths.first?.horizons ?? []
    var table = Markdown.Table(
      [("Drawn", .left), ("L", .right), ("Widths", .left)]
        + horizons.map { ("T = \($0)", .right) })
    for row in results.depths.sorted(by: { $0.initialization < $1.initialization }) {
      table.add(
        [
          Markdown.unbroken(row.initialization), "\(row.depth)",
          Markdown.unbroken(row.widths.map(String.init).joined(separator: ", ")),
        ] + row.critical.map { Markdown.unbroken(Number.scientific($0, digits: 3)) })
    }
    return table
  }

  /// What the tables say, in one line each.
  private func findings(_ results: TangentKernelResults) -> String {
    let own = results.kernels.filter(\.isComplete)
    let thin = own.filter { $0.rank < $0.order }
    guard let widest = thin.max(by: { $0.rank < $1.rank }) else { return "" }
    let full = own.count - thin.count
    let least = thin.map(\.floor).min() ?? .nan
    return Markdown.list([
      "In \(thin.count) of \(own.count) kernels whose spectrum is known H is singular (rank at most "
        + "\(widest.rank) of \(widest.order)), so that no linear rate to zero can follow from it: the linear "
        + "model leaves \(Number.significant(100 * least, digits: 3)) % of the loss or more."
        + (full > 0 ? " It has full rank in the other \(full)." : "")
    ])
  }

  private func checks(_ results: TangentKernelResults) -> String {
    var table = Markdown.Table([
      ("Claim", .left), ("On", .left), ("Verdict", .left), ("Why", .left),
    ])
    for check in results.checks {
      table.add([
        Markdown.unbroken(check.claim.id), Markdown.literal(check.subject),
        Markdown.unbroken(Markdown.verdict(check.verdict)),
        Markdown.literal(Markdown.shortened(check.reason)),
      ])
    }
    return results.checks.isEmpty
      ? "" : Markdown.details("All \(results.checks.count) verdicts", table.text)
  }

  private func commands(_ results: TangentKernelResults) -> String {
    let lines = results.checks.compactMap(\.replay).uniqued
    return lines.isEmpty ? "" : Markdown.details("Each setting alone", Markdown.commands(lines))
  }
}

extension LazyCurve {
  /// Whether this is a run at d = 32, N = 32.
  fileprivate var isPublishedSize: Bool { run.hasPrefix("d=32 b=25 N=32") }
}
