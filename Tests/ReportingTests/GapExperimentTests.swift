import OptCheck
import TestSupport
import Testing

/// Experiments that run a trained rule where it was not trained.
@Suite struct GapExperiments {
  private static var all: [Experiment] {
    get throws {
      try allExperiments(
        .load(from: Fixtures.published), trained: Fixtures.trained
      ).filter { ["transfer", "long-horizon", "large-lasso"].contains($0.name) }
    }
  }

  @Test func eachShowsTheRulesThatItsClaimsSpeakOf() throws {
    let all = try Self.all
    #expect(all.count == 3)
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
    #expect(rows.map(\.id) == ["E5t", "E5h", "E5s"])
    #expect(rows.map(\.counts) == [[.holds: 2], [.holds: 1], [.holds: 1]])
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
