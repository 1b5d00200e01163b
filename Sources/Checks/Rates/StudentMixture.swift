import Foundation

/// Student's distributions of one number of degrees of freedom, mixed.
struct StudentMixture {
  /// One of them.
  struct Part {
    var centre: Double
    var error: Double
    var logWeight: Double
  }

  var parts: [Part]
  /// Degrees of freedom.
  var freedom: Double

  /// The quantile `probability`; NaN of a mixture of nothing.
  func quantile(_ probability: Double) -> Double {
    guard let top = parts.map(\.logWeight).max() else { return .nan }
    // What weighs 1e-9 of the heaviest moves no quantile that is asked for.
    let heavy = parts.filter { $0.logWeight > top - 20 }
    let weights = heavy.map { exp($0.logWeight - top) }
    let total = weights.reduce(0, +)
    var low = heavy.map { $0.centre - 60 * $0.error }.reduce(.infinity, min)
    var high = heavy.map { $0.centre + 60 * $0.error }.reduce(-.infinity, max)
    for _ in 0..<60 {
      let middle = low + (high - low) / 2
      var sum = 0.0
      for (part, weight) in zip(heavy, weights) {
        sum += weight * Self.studentCDF((middle - part.centre) / part.error, freedom)
      }
      if sum < probability * total { low = middle } else { high = middle }
    }
    return low + (high - low) / 2
  }

  /// Student's distribution function by Wallace's normal approximation, within 1e-3 from 5 degrees on.
  static func studentCDF(_ t: Double, _ freedom: Double) -> Double {
    let z = (8 * freedom + 1) / (8 * freedom + 3) * (freedom * log1p(t * t / freedom)).squareRoot()
    return erfc(t < 0 ? z / 2.0.squareRoot() : -z / 2.0.squareRoot()) / 2
  }
}
