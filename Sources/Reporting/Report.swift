public import Experiments
import Foundation
import Storage

/// A report: a title and sections in order, each a pure function of results.
public struct Report<Results: Sendable>: Sendable {
  /// The report's file name without ending, and the name of the folder for its plots.
  public var name: String
  /// The first heading.
  public var title: String
  /// What it consists of, from the first screen down.
  public var sections: [any ReportSection<Results>]
  /// The contents of `results.json`: everything that the report prints.
  var encoded: @Sendable (Results, RunRecord) -> Data

  /// The report's file name without ending, for a selection of its parts another one than for all.
  public func fileName(_ selection: Selection) -> String {
    selection.isEverything ? name : name + "-part"
  }

  /// The sections that `context` asks for.
  private func wanted(_ context: ReportContext<Results>) -> [any ReportSection<Results>] {
    sections.filter { section in
      ([section.id] + section.parts(context.results)).contains(where: context.selection.matches)
    }
  }

  /// The plots that ``markdown(_:)`` refers to, each once.
  public func plots(_ context: ReportContext<Results>) -> [NamedPlot] {
    wanted(context).flatMap { $0.plots(context) }.uniqued
  }

  /// The whole report as GitHub-flavoured Markdown.
  public func markdown(_ context: ReportContext<Results>) -> String {
    let wanted = wanted(context)
    let contents = wanted.map { "[\($0.title)](#\($0.id))" }.joined(separator: " · ")
    let head = [
      "# \(title)", wanted.count > 1 ? contents : "", context.hasPlots ? "" : "> \(Gnuplot.advice)",
    ]
    let bodies = wanted.map { section in
      "<a id=\"\(section.id)\"></a>\n\n## \(section.title)\n\n"
        + section.markdown(context).trimmingCharacters(in: .newlines)
    }
    return (head.filter { !$0.isEmpty } + bodies).joined(separator: "\n\n") + "\n"
  }
}

extension Report where Results == ConvergenceResults {
  /// Version of the format of `results.json`.
  public static var resultsFormat: Int { ResultsFile.schema }

  /// Paper A's convergence experiments at d = 32, m = 25, N = 32.
  public static var mathL2OConvergence: Report {
    let name = "math-l2o-convergence"
    return Report(
      name: name, title: "Math-L2O on least squares: published curves and Theorem 4.3, run again",
      sections: [
        SummarySection(),
        StudySection(),
        VerdictSection(),
        FigureSection(),
        ConstantStepSection(),
        TheoremSection(),
        WidthSection(),
        DescentValueSection(),
        ReproducibilitySection(),
        MachineSection(),
      ],
      encoded: { JSONFile.encoded(ResultsFile($0, record: $1, report: name)) })
  }

  /// The names that a selection can pick: sections and figures.
  public func names(figures: [PublishedFigure]) -> [String] {
    sections.map(\.id) + figures.map(\.name)
  }
}

/// A part of a report with a heading of its own; adding one is a file and a line in a list.
public protocol ReportSection<Results>: Sendable {
  /// What the section is a function of.
  associatedtype Results: Sendable
  /// A short name for links and for `--only`.
  var id: String { get }
  /// The heading.
  var title: String { get }
  /// Names of parts that can be asked for alone.
  func parts(_ results: Results) -> [String]
  /// The plots that the section's text refers to.
  func plots(_ context: ReportContext<Results>) -> [NamedPlot]
  /// The section's text, without its heading; a pure function.
  func markdown(_ context: ReportContext<Results>) -> String
}

extension ReportSection {
  /// None.
  public func parts(_ results: Results) -> [String] { [] }

  /// None.
  public func plots(_ context: ReportContext<Results>) -> [NamedPlot] { [] }
}

extension ReportSection where Results == ConvergenceResults {
  /// The block that tells how to make this section again.
  func replay(_ context: ReportContext<Results>, only name: String? = nil) -> String {
    Markdown.commands(["\(context.results.study.baseCommand) --only \(name ?? id)"])
  }
}

/// A plot with the name of its file.
public struct NamedPlot: Sendable, Hashable {
  /// File name without ending.
  public var name: String
  /// The plot.
  public var plot: Plot

  /// Names `plot`.
  public init(_ name: String, _ plot: Plot) {
    self.name = name
    self.plot = plot
  }
}

/// All that a section may look at.
public struct ReportContext<Results: Sendable>: Sendable {
  /// What was found.
  public var results: Results
  /// On what it was found.
  public var record: RunRecord
  /// Which parts are wanted.
  public var selection: Selection
  /// The plots' folder, relative to the report; nil where no plots can be drawn.
  public var plotFolder: String?

  /// Creates a context.
  public init(
    results: Results, record: RunRecord, selection: Selection = .everything,
    plotFolder: String?
  ) {
    self.results = results
    self.record = record
    self.selection = selection
    self.plotFolder = plotFolder
  }

  /// Whether the report comes with plots.
  public var hasPlots: Bool { plotFolder != nil }

  /// The image of the plot `name`; empty where plots cannot be drawn.
  func image(_ name: String, _ description: String) -> String {
    guard let plotFolder else { return "" }
    return Markdown.image("\(plotFolder)/\(name).svg", description: description) + "\n\n"
  }
}

extension StudyDescription {
  /// The command without the parts that it picked, so that others can be picked.
  var baseCommand: String {
    command.components(separatedBy: " --only").first ?? command
  }
}

extension Markdown {
  /// `text` that a narrow table cell does not break at spaces or hyphens.
  static func unbroken(_ text: String) -> String {
    text.replacing(" ", with: "\u{a0}").replacing("-", with: "\u{2011}")
  }

  /// Plain words inside HTML, where Markdown is not read.
  static func html(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }

  /// A block that is folded until somebody opens it; `summary` is HTML.
  static func details(_ summary: String, _ body: String) -> String {
    "<details><summary>\(summary)</summary>\n\n\(body.trimmingCharacters(in: .newlines))\n\n</details>\n\n"
  }

  /// Bullet points.
  static func list(_ items: [String]) -> String { items.map { "- \($0)\n" }.joined() + "\n" }

  /// Numbers with more than four significant digits shortened to four; no digit is added to the others.
  ///
  /// Reasons and evidence carry all digits, for results.json.
  static func shortened(_ text: String) -> String {
    text.replacing(/-?\d+\.\d{5,}(?:[eE][-+]?\d+)?|-?\d+\.\d+[eE][-+]?\d+/) { match in
      let short = Double(match.output).map { Number.significant($0, digits: 4) }
      return short.flatMap { $0.count < match.output.count ? $0 : nil } ?? String(match.output)
    }
  }
}
