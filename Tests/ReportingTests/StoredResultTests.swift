import Foundation
import OptCheck
import TestSupport
import Testing

@testable import Experiments

/// Results of experiments that are kept in the package.
@Suite struct StoredResults {
  private static var all: [ExperimentResult] {
    get throws {
      let folder = Fixtures.folder.appendingPathComponent("Results")
      return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        .filter { $0.hasSuffix(".json") }
        .map { try JSONFile.read(ExperimentResult.self, from: folder.appendingPathComponent($0)) }
    }
  }

  private static var known: [Experiment] {
    get throws {
      allExperiments(
        try PublishedCurves.load(from: Fixtures.published), trained: Fixtures.trained)
    }
  }

  /// A result whose experiment has changed since is worth nothing.
  @Test func eachBelongsToItsExperiment() throws {
    let known = try Self.known
    let all = try Self.all
    #expect(all.count >= 8)
    for result in all {
      let experiment = try #require(known.first { $0.name == result.name }, "\(result.name)")
      #expect(result.curves.map(\.label) == experiment.curves.map(\.label), "\(result.name)")
      #expect(result.curves.map(\.x) == experiment.curves.map(\.x), "\(result.name)")
      #expect(result.curves.allSatisfy { $0.y.count == $0.x.count }, "\(result.name)")
      #expect(!result.date.isEmpty && result.schema == 1)
      // A commit that one can go back to.
      let commit = result.machine.commit
      #expect(commit != "unknown" && !commit.hasSuffix("-dirty"), "\(result.name)")
    }
  }

  /// Twins are runs of their own, near ours where training is calm.
  @Test func twinsAreNoCopies() throws {
    let known = try Self.known
    for result in try Self.all {
      let experiment = try #require(known.first { $0.name == result.name }, "\(result.name)")
      for (curve, plan) in zip(result.curves, experiment.curves) where curve.twins != nil {
        #expect(plan.twins != nil, "\(result.name), \(curve.label)")
        let twins = curve.twins ?? []
        #expect(twins.count == curve.y.count)
        let first = twins.map { $0[0] }
        #expect(first != curve.y && first != twins.map { $0[1] }, "\(result.name), \(curve.label)")
      }
    }
    let inference = try #require(known.first { $0.name == "inference" })
    let twins = inference.curves.compactMap(\.twins)
    #expect(twins.count == 2 && twins.allSatisfy { Set($0.runs).count == 1 })
    // Four twins, one after another, each with a value for every place.
    let places = twins[0].runs.count
    let outcome = (0..<4 * places).map(Double.init)
    for place in [0, 1, places - 1] {
      let own = (0..<4).map { Double($0 * places + place) }
      for twins in twins { #expect(twins.values(outcome, place) == own) }
    }
  }

  /// Figure 2b has three more twins where the first parts from ours by more than is calm, and nowhere else.
  @Test func moreTwinsWereTrainedWhereTheFirstParts() throws {
    let result = try #require(try Self.all.first { $0.name == "figure-2b" })
    let places = result.curves.flatMap { curve in Array(zip(curve.y, curve.twins ?? [])) }
    #expect(places.count == 130)
    for (own, twins) in places {
      let isCalm = abs(twins[0] - own) <= BaselineExperiments.calm * abs(own)
      #expect(twins.dropFirst().allSatisfy(\.isNaN) == isCalm, "\(own), \(twins)")
    }
  }

  /// The authors' one matrix and its instances, seen in what descent makes of them.
  @Test func descentOnOneMatrixIsThePublishedOne() throws {
    let experiment = try #require(try Self.known.first { $0.name == "figure-6a" })
    let curve = experiment.curves[0]
    let run = try #require(experiment.runs.first { $0.id == curve.runs[0] })
    let ours = try #require(try run.body(RunProgress()).first)
    let published = try #require(curve.published?.first)
    #expect(experiment.closeness == .relative(1e-3))
    #expect(abs(ours - published) <= 1e-3 * published, "\(ours) for \(published)")
  }

  /// What needs data that were not named is told, and not computed.
  @Test func whatNeedsDataIsLeftOut() throws {
    let recheck = Recheck(try Self.all, known: try Self.known, blasCore: BLAS.coreName)
    #expect(
      recheck.withoutData.map(\.name) == [
        "ablation-patches", "cnn", "logistic-ionosphere", "logistic-spambase",
      ])
    #expect(
      recheck.withoutData.map(\.needs) == ["image-patches", "mnist", "ionosphere", "spambase"])
    #expect(!recheck.items.contains { $0.name.hasPrefix("logistic-") })
    #expect(!recheck.items.contains { $0.name.hasPrefix("cnn") } && !recheck.items.isEmpty)
    #expect(!recheck.items.contains { $0.name.hasPrefix("ablation-patches") })
  }

  /// What is cheapest to compute of the stored result called `name`.
  private static func part(_ name: String, of results: [ExperimentResult]) throws -> Recheck.Item {
    let result = try #require(results.first { $0.name == name })
    let recheck = Recheck([result], known: try known, blasCore: BLAS.coreName)
    return try #require(recheck.items.min { $0.seconds < $1.seconds })
  }

  /// One curve of each family that takes no more than some seconds, computed again.
  @Test(arguments: [
    "e2000-T10", "rows-20", "start-100", "scale-64x50", "inference", "figure-2-ends", "transfer",
    "ada-lista", "sign-consistency",
  ])
  func aSmallPartIsComputedAgain(_ name: String) throws {
    let outcome = try Recheck.outcome(Self.part(name, of: Self.all))
    #expect(outcome.differing == 0, "\(outcome)")
  }

  /// A tampered number is seen, whatever the machine.
  @Test(arguments: ["e2000-T10", "rows-20", "inference", "figure-2-ends"])
  func whatWasTamperedWithDiffers(_ name: String) throws {
    var results = try Self.all
    for i in results.indices {
      for j in results[i].curves.indices {
        results[i].curves[j].y = results[i].curves[j].y.map { 2 * $0 + 1 }
      }
    }
    let item = try Self.part(name, of: results)
    let numbers = item.reported.count { !$0.isNaN }
    #expect(numbers > 0)
    #expect(try Recheck.outcome(item).differing == numbers)
  }
}
