import Foundation
import OptCheck
import TestSupport
import Testing

@Suite struct BenchmarksTests {
  @Test(arguments: [-0.5, 0, 1, 1.1, 2])
  func exponentOfAPowerLaw(_ exponent: Double) {
    let values = [1024.0, 2048, 4096, 65536]
    let times = values.map { 3e-3 * pow($0, exponent) }
    // Logarithms up to 11 carry rounding of 1e-15 each, their spread is above 1.
    #expect(abs(Benchmarks.exponent(of: times, against: values) - exponent) < 1e-13)
  }

  @Test func exponentIsTheLeastSquaresSlope() {
    // log₂: (0, 0), (1, 3), (2, 2), (3, 5); slope Σ (x - 3/2) y / 5 = (-1.5 + 1 + 7.5) / 5 = 7/5.
    let exponent = Benchmarks.exponent(of: [1, 8, 4, 32], against: [1, 2, 4, 8])
    #expect(abs(exponent - 1.4) < 1e-14)
  }

  @Test func timingsSumUp() {
    let timing = Timing([3, 1, 2, 10])
    #expect(timing.minimum == 1 && timing.median == 2 && timing.repetitions == 4)
    #expect(Timing([5, 1, 9]).median == 5)
  }

  @Test func targetsAreMetUpToTheirLimit() throws {
    let target = Benchmarks.Target(name: "step", measured: 20, limit: 20, unit: "ms")
    #expect(target.isMet)
    #expect(!Benchmarks.Target(name: "step", measured: 20.1, limit: 20, unit: "ms").isMet)
    #expect(!Benchmarks.Target(name: "step", measured: .nan, limit: 20, unit: "ms").isMet)
    let data = JSONFile.encoded(target)
    #expect(try JSONFile.decode(Benchmarks.Target.self, from: data, path: "t") == target)
    #expect(String(decoding: data, as: UTF8.self).contains("\"isMet\" : true"))
  }

  @Test func publishedTimes() throws {
    let read = try PublishedTimes.load(from: Fixtures.published)
    #expect(read.source.repository == "NetX-lab/MathL2OProof-Official")
    let shipped = try #require(read.rows.first)
    #expect(shipped.seconds == 46.2 && shipped.peakMiB == 10991 && shipped.time == "46.2 s")
    #expect(read.rows.last?.time == "70 to 270 ms")
    #expect(Set(read.rows.map(\.size)) == ["headline", "figure"])
  }
}
