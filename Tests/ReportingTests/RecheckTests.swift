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

  /// How many numbers differ where `now` is computed and the report says `reported`, with kernels that are others
  /// unless `core` says so.
  private func differing(
    _ now: [Double], from reported: [Double], _ closeness: Closeness, twins: [[Double]]? = nil,
    core: String = "other"
  ) throws -> Int {
    let x = reported.indices.map(Double.init)
    let experiment = Experiment(
      name: "e", title: "e", source: "nowhere", referenceCommand: "python", quantity: "F",
      abscissa: "k", isLogarithmic: false, closeness: closeness, notes: [],
      runs: [ExperimentRun(id: "a", seconds: 1) { _ in now }],
      curves: [Experiment.Curve(label: "a", x: x, runs: ["a"], values: { $0[0] })])
    var result = try ExperimentRunner(
      cache: ResultCache(folder: nil, program: "p"), threads: 1, machine: Sample.record,
      date: "2026-01-01"
    ).run([experiment])[0]
    result.curves[0].y = reported
    result.curves[0].twins = twins
    let recheck = Recheck([result], known: [experiment], blasCore: core)
    return try Recheck.outcome(#require(recheck.items.first)).differing
  }

  /// Other kernels may be off by what the experiment asks for, in its own measure.
  @Test func otherKernelsMayBeAsFarOffAsThePublished() throws {
    #expect(try differing([100, 1], from: [100.09, 1.0009], .relative(1e-3)) == 0)
    #expect(try differing([100, 1], from: [100.2, 1.002], .relative(1e-3)) == 2)
    #expect(try differing([100, 1], from: [100.09, 1.0009], .absolute(1e-3)) == 1)
    #expect(try differing([100, 1], from: [100.9, 1.02], .shape("a reason")) == 1)
    #expect(
      try differing(
        [100, 1], from: [100.nextUp, 1], .shape("a reason"), core: Sample.record.blasCore)
        == 1)
  }

  /// What twins spread over is forgiven as well, but for kernels that are the same.
  @Test func otherKernelsMayBeAsFarOffAsTwins() throws {
    let wild = [1.1, 0.9, 1.2, 0.8]
    let calm = [1, 1, Double.nan, .nan]
    func count(_ now: Double, _ twins: [Double], core: String = "other") throws -> Int {
      try differing([now], from: [1], .relative(1e-3), twins: [twins], core: core)
    }
    // 2 x 4.6041 √0.03 = 1.595.
    #expect(try count(2.59, wild) == 0)
    #expect(try count(2.6, wild) == 1)
    #expect(try count(1.01, calm) == 1)
    #expect(try count(1.01, wild, core: Sample.record.blasCore) == 1)
  }

  /// A number where there was none, or none where there was one, differs anywhere; none in both places agrees.
  @Test func whatIsNoNumberIsNoNumberAgain() throws {
    #expect(try differing([.nan, 1], from: [1, 1], .relative(1e-3)) == 1)
    #expect(try differing([1, 1], from: [.nan, 1], .relative(1e-3)) == 1)
    #expect(try differing([.nan, 1], from: [.nan, 1], .relative(1e-3)) == 0)
    #expect(try differing([1], from: [1, 1], .relative(1e-3)) == 1, "a number is missing")
    #expect(try differing([.infinity], from: [1], .absolute(1e-3)) == 1)
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
