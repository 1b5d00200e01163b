import OptCheck
import TestSupport
import Testing

@testable import Experiments

/// Experiments that run a trained rule where it was not trained.
@Suite struct GapExperiments {
  private static let names = [
    "ada-lista", "logistic", "logistic-ionosphere", "logistic-spambase", "transfer", "long-horizon",
    "large-lasso",
  ]

  private static var all: [Experiment] {
    get throws {
      try allExperiments(
        .load(from: Fixtures.published), trained: Fixtures.trained
      ).filter { names.contains($0.name) }
    }
  }

  @Test func eachShowsTheRulesThatItsClaimsSpeakOf() throws {
    let all = try Self.all
    #expect(all.map(\.name) == Self.names)
    // All learned curves at 1, all others at 2, so that every claim is decided, and holds.
    let results = all.map { experiment in
      ExperimentResult(
        name: experiment.name, title: experiment.title, source: experiment.source, command: "",
        referenceCommand: "", quantity: "", abscissa: "", isLogarithmic: true,
        closeness: experiment.closeness, notes: [], date: "", seconds: 0, machine: Sample.record,
        curves: experiment.curves.map { curve in
          .init(
            label: curve.label, x: curve.x,
            y: curve.x.map { _ in curve.label.hasPrefix("L2O-PA") ? 1 : 2 })
        })
    }
    let rows = Ledger.rows(LedgerTests.results(results)).filter { $0.id.hasPrefix("E5") }
    #expect(rows.map(\.id) == ["E5u", "E5l", "E5t", "E5h", "E5s"])
    #expect(
      rows.map(\.counts) == [
        [.holds: 2], [.holds: 6], [.holds: 2], [.holds: 1], [.holds: 1],
      ])
  }

  /// Real data that were not named are told, and which.
  @Test func realLogisticProblemsNeedTheirData() throws {
    let needs = try Self.all.filter { $0.needs != nil }
    #expect(needs.map(\.name) == ["logistic-ionosphere", "logistic-spambase"])
    #expect(needs.map(\.needs) == ["ionosphere", "spambase"])
    #expect(needs.allSatisfy { $0.options == " --data DIR" })
    let problem = try LogisticL1.generated(
      seed: 3, size: SparseRegressionSize(instances: 1, rows: 20, columns: 6, sparsity: 3),
      weight: 0.1)
    let known = try allExperiments(
      .load(from: Fixtures.published), trained: Fixtures.trained, tables: ["ionosphere": problem])
    let experiment = try #require(known.first { $0.name == "logistic-ionosphere" })
    #expect(experiment.needs == nil)
    // Both steps, each with the constant that it is named for.
    let norm = try #require(problem.map.distinctMatrices[0].singularValues().elements.first)
    let minimum = try #require(problem.certifiedMinima().first).value
    for (words, constant) in [("fair step", norm * norm / 80), ("published step", norm)] {
      let curve = try #require(experiment.curves.first { $0.label == "ISTA, \(words)" })
      let run = try #require(experiment.runs.first { $0.id == curve.runs[0] })
      let gaps = try run.body(RunProgress())
      var x = Vector(zeros: problem.dimension)
      let rule = ProximalGradient(stepRule: .constant(0.9999 / constant))
      var state = rule.initialState(for: problem)
      rule.step(&x, &state, on: problem)
      let expected = (problem.values(at: x)[0] - minimum) / minimum
      #expect(abs(gaps[1] - expected) <= 1e-10 * expected, "\(words)")
    }
  }

  /// A comparison that is cut between two groups of instances goes on there, with the same bits.
  @Test func aComparisonThatIsCutGoesOn() throws {
    struct Stop: Error {}
    let problem = try Lasso.generated(
      seed: 4, size: SparseRegressionSize(instances: 40, rows: 6, columns: 9, sparsity: 2),
      weight: 0.1)
    func gaps(_ progress: RunProgress) throws -> [Double] {
      try GapExperiment.gaps(
        of: FISTA(stepRule: .instance), on: problem, horizon: 12, progress)
    }
    let whole = try gaps(RunProgress())
    let minima = try problem.certifiedMinima().map(\.value)
    let study = GapStudy(problem: problem, minima: minima, horizon: 12)
    #expect(whole == study.curve("", FISTA(stepRule: .instance)).mean)
    // 16, 16 and 8 instances.
    var shares: [Double] = []
    for cut in 1...3 {
      var left: [String: Tensor]?
      let first = RunProgress(
        tell: {
          shares.append($0)
          if $0 >= Double(cut) / 3 { throw Stop() }
        }, keep: { left = $0 })
      #expect(throws: Stop.self) { try gaps(first) }
      let resumed = try gaps(RunProgress(interim: left))
      #expect(resumed.map(\.bitPattern) == whole.map(\.bitPattern), "cut at \(cut)")
    }
    #expect(shares.count == 6)
    // A state of another run is none.
    let other = [
      "sums": Tensor(shape: [2], elements: [1, 1]), "parts": Tensor(shape: [1], elements: [1]),
    ]
    #expect(try gaps(RunProgress(interim: other)) == whole)
  }

  /// Other weights are another run, and so is the other step.
  @Test func runsAreNamedAfterAllThatDeterminesThem() throws {
    let transfer = try #require(try Self.all.first { $0.name == "transfer" })
    #expect(Set(transfer.runs.map(\.id)).count == transfer.runs.count)
    let elsewhere = try allExperiments(
      .load(from: Fixtures.published), trained: Fixtures.folder
    ).first { $0.name == "transfer" }
    let changed = zip(transfer.runs, try #require(elsewhere).runs).filter { $0.id != $1.id }
    #expect(changed.count == 2 && changed.allSatisfy { $0.0.id.contains("lasso") })
    // Weights that are not there are no numbers.
    let missing = try #require(changed.first).1
    #expect(throws: (any Error).self) { try missing.body(RunProgress()) }
  }
}
