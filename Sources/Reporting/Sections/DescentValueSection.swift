public import Experiments
import Storage

/// F(X_T) of plain gradient descent, ours and published.
public struct DescentValueSection: ReportSection {
  public let id = "gradient-descent"
  public let title = "Gradient descent itself"

  /// Creates the section.
  public init() {}

  public func markdown(_ context: ReportContext<ConvergenceResults>) -> String {
    var table = Markdown.Table(
      "T",
      numbers: [
        "F(X_T), step 0.9999/β_i", "Authors' classes", "Relative difference",
        "F(X_T), step 1/β",
      ])
    for row in context.results.descentValues {
      table.add([
        "\(row.horizon)", Number.significant(row.value, digits: 7), Number.short(row.published),
        Number.scientific(row.value / row.published - 1, digits: 1),
        Number.significant(row.theoryStep, digits: 5),
      ])
    }
    return
      "The baseline of every figure. The step matters: the plots use 0.9999/β_i, the theorems 1/β.\n\n"
      + table.text + "\n" + replay(context)
  }
}
