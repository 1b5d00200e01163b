import Catalog
import Checks
import Engine
import Foundation
import Optimization

/// A rate of convergence that a formula gives, and the one measured on a real run.
public struct ClosedFormRate: Sendable, Hashable, Codable {
  /// Rule and parameters.
  public var name: String
  /// The formula of the factor per step of the distance to the minimiser.
  public var formula: String
  /// The formula's value.
  public var expected: Double
  /// The measured factor; nil if none was found.
  public var measured: Double?
  /// The regime that the analysis named.
  public var regime: String

  /// |measured - expected| / (1 - expected).
  public var difference: Double? { measured.map { abs($0 - expected) / (1 - expected) } }

  /// Whether they agree to 1e-6 of 1 - rate.
  public var isMatched: Bool { difference.map { $0 <= 1e-6 } ?? false }
}

/// Target R2: rates in closed form against ``RateAnalysis`` on runs of the catalogue's rules.
///
/// On f(x) = ½ μ (x - c)² in one unknown, or ½ x' diag(λ) x with a start in which one mode governs,
/// the distance to the minimiser falls by a known factor per step. Where the factor's roots are a
/// complex pair of angle θ, the distance is ρ^k cos (θ k + ψ): parameters are chosen so that θ is a
/// fifth or a seventh of π, and the rate is the modulus ρ.
public enum ClosedFormRates {
  /// All of them, measured.
  public static func measured() throws -> [ClosedFormRate] {
    try gradientDescent() + proximal() + heavyBall() + nesterov()
  }

  /// x⁺ = (1 - p s λ) x on the slowest mode; with a step near 2/L the fastest governs.
  private static func gradientDescent() throws -> [ClosedFormRate] {
    let quadratic = try quadratic([1, 0.1])
    let single = try [0.3, 0.01, 1e-3].flatMap { curvature in
      try [1, 1.5].map { relaxation in
        let problem = try Self.quadratic([1, curvature])
        return try rate(
          "gradient descent, μ/L = \(curvature), relaxation \(relaxation)", "1 - p μ/L",
          1 - relaxation * curvature,
          GradientDescent(stepRule: .instance, relaxation: relaxation), problem, start: [0, 1])
      }
    }
    return try single + [
      rate(
        "gradient descent, s = 1.9/L", "s L - 1", 0.9,
        GradientDescent(stepRule: .constant(1.9)), quadratic, start: [1, 0]),
      rate(
        "gradient descent, s = 2/(L + μ)", "(L - μ)/(L + μ)", 0.9 / 1.1,
        GradientDescent(stepRule: .constant(2 / 1.1)), quadratic, start: [1, 1]),
      rate(
        "gradient descent, published step", "1 - 0.9999 μ/L", 1 - 0.09999,
        GradientDescent(stepRule: .reference), quadratic, start: [0, 1]),
    ]
  }

  /// On the support of the solution the soft threshold shifts by a constant only.
  private static func proximal() throws -> [ClosedFormRate] {
    let curvatures = [0.3, 0.05, 0.004]
    let lasso = try curvatures.map { curvature in
      let root = curvature.squareRoot()
      // The solution (y - ρ/√μ)/√μ is positive all along.
      let problem = try Lasso(
        map: .blocks(BlockDiagonal([Matrix(rows: 2, columns: 2, elements: [1, 0, 0, root])])),
        target: Vector([0, 1]), weight: 0.1 * root)
      let solution = (1 - 0.1) / root
      return try rate(
        "ISTA on LASSO, μ/L = \(curvature)", "1 - μ/L on the support", 1 - curvature,
        ProximalGradient(stepRule: .instance), problem, start: [0, 2 * solution],
        minimiser: [0, solution])
    }
    return try lasso + [
      rate(
        "proximal gradient, metric (1, 4)", "1 - 4 μ/L", 1 - 0.4,
        ProximalGradient(stepRule: .instance, metric: Vector([1, 4])), quadratic([1, 0.1]),
        start: [0, 1])
    ]
  }

