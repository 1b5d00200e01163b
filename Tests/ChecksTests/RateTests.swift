import Checks
import Foundation
import OptCheck
import Testing

@Suite struct RateTests {
  /// AR(1) noise of standard deviation `sigma`, stationary from its first draw on.
  private static func noise(
    _ count: Int, _ phi: Double, _ sigma: Double, _ rng: inout SplitMix64
  ) -> [Double] {
    var e = sigma * rng.normal()
    let innovation = sigma * (1 - phi * phi).squareRoot()
    return (0..<count).map { _ in
      defer { e = phi * e + innovation * rng.normal() }
      return e
    }
  }

  /// 95% intervals contain the rate in 95% of runs; 240 runs leave a standard error of 1.4%, and the
  /// test allows three of them below (a plain block bootstrap reaches 69% at φ = 0.9).
  @Test(arguments: [0, 0.5, 0.9])
  func coverage(phi: Double) {
    var rng = SplitMix64(seed: 100 + UInt64(10 * phi))
    let runs = 240
    var (hits, rated) = (0, 0)
    for _ in 0..<runs {
      let decay = pow(10, -1 - 1.5 * rng.uniform())
      let e = Self.noise(201, phi, 0.01, &rng)
      let analysis = RateAnalysis(e.indices.map { exp(1 - decay * Double($0) + e[$0]) })
      guard let rate = analysis.rate, analysis.regime == .linear else { continue }
      rated += 1
      if rate.lower <= decay && decay <= rate.upper { hits += 1 }
    }
    let bound = 0.95 - 3 * (0.95 * 0.05 / Double(runs)).squareRoot()
    #expect(rated >= runs * 95 / 100, "phi \(phi): \(rated) rated")
    #expect(Double(hits) >= bound * Double(rated), "phi \(phi): \(hits) of \(rated)")
  }
}

extension RateTests {
  /// Without noise the rate comes out to 1e-6 relative, with and without a floor.
  @Test(arguments: [1e-1, 1e-2, 1e-3, 1e-4], [200, 5000])
  func cleanRates(decay: Double, steps: Int) throws {
    let values = (0...steps).map { 3 * exp(-decay * Double($0)) }
    let analysis = RateAnalysis(values)
    #expect(analysis.regime == .linear)
    let rate = try #require(analysis.rate)
    #expect(abs(rate.decay - decay) <= 1e-6 * decay)
    #expect(rate.lower <= decay && decay <= rate.upper)
    #expect(rate.upper - rate.lower <= 1e-6 * decay)
  }

  @Test(arguments: [1e-2, 1e-3])
  func cleanFloor(decay: Double) throws {
    let steps = Int(20 / decay)
    let analysis = RateAnalysis((0...steps).map { exp(-decay * Double($0)) + 1e-3 })
    #expect(analysis.regime == .linearWithFloor)
    let rate = try #require(analysis.rate)
    #expect(abs(rate.decay - decay) <= 1e-6 * decay)
    #expect(abs((rate.plateau ?? 0) - 1e-3) <= 1e-9)
  }

  /// No rate is invented where none exists, at any noise; the regime is named.
  @Test(arguments: [0, 0.01, 0.1], [0, 0.9])
  func sublinear(sigma: Double, phi: Double) {
    for power in [0.5, 1, 2] {
      for shift in [1.0, 30] {
        var rng = SplitMix64(seed: 7)
        let e = Self.noise(1001, phi, sigma, &rng)
        let values = e.indices.map { pow(Double($0) + shift, -power) * exp(e[$0]) }
        let analysis = RateAnalysis(values)
        #expect(analysis.rate == nil, "(k + \(shift))^-\(power): \(analysis)")
        #expect(analysis.regime == .sublinear, "(k + \(shift))^-\(power): \(analysis)")
      }
    }
  }

  @Test func otherCourses() {
    var rng = SplitMix64(seed: 8)
    let e = Self.noise(1001, 0.5, 0.01, &rng)
    func regime(_ shape: (Double) -> Double) -> Regime {
      RateAnalysis(e.indices.map { shape(Double($0)) * exp(e[$0]) }).regime
    }
    #expect(regime { _ in 2 } == .flat)
    #expect(RateAnalysis([Double](repeating: 2, count: 100)).regime == .flat)
    #expect(regime { exp(0.01 * $0) } == .diverging)
    #expect(regime { $0 < 900 ? 1 : .infinity } == .diverging)
    #expect(regime { 2 + sin($0) } == .oscillating)
    #expect(regime { exp(-0.01 * $0) * (2 + sin($0 / 5)) } == .oscillating)
    #expect(regime { $0 < 300 ? exp(-0.03 * $0) : exp(-9 - 1e-3 * ($0 - 300)) } == .twoPhase)
    #expect(RateAnalysis([1, 0.5, 0.25]).regime == .tooShort)
  }

  /// A handful of wild values leaves the rate within a deviation of what it is without them.
  @Test func outliers() throws {
    var rng = SplitMix64(seed: 9)
    let e = Self.noise(401, 0, 0.01, &rng)
    var values = e.indices.map { exp(-0.02 * Double($0) + e[$0]) }
    let clean = try #require(RateAnalysis(values).rate)
    for k in [20, 190, 377] { values[k] *= 10 }
    let soiled = try #require(RateAnalysis(values).rate)
    #expect(abs(soiled.decay - clean.decay) <= (clean.upper - clean.lower) / 2)
  }
}
