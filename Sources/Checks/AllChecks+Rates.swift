/// The checks of descent, its bounds, training and rates: D1, D2, D3, T3, T4.
public enum RateChecks {
  /// One of each, in the order of the claims.
  public static var all: [any Check] {
    [
      DescentCheck(), GradientDescentBoundCheck(), LossAlignmentCheck(), TrainingBoundCheck(),
      TrainingRateCheck(),
    ]
  }
}