  /// Roots of z² - (1 + m - s μ) z + m.
  private static func heavyBall() throws -> [ClosedFormRate] {
    let real = try [(0.3, 0.01), (0.5, 0.02), (0.8, 0.005)].map { momentum, curvature in
      let trace = 1 + momentum - curvature
      let root = (trace + (trace * trace - 4 * momentum).squareRoot()) / 2
      return try rate(
        "heavy ball, m = \(momentum), μ/L = \(curvature), real roots",
        "(t + √(t² - 4 m))/2, t = 1 + m - s μ", root,
        MomentumDescent(.heavyBall, momentum: momentum), quadratic([1, curvature]),
        start: [0, 1], skipping: 200)
    }
    let complex = try [(0.9, 5), (0.81, 7), (0.99, 7), (0.7, 5)].map { momentum, parts in
      // s μ with 2 √m cos θ = 1 + m - s μ.
      let angle = Double.pi / Double(parts)
      let curvature = 1 + momentum - 2 * momentum.squareRoot() * cos(angle)
      return try rate(
        "heavy ball, m = \(momentum), angle π/\(parts)", "√m", momentum.squareRoot(),
        MomentumDescent(.heavyBall, stepRule: .constant(curvature), momentum: momentum),
        quadratic([1, 1]), start: [0, 1])
    }
    return real + complex
  }

  /// Roots of z² - (1 + m) (1 - s μ) z + m (1 - s μ).
  private static func nesterov() throws -> [ClosedFormRate] {
    let real = try [(0.3, 0.01), (0.5, 0.05), (0.7, 0.004)].map { momentum, curvature in
      let (q, sum) = (1 - curvature, 1 + momentum)
      let root = (sum * q + (sum * sum * q * q - 4 * momentum * q).squareRoot()) / 2
      return try rate(
        "Nesterov, m = \(momentum), μ/L = \(curvature), real roots",
        "(t + √(t² - 4 m q))/2, q = 1 - s μ, t = (1 + m) q", root,
        MomentumDescent(.nesterov, momentum: momentum), quadratic([1, curvature]),
        start: [0, 1], skipping: 200)
    }
    let complex = try [(0.9, 5), (0.95, 7), (0.8, 5)].map { momentum, parts in
      // (1 + m) √q = 2 √m cos θ.
      let cosine = cos(Double.pi / Double(parts))
      let root = 2 * momentum.squareRoot() * cosine / (1 + momentum)
      let q = root * root
      return try rate(
        "Nesterov, m = \(momentum), angle π/\(parts)", "√(m q), q = 1 - s μ",
        (momentum * q).squareRoot(),
        MomentumDescent(.nesterov, stepRule: .constant(1 - q), momentum: momentum),
        quadratic([1, 1]), start: [0, 1])
    }
    return real + complex
  }

  /// ½ Σ λ x².
  private static func quadratic(_ curvatures: [Double]) throws -> LeastSquares {
    let n = curvatures.count
    var matrix = Matrix(zeros: n, n)
    for i in 0..<n { matrix[i, i] = curvatures[i].squareRoot() }
    return try LeastSquares(
      matrices: [matrix], target: Vector(zeros: n), generatingPoint: Vector(zeros: n),
      gradientForm: .residual)
  }

  /// The rate of ‖x_k - x*‖ from step `skipping` on, where a faster mode has died out.
  private static func rate<R: UpdateRule, P: Problem>(
    _ name: String, _ formula: String, _ expected: Double, _ rule: R, _ problem: P,
    start: [Double], minimiser: [Double] = [0, 0], skipping: Int = 0
  ) throws -> ClosedFormRate {
    // Down to 1e-100, or to 1e-9 where the minimiser is not 0 and rounding sets a level.
    let isCentred = minimiser.allSatisfy { $0 == 0 }
    let steps = Int((isCentred ? 230 : 9) / -log(expected))
    let horizon = skipping + min(max(steps, 60), 3000)
    let run = unroll(
      rule, on: problem, from: Vector(start), horizon: horizon, recordingIterates: true)
    let distances = run.iterates.dropFirst(skipping).map { x in
      zip(x.elements, minimiser).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
    }
    let analysis = RateAnalysis(distances)
    return ClosedFormRate(
      name: name, formula: formula, expected: expected, measured: analysis.rate?.factor,
      regime: analysis.regime.rawValue)
  }
}
