import Foundation
public import Optimization

/// D3: training keeps F(X_T^k) below the bound for gradient descent, r_k < 1 for every k.
///
/// r_k = F(X_T^k) T / (β ‖X_0 - X*‖²). That η is below the theorem's bound cannot be decided.
/// Numbers: `first` and `last` (r_0 and r_K), `largest` and `largestStep`, `gradientDescent` (r of
/// gradient descent itself), `rises` (steps at which r rises beyond rounding), `firstRise` (the first
/// of them; absent if it falls monotonically), `steps`.
public struct LossAlignmentCheck: Check {
  public let claim = Claim(
    id: "D3", title: "F(X_T^k) = r_k (β/T) ‖X_0 - X*‖² with r_k < 1", source: "paper A")

  public let equation =
    "F(X_T^k) = r_k (β/T) ‖X_0 - X*‖², r_k < 1"

  public let tolerance =
    "rounding of F relative to its first value"

  public let blindSpots =
    "whether η is below the theorem's bound, whose constants are not public"

  /// Creates the check.
  public init() {}

  public func run(_ subject: TrainingRecord) -> CheckResult {
    let unit =
      subject.largestSmoothness * subject.squaredDistance / Double(max(1, subject.horizon))
    let ratios = subject.losses.map { $0 / unit }
    let allowed = subject.rounding(at: unit) / unit
    var evidence = ratios.indices.compactMap { k in
      ratios[k] < 1 + allowed
        ? nil : Evidence("k=\(k)", actual: ratios[k], reference: 1, allowed: allowed)
    }
    if case .nonFinite(let step) = subject.stop {
      evidence.append(
        Evidence("k=\(step)", actual: .infinity, reference: 1, allowed: allowed))
    }
    let rises = ratios.indices.dropFirst().filter { k in
      let bar = 2 * subject.rounding(at: subject.losses[k - 1]) / unit
      return !(ratios[k] <= ratios[k - 1] + bar)
    }
    let isBlurred = ratios.contains { $0 >= 1 && $0 < 1 + allowed }
    let largest = ratios.indices.max { ratios[$0] < ratios[$1] } ?? 0
    let last = ratios[ratios.count - 1]
    var numbers = [
      "first": ratios[0], "last": last, "largest": ratios[largest],
      "largestStep": Double(largest), "gradientDescent": subject.gradientDescentValue / unit,
      "rises": Double(rises.count), "steps": Double(subject.steps),
    ]
    if let first = rises.first { numbers["firstRise"] = Double(first) }
    let course =
      rises.first.map { "rises \(rises.count) times, first at k=\($0)" } ?? "never rises"
    let end =
      if case .nonFinite(let step) = subject.stop { ", not finite at k=\(step)" } else { "" }
    let premises =
      subject.settingPremises
      + [subject.undecidable("η below the theorem's bound", "η = \(subject.stepSize)")]
    let verdict = Verdict.decide(
      premises, !evidence.isEmpty ? .isFalse : isBlurred ? .undecided : .isTrue(slack: nil))
    return CheckResult(
      claim: claim, subject: subject.label, verdict: verdict,
      qualifier: verdict == .holds && !subject.assumesThresholds ? "assuming small η" : nil,
      reason: premises.explain(
        "r goes from \(ratios[0].precise) to \(last.precise), at most \(ratios[largest].precise) at k=\(largest), "
          + course + end),
      premises: premises, numbers: numbers, evidence: evidence)
  }

  public var mutants: [Mutant<TrainingRecord>] {
    var above = TrainingRecord.synthetic(decay: 1e-3)
    let unit = above.largestSmoothness * above.squaredDistance / Double(above.horizon)
    above.losses[above.steps] = 1.001 * unit
    above.assumesThresholds = true
    var unstable = above
    unstable.assumesThresholds = false
    var broken = TrainingRecord.synthetic(decay: 1e-3)
    broken.assumesThresholds = true
    broken.stop = .nonFinite(step: broken.losses.count)
    var foreign = above
    foreign.stepRule = .reference
    return [
      Mutant("the last loss is 0.1% above the bound", size: 1e-3, above),
      Mutant("the same with an η that may be too large", expected: .inconclusive, unstable),
      Mutant("training ends in a loss that is not finite", broken),
      Mutant("above the bound under another step rule", expected: .premiseFails, foreign),
    ]
  }

  public var cleanCases: [CleanCase<TrainingRecord>] {
    var wavy = TrainingRecord.synthetic(decay: 1e-3)
    for k in stride(from: 1, to: wavy.losses.count, by: 2) { wavy.losses[k] *= 1.001 }
    var foreign = TrainingRecord.synthetic(decay: 1e-3)
    foreign.stepRule = .reference
    return [
      CleanCase("falls monotonically", .synthetic(decay: 1e-3)),
      CleanCase("falls with small rises", wavy),
      CleanCase("falls under another step rule", expected: .holdsVacuously, foreign),
    ]
  }
}

extension TrainingRecord {
  /// F(X_T^k) beside (β/T) ‖X_0 - X*‖², for every k.
  public var alignmentBound: Bound {
    let unit = largestSmoothness * squaredDistance / Double(max(1, horizon))
    let allowed = log(rounding(at: unit))
    return Bound(
      "(β/T) ‖X_0 - X*‖²", .value, source: "paper A", premises: settingPremises,
      points: losses.indices.map { k in
        Bound.Point(
          "k=\(k)", index: k, logLimit: log(unit), logMeasured: log(losses[k]),
          logAllowed: allowed)
      })
  }
}
