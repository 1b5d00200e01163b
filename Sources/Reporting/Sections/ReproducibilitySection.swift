public import Experiments
import Storage

/// The nine variables of a reproducibility review, for the paper and for this run.
public struct ReproducibilitySection: ReportSection {
  public let id = "reproducibility"
  public let title = "Reproducibility card"

  /// Creates the section.
  public init() {}

  /// One variable.
  struct Entry: Sendable, Hashable, Encodable {
    var variable: String
    var paper: String
    var run: String
  }

  /// The card; a fact that was not at hand is said to be so.
  static func card(_ results: ConvergenceResults) -> [Entry] {
    let study = results.study
    func list(_ values: [Double]) -> String {
      values.uniqued.sorted().map(Number.short).joined(separator: ", ")
    }
    let curves = results.figures.flatMap(\.figure.curves)
    let horizons = results.figures.map { Double($0.figure.horizon) }
    let unknown = "not recorded here"
    return [
      Entry(
        variable: "Research type", paper: "theory with proofs, and numerical experiments",
        run: "re-implementation from the formulas, and checks of the theory's claims"),
      Entry(variable: "Affiliation", paper: unknown, run: "independent of the authors"),
      Entry(
        variable: "Pseudocode", paper: unknown, run: "formulas in the documentation of each type"),
      Entry(
        variable: "Open source code",
        paper: "yes: github.com/NetX-lab/MathL2OProof-Official, commit 60a4ea4",
        run: "yes: this repository; commit under machine and times"),
      Entry(
        variable: "Open datasets", paper: "synthetic, from a seed; no data files needed",
        run: "the same, drawn again from the seed by our own generator"),
      Entry(
        variable: "Dataset splits",
        paper: "one fixed training batch of \(study.instances) instances, no validation set",
        run: "the same"),
      Entry(
        variable: "Hardware", paper: "the text names an RTX 3090", run: "see machine and times"),
      Entry(
        variable: "Software",
        paper: "PyTorch, float32; the text names torch 1.12.0, settings behind the plots unknown",
        run: "Swift and OpenBLAS, float64; versions under machine and times"),
      Entry(
        variable: "Experiment setup",
        paper: """
          seed \(study.seed), data seed \(study.seed + 777), d = \(study.columns), m = \(study.rows), \
          N = \(study.instances), width \(study.width), T = \(list(horizons)), e = \(list(curves.map(\.e))), \
          η = \(list(curves.map(\.eta))), SGD, \(study.steps) steps; the draw of W_2 is not stated and differs \
          between plots
          """,
        run: """
          the same; draw of W_2 tried both ways, theorem's step 1/β besides 0.9999/β_i, twins with \
          perturbed data; \(study.runCount) runs
          """),
    ]
  }

  public func markdown(_ context: ReportContext<ConvergenceResults>) -> String {
    var table = Markdown.Table([("Variable", .left), ("The paper", .left), ("This run", .left)])
    for entry in Self.card(context.results) {
      table.add([
        entry.variable, Markdown.literal(entry.paper),
        Markdown.literal(entry.run)
          .replacing("machine and times", with: "[machine and times](#machine)"),
      ])
    }
    return table.text + "\n" + replay(context)
  }
}
