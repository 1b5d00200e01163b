import Foundation
import OptCheck
import TestSupport
import Testing

/// The counterexamples behind the committed table of conditions.
@Suite struct StoredCounterexamples {
  private static let files: [URL] = {
    let folder = Fixtures.folder.appendingPathComponent("Regressions/rules")
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { $0.hasSuffix(".json") }.sorted().map(folder.appendingPathComponent)
  }()

  @Test func thereAreSome() { #expect(Self.files.count >= 20) }

  /// A rule that is mended has its file replaced, not its test.
  @Test(arguments: files) func eachIsStillOne(_ file: URL) throws {
    let example = try CounterexampleFolder.read(file).example
    let trained = Fixtures.folder.appendingPathComponent("Trained")
    let rule = try CandidateCatalog.candidate(example.source.text, trained: trained)
    let again = try example.replayed(by: rule)
    #expect(again.isStillViolated, "\(file.lastPathComponent): \(again.reason)")
  }
}
