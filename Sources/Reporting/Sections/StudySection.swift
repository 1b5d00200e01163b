public import Experiments
import Storage

/// What was run.
public struct StudySection: ReportSection {
  public let id = "study"
  public let title = "What was run"

  /// Creates the section.
  public init() {}

  public func markdown(_ context: ReportContext<ConvergenceResults>) -> String {
    let results = context.results
    let study = results.study
    let horizons = results.figures.map(\.figure.horizon).uniqued.sorted()
    let items = [
      """
      **Problems.** N = \(study.instances) least-squares instances f_i(x) = ½ ‖M_i x − y_i‖², M_i of \
      \(study.rows) × \(study.columns) with unit columns, from the authors' random stream at seed \
      \(study.seed + 777), as float32 numbers, computed with in double precision. X_0 = 0.
      """,
      """
      **Rule.** X_t = X_{t−1} − s_i P_t ⊙ g_{t−1} with P_t = 2σ(z_t), z_t from a network without biases \
      shared by all coordinates: input (g, x), widths 2, \(study.width), 1, ReLU, first layers orthogonal \
      times e from seed \(study.seed), last layer 0. Before training, P = 1: plain gradient descent.
      """,
      """
      **Training.** Plain gradient descent with step size η on F(X_T), T = \
      \(horizons.map(String.init).joined(separator: ", ")), \(study.steps) steps, network inputs detached.
      """,
      """
      **Steps.** s_i = 0.9999/β_i (`reference`: the authors' code, all published plots) and s_i = 1/β \
      (`theory`: the theorems; \(study.theorySteps) training steps). Every setting is run with both.
      """,
      """
      **Twins.** A probe with data changed by \(Number.short(Twin.probe.size)) relative accompanies each \
      curve; a curve whose loss falls at every step is probed for \(Twin.shortProbe) steps, since descent \
      that never overshoots does not amplify. Where it moves the curve by more than \(Number.short(CurveComparison.sensitivity)), a band is \
      taken over \(Band.seedCount) seeds at each of \
      \(Band.sizes.map(Number.short).joined(separator: " and ")), widened over k ± \(Band.window).
      """,
      """
      **Draws of W_2.** Each curve is run as `\(results.figures.first?.curves.first?.drawName ?? "out-in")`; \
      one that is off by more than \(Number.short(CurveComparison.tolerance)) is run in the other draw too, \
      and the nearer one is shown.
      """,
    ]
    return Markdown.list(items) + "\(study.runCount) training runs in all.\n\n" + replay(context)
  }
}
