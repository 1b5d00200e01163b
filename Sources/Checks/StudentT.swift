import Foundation

/// Student's distribution, for intervals of means from few values.
public enum StudentT {
  /// P(T <= t) with `freedom` > 0 degrees of freedom, by the incomplete beta function.
  ///
  /// Source: Abramowitz and Stegun, *Handbook of Mathematical Functions*, 26.7.1 and 26.5.8.
  public static func distribution(_ t: Double, freedom: Double) -> Double {
    let tail = 0.5 * regularizedBeta(freedom / (freedom + t * t), freedom / 2, 0.5)
    return t > 0 ? 1 - tail : tail
  }

  /// The t with P(T <= t) = `probability`, for probabilities from 0.5 to 1 without the end.
  public static func quantile(_ probability: Double, freedom: Double) -> Double {
    precondition(probability >= 0.5 && probability < 1, "probability \(probability)")
    precondition(freedom > 0, "\(freedom) degrees of freedom")
    // Upper tails in place of probabilities near 1, which would lose their digits.
    let tail = 1 - probability
    func upper(_ t: Double) -> Double {
      0.5 * regularizedBeta(freedom / (freedom + t * t), freedom / 2, 0.5)
    }
    var (low, high) = (0.0, 1.0)
    while upper(high) > tail { high *= 2 }
    for _ in 0..<80 {
      let middle = (low + high) / 2
      if upper(middle) > tail { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  /// I_x(a, b) by its continued fraction, after Lentz.
  private static func regularizedBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
    guard x > 0 else { return 0 }
    guard x < 1 else { return 1 }
    // The fraction converges fast on this side of the mean only.
    if x > (a + 1) / (a + b + 2) { return 1 - regularizedBeta(1 - x, b, a) }
    let front =
      exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    var (c, d) = (1.0, 1 / (1 - (a + b) * x / (a + 1)))
    var value = d
    for m in 1...300 {
      let m = Double(m)
      for term in [
        m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
        -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
      ] {
        d = 1 / (1 + term * d)
        c = 1 + term / c
        value *= c * d
      }
      if abs(c * d - 1) < 1e-15 { break }
    }
    return front * value
  }
}
