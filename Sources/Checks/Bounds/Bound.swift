import Foundation

/// A bound beside what was measured, point by point, in logarithms.
///
/// Products over T steps overflow and slopes of a saturated sigmoid underflow: nothing here leaves
/// the log domain, so that a bound of 10^5000 has a slack as well as one of 2.
public struct Bound: Sendable, Hashable, Codable {
  /// What is bounded.
  public enum Kind: String, Sendable, Hashable, Codable {
    /// A value from above.
    case value = "on values"
    /// The rate λ of a decay e^{-λ k} from below.
    case rate = "on a rate"
    /// A distance from above.
    case distance = "on a distance"
  }

  /// A bound and a measurement at one place.
  public struct Point: Sendable, Hashable, Codable {
    /// Where, outermost first: `k=100/layer=2`.
    public var path: String
    /// The training step k, or the step t where there is no training.
    public var index: Int
    /// Natural logarithm of the bound; -∞ for a bound of 0.
    public var logLimit: Double
    /// Natural logarithm of what was measured.
    public var logMeasured: Double
    /// Natural logarithm of the error bar of both; -∞ for none.
    public var logAllowed: Double

    /// Creates a point from natural logarithms.
    public init(
      _ path: String, index: Int, logLimit: Double, logMeasured: Double,
      logAllowed: Double = -.infinity
    ) {
      self.path = path
      self.index = index
      self.logLimit = logLimit
      self.logMeasured = logMeasured
      self.logAllowed = logAllowed
    }

    /// Whether bound or measurement rises above the error bar; else nothing can be told.
    public var isResolved: Bool { max(logMeasured, logLimit) > logAllowed }
  }

  /// Short name, as tables print it.
  public var name: String
  /// What is bounded.
  public var kind: Kind
  /// Paper and place, or `derived`.
  public var source: String
  /// The conditions under which it holds, each with whether it was met.
  public var premises: [Premise]
  /// Bound and measurement, in order.
  public var points: [Point]

  /// Creates a bound.
  public init(
    _ name: String, _ kind: Kind, source: String, premises: [Premise], points: [Point]
  ) {
    self.name = name
    self.kind = kind
    self.source = source
    self.premises = premises
    self.points = points
  }

  /// Decades between the bound and what was measured at `point`, negative where the bound is broken.
  ///
  /// Nil where rounding hides both, and for a zero, about which a bound says nothing.
  public func slack(_ point: Point) -> Double? {
    guard point.isResolved, point.logMeasured > -.infinity else { return nil }
    let decades = (point.logLimit - point.logMeasured) / log(10)
    return kind == .rate ? -decades : decades
  }

  /// The point with the least slack; nil if nothing is resolved.
  public var sharpest: (point: Point, slack: Double)? {
    points.compactMap { point in slack(point).map { (point, $0) } }.min { $0.1 < $1.1 }
  }

  /// The slack at every resolved point whose path satisfies `belongs`, by its index.
  public func slacks(
    where belongs: (Point) -> Bool = { _ in true }
  ) -> [(index: Int, slack: Double)] {
    points.filter(belongs).compactMap { point in slack(point).map { (point.index, $0) } }
  }

  /// The points at which the bound is broken beyond the error bar.
  public var faults: [Evidence] {
    points.filter(isBroken).map {
      Evidence(
        $0.path, actual: exp($0.logMeasured), reference: exp($0.logLimit),
        allowed: exp($0.logAllowed))
    }
  }

  private func isBroken(_ point: Point) -> Bool {
    switch kind {
    // Written so that NaN is broken.
    case .value, .distance:
      !(point.logMeasured <= logSum(point.logLimit, point.logAllowed))
    case .rate: !(point.logLimit <= logSum(point.logMeasured, point.logAllowed))
    }
  }

  /// The same bound at the points that satisfy `belongs`, and wherever it is broken.
  public func restricted(to belongs: (Point) -> Bool) -> Bound {
    var result = self
    result.points = points.filter { belongs($0) || isBroken($0) }
    return result
  }

  /// True with the slack of the sharpest point, false where broken; undecided where rounding hides
  /// all that was measured and it was not 0 either.
  public var conclusion: Conclusion {
    if points.contains(where: isBroken) { return .isFalse }
    if let sharpest { return .isTrue(slack: sharpest.slack) }
    let isZero = !points.isEmpty && points.allSatisfy { $0.logMeasured == -.infinity }
    return isZero ? .isTrue(slack: nil) : .undecided
  }

  /// The sharpest point, or the worst of the broken ones, in one line.
  public var summary: String {
    if let worst = points.filter(isBroken).min(by: { (slack($0) ?? 0) < (slack($1) ?? 0) }) {
      return "\(worst.path): measured \(Self.power(worst.logMeasured)) against "
        + "\(Self.power(worst.logLimit)) ± \(Self.power(worst.logAllowed))"
    }
    guard let (point, slack) = sharpest else { return "nothing above rounding was measured" }
    return "sharpest at \(point.path): \(Self.power(point.logMeasured)) against "
      + "\(Self.power(point.logLimit)), \(slack.brief) decades"
  }

  /// A natural logarithm as a power of ten, as `10^-123.4`; numbers of everyday size as they are.
  static func power(_ logarithm: Double) -> String {
    let decades = logarithm / log(10)
    if decades == -.infinity { return "0" }
    return abs(decades) < 4 ? exp(logarithm).brief : "10^\(String(format: "%.1f", decades))"
  }

  /// The verdict on `claim` for `subject`, from the premises and every point.
  ///
  /// Numbers: `slack` (at the sharpest point; absent if nothing is resolved), `sharpest` (its index),
  /// `largestSlack`, `points`, and what `numbers` adds.
  func judge(
    _ claim: Claim, subject: String, numbers: [String: Double] = [:]
  ) -> CheckResult {
    var numbers = numbers
    numbers["points"] = Double(points.count)
    numbers["slack"] = sharpest?.slack
    numbers["sharpest"] = sharpest.map { Double($0.point.index) }
    numbers["largestSlack"] = points.compactMap(slack).filter(\.isFinite).max()
    return CheckResult(
      claim: claim, subject: subject, verdict: .decide(premises, conclusion),
      reason: premises.explain(summary), premises: premises, numbers: numbers, evidence: faults)
  }
}

/// log(e^a + e^b), where the powers themselves may over- or underflow.
public func logSum(_ a: Double, _ b: Double) -> Double {
  let (large, small) = a >= b ? (a, b) : (b, a)
  // Also for -∞ twice, and for NaN.
  return large.isInfinite ? large : large + log1p(exp(small - large))
}
