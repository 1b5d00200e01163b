import Foundation
import OptCheck
import Testing

@testable import Experiments

/// The ledger of claims on results made by hand.
@Suite struct LedgerTests {
  private static func experiment(_ name: String, _ curves: [(String, [Double])]) -> ExperimentResult
  {
    ExperimentResult(
      name: name, title: name, source: "paper A", command: "optcheck experiment \(name)",
      referenceCommand: "python", quantity: "F", abscissa: "k", isLogarithmic: false,
      closeness: .relative(1e-3), notes: ["a note"], date: "2026-01-01", seconds: 3,
      machine: Sample.record,
      curves: curves.map { label, y in
        .init(label: label, x: y.indices.map { Double(100 * $0) }, y: y, published: y)
      })
  }

  static func results(
    _ experiments: [ExperimentResult], conditions: [TheoryResults.Condition] = []
  ) -> TheoryResults {
    TheoryResults(
      command: "optcheck report --all", convergence: Sample.results, computed: experiments,
      stored: [], yardsticks: [], kernel: TangentKernelResults(), bounds: BoundResults.empty,
      conditions: conditions, schemes: [], learned: nil)
  }

  private func verdict(_ id: String, _ experiments: [ExperimentResult]) -> Verdict? {
    Ledger.rows(Self.results(experiments)).first { $0.id == id }?.verdict
  }

  @Test func improvementMustBeStableAndAboveOneHalf() {
    func large(_ last: Double, peak: Double = 0) -> [ExperimentResult] {
      [Self.experiment("e100-T100-512x400", [("eta = 1e-3", [0, max(peak, last), last])])]
    }
    #expect(verdict("E1", large(0.53)) == .holds)
    #expect(verdict("E1", large(0.49)) == .violated)
    #expect(verdict("E1", large(0.52, peak: 0.6)) == .violated, "it fell from its best")
    #expect(verdict("E1", large(.nan)) == .violated)
    #expect(verdict("E1", []) == nil, "nothing was run, so nothing is said")
  }

  @Test func everyHorizonMustEndBelowGradientDescent() {
    func sweep(_ learned: [Double]) -> [ExperimentResult] {
      [Self.experiment("figure-4b", [("gradient descent", [10, 5]), ("eta = 1e-3", learned)])]
    }
    #expect(verdict("E1b", sweep([9, 4])) == .holds)
    #expect(verdict("E1b", sweep([9, 5])) == .violated)
    #expect(verdict("E1b", sweep([.nan, 4])) == .violated)
  }

