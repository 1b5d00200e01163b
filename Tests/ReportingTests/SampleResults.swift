import Foundation
import OptCheck

/// Results made up by hand: every status, every verdict, no training.
enum Sample {
  static let record = RunRecord(
    version: "0.0.0", commit: "abc", toolchain: "Swift 6", blasCore: "Core", blas: "OpenBLAS 0",
    processor: "processor", cores: 2, system: "system")

  /// A curve of 1001 ratios `ratio(k)`, published with `offset` added to all but the first.
  static func curve(
    eta: Double, offset: Double, probe: Double = 1e-8, spread: Double? = nil,
    other: Double? = nil, ratio: (Int) -> Double = { Double($0) / 4000 }
  ) -> CurveComparison {
    let setting = TrainingSetting(horizon: 20, scale: 50, metaStepSize: eta)
    let ratios = (0...1000).map(ratio)
    let steps = [0, 100, 1000]
    return CurveComparison(
      label: "eta = \(Number.short(eta))", steps: steps,
      published: steps.map { ratios[$0] + ($0 == 0 ? 0 : offset) },
      run: TrainingRun(
        setting: setting, losses: ratios.map { 3 * (1 - $0) }, stop: .horizonReached(1001)),
      probeDeviation: probe,
      band: spread.map { spread in
        Band(low: ratios.map { $0 - spread }, high: ratios.map { $0 + spread })
      },
      otherDraw: other.map { (.inOut, $0) })
  }

  static func figure(_ name: String, _ curves: [CurveComparison]) -> FigureComparison {
    FigureComparison(
      figure: PublishedFigure(
        paperFigure: name, plot: "plot_\(name).pdf", dimension: 32, rows: 25, instances: 32,
        width: 1024, horizon: 20, varied: .eta,
        curves: curves.map {
          PublishedFigure.Curve(
            e: 50, eta: $0.run.setting.metaStepSize, k: $0.steps, ratio: $0.published)
        }), curves: curves)
  }

  static var figures: [FigureComparison] {
    [
      figure(
        "5a",
        [
          curve(eta: 1e-3, offset: 3e-6), curve(eta: 1e-4, offset: 5e-3, probe: 0.02, spread: 0.02),
          curve(eta: 1e-5, offset: 6e-4, other: 2e-3), curve(eta: 1e-6, offset: 0.01),
        ]),
      figure("9a", [curve(eta: 1e-7, offset: -1e-5)]),
    ]
  }

  static var checks: [CheckResult] {
    let descent = Claim(id: "D1", title: "every step falls | as certified", source: "derived")
    let premise = Claim(id: "I4", title: "α₀ > 0", source: "paper A")
    let bound = Claim(id: "T3", title: "F(W^k) <= q^k F(W^0)", source: "paper A, Theorem 4.3")
    return [
      CheckResult(
        claim: descent, subject: "run 1", verdict: .holds, qualifier: "exact",
        reason: "least margin 0.000123456789", premises: [Premise("s <= 1/β", met: true, "1 / 1")],
        numbers: ["minMargin": 0.000123456789], replay: "optcheck replay one"),
      CheckResult(
        claim: descent, subject: "run 2", verdict: .violated, reason: "rises at k=3",
        evidence: [
          Evidence("k=3/t=2", actual: 2.25, reference: 2, allowed: 1e-9),
          Evidence("k=4/t=2", actual: 2.5, reference: 2, allowed: 1e-9),
        ], seed: 7, replay: "optcheck replay two"),
      CheckResult(
        claim: premise, subject: "width 1024", verdict: .violated, reason: "rank 500 of 1024"),
      CheckResult(
        claim: bound, subject: "run 1", verdict: .holdsVacuously, reason: "1 - q = 0",
        premises: [
          Premise("α₀ > 0", met: false, "σ_min 1.234567890e-17"),
          Premise("η below the theorem's bound", .unknown, "η = 1e-7"),
        ], numbers: ["log10OneMinusQ": -.infinity]),
      CheckResult(
        claim: bound, subject: "run 1", verdict: .inconclusive, reason: "within rounding"),
      CheckResult(
        claim: bound, subject: "run 3", verdict: .notApplicable, reason: "the rule is not learned"),
    ]
  }

  static func theorem(
    _ run: String, _ stepRule: String, rank: Int, alpha: Double, bound: Double, measured: Double,
    _ verdict: Verdict
  ) -> TheoremRow {
    TheoremRow(
      run: run, horizon: 20, scale: 50, metaStepSize: 1e-7, stepRule: stepRule, alpha: alpha,
      rank: rank, neededRank: 1024, deadFraction: rank < 1024 ? 0.48 : 0, boundLogGap: bound,
      measuredLogGap: measured, lossRatio: measured.isNaN ? 1.02 : 0.59, verdict: verdict,
      replay: "optcheck train --run \(run)")
  }

  static var results: ConvergenceResults {
    ConvergenceResults(
      study: StudyDescription(
        seed: 118, steps: 1000, theorySteps: 200, instances: 32, rows: 25, columns: 32, width: 1024,
        runCount: 33,
        command: "optcheck report"),
      figures: figures,
      descentValues: [
        DescentValue(horizon: 20, value: 3.0596673, published: 3.059668, theoryStep: 3.8142)
      ],
      constantSteps: [
        ConstantStepRow(
          factor: 1.5, horizon: 20, ratio: 0.4592, published: 0.4592, bestLearned: 0.47),
        ConstantStepRow(
          factor: 1.8, horizon: 20, ratio: 0.5912, published: 0.5912, bestLearned: 0.47),
        ConstantStepRow(factor: 1.8, horizon: 100, ratio: 0.78, published: nil, bestLearned: 0.9),
      ],
      theorem: [
        theorem(
          "run 1", "theory", rank: 500, alpha: 0, bound: -.infinity, measured: -3.5, .holdsVacuously
        ),
        theorem(
          "run 2", "theory", rank: 520, alpha: 0, bound: -.infinity, measured: .nan, .premiseFails),
        theorem(
          "run 3", "reference", rank: 500, alpha: 0, bound: -.infinity, measured: -3.4,
          .holdsVacuously),
        theorem(
          "n_1 = Nd", "theory", rank: 1024, alpha: 0.01, bound: -15.5, measured: -3, .holdsVacuously
        ),
        theorem(
          "n_1 = 2Nd", "theory", rank: 1024, alpha: 0.02, bound: -14.2, measured: -3.1,
          .holdsVacuously),
      ],
      widths: [(256, 0.40), (512, 0.405), (1024, 0.407), (2048, 0.408)].map {
        WidthRow(
          width: $0.0, neededWidth: 1024, rank: min($0.0, 500), largestSingularValue: 5321.5,
          alpha: 0, steps: [100, 1000], ratios: [$0.1 / 2, $0.1])
      },
      checks: checks, seconds: [("curves", 61.25), ("checks", 3.5)])
  }

  static func context(
    _ results: ConvergenceResults = results, only: [String] = [], plots: Bool = true
  ) -> ReportContext<ConvergenceResults> {
    ReportContext<ConvergenceResults>(
      results: results, record: record, selection: Selection(only),
      plotFolder: plots ? "math-l2o-convergence" : nil)
  }
}
