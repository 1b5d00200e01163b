import Foundation
import OptCheck
import TestSupport
import Testing

@testable import Experiments

/// `recheck` on a report made by hand.
@Suite struct Rechecks {
  private func report(_ ratio: (Double) -> Double, core: String) throws -> URL {
    let table = TheoryResults.YardstickTable(
      TrainingSetting(horizon: 1, scale: 1, metaStepSize: 1),
      rows: try Yardsticks.rows(
        TrainingSetting(horizon: 1, scale: 1, metaStepSize: 1).problem(), horizons: [5]
      ).map {
        var row = $0
        row.ratio = ratio(row.ratio)
        return row
      }, bestLearned: [:])
    struct File: Encodable {
      var machine: RunRecord
      var yardsticks: [TheoryResults.YardstickTable]
    }
    var machine = Sample.record
    machine.blasCore = core
    let file = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-recheck-\(UUID().uuidString).json")
    try JSONFile.write(File(machine: machine, yardsticks: [table]), to: file)
    return file
  }

  private func outcome(_ file: URL, core: String) throws -> Recheck.Outcome {
    let recheck = try Recheck(file, known: [], blasCore: core)
    return try Recheck.outcome(#require(recheck.items.first))
  }

  @Test func anUnchangedReportAgrees() throws {
    let file = try report({ $0 }, core: "X")
    defer { try? FileManager.default.removeItem(at: file) }
    let outcome = try outcome(file, core: "X")
    #expect(outcome.differing == 0 && outcome.numbers == 9)
  }

  @Test func oneBitIsSeenOnTheSameMachineAndForgivenOnAnother() throws {
    let file = try report({ $0.nextUp }, core: "X")
    defer { try? FileManager.default.removeItem(at: file) }
    // Plain gradient descent's ratio is 0 and moves too.
    #expect(try outcome(file, core: "X").differing == 9)
    #expect(try outcome(file, core: "Y").differing == 0)
  }

  @Test func aWrongNumberIsSeenEverywhere() throws {
    let file = try report({ $0 + 1e-3 }, core: "X")
    defer { try? FileManager.default.removeItem(at: file) }
    #expect(try outcome(file, core: "Y").differing == 9)
  }

  @Test func theSampleFollowsItsSeedAndItsTime() throws {
    let file = Fixtures.packageFolder
      .appendingPathComponent("Reports/math-l2o-convergence/results.json")
    let recheck = try Recheck(file, known: [], blasCore: "none")
    #expect(recheck.items.count == 35 && !recheck.isSameMachine)
    func names(_ seed: UInt64) -> [String] {
      recheck.sample(5, seconds: 20, seed: seed).map(\.name)
    }
    #expect(names(1) == names(1) && names(1) != names(2))
    #expect(recheck.sample(35, seconds: 3, seed: 1).reduce(0) { $0 + $1.seconds } <= 3)
  }
}
