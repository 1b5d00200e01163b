import Foundation
import OptCheck
import TestSupport
import Testing

@testable import Experiments

/// The list of published experiments.
@Suite struct Experiments {
  /// Where published points start beside ours by construction, or lie at a floor, nothing is judged.
  @Test func figure8IsJudgedByWhatCanBeCompared() throws {
    let known = allExperiments(
      try PublishedCurves.load(from: Fixtures.published), trained: Fixtures.trained)
    let experiment = try #require(known.first { $0.name == "figure-8" })
    let judged = experiment.curves.filter { curve in
      let result = ExperimentResult.Curve(
        label: curve.label, x: curve.x, y: curve.x, published: curve.published)
      return result.agrees(experiment.closeness) != nil
    }
    #expect(judged.map(\.label) == ["Adam, mean over 50 momenta"])
    // Runs are kept under the steps that they are asked for.
    #expect(experiment.runs.allSatisfy { $0.id.contains("at 62 steps") })
  }

  @Test func everyPublishedCurveBelongsToAnExperiment() throws {
    let published = try PublishedCurves.load(from: Fixtures.published)
    let known = allExperiments(published, trained: Fixtures.trained)
    #expect(Set(known.map(\.name)).count == known.count)
    for plot in published.plots {
      let experiment = try #require(known.first { $0.name == plot.name }, "\(plot.name)")
      let compared = experiment.curves.count { $0.published != nil }
      // Gradient descent of figure 2a is that of figure 2b.
      let expected = plot.name == "figure-2a" ? plot.curves.count - 1 : plot.curves.count
      #expect(compared == expected, "\(plot.name)")
      let ids = Set(experiment.runs.map(\.id))
      for curve in experiment.curves {
        let runs = curve.runs + (curve.twins?.runs ?? [])
        #expect(runs.allSatisfy(ids.contains))
        if let twins = curve.twins { #expect(twins.runs.count == curve.x.count) }
      }
    }
  }

  @Test func damagedPublishedCurvesAreRefused() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-published-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    #expect(throws: PublishedError.self) { try PublishedCurves.load(from: folder) }
    let file = Fixtures.published.appendingPathComponent("curves.json")
    let text = try String(contentsOf: file, encoding: .utf8).replacing(
      "\"x\": [0, 100", with: "\"x\": [100")
    try Data(text.utf8).write(to: folder.appendingPathComponent("curves.json"))
    #expect {
      try PublishedCurves.load(from: folder)
    } throws: { "\($0)".contains("places for") }
  }
}
