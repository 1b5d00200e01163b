import Foundation

/// The least scale that one of Lemmas 5.1 to 5.4 asks for: e = c T^exponent L^(p/(L-1)).
///
/// The constants c are not public; c = 1 here, so only the growth is what the paper says. All four
/// exponents are quotients (a T + b) / (c T L + d T + f L + h).
public struct ScaleThreshold: Sendable, Hashable, Codable {
  /// The lemma, as `5.2`.
  public var lemma: String
  /// a and b.
  public var numerator: [Double]
  /// c, d, f and h.
  public var denominator: [Double]
  /// p: 1 for the factor L^{1/(L-1)}, 0 for none.
  public var depthPower: Double

  /// Creates a threshold.
  public init(
    lemma: String, numerator: [Double], denominator: [Double], depthPower: Double = 0
  ) {
    precondition(numerator.count == 2 && denominator.count == 4, "two and four coefficients")
    self.lemma = lemma
    self.numerator = numerator
    self.denominator = denominator
    self.depthPower = depthPower
  }

  /// Lemmas 5.1 to 5.4: 1/(L-1), (3T + 6)/(TL - T - 4L + 6), 4/(L-1), and 5/(L-1) with L^{1/(L-1)}.
  public static let all = [
    ScaleThreshold(lemma: "5.1", numerator: [0, 1], denominator: [0, 0, 1, -1]),
    ScaleThreshold(lemma: "5.2", numerator: [3, 6], denominator: [1, -1, -4, 6]),
    ScaleThreshold(lemma: "5.3", numerator: [0, 4], denominator: [0, 0, 1, -1]),
    ScaleThreshold(
      lemma: "5.4", numerator: [0, 5], denominator: [0, 0, 1, -1], depthPower: 1),
  ]

  /// The denominator of the exponent; the lemma says something only where it is positive.
  public func margin(horizon: Int, depth: Int) -> Double {
    let (t, l) = (Double(horizon), Double(depth))
    return denominator[0] * t * l + denominator[1] * t + denominator[2] * l + denominator[3]
  }

  /// The exponent of T; nil where the denominator is not positive.
  public func exponent(horizon: Int, depth: Int) -> Double? {
    let margin = margin(horizon: horizon, depth: depth)
    return margin > 0 ? (numerator[0] * Double(horizon) + numerator[1]) / margin : nil
  }

  /// The exponent as T grows without end.
  public func limitingExponent(depth: Int) -> Double {
    let l = Double(depth)
    let slope = denominator[0] * l + denominator[1]
    return slope != 0
      ? numerator[0] / slope : numerator[1] / (denominator[2] * l + denominator[3])
  }

  /// log10 of the least scale with constant 1; nil where the lemma says nothing.
  public func log10Scale(horizon: Int, depth: Int) -> Double? {
    exponent(horizon: horizon, depth: depth).map {
      $0 * log10(Double(horizon)) + depthPower * log10(Double(depth)) / Double(depth - 1)
    }
  }
}

/// A statement about the four thresholds, and where it is put to the test.
public struct ScaleStatement: Sendable, Hashable, Codable {
  /// What is said.
  public enum Statement: Sendable, Hashable, Codable {
    /// Every threshold falls from each depth to the next.
    case depthLowersAll
    /// The denominator of this lemma's exponent is positive.
    case hasPositiveDenominator(lemma: String)
    /// This lemma's exponent falls to its limit, the distance bounded by (18L - 24)/((L-1)² (T - 4)).
    case approachesLimit(lemma: String)
    /// This lemma asks for the largest scale.
    case isStrictest(lemma: String)
    /// This lemma's scale grows exponentially in T.
    case isExponentialInHorizon(lemma: String)
    /// Scales up to this one meet every threshold.
    case isMetBy(scale: Double)
  }

  /// What is said.
  public var statement: Statement
  /// Who says it: a lemma, or a remark.
  public var source: String
  /// The thresholds.
  public var thresholds: [ScaleThreshold]
  /// T.
  public var horizons: [Int]
  /// L.
  public var depths: [Int]

  /// Creates a statement; over the table of T and L of theory.md unless told otherwise.
  public init(
    _ statement: Statement, source: String, thresholds: [ScaleThreshold] = ScaleThreshold.all,
    horizons: [Int] = [5, 10, 20, 50, 100], depths: [Int] = [3, 4, 5, 6]
  ) {
    self.statement = statement
    self.source = source
    self.thresholds = thresholds
    self.horizons = horizons
    self.depths = depths
  }

  /// In words.
  public var words: String {
    switch statement {
    case .depthLowersAll: "depth lowers every threshold"
    case .hasPositiveDenominator(let lemma): "the exponent of \(lemma) has a positive denominator"
    case .approachesLimit(let lemma): "the exponent of \(lemma) falls to 3/(L-1)"
    case .isStrictest(let lemma): "\(lemma) is the most stringent"
    case .isExponentialInHorizon(let lemma): "\(lemma) asks for a scale exponential in T"
    case .isMetBy(let scale): "the published scales, up to e = \(scale.brief), meet every threshold"
    }
  }

  /// The statements of the paper and of remarks on it, in the order of a report.
  public static let all = [
    ScaleStatement(
      .hasPositiveDenominator(lemma: "5.2"), source: "derived: T > 4 - 2/(L-1)",
      horizons: [4, 5, 10, 20, 50, 100]),
    ScaleStatement(.depthLowersAll, source: "paper A, Lemmas 5.1-5.4"),
    ScaleStatement(
      .approachesLimit(lemma: "5.2"), source: "derived",
      horizons: [5, 10, 20, 50, 100, 1000, 10_000]),
    ScaleStatement(.isStrictest(lemma: "5.2"), source: "remark on Lemma 5.2"),
    ScaleStatement(
      .isStrictest(lemma: "5.4"), source: "derived, T >= 10", horizons: [10, 20, 50, 100]),
    ScaleStatement(
      .isExponentialInHorizon(lemma: "5.2"), source: "remark on Lemma 5.2",
      horizons: [20, 40, 80, 160, 320, 640]),
    ScaleStatement(
      .isMetBy(scale: 100), source: "published runs, constants taken as 1",
      horizons: [20, 100], depths: [3]),
  ]
}
