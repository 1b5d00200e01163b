import Checks

/// How a curve lies to its published points.
public enum CurveAgreement: Sendable, Hashable {
  /// Every point is as close as it has to be.
  case within
  /// Those that are not lie where rounding takes a run.
  case insideBand
  /// Some do not.
  case differs
}

extension ExperimentResult.Curve {
  /// The chance that a curve whose runs differ by rounding alone has a published point outside its bands.
  static let risk = 0.01
  /// Twins without which nothing is said of rounding.
  static let fewestTwins = 3

  /// How the curve lies to its published points; nil where nothing is judged.
  public func agreement(_ closeness: Closeness) -> CurveAgreement? {
    guard closeness.limit != nil, published != nil else { return nil }
    let points = judged.compactMap { agreement(at: $0, closeness) }
    guard !points.isEmpty else { return nil }
    return points.contains(.differs)
      ? .differs : points.contains(.insideBand) ? .insideBand : .within
  }

  /// The largest distance and where, of the points that differ if some do, else of all; nil without published
  /// values.
  public func worst(_ closeness: Closeness) -> (distance: Double, x: Double)? {
    guard let published else { return nil }
    let differing = judged.filter { agreement(at: $0, closeness) == .differs }
    return (differing.isEmpty ? judged : differing).map { i in
      let distance = closeness.distance(y[i], published[i])
      // A curve that ended where the published one goes on is infinitely far.
      return (distance.isNaN ? .infinity : distance, x[i])
    }.max { $0.0 < $1.0 }
  }

  /// How place `index`, where something was published, lies to it; nil where nothing is judged.
  private func agreement(at index: Int, _ closeness: Closeness) -> CurveAgreement? {
    guard let limit = closeness.limit, let published else { return nil }
    // A curve that ended where the published one goes on is no agreement.
    if closeness.distance(y[index], published[index]) <= limit { return .within }
    return band(at: index)?.contains(published[index]) == true ? .insideBand : .differs
  }

  /// Where one more run lies at place `index`, if runs differ from each other as ours and its twins do; nil
  /// where there are too few.
  ///
  /// The prediction interval of Student's t; the bands of all published points that have one hold together
  /// with 99 %.
  public func band(at index: Int) -> ClosedRange<Double>? {
    guard let values = sample(at: index) else { return nil }
    let places = judged.count { sample(at: $0) != nil }
    let count = Double(values.count)
    let mean = values.reduce(0, +) / count
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
    let t = StudentT.quantile(1 - Self.risk / Double(2 * max(1, places)), freedom: count - 1)
    let half = t * (variance * (1 + 1 / count)).squareRoot()
    return (mean - half)...(mean + half)
  }

  /// The places where something was published; all of them if nothing was.
  private var judged: [Int] {
    x.indices.filter { index in published.map { !$0[index].isNaN } ?? true }
  }

  /// Our value and its twins', where there are enough of them and all are finite.
  private func sample(at index: Int) -> [Double]? {
    guard let own = twins?[index].filter({ !$0.isNaN }), own.count >= Self.fewestTwins else {
      return nil
    }
    let values = [y[index]] + own
    return values.allSatisfy(\.isFinite) ? values : nil
  }
}
