import Foundation
import OptCheck

/// Logistic regression, f(x) = Σᵢ log(1 + exp(-aᵢ·x)) / m + ε |x|² / 2; the labels ±1 sit in the aᵢ.
public struct LogisticRegression: TwiceDifferentiableProblem {
  public let name = "logistic-regression"
  /// The samples aᵢ as rows, m x n.
  public let samples: Matrix
  /// ε.
  public let ridge: Double
  public let smoothness: [Double]

  /// Normal samples from a seed.
  public init(samples m: Int = 40, unknowns n: Int = 8, ridge: Double = 0.01, seed: UInt64 = 1) {
    var rng = SplitMix64(seed: seed)
    samples = rng.matrix(m, n)
    self.ridge = ridge
    // σ' <= 1/4, and |A|² is at most the squared Frobenius norm.
    let norm = samples.frobeniusNorm
    smoothness = [norm * norm / (4 * Double(m)) + ridge]
  }

  public var dimension: Int { samples.columns }
  public var minimumValue: Double? { nil }

  private var weight: Double { 1 / Double(samples.rows) }

  public func values(at x: Vector) -> [Double] {
    let sum = samples.times(x).elements.reduce(0) { $0 + log1p(exp(-$1)) }
    return [weight * sum + ridge / 2 * x.dot(x)]
  }

  public func gradient(at x: Vector, into g: inout Vector) {
    let pull = samples.times(x).elements.map { -weight / (1 + exp($0)) }
    g = samples.times(Vector(pull), .transposed)
    g.add(ridge, x)
  }

  public func hessianProduct(_ v: Vector, at x: Vector, into h: inout Vector) {
    let bend = samples.times(x).elements.map { weight / ((1 + exp($0)) * (1 + exp(-$0))) }
    h = samples.times(
      Vector(zip(bend, samples.times(v).elements).map { $0 * $1 }), .transposed)
    h.add(ridge, v)
  }
}
