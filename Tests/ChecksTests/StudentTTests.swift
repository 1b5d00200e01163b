import Foundation
import OptCheck
import Testing

/// Student's distribution against its closed forms.
@Suite struct StudentTTests {
  /// One degree: Cauchy; two and four: algebraic.
  @Test(arguments: [0.6, 0.9, 0.975, 0.999, 1 - 1e-7])
  func quantilesInClosedForm(probability p: Double) {
    let excess = 2 * p - 1
    let cauchy = tan(.pi * (p - 0.5))
    #expect(abs(StudentT.quantile(p, freedom: 1) / cauchy - 1) < 1e-8)
    let two = excess * (2 / (1 - excess * excess)).squareRoot()
    #expect(abs(StudentT.quantile(p, freedom: 2) / two - 1) < 1e-8)
    // Shaw, "Sampling Student's T distribution", 2006, for four degrees.
    let alpha = 4 * p * (1 - p)
    let q = cos(acos(alpha.squareRoot()) / 3) / alpha.squareRoot()
    let four = 2 * (q - 1).squareRoot()
    #expect(abs(StudentT.quantile(p, freedom: 4) / four - 1) < 1e-7)
  }

  /// Many degrees: normal.
  @Test func manyDegreesAreNormal() {
    for t in [-2.5, -1, 0, 0.3, 1.96, 4] {
      let normal = erfc(-t / 2.0.squareRoot()) / 2
      #expect(abs(StudentT.distribution(t, freedom: 1e7) - normal) < 1e-7, "\(t)")
    }
  }

  @Test(arguments: [1, 2.5, 8, 60])
  func quantileAndDistributionAreInverse(freedom: Double) {
    for p in [0.5, 0.7, 0.975, 0.9999] {
      let t = StudentT.quantile(p, freedom: freedom)
      #expect(abs(StudentT.distribution(t, freedom: freedom) - p) < 1e-12, "\(p), \(freedom)")
      #expect(abs(StudentT.distribution(-t, freedom: freedom) - (1 - p)) < 1e-12)
    }
  }
}
