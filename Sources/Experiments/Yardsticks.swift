public import Catalog
import Engine
import Optimization

/// What methods without learning reach on the published training problems in the same T steps.
public enum Yardsticks {
  /// One method at one horizon.
  public struct Row: Sendable, Hashable, Codable {
    /// The method, in words.
    public var method: String
    /// What it knows of the problem beyond gradients.
    public var knows: String
    /// T.
    public var horizon: Int
    /// F(X_T).
    public var value: Double
    /// (F_GD - F) / F_GD.
    public var ratio: Double
  }

  /// All methods at each of `horizons`, from X_0 = 0.
  ///
  /// Every method sees the same instances, side by side as the learned rule does.
  /// - Throws: `EngineError` if a decomposition does not converge.
  public static func rows(_ problem: LeastSquares, horizons: [Int]) throws -> [Row] {
    var accurate = problem
    accurate.gradientForm = .residual
    let curvature = try problem.matrix.blocks.map { block in
      let least = try block.singularValues().elements.last ?? 0
      return least * least
    }
    let longest = horizons.max() ?? 0
    let plain = totals(GradientDescent(stepRule: .reference), accurate, longest)
    func rows(_ method: String, _ knows: String, _ values: [Double]) -> [Row] {
      horizons.map { t in
        let value = t < values.count ? values[t] : .nan
        return Row(
          method: method, knows: knows, horizon: t, value: value,
          ratio: (plain[t] - value) / plain[t])
      }
    }
    let momenta = zip(problem.smoothness, curvature).map {
      ($0.squareRoot() - $1.squareRoot()) / ($0.squareRoot() + $1.squareRoot())
    }
    return rows("gradient descent, 0.9999/βᵢ", "βᵢ", plain)
      + [1.5, 1.8, 1.9].flatMap { p in
        rows(
          "gradient descent, \(p) × 0.9999/βᵢ", "βᵢ",
          totals(GradientDescent(stepRule: .reference, relaxation: p), accurate, longest))
      }
      + rows("silver steps", "βᵢ", totals(SilverSteps(), accurate, longest))
      + rows(
        "Nesterov's method (FISTA)", "βᵢ", totals(FISTA(stepRule: .instance), accurate, longest))
      + rows(
        "Nesterov's method, largest momentum of the instances", "βᵢ, μᵢ",
        totals(
          MomentumDescent(.nesterov, stepRule: .instance, momentum: momenta.max() ?? 0), accurate,
          longest))
      + rows(
        "Chebyshev steps", "βᵢ, μᵢ",
        totals(ChebyshevIteration(curvature: curvature), accurate, longest))
      + rows(
        "conjugate gradients", "curvature along directions",
        totals(ConjugateGradient(), accurate, longest))
  }

  private static func totals(
    _ rule: some UpdateRule, _ problem: LeastSquares, _ horizon: Int
  ) -> [Double] {
    unroll(rule, on: problem, from: Vector(zeros: problem.dimension), horizon: horizon).totals
  }
}
