import Foundation
import OptCheck
import Testing

@Suite struct BenchTests {
  /// No time is judged here: only that everything promised is printed.
  @Test func quickRunPrintsEverything() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let output = try tool.run("bench --quick --json --quiet")
    #expect(output.status == 0 && output.standardError.isEmpty, "\(output.standardError)")
    let object = try JSONSerialization.jsonObject(with: Data(output.standardOutput.utf8))
    let keys = Set(Self.paths(object))
    let timings = [
      "headline.twoThreads.step", "headline.twoThreads.withoutNetwork", "headline.oneThread.step",
      "headline.oneThread.withoutNetwork", "figures.step", "figures.dense", "growth.times",
    ].flatMap { timing in ["median", "minimum", "repetitions"].map { "\(timing).\($0)" } }
    let size = ["dimension", "rows", "instances", "horizon", "width"].flatMap {
      ["headline.size.\($0)", "figures.size.\($0)"]
    }
    let others = [
      "schema", "isQuick", "cores", "headline.peakMegabytes", "headline.twoThreads.ratio",
      "headline.oneThread.ratio", "headline.twoThreads.threads", "figures.denseRatio",
      "growth.quantity", "growth.values", "growth.exponent", "targets.name", "targets.measured",
      "targets.limit", "targets.unit", "targets.isMet", "published.machine",
      "published.source.repository", "published.rows.seconds", "published.rows.peakMiB",
      "learned.inference.rule", "learned.inference.iteration.minimum", "learned.inference.levels",
    ]
    #expect(Set(timings + size + others).subtracting(keys) == [])

    let result = try JSONFile.decode(
      Benchmarks.self, from: Data(output.standardOutput.utf8), path: "bench")
    #expect(result.isQuick)
    #expect(result.headline.twoThreads.threads == 2 && result.headline.oneThread.threads == 1)
    #expect(result.growth.map(\.quantity) == ["width", "samples"])
    // A headline cut down meets or misses nothing.
    #expect(!result.targets.contains { $0.name.hasPrefix("headline") })
    for growth in result.growth {
      #expect(growth.values.count == growth.times.count && growth.exponent.isFinite)
      #expect(growth.times.allSatisfy { 0 < $0.minimum && $0.minimum <= $0.median })
    }
  }

  @Test func tablesSayWhatIsMetAndWhatTheAuthorsCodeNeeds() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let output = try tool.run("bench --quick")
    #expect(output.status == 0)
    for words in [
      "46.2 s", "70 to 270 ms", "10991", "fitted exponent", "NetX-lab", "limit", "AdamHD",
      "k to 1e-4",
    ] {
      #expect(output.standardOutput.contains(words), "\(words)")
    }
    let targets = output.standardOutput.split(separator: "\n").filter {
      $0.hasSuffix("  met") || $0.hasSuffix("  MISSED")
    }
    #expect(targets.count == 3)
  }

  /// The keys of a JSON value, joined by dots; those of an array are those of its entries.
  private static func paths(_ value: Any) -> [String] {
    if let entries = value as? [Any] { return entries.flatMap(paths) }
    guard let entries = value as? [String: Any] else { return [] }
    return entries.flatMap { key, value in [key] + paths(value).map { "\(key).\($0)" } }
  }
}
