import Checks
public import Experiments
import Foundation
import Storage

extension Report where Results == TheoryResults {
  /// Every claim of both papers: premises, bound beside measurement, published figure beside ours.
  public static var theoryVersusExperiment: Report {
    let name = "theory-vs-experiment"
    return Report(
      name: name, title: "Theory against experiment: the ledger of claims",
      sections: [
        LedgerSummarySection(),
        LedgerSection(),
        ExperimentSection(),
        Adapted(FigureSection()) { $0.convergence },
        YardstickSection(),
        Adapted(TheoremSection()) { $0.convergence },
        Adapted(WidthSection()) { $0.convergence },
        Adapted(BoundSection()) { $0.bounds },
        Adapted(TangentKernelSection()) { $0.kernel },
        ConditionLedgerSection(),
        LearnedLedgerSection(),
        Adapted(VerdictSection()) { results in
          var whole = results.convergence
          whole.checks = results.checks
          return whole
        },
        Adapted(ReproducibilitySection()) { $0.convergence },
        TheoryMachineSection(),
      ],
      encoded: { JSONFile.encoded(TheoryFile($0, machine: $1, report: name)) })
  }

  /// The names that a selection can pick.
  public func names(_ experiments: [String]) -> [String] { sections.map(\.id) + experiments }
}

/// A section about a part of a larger report's results.
struct Adapted<Section: ReportSection, Whole: Sendable>: ReportSection {
  let section: Section
  let part: @Sendable (Whole) -> Section.Results

  init(_ section: Section, _ part: @escaping @Sendable (Whole) -> Section.Results) {
    self.section = section
    self.part = part
  }

  var id: String { section.id }
  var title: String { section.title }

  func parts(_ results: Whole) -> [String] { section.parts(part(results)) }
  func plots(_ context: ReportContext<Whole>) -> [NamedPlot] { section.plots(own(context)) }
  func markdown(_ context: ReportContext<Whole>) -> String { section.markdown(own(context)) }

  private func own(_ context: ReportContext<Whole>) -> ReportContext<Section.Results> {
    ReportContext(
      results: part(context.results), record: context.record, selection: context.selection,
      plotFolder: context.plotFolder)
  }
}

/// `results.json` of the ledger: every number that a section of its own prints, with all digits.
struct TheoryFile: Encodable {
  let schema = 1
  let report: String
  let command: String
  let claims: [Claim]
  let experiments: [ExperimentResult]
  let yardsticks: [TheoryResults.YardstickTable]
  let bounds: BoundResults
  let kernel: TangentKernelResults
  let conditions: [TheoryResults.Condition]
  let convergence: ResultsFile
  let machine: RunRecord

  struct Claim: Encodable {
    let id: String
    let statement: String
    let source: String
    let verdicts: [String: Int]
    let found: String
    let replay: [String]
  }

  init(_ results: TheoryResults, machine: RunRecord, report: String) {
    self.report = report
    self.machine = machine
    command = results.command
    claims = Ledger.rows(results).map { row in
      Claim(
        id: row.id, statement: row.statement, source: row.source,
        verdicts: Dictionary(
          uniqueKeysWithValues: row.counts.map { ($0.key.name, $0.value) }), found: row.found,
        replay: row.replay)
    }
    experiments = results.experiments
    yardsticks = results.yardsticks
    bounds = results.bounds
    kernel = results.kernel
    conditions = results.conditions
    var whole = results.convergence
    whole.checks = results.checks
    convergence = ResultsFile(whole, record: machine, report: report)
  }
}

/// On what it ran, and for how long.
struct TheoryMachineSection: ReportSection {
  let id = "machine"
  let title = "Machine"

  func markdown(_ context: ReportContext<TheoryResults>) -> String {
    let record = context.record
    return "OptCheck \(record.version) at \(record.commit), \(Markdown.literal(record.toolchain)), "
      + "OpenBLAS \(record.blasCore) kernels, \(Markdown.literal(record.processor)), \(record.cores) cores.\n\n"
      + Markdown.commands([context.results.command])
  }
}
