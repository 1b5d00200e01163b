import Foundation
import OptCheck
import Testing

/// The error bar is the product here: it must contain the true error and not be idle.
@Suite struct FiniteDifferences {
  /// An analytic function with its exact slope at 0.
  struct Probe: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var make: @Sendable (inout SplitMix64) -> (f: (Double) -> Double, slope: Double)
  }

  static let probes: [Probe] = [
    Probe(testDescription: "exponential") { rng in
      let (a, c) = (rng.normal(), pow(10, 6 * rng.uniform() - 3))
      return ({ exp(c * $0) * a + 1 }, a * c)
    },
    Probe(testDescription: "sine on a large level") { rng in
      let (phase, c, level) = (6 * rng.uniform(), pow(10, 6 * rng.uniform() - 3), 1e4)
      return ({ level + sin(c * $0 + phase) }, c * cos(phase))
    },
    Probe(testDescription: "sigmoid, saturated or not") { rng in
      let (z, c) = (10 * rng.uniform() - 5, pow(10, 6 * rng.uniform() - 3))
      let s = 1 / (1 + exp(-z))
      return ({ 1 / (1 + exp(-z - c * $0)) }, c * s * (1 - s))
    },
    Probe(testDescription: "unrolled descent with a learned step") { rng in
      let (z, c) = (rng.normal(), pow(10, 4 * rng.uniform() - 2))
      let (a, target) = ((0..<8).map { _ in rng.uniform() }, (0..<8).map { _ in rng.normal() })
      func loss(_ h: Double) -> Double {
        let p = 2 / (1 + exp(-z - c * h))
        return zip(a, target).reduce(0) { sum, pair in
          var x = 0.0
          for _ in 0..<20 { x -= p * pair.0 * (x - pair.1) }
          return sum + pair.0 * (x - pair.1) * (x - pair.1) / 2
        }
      }
      // x_20 - y = -(1 - p a)^20 y, so the loss is Σ a y² (1 - p a)^40 / 2.
      let p = 2 / (1 + exp(-z))
      let slope = zip(a, target).reduce(0) { sum, pair in
        sum - 20 * pair.0 * pair.0 * pair.1 * pair.1 * pow(1 - p * pair.0, 39)
      }
      return (loss, slope * c * p * (1 - p / 2))
    },
    Probe(testDescription: "odd cubic at its inflection, no slope") { rng in
      let c = pow(10, 4 * rng.uniform() - 2)
      return ({ 1 + pow(c * $0, 3) }, 0)
    },
    Probe(testDescription: "straight line") { rng in
      let (a, b) = (rng.normal(), 100 * rng.normal())
      return ({ b + a * $0 }, a)
    },
  ]

  /// Target G1: 99% contained, median width within 100 times the true error, 20 evaluations.
  @Test(arguments: probes) func errorBarContainsTheError(_ probe: Probe) {
    var rng = SplitMix64(seed: 20)
    var contained = 0
    var ratios: [Double] = []
    let count = 2000
    for _ in 0..<count {
      let (f, slope) = probe.make(&rng)
      let found = FiniteDifference(of: f)
      #expect(found.evaluations <= 20)
      let error = abs(found.slope.value - slope)
      if error <= found.slope.error { contained += 1 }
      ratios.append(found.slope.error / max(error, .ulpOfOne * abs(slope)))
    }
    #expect(contained >= count * 99 / 100)
    #expect(ratios.sorted()[count / 2] <= 100)
  }
}
