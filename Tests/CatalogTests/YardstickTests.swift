import Foundation
import OptCheck
import Testing

/// Methods that need no learning, each against what is known of it.
@Suite struct Yardstick {
  private func quadratic(_ curvature: [Double], _ target: [Double]) -> DiagonalQuadratic {
    DiagonalQuadratic(curvature: Vector(curvature), target: Vector(target))
  }

  /// h = √2, 2, √2, 2 + √2, ...; the sum of the first 2^m - 1 is ρ^m - 1.
  @Test func silverStepsSumToPowersOfTheSilverRatio() {
    #expect(abs(SilverSteps.factor(1) - 2.0.squareRoot()) < 1e-15)
    #expect(abs(SilverSteps.factor(2) - 2) < 1e-15)
    #expect(abs(SilverSteps.factor(4) - 2 - 2.0.squareRoot()) < 1e-14)
    let rho = 1 + 2.0.squareRoot()
    for m in 1...8 {
      let sum = (1..<(1 << m)).reduce(0) { $0 + SilverSteps.factor($1) }
      // As many roundings as terms.
      #expect(abs(sum - (pow(rho, Double(m)) - 1)) < 1e-15 * Double(1 << m) * sum)
    }
  }

  /// On the Huber function of the worst case, silver steps beat the best constant step.
  @Test func silverStepsBeatGradientDescentWhereItIsWorst() throws {
    let problem = try Regression(
      name: "huber", matrix: Matrix(rows: 1, columns: 1, elements: [1]), target: [0],
      loss: .huber(0.01))
    func value(_ rule: some UpdateRule) -> Double {
      unroll(rule, on: problem, from: [1], horizon: 63).totals[63]
    }
    #expect(value(SilverSteps()) < value(GradientDescent(stepRule: .instance)))
  }

  /// After k steps every eigencomponent is T_k((θ - λ)/δ) / T_k(θ/δ), T_k by cosh and cos.
  @Test func chebyshevIterationIsItsPolynomial() {
    let curvature = [0.1, 0.35, 0.7, 1]
    let problem = quadratic(curvature, [1, 1, 1, 1])
    let run = unroll(
      ChebyshevIteration(curvature: [0.1]), on: problem, from: [0, 0, 0, 0], horizon: 12,
      recordingIterates: true)
    let (centre, radius) = (0.55, 0.45)
    for (k, x) in run.iterates.enumerated() {
      for (j, lambda) in curvature.enumerated() {
        let inside = min(1, max(-1, (centre - lambda) / radius))
        let expected = cos(Double(k) * acos(inside)) / cosh(Double(k) * acosh(centre / radius))
        #expect(abs((1 - x[j]) - expected) < 1e-13, "k = \(k), λ = \(lambda)")
      }
    }
  }

  /// n different curvatures take n steps, and no method of gradients is better at any step before.
  @Test func conjugateGradientsEndAndAreBest() {
    let problem = quadratic([0.1, 0.3, 0.6, 1], [1, -2, 3, 1])
    let start: Vector = [0, 0, 0, 0]
    let values = unroll(ConjugateGradient(), on: problem, from: start, horizon: 6).totals
    #expect(values[4] < 1e-26 * values[0])
    for other in [
      unroll(ChebyshevIteration(curvature: [0.1]), on: problem, from: start, horizon: 3).totals,
      unroll(
        GradientDescent(stepRule: .instance, relaxation: 1.8), on: problem, from: start, horizon: 3
      )
      .totals,
      unroll(SilverSteps(), on: problem, from: start, horizon: 3).totals,
    ] {
      for k in 1...3 { #expect(values[k] < other[k]) }
    }
  }

  /// Stacked instances are solved each by itself.
  @Test func instancesDoNotMix() throws {
    let both = try LeastSquares.authors(seed: 3, instances: 2, rows: 4, columns: 6)
    for rule in [ConjugateGradient()] {
      let whole = unroll(
        rule, on: both, from: Vector(zeros: 12), horizon: 4, recordingIterates: true)
      let first = unroll(
        rule, on: both.instances(0..<1), from: Vector(zeros: 6), horizon: 4,
        recordingIterates: true)
      let part = Vector(Array(whole.iterates[4].elements[..<6]))
      #expect((part - first.iterates[4]).maxMagnitude < 1e-12)
    }
  }
}
