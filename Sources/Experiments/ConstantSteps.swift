public import Catalog
import Engine
public import Optimization

/// Gradient descent with its step multiplied by a constant p, on the authors' training problems.
public enum ConstantSteps {
  /// The factors that are run; the first is plain gradient descent.
  public static let factors = [1.0, 1.5, 1.8, 1.9]

  /// F(X_T) at each of `horizons`, by the residual.
  public static func values(
    _ problem: LeastSquares, factor: Double, horizons: [Int], stepRule: StepRule = .reference
  ) -> [Double] {
    var accurate = problem
    accurate.gradientForm = .residual
    let totals = unroll(
      GradientDescent(stepRule: stepRule, relaxation: factor), on: accurate,
      from: Vector(zeros: problem.dimension), horizon: horizons.max() ?? 0
    ).totals
    return horizons.map { $0 < totals.count ? totals[$0] : .infinity }
  }

  /// The baseline that nobody plots, beside the best that any learned run reached.
  ///
  /// - Parameter learned: finished runs; those with the horizon of a row compete in it.
  public static func rows(
    _ problem: LeastSquares, horizons: [Int], published: PublishedValues, learned: [TrainingRun]
  ) -> [ConstantStepRow] {
    let plain = values(problem, factor: 1, horizons: horizons)
    return factors.dropFirst().flatMap { factor in
      zip(horizons, zip(values(problem, factor: factor, horizons: horizons), plain)).map {
        horizon, value in
        ConstantStepRow(
          factor: factor, horizon: horizon, ratio: (value.1 - value.0) / value.1,
          published: published.constantStep.first { $0.factor == factor }
            .flatMap { row in row.horizons.firstIndex(of: horizon).map { row.ratio[$0] } },
          bestLearned: learned.filter { $0.setting.horizon == horizon }
            .compactMap { $0.ratios.max() }.max())
      }
    }
  }

  /// F(X_T) of plain gradient descent beside the published values.
  public static func descentValues(
    _ problem: LeastSquares, published: PublishedValues
  ) -> [DescentValue] {
    let horizons = published.gradientDescent.map(\.horizon)
    let ours = values(problem, factor: 1, horizons: horizons)
    let theory = values(problem, factor: 1, horizons: horizons, stepRule: .theory)
    return zip(published.gradientDescent, zip(ours, theory)).map {
      DescentValue(
        horizon: $0.horizon, value: $1.0, published: $0.objective, theoryStep: $1.1)
    }
  }
}
