import Foundation

/// T7: what Lemmas 5.1 to 5.4 say about the scale e, and what is said of them, as arithmetic.
///
/// Every pair of T and L is a case of its own; pairs for which the lemma says nothing are left out
/// of all but the statement that there are none. Numbers: `cases`, `failures`, and per statement the
/// extreme value that decides (`largest`, `least`).
public struct ScaleThresholdCheck: Check {
  public let claim = Claim(
    id: "T7", title: "least scales e = T^exponent of Lemmas 5.1-5.4",
    source: "paper A, Lemmas 5.1-5.4; constants not public")

  public let equation =
    "1/(L-1); (3T+6)/(TL-T-4L+6); 4/(L-1); 5/(L-1) with L^{1/(L-1)}"

  public let tolerance =
    "rounding of a few operations, 1e-12 of the exponent"

  public let blindSpots =
    "the constants in front, which are taken as 1"

  /// Creates the check.
  public init() {}

  public func run(_ subject: ScaleStatement) -> CheckResult {
    let cases = subject.cases
    let faults = cases.filter { !$0.isTrue }
    let premises = subject.premises
    let shown = faults.max { $0.excess < $1.excess } ?? cases.max { $0.excess < $1.excess }
    var numbers = ["cases": Double(cases.count), "failures": Double(faults.count)]
    numbers["largest"] = cases.map(\.actual).max()
    numbers["least"] = cases.map(\.actual).min()
    let reason =
      shown.map {
        "\(faults.isEmpty ? "true" : "false") in \(faults.isEmpty ? cases.count : faults.count) of "
          + "\(cases.count) cases, \(faults.isEmpty ? "closest to the limit" : "worst") at \($0.path): \($0.actual.precise) against "
          + $0.reference.precise
      } ?? "no case"
    return CheckResult(
      claim: claim, subject: "\(subject.words) (\(subject.source))",
      verdict: .decide(
        premises, cases.isEmpty ? .undecided : faults.isEmpty ? .isTrue(slack: nil) : .isFalse),
      qualifier: premises.isEmpty ? nil : "assuming constants of 1",
      reason: premises.explain(reason), premises: premises, numbers: numbers,
      evidence: faults.map {
        Evidence($0.path, actual: $0.actual, reference: $0.reference, allowed: $0.allowed)
      })
  }

  public var mutants: [Mutant<ScaleStatement>] {
    func changed(_ lemma: String, _ change: (inout ScaleThreshold) -> Void) -> [ScaleThreshold] {
      ScaleThreshold.all.map {
        var threshold = $0
        if threshold.lemma == lemma { change(&threshold) }
        return threshold
      }
    }
    let flat = changed("5.3") { $0.denominator = [0, 0, 0, 2] }
    let inverted = changed("5.1") { ($0.numerator, $0.denominator) = ([0, 1], [0, 0, -1, 7]) }
    let shifted = changed("5.2") { $0.numerator = [4, 6] }
    let late = changed("5.2") { $0.denominator = [1, -1, -4, 1] }
    let weak = changed("5.4") { $0.numerator = [0, 3] }
    return [
      Mutant(
        "5.3 does not depend on the depth",
        .init(.depthLowersAll, source: "mutant", thresholds: flat)),
      Mutant(
        "5.1 grows with the depth",
        .init(.depthLowersAll, source: "mutant", thresholds: inverted)),
      Mutant(
        "the exponent of 5.2 tends to 4/(L-1)",
        .init(
          .approachesLimit(lemma: "5.2"), source: "mutant", thresholds: shifted,
          horizons: [100, 1000])),
      Mutant(
        "the denominator of 5.2 is 5 less",
        .init(.hasPositiveDenominator(lemma: "5.2"), source: "mutant", thresholds: late)),
      Mutant(
        "below T = 4 it is not positive",
        .init(.hasPositiveDenominator(lemma: "5.2"), source: "mutant", horizons: [3])),
      Mutant(
        "at T = 4 depth leaves 5.2 as it is",
        .init(.depthLowersAll, source: "mutant", horizons: [4])),
      Mutant(
        "5.4 asks for T^{3/(L-1)} only",
        .init(
          .isStrictest(lemma: "5.4"), source: "mutant", thresholds: weak,
          horizons: [10, 20, 50, 100])),
      Mutant(
        "5.2 exponential in T",
        .init(
          .isExponentialInHorizon(lemma: "5.2"), source: "mutant", horizons: [20, 40, 80, 160])),
      Mutant(
        "e = 100 at T = 100, constants undecided", expected: .inconclusive,
        .init(.isMetBy(scale: 100), source: "mutant", horizons: [100], depths: [3])),
    ]
  }

