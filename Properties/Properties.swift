import Foundation
import OptCheck
import TestSupport
import Testing

/// Laws over generated inputs.
///
/// `OPTCHECK_SEED=<n> swift test --filter Properties` draws others, `OPTCHECK_CASES=<n>` that many
/// times as many. A seed that fails goes into `Fixtures/Regressions/<law>.json` and is tried first
/// from then on.
@Suite struct Properties {
  @Test(arguments: laws) func holds(_ law: Law) throws {
    let found = try law.search(try Regressions.read(law.name).seeds, baseSeed)
    #expect(found == nil, "\(law.name) is broken by \(found?.description ?? "")")
  }

  /// The same law on a subject with a fault: the search is worth nothing if it finds nothing.
  @Test(arguments: laws) func findsPlantedFaults(_ law: Law) throws {
    #expect(!law.mutants.isEmpty)
    for (fault, search) in law.mutants {
      #expect(try search(baseSeed) != nil, "\(law.name) does not notice: \(fault)")
    }
  }

  @Test func namesAreUnlike() {
    #expect(Set(laws.map(\.name)).count == laws.count)
  }

  /// A file that belongs to no law would be replayed by nobody.
  @Test func everyRegressionFileHasALaw() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Regressions.folder.path)
      .filter { $0.hasSuffix(".json") }
    for file in files {
      #expect(laws.contains { $0.name + ".json" == file }, "\(file)")
    }
  }
}

/// The machinery itself.
@Suite struct CounterexampleSearch {
  private func search(
    replaying known: [UInt64] = [], fresh: Int, below limit: Int
  ) -> Counterexample? {
    firstCounterexample(
      replaying: known, fresh: fresh, from: 100,
      generate: { Int.random(in: 0..<1000, using: &$0) },
      violation: { $0 < limit ? nil : "\($0)" })
  }

  @Test func knownSeedsGoFirst() throws {
    let fresh = try #require(search(fresh: 10_000, below: 990))
    #expect(fresh.seed > 100)
    #expect(search(replaying: [fresh.seed], fresh: 0, below: 990) == fresh)
    #expect(search(replaying: [5, fresh.seed], fresh: 10, below: 0)?.seed == 5)
  }

  @Test func aTrueLawHasNone() {
    #expect(search(replaying: [1, 2, 3], fresh: 500, below: 1000) == nil)
    #expect(search(fresh: 0, below: 0) == nil)
  }

  @Test func aSeedDrawsTheSameAgain() throws {
    let found = try #require(search(fresh: 10_000, below: 900))
    var rng = SplitMix64(seed: found.seed)
    #expect(found.finding == "\(Int.random(in: 0..<1000, using: &rng))")
  }

  @Test func seedsTravelThroughTheirFile() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-regressions-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let known = Regressions([.init(seed: .max, because: "the largest seed")])
    try JSONFile.write(known, to: folder.appendingPathComponent("some-law.json"))
    #expect(try Regressions.read("some-law", in: folder) == known)
    #expect(try Regressions.read("another-law", in: folder).seeds.isEmpty)
    try Data("{}".utf8).write(to: folder.appendingPathComponent("damaged.json"))
    #expect(throws: StorageError.self) { try Regressions.read("damaged", in: folder) }
  }
}