  @Test func inferenceIsHeldAgainstAdam() {
    func run(_ learned: Double) -> [ExperimentResult] {
      let x = [Double](repeating: 1, count: 20)
      return [
        Self.experiment(
          "inference",
          [
            ("learned, eta = 1e-3", x + [learned]),
            ("Adam, best of 50 momenta at every t", x + [1e-6]),
            ("gradient descent, 1.9 x step", x + [1e-9]),
          ])
      ]
    }
    #expect(verdict("E8", run(1e-8)) == .holds)
    #expect(verdict("E8", run(1e-4)) == .violated)
    // Both sizes are judged, each by the best of its grids.
    var both = run(1e-8)
    both.append(both[0])
    both[1].name = "figure-8"
    both[1].curves.append(
      .init(
        label: "Adam, best of 90 momenta from β₂ = 0.1 at every t", x: both[1].curves[1].x,
        y: [Double](repeating: 1, count: 20) + [1e-9]))
    #expect(
      Ledger.rows(Self.results(both)).first { $0.id == "E8" }?.counts == [.holds: 1, .violated: 1])
    // A curve that ends before the time of the comparison is no loser.
    var short = run(1e-8)
    short[0].curves.append(.init(label: "learned, eta = 1e-4", x: [0, 600], y: [1, 1e-4]))
    #expect(verdict("E8", short) == .holds)
  }

  @Test func biasesMustShrinkAndStay() {
    func run(_ last: Double) -> [ExperimentResult] {
      [Self.experiment("biases", [("b1", [1, 0.1, last])])]
    }
    #expect(verdict("E6", run(1e-3)) == .holds)
    #expect(verdict("E6", run(0)) == .violated)
    #expect(verdict("E6", run(2)) == .violated)
  }

  /// Who has solved all instances as far as certificates go is behind nobody, and ahead of nobody who has, too.
  @Test func noLeadBelowWhatCertificatesTellApart() throws {
    func verdict(_ ours: Double, _ theirs: Double) throws -> Verdict {
      func curve(_ label: String, _ gap: Double) -> GapCurve {
        GapCurve(
          label: label, mean: Array(repeating: gap, count: 101),
          median: Array(repeating: gap, count: 101), gaps: [100: [gap, gap, gap]])
      }
      let paired = PairedComparison(
        Array(repeating: ours, count: 3), Array(repeating: theirs, count: 3),
        floor: Experiment.certifiedGap)
      let comparison = GapComparison(
        id: "x", title: "x", setting: "", curves: [curve("ours", ours), curve("FISTA", theirs)],
        againstFISTA: [100: paired], uncertified: 0)
      return try #require(ExperimentClaims.comparison(comparison)).verdict
    }
    #expect(try verdict(1e-5, 1e-3) == .holds)
    #expect(try verdict(1e-3, 1e-5) == .violated)
    #expect(try verdict(8e-18, 2e-18) == .holdsVacuously)
    #expect(try verdict(-8e-18, 2e-18) == .holdsVacuously)
    #expect(try verdict(9e-13, 2e-11) == .holds)
    #expect(try verdict(2e-11, 9e-18) == .violated)
  }

  @Test func aTransferredRuleMustBeAheadOfEveryRivalWithItsStep() {
    func run(_ learned: Double, adam: Double = 0.5) -> [ExperimentResult] {
      let steps = ["fair step", "published step"].flatMap { words -> [(String, [Double])] in
        [
          ("L2O-PA trained on LASSO, \(words)", [1, learned]), ("ISTA, \(words)", [1, 0.1]),
          ("FISTA, \(words)", [1, 0.01]),
        ]
      }
      return [Self.experiment("transfer", steps + [("Adam", [1, adam]), ("AdamHD", [1, 0.3])])]
    }
    #expect(verdict("E5t", run(0.009)) == .holds)
    #expect(verdict("E5t", run(0.011)) == .violated)
    #expect(verdict("E5t", run(.nan)) == .violated)
    #expect(verdict("E5t", run(0.009, adam: 0.008)) == .violated)
    #expect(verdict("E5t", run(0.009, adam: .nan)) == .holds, "a rival that diverged is behind")
    // What a certificate does not tell apart does not count.
    #expect(verdict("E5t", run(9e-13, adam: 1e-15)) == .holdsVacuously)
    #expect(verdict("E5t", run(9e-13, adam: 2e-12)) == .holds)
    #expect(verdict("E5t", run(2e-12, adam: 1e-15)) == .violated)
    let rows = Ledger.rows(Self.results(run(0.009)))
    #expect(rows.first { $0.id == "E5t" }?.counts == [.holds: 2], "fair and published step")
    // Without the rivals, or before iteration 100, nothing is said.
    var part = run(0.009)
    part[0].curves.removeLast()
    #expect(verdict("E5t", part) == nil)
    #expect(verdict("E5t", [Self.experiment("transfer", [("Adam", [1])])]) == nil)
  }

  @Test func bothPartsMatterOnlyIfThePairIsAheadOfEach() {
    func run(_ pa: Double, _ p: Double, _ a: Double, _ name: String = "ablation-128")
      -> [ExperimentResult]
    {
      [Self.experiment(name, [("PBA", [1, 0]), ("PA", [1, pa]), ("P", [1, p]), ("A", [1, a])])]
    }
    for name in ["ablation", "ablation-128", "ablation-patches"] {
      #expect(verdict("E5a", run(0.1, 0.2, 0.3, name)) == .holds)
      #expect(verdict("E5a", run(0.1, 0.05, 0.3, name)) == .violated)
      #expect(verdict("E5a", run(0.1, 0.2, 0.05, name)) == .violated)
    }
    #expect(verdict("E5a", [Self.experiment("ablation", [("PA", [1, 0.1])])]) == nil)
  }

  @Test func aBaselineMustBeSlowAndFailWhereItsCurveEnds() {
    func run(_ slow: Double, ends: [[Double]]?) -> [ExperimentResult] {
      let figure = Self.experiment(
        "figure-2b", [("gradient descent", [1, 0.9]), ("eta = 1e-5", [1, slow])])
      let course = ends.map { ends in
        Self.experiment(
          "figure-2-ends",
          ends.enumerated().map { ("2b, eta = \($0 + 2)e-5, T = 5", $1) }
            + [("2a, eta = 2e-5, T = 5", [1, 1e-9])])
      }
      return [figure] + (course.map { [$0] } ?? [])
    }
    #expect(verdict("E4", run(3, ends: [[1, .nan], [1, 1e6]])) == .holds)
    #expect(verdict("E4", run(0.5, ends: [[1, .nan]])) == .violated, "ahead at the smallest step")
    #expect(verdict("E4", run(3, ends: [[1, .nan], [1, 0.5]])) == .violated, "it went on well")
    #expect(verdict("E4", run(3, ends: nil)) == .inconclusive)
  }

  @Test func violationsOfTheTheoremAreCounted() {
    func run(_ wrong: Double) -> [ExperimentResult] {
      [Self.experiment("sign-consistency", [("false positives, trained on F", [wrong, wrong])])]
    }
    #expect(verdict("E7", run(3)) == .holds)
    #expect(verdict("E7", run(0)) == .violated)
  }

  @Test func conditionsAreCountedByRule() {
    let claim = Claim(id: "GC1", title: "converges", source: "paper B")
    let rows = Ledger.rows(
      Self.results(
        [],
        conditions: [
          .init(rule: "good", claim: claim, verdict: .holds, reason: ""),
          .init(rule: "bad", claim: claim, verdict: .violated, reason: "runs away"),
          .init(rule: "deaf", claim: claim, verdict: .notApplicable, reason: ""),
        ]))
    let row = rows.first { $0.id == "GC1" }
    #expect(row?.verdict == .violated)
    #expect(row?.found == "violated: bad; holds: good")
    #expect(row?.replay == ["optcheck verify good bad --checks GC1"])
  }

  @Test func theReportNamesEveryClaimAndIsPure() {
    let results = Self.results([Self.experiment("figure-4a", [("learned", [3, 2, 1])])])
    let context = ReportContext(results: results, record: Sample.record, plotFolder: "plots")
    let report = Report<TheoryResults>.theoryVersusExperiment
    let text = report.markdown(context)
    for row in Ledger.rows(results) {
      #expect(text.contains("<a id=\"ledger-\(row.id)\">"), "\(row.id)")
    }
    #expect(text.contains("plots/experiment-figure-4a.svg") && text.contains("a note"))
    #expect(text == report.markdown(context))
    #expect(!text.contains("Band there"))
    // Every link within the page has its target.
    for match in text.matches(of: /\]\(#([^)]+)\)/) {
      #expect(text.contains("id=\"\(match.output.1)\""), "\(match.output.1)")
    }
  }

  /// Where nothing was published no column compares, and no measure is named.
  @Test func whatWasNotPublishedIsNotCompared() throws {
    var experiment = Self.experiment("e", [("one", [3, 2])])
    let report = Report<TheoryResults>.theoryVersusExperiment
    func text() throws -> String {
      try report.section("experiments", of: Self.results([experiment]))
    }
    #expect(try text().contains("| Agreement |") && text().contains("allowed."))
    experiment.curves[0].published = nil
    #expect(try text().contains("| Curve | First value | Last value |"))
    #expect(try text().contains("| one | 3.000 | 2.00000 |"))
    #expect(
      try text().contains("Nothing to compare with was published.") && !text().contains("allowed."))
    experiment.closeness = .shape("there is no plot")
    #expect(try text().contains("Not judged: there is no plot."))
  }

  /// A curve that ends early shows the last number that it has, and where.
  @Test func aCurveThatEndsEarlySaysWhere() throws {
    let results = Self.results([
      Self.experiment("e", [("whole", [3, 2]), ("cut", [3, 1e9, .nan]), ("none", [.nan, .nan])])
    ])
    let text = try Report<TheoryResults>.theoryVersusExperiment.section("experiments", of: results)
    #expect(text.contains("| 2.00000 | 2.00000 |"))
    #expect(text.contains("| 1.00000e+09 at 100 | 1.00000e+09 at 100 |"))
    #expect(!text.contains("nan"))
  }

  /// A curve that rounding explains is counted as such, and its table says how far rounding reaches.
  @Test func theBandOfTwinsIsShown() throws {
    var experiment = Self.experiment("figure-2b", [("wild", [3, 1]), ("calm", [3, 1])])
    for i in 0...1 { experiment.curves[i].published = [3, 1.7] }
    let calm = [1, 1, Double.nan, .nan]
    experiment.curves[0].twins = [calm, [1.1, 0.9, 1.2, 0.8]]
    experiment.curves[1].twins = [calm, calm]
    let results = Self.results([experiment])
    let report = Report<TheoryResults>.theoryVersusExperiment
    let text = try report.section("experiments", of: results)
    // 4.6041 √0.03 is 0.797 of our 1, and 0.469 of the 1.7 that the difference is measured in.
    #expect(text.contains("| wild | ✓ in the band of its twins | 0.41 | 100 | ± 0.47 |"))
    #expect(text.contains("| calm | ✗ differs | 0.41 | 100 | – |"))
    #expect(text.contains("| Band there |") && text.contains("puts one more run"))
    // Far below the published value a band is narrow there, however wide it is beside its middle.
    experiment.curves[0].y[1] *= 1e-4
    experiment.curves[0].twins?[1] = [1.1e-4, 0.9e-4, 1.2e-4, 0.8e-4]
    #expect(
      try report.section("experiments", of: Self.results([experiment])).contains(
        "| wild | ✗ differs | 1.0 | 100 | ± 4.7e-05 |"))
    let figures = Sample.results.figures.flatMap(\.curves)
    let others = figures.count { $0.agreement == .insideBand }
    #expect(
      try report.section("summary", of: results).contains(
        "inside the band of their twins: **\(others + 1)**"))
  }
}
