import Foundation
import OptCheck
import TestSupport
import Testing

@testable import Experiments
@testable import Reporting

@Suite struct GapStudies {
  /// Where x = 0 is optimal with F* = 0 there is nothing to divide by.
  @Test func aMinimumOfZero() {
    #expect(GapStudy.relativeGap(0, minimum: 0) == 0)
    #expect(GapStudy.relativeGap(0.5, minimum: 0) == 0.5)
    #expect(GapStudy.relativeGap(3, minimum: 2) == 0.5)
  }

  @Test func curvesDoNotDependOnThreadsOrChunks() throws {
    let problem = try Lasso.generated(
      seed: 2, size: .init(instances: 7, rows: 8, columns: 16, sparsity: 3))
    let minima = try problem.certifiedMinima().map(\.value)
    let curves = [(1, 1), (2, 3), (4, 7)].map { threads, chunk in
      GapStudy(
        problem: problem, minima: minima, horizon: 30, marks: [10, 30], chunk: chunk,
        threads: threads
      ).curve("FISTA", FISTA())
    }
    #expect(curves[0] == curves[1] && curves[0] == curves[2])
    // The oracle: one run on all instances at once.
    let run = unroll(
      FISTA(), on: problem, from: Vector(zeros: problem.dimension), horizon: 30)
    let last = zip(run.values[30], minima).map { ($0 - $1) / $1 }
    #expect(curves[0].gaps[30] == last)
    #expect(curves[0].mean[30] == last.reduce(0, +) / 7)
    #expect(curves[0].median[30] == last.sorted()[3])
  }
}

@Suite struct PairedComparisons {
  @Test func countsAndMedian() {
    let pair = PairedComparison([1, 10, 1, 1, 1], [10, 1, 100, 1000, 10])
    #expect(pair.wins == 4 && pair.count == 5)
    #expect(pair.median == -1)
    // Below the floor nobody is ahead, not even by a gap of rounding below zero.
    let solved = PairedComparison([1e-15, -2e-17, 0, 1e-3], [2e-16, 1e-15, 0, 1e-3], floor: 1e-12)
    #expect(solved.wins == 0 && solved.median == 0 && solved.interval == 0...0)
  }

  /// Where every rule has solved the instances, the study names no winner.
  @Test func solvedInstancesHaveNoWinner() throws {
    let problem = try Lasso.generated(
      seed: 2, size: .init(instances: 7, rows: 16, columns: 8, sparsity: 3))
    let comparison = try LearnedStudy.compare(
      .init(
        id: "solved", title: "", setting: "", problem: problem,
        learned: [("ISTA", ProximalGradient())], adam: Adam(stepRule: .constant(1e-2)),
        horizon: 1000),
      threads: 1)
    let (early, late) = (comparison.againstFISTA[10], comparison.againstFISTA[1000])
    #expect(early?.median != 0)
    #expect(late?.count == 7 && late?.wins == 0 && late?.median == 0)
  }

  /// What is solved in the first tenth of a plot is still seen in it.
  @Test(arguments: [(20, true), (99, true), (150, false), (nil, false)])
  func rulesThatEndEarlyAreSeen(_ end: Int?, _ isLogarithmic: Bool) {
    func curve(_ label: String, _ end: Int?) -> GapCurve {
      let gaps = (0...1000).map { $0 < end ?? .max ? 1e-3 : 0 }
      return GapCurve(label: label, mean: gaps, median: gaps, gaps: [:])
    }
    let plot = GapSection.plot(
      GapComparison(
        id: "one", title: "", setting: "", curves: [curve("a", end), curve("b", nil)],
        againstFISTA: [:], uncertified: 0))
    #expect((plot.x.scale == .logarithmic) == isLogarithmic)
  }

  /// Over many draws the interval holds the true median at least 95 times in 100.
  @Test func coverage() {
    var rng = SplitMix64(seed: 1)
    for n in [10, 64, 256] {
      var held = 0
      let trials = 400
      for _ in 0..<trials {
        // log10 of the ratio is normal with median 0.3.
        let ratios = (0..<n).map { _ in 0.3 + rng.normal() }
        let pair = PairedComparison(
          ratios.map { pow(10, $0) }, [Double](repeating: 1, count: n))
        if pair.interval.contains(0.3) { held += 1 }
      }
      // 95 % of 400 is 380; three standard deviations of 4.4 below are 367.
      #expect(held >= 367, "\(held) of \(trials) at n = \(n)")
      #expect(held < trials, "an interval that always holds says nothing")
    }
  }
}

/// The rules that the package keeps.
@Suite struct TrainedRules {
  /// Other kinds of rules lie in the same folder and are passed over, not mistaken for scheme (18).
  @Test func onlyRulesOfTheSchemeAreTaken() throws {
    let folder = Fixtures.folder.appendingPathComponent("Trained")
    let names = try TrainedRule.all(in: folder).map(\.name)
    #expect(
      names == [
        "coordmathlstm-pa-lasso", "coordmathlstm-pa-logistic", "coordmathlstm-pba12-lasso-small",
      ])
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(files.contains("rnnprop-lasso-small.safetensors"))
  }

  /// The record says of which class a rule is; one that is not there is an error.
  @Test func theRecordNamesTheClass() throws {
    let folder = Fixtures.trained
    func rule(_ name: String) throws -> any LearnedUpdateRule {
      try TrainedRule.learned(name, in: folder, stepRule: .reference)
    }
    #expect(try rule("coordblackboxlstm-lasso-small") is CoordBlackboxLSTM)
    #expect(try rule("rnnprop-lasso-small") is RNNprop)
    #expect((try rule("coordmathlstm-pa-lasso") as? CoordMathLSTM)?.stepRule == .reference)
    #expect(!TrainedRule.isThere("nosuch", in: folder))
    #expect(throws: (any Error).self) { try rule("nosuch") }
  }
}
