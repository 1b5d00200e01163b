import Engine
import Testing

@Suite struct SplitMix64Tests {
  /// From a transcription of the published C code into Python's unbounded integers.
  @Test func matchesThePublishedAlgorithm() {
    var rng = SplitMix64(seed: 1_234_567)
    let words = (0..<5).map { _ in rng.next() }
    #expect(
      words == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
        4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
      ])
  }

  @Test func goesOnFromASavedState() {
    var rng = SplitMix64(seed: 7)
    _ = rng.vector(11)
    var resumed = SplitMix64(seed: rng.state)
    #expect(rng.vector(20) == resumed.vector(20))
  }

  /// Moments of 40000 draws; each bound is 5 standard errors, which a fixed seed meets or not.
  @Test func normalDrawsHaveTheMomentsOfANormal() {
    var rng = SplitMix64(seed: 3)
    let n = 40_000.0
    let z = rng.vector(Int(n)).elements
    func moment(_ k: Int) -> Double {
      z.map { v in (0..<k).reduce(1) { p, _ in p * v } }.reduce(0, +) / n
    }
    // Variances of z, z^2, z^3 and z^4 are 1, 2, 15 and 96.
    #expect(abs(moment(1)) < 5 * (1 / n).squareRoot())
    #expect(abs(moment(2) - 1) < 5 * (2 / n).squareRoot())
    #expect(abs(moment(3)) < 5 * (15 / n).squareRoot())
    #expect(abs(moment(4) - 3) < 5 * (96 / n).squareRoot())
  }

  @Test func uniformDrawsFillTheUnitInterval() {
    var rng = SplitMix64(seed: 4)
    var counts = [Int](repeating: 0, count: 16)
    for _ in 0..<16_000 { counts[Int(rng.uniform() * 16)] += 1 }
    let chiSquare = counts.map { Double(($0 - 1000) * ($0 - 1000)) / 1000 }.reduce(0, +)
    #expect(chiSquare < 44)  // 15 degrees of freedom exceed 44.3 once in 10000 seeds
  }

  @Test func shortDoublesAreShort() {
    var rng = SplitMix64(seed: 5)
    let values = rng.vector(5000) { $0.shortDouble() }.elements
    #expect(values.allSatisfy { abs($0) <= 4 && ($0 * 64).rounded() == $0 * 64 })
    #expect(Set(values).count > 500)  // of 513
  }

  @Test func derivedStreamsDependOnIndexAndSeedOnly() {
    let rng = SplitMix64(seed: 6)
    let first = (0..<1000).map { rng.derived($0).state }
    let second = (0..<1000).reversed().map { rng.derived($0).state }
    #expect(first == second.reversed())
    #expect(Set(first + (0..<1000).map { SplitMix64(seed: 7).derived($0).state }).count == 2000)
  }

  @Test func splitStreamsDoNotFollowTheirParent() {
    var parent = SplitMix64(seed: 8)
    var child = parent.split()
    let n = 10_000
    let a = parent.vector(n)
    let b = child.vector(n)
    // The correlation of independent draws has standard deviation 1/sqrt(n).
    #expect(abs(a.dot(b)) / Double(n) < 5 / Double(n).squareRoot())
  }
}
