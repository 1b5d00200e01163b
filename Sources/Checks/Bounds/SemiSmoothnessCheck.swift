import Engine
import Foundation
import Optimization

/// T2: Lemma 4.2, iterates depend on the weights no more than the recursion says.
///
/// Broken if it is at any t <= T of any pair; its slack is that at t = T, since after one step even
/// a bound that is useless at T is sharp. Numbers: `slack` (decades, at the sharpest pair), `sharpest`
/// (its k), `largestSlack`, `points`.
public struct SemiSmoothnessCheck: Check {
  public let claim = Claim(
    id: "T2", title: "‖X_T(W) - X_T(W')‖ is bounded by a recursion in ‖W - W'‖",
    source: "paper A, Lemma 4.2; recursion derived")

  public let equation =
    "dz_t ≤ Σ_l ‖ΔW_l‖ Π_{j≠l} λ_j u_t + Θ(dg_{t-1} + dX_{t-1}), dP_t ≤ dz_t/2, and on to dX_T"

  public let tolerance =
    "the same recursion, started from the rounding of steps and network"

  public let blindSpots =
    "pairs that were not tried; a bound that is too large"

  /// Creates the check.
  public init() {}

  public func run(_ subject: SemiSmoothnessRecord) -> CheckResult {
    let suffixes = subject.pairs.map { "\($0.path)/t=\($0.differences.count)" }
    let ends = Set(suffixes)
    let last = subject.bound.restricted { ends.contains($0.path) }
    return last.judge(claim, subject: subject.label)
  }

  public var mutants: [Mutant<SemiSmoothnessRecord>] {
    let sharp = Self.sharp
    var scaled = sharp
    scaled.pairs[0].differences[0] *= 1.01
    // β is 1/4 there.
    var dropped = sharp
    dropped.effectiveSmoothness = 1
    var near = sharp
    near.pairs[0].layerDistances = near.pairs[0].layerDistances.map { $0 / 2 }
    let attained = Self.attained
    var still = attained
    still.recursion.iterateShare = 0
    var blind = attained
    blind.recursion.gradientShare = 0
    var forgetful = attained
    forgetful.recursion.carry = 0
    var isolated = Self.chaotic
    isolated.recursion.gradientShare = 0
    isolated.recursion.iterateShare = 0
    var shallow = attained
    shallow.pairs[0].layerBounds[0] /= 2
    var foreign = scaled
    foreign.stepRule = .reference
    var exponential = scaled
    exponential.map = .exp
    return [
      Mutant("iterates 1% farther apart where the bound is sharp", size: 1e-2, scaled),
      Mutant("1/√β is left out", size: 0.5, dropped),
      Mutant("‖W - W'‖ is half of what it is", size: 0.5, near),
      Mutant("the recursion forgets dX, at a run that attains it", still),
      Mutant("it forgets dg", blind),
      Mutant("it forgets what earlier residuals hand on", forgetful),
      Mutant("it forgets that the network's inputs move, on a measured run", isolated),
      Mutant("the norm of a layer is half of what it is", size: 0.5, shallow),
      Mutant("1% too far under another step rule", expected: .premiseFails, foreign),
      Mutant("1% too far with P = exp(z)", expected: .premiseFails, exponential),
    ]
  }

  public var cleanCases: [CleanCase<SemiSmoothnessRecord>] {
    var foreign = Self.sharp
    foreign.stepRule = .reference
    var same = Self.sharp
    same.pairs[0].layerDistances = [0, 0]
    same.pairs[0].differences = [0]
    var other = ScalarNetwork.steep
    other.outer[1] += 1e-4
    var far = Self.attained
    far.pairs[0].differences = far.pairs[0].differences.map { 1e-7 * $0 }
    return [
      CleanCase("one step with z near 0: sharp within 1%", Self.sharp),
      CleanCase("the recursion attained at every step", Self.attained),
      CleanCase(
        "two units, two steps", ScalarNetwork.steep.record("", with: other, horizon: 2)),
      CleanCase("weights of 140, three steps", Self.chaotic),
      CleanCase("the same weights", same),
      CleanCase("seven decades loose", expected: .holdsVacuously, far),
      CleanCase("another step rule", expected: .holdsVacuously, foreign),
    ]
  }

  /// One step with z near 0 and β = 1/4, where only the slope of the sigmoid is lost.
  private static var sharp: SemiSmoothnessRecord {
    var base = ScalarNetwork.gentle
    base.slope = 0.5
    var other = base
    other.outer[0] += 1e-3
    return base.record("one unknown", with: other, horizon: 1)
  }

  /// Distances that the recursion allows to the last digit but one.
  private static var attained: SemiSmoothnessRecord {
    var record = ScalarNetwork.steep.record("attained", with: .steep, horizon: 6)
    record.pairs[0].layerDistances = [1e-3, 1e-3]
    record.pairs[0].differences = record.logLimits(record.pairs[0]).map { 0.99 * exp($0) }
    return record
  }

  /// Three steps of large weights, where what moves the iterates is their effect on the inputs.
  private static var chaotic: SemiSmoothnessRecord {
    let base = ScalarNetwork(
      slope: 0.1, inner: [(-0.6, -0.3), (0.9, 0.5)], outer: [-103.65, 138.41])
    var other = base
    other.outer[0] += 1e-4
    return base.record("large weights", with: other, horizon: 3)
  }
}