  public var cleanCases: [CleanCase<ScaleStatement>] {
    let exponential = ScaleThreshold(
      lemma: "5.2", numerator: [1, 0], denominator: [0, 0, 0, 1])
    return [
      CleanCase("depth", .init(.depthLowersAll, source: "clean")),
      CleanCase(
        "denominator", .init(.hasPositiveDenominator(lemma: "5.2"), source: "clean")),
      CleanCase("limit", .init(.approachesLimit(lemma: "5.2"), source: "clean")),
      CleanCase(
        "5.4 at T >= 10",
        .init(.isStrictest(lemma: "5.4"), source: "clean", horizons: [10, 100])),
      CleanCase(
        "5.2 at T = 5 and L = 3",
        .init(.isStrictest(lemma: "5.2"), source: "clean", horizons: [5], depths: [3])),
      CleanCase(
        "T^T is exponential",
        .init(
          .isExponentialInHorizon(lemma: "5.2"), source: "clean", thresholds: [exponential],
          horizons: [20, 40, 80, 160])),
      CleanCase(
        "e = 10^6 at T = 100, constants taken as 1",
        .init(.isMetBy(scale: 1e6), source: "clean", horizons: [100], depths: [3])),
    ]
  }
}

/// A statement at one T and L: true if `actual` is at most `reference`.
private struct ScaleCase {
  var path: String
  var actual: Double
  var reference: Double

  var allowed: Double { 1e-12 * max(1, abs(reference)) }
  var excess: Double { (actual - reference) / max(1, abs(reference)) }
  var isTrue: Bool { actual <= reference + allowed }
}

extension ScaleStatement {
  /// The constants are not public; statements about growth do not ask for them.
  fileprivate var premises: [Premise] {
    guard case .isMetBy = statement else { return [] }
    return [Premise("the constants of Lemmas 5.1-5.4 are 1", .unknown, "constants not public")]
  }

  /// The thresholds of `lemma`.
  private func of(_ lemma: String) -> [ScaleThreshold] { thresholds.filter { $0.lemma == lemma } }

  /// The statement at every T and L where it says something.
  fileprivate var cases: [ScaleCase] {
    switch statement {
    case .depthLowersAll: thresholds.flatMap(depthCases)
    case .hasPositiveDenominator(let lemma): of(lemma).flatMap(denominatorCases)
    case .approachesLimit(let lemma): of(lemma).flatMap(limitCases)
    case .isStrictest(let lemma): of(lemma).flatMap(strictestCases)
    case .isExponentialInHorizon(let lemma): of(lemma).flatMap(exponentialCases)
    case .isMetBy(let scale): thresholds.flatMap { meetCases($0, scale) }
    }
  }

  private func table(_ make: (Int, Int) -> ScaleCase?) -> [ScaleCase] {
    horizons.flatMap { t in depths.compactMap { make(t, $0) } }
  }

  /// log10 e at each depth against that one depth before, which it must not reach.
  private func depthCases(_ threshold: ScaleThreshold) -> [ScaleCase] {
    table { t, depth in
      guard depth > 2, let deep = threshold.log10Scale(horizon: t, depth: depth),
        let shallow = threshold.log10Scale(horizon: t, depth: depth - 1)
      else { return nil }
      return ScaleCase(
        path: "lemma=\(threshold.lemma)/T=\(t)/L=\(depth)", actual: deep,
        reference: shallow - 1e-9)
    }
  }

  /// The negative of the denominator, an integer, is at most -1.
  private func denominatorCases(_ threshold: ScaleThreshold) -> [ScaleCase] {
    table { t, depth in
      ScaleCase(
        path: "T=\(t)/L=\(depth)", actual: -threshold.margin(horizon: t, depth: depth),
        reference: -1)
    }
  }

  private func limitCases(_ threshold: ScaleThreshold) -> [ScaleCase] {
    table { t, depth in
      guard t > 4, let exponent = threshold.exponent(horizon: t, depth: depth) else { return nil }
      let l = Double(depth)
      // (3T + 6)/(T(L-1) - (4L-6)) - 3/(L-1), and 4L - 6 < 4 (L-1).
      let room = (18 * l - 24) / ((l - 1) * (l - 1) * Double(t - 4))
      return ScaleCase(
        path: "T=\(t)/L=\(depth)", actual: abs(exponent - 3 / (l - 1)), reference: room)
    }
  }

  /// The largest of the other lemmas' scales against this one's.
  private func strictestCases(_ threshold: ScaleThreshold) -> [ScaleCase] {
    table { t, depth in
      guard let own = threshold.log10Scale(horizon: t, depth: depth),
        let other = thresholds.filter({ $0.lemma != threshold.lemma })
          .compactMap({ $0.log10Scale(horizon: t, depth: depth) }).max()
      else { return nil }
      return ScaleCase(path: "T=\(t)/L=\(depth)", actual: other, reference: own)
    }
  }

  /// log e per step, which exponential growth would keep: halving it with T doubled is polynomial.
  private func exponentialCases(_ threshold: ScaleThreshold) -> [ScaleCase] {
    zip(horizons, horizons.dropFirst()).flatMap { early, late in
      depths.compactMap { depth in
        guard let first = threshold.log10Scale(horizon: early, depth: depth),
          let second = threshold.log10Scale(horizon: late, depth: depth)
        else { return nil }
        return ScaleCase(
          path: "T=\(late)/L=\(depth)", actual: first / Double(early),
          reference: second / Double(late))
      }
    }
  }

  private func meetCases(_ threshold: ScaleThreshold, _ scale: Double) -> [ScaleCase] {
    table { t, depth in
      threshold.log10Scale(horizon: t, depth: depth).map {
        ScaleCase(
          path: "lemma=\(threshold.lemma)/T=\(t)/L=\(depth)", actual: $0,
          reference: log10(scale))
      }
    }
  }
}
