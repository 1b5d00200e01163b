import Foundation
import Optimization

/// The bound of Lemma 4.2, and what it bounds, over scales e of the weights and over steps t.
public struct GrowthRecord: Sendable, Equatable, Codable {
  /// One pair of weights, scaled.
  public struct Curve: Sendable, Equatable, Codable {
    /// Natural logarithms of the bound, scale first, then t = 1 to T.
    public var logLimits: [[Double]]
    /// Natural logarithms of ‖X_t(W) - X_t(W')‖, in the same order.
    public var logMeasured: [[Double]]

    /// Creates a curve.
    public init(logLimits: [[Double]], logMeasured: [[Double]]) {
      self.logLimits = logLimits
      self.logMeasured = logMeasured
    }
  }

  /// Problem, rule and setting.
  public var label: String
  /// L, the number of layers.
  public var depth: Int
  /// How many of them are multiplied by e: L - 1, or L if W_L is scaled too.
  public var scaledLayers: Int
  /// The scales e, increasing; at least three.
  public var scales: [Double]
  /// One for each seeded pair; at least two.
  public var curves: [Curve]

  /// Creates a record.
  public init(
    label: String, depth: Int, scaledLayers: Int, scales: [Double], curves: [Curve]
  ) {
    precondition(scales.count >= 3 && curves.count >= 2, "too few scales or pairs for a slope")
    precondition(
      curves.allSatisfy {
        $0.logLimits.count == scales.count && $0.logMeasured.count == scales.count
      }, "curves over other scales")
    self.label = label
    self.depth = depth
    self.scaledLayers = scaledLayers
    self.scales = scales
    self.curves = curves
  }

  /// T.
  public var horizon: Int { curves.first?.logLimits.first?.count ?? 0 }

  /// The slopes of the bound against log e between neighbouring scales, after `step` steps.
  func localExponents(_ curve: Curve, step: Int) -> [Double] {
    scales.indices.dropFirst().map { i in
      (curve.logLimits[i][step - 1] - curve.logLimits[i - 1][step - 1])
        / log(scales[i] / scales[i - 1])
    }
  }
}

/// A mean over repetitions with its 95% interval by Student's t.
struct MeanInterval {
  var mean: Double
  var half: Double
  var lower: Double { mean - half }
  var upper: Double { mean + half }

  /// At least two values.
  init(_ values: [Double]) {
    let n = Double(values.count)
    mean = values.reduce(0, +) / n
    let centre = mean
    let variance = values.reduce(0) { $0 + ($1 - centre) * ($1 - centre) } / (n - 1)
    half = StudentT.quantile(0.975, freedom: n - 1) * (variance / n).squareRoot()
  }
}

/// T2g: in the scale e of the weights the bound of Lemma 4.2 grows as e^{(L-1)T}, or e^{LT} if W_L
/// is scaled too; a bound O(e^{LT}) with Euler's e would not depend on the scale.
///
/// The exponent is the slope of log bound against log e between the two largest scales, its error
/// the change from the slope before: a polynomial in e^{L-1} with positive coefficients comes closer
/// with every scale. Numbers: `exponent` with `exponentLower` and `exponentUpper`, `predicted`,
/// `perStep` (the slope of the exponent against t), `growth` with `growthLower` and `growthUpper`
/// (decades per step t at the smallest scale, mean over pairs and its 95% interval), the same two
/// for what was measured (`measuredExponent...`, over the three smallest
/// scales: beyond, P saturates, and `measuredGrowth...`), and
/// `largestMeasuredExponent` between neighbouring scales.
public struct GrowthCheck: Check {
  public let claim = Claim(
    id: "T2g", title: "the bound of Lemma 4.2 grows as e^{(L-1)T} in the scale e",
    source: "paper A, Lemma 4.2: O(e^{LT}); exponent derived")

  public let equation =
    "d log bound / d log e = n T, n the number of layers that e multiplies"

  public let tolerance =
    "the change of the slope from one scale to the next, and Student's interval over pairs"

  public let blindSpots =
    "scales beyond those tried; the constants in front"

  /// Creates the check.
  public init() {}

  public func run(_ subject: GrowthRecord) -> CheckResult {
    let horizon = subject.horizon
    let predicted = Double(subject.scaledLayers * horizon)
    let local = subject.curves.map { subject.localExponents($0, step: horizon) }
    let exponent = MeanInterval(local.map { $0[$0.count - 1] })
    let drift = local.map { abs($0[$0.count - 1] - $0[$0.count - 2]) }.reduce(0, max)
    // Differences of logarithms of size log B, over a step of log e.
    let rounding = 1e-12 * predicted
    let allowed = exponent.half + drift + rounding
    let isRight = abs(exponent.mean - predicted) <= allowed
    var numbers = [
      "exponent": exponent.mean, "exponentLower": exponent.mean - allowed,
      "exponentUpper": exponent.mean + allowed, "predicted": predicted,
      "perStep": perStep(subject),
    ]
    add("growth", growth(subject.curves.map { $0.logLimits[0] }), to: &numbers)
    add("measuredGrowth", growth(subject.curves.map { $0.logMeasured[0] }), to: &numbers)
    let measured = measuredSlopes(subject)
    add("measuredExponent", measured.mean, to: &numbers)
    numbers["largestMeasuredExponent"] = measured.largest
    return CheckResult(
      claim: claim, subject: subject.label,
      verdict: .decide(
        [], exponent.mean.isFinite ? isRight ? .isTrue(slack: nil) : .isFalse : .isFalse),
      reason:
        "exponent \(exponent.mean.precise) ± \(allowed.brief), n T = \(Int(predicted)), "
        + "\((numbers["perStep"] ?? .nan).brief) a step; Euler's number would give 0; measured "
        + "\((numbers["measuredExponent"] ?? .nan).brief)",
      numbers: numbers,
      evidence: [
        Evidence(
          "exponent", actual: exponent.mean, reference: predicted, allowed: max(allowed, rounding))
      ])
  }

  private func add(_ name: String, _ values: [Double], to numbers: inout [String: Double]) {
    guard values.count >= 2 else { return }
    let interval = MeanInterval(values)
    numbers[name] = interval.mean
    numbers[name + "Lower"] = interval.lower
    numbers[name + "Upper"] = interval.upper
  }

  /// The slope against t of the exponent after t steps.
  private func perStep(_ record: GrowthRecord) -> Double {
    let steps = Array(1...record.horizon)
    guard steps.count >= 2 else { return Double(record.scaledLayers) }
    let exponents = steps.map { step in
      record.curves.map { record.localExponents($0, step: step).last ?? .nan }.reduce(0, +)
        / Double(record.curves.count)
    }
    return fittedLine(steps.map(Double.init), exponents).slope
  }

  /// Decades per step, one number for each curve; zeros are left out.
  private func growth(_ curves: [[Double]]) -> [Double] {
    curves.compactMap { curve in
      let points = curve.indices.filter { curve[$0].isFinite }
      guard points.count >= 2 else { return nil }
      return fittedLine(points.map(Double.init), points.map { curve[$0] }).slope / log(10)
    }
  }

  /// The slopes against log e of what was measured at T over the three smallest scales, one for each
  /// curve, and the steepest part.
  private func measuredSlopes(_ record: GrowthRecord) -> (mean: [Double], largest: Double?) {
    let x = record.scales.map { log($0) }
    var (slopes, largest) = ([Double](), [Double]())
    for curve in record.curves {
      let y = curve.logMeasured.map { $0.last ?? .nan }
      let finite = y.indices.filter { $0 < 3 && y[$0].isFinite }
      guard finite.count >= 2 else { continue }
      slopes.append(fittedLine(finite.map { x[$0] }, finite.map { y[$0] }).slope)
      largest += zip(finite, finite.dropFirst()).map { (y[$1] - y[$0]) / (x[$1] - x[$0]) }
    }
    return (slopes, largest.max())
  }

  public var mutants: [Mutant<GrowthRecord>] {
    var still = SemiSmoothnessRecursion()
    still.iterateShare = 0
    still.gradientShare = 0
    var wrong = Self.record(scaledLayers: 2)
    wrong.scaledLayers = 3
    var euler = Self.record(scaledLayers: 2)
    for i in euler.curves.indices {
      euler.curves[i].logLimits = euler.scales.map { _ in (1...6).map { 3 * Double($0) } }
    }
    var off = Self.record(scaledLayers: 2)
    for i in off.curves.indices {
      for (k, e) in off.scales.enumerated() { off.curves[i].logLimits[k][5] += 0.01 * log(e) }
    }
    return [
      Mutant("W_L is said to be scaled and is not", wrong),
      Mutant("Euler's number: no growth in the scale", euler),
      Mutant("an exponent off by 0.01 in 12", size: 1e-3, off),
      Mutant(
        "the recursion forgets that inputs move",
        Self.record(scaledLayers: 2, recursion: still)),
    ]
  }

  public var cleanCases: [CleanCase<GrowthRecord>] {
    [
      CleanCase("W_L fixed", Self.record(scaledLayers: 2)),
      CleanCase("W_L scaled too", Self.record(scaledLayers: 3)),
    ]
  }

  /// Three layers, six steps: e multiplies norms and distances of the first two or of all three.
  private static func record(
    scaledLayers: Int, recursion: SemiSmoothnessRecursion = .init()
  ) -> GrowthRecord {
    let scales = [1e2, 1e4, 1e6, 1e8]
    let curves = [0.9, 1.1].map { size in
      let limits = scales.map { e in
        let factors = (0..<3).map { $0 < scaledLayers ? e : 1 }
        let pair = WeightPair(
          "", index: 0, layerBounds: factors.map { size * $0 },
          layerDistances: factors.map { 1e-6 * $0 }, inputRows: [1, 0.8, 0.7, 0.6, 0.6, 0.6],
          differences: [Double](repeating: 0, count: 6))
        var record = SemiSmoothnessRecord(
          label: "", stepRule: .theory, widths: [2, 4], unknowns: 4, smoothness: 2,
          effectiveSmoothness: 2, startResidual: 1, reach: 1, pairs: [pair])
        record.recursion = recursion
        return record.logLimits(pair)
      }
      return GrowthRecord.Curve(logLimits: limits, logMeasured: limits.map { $0.map { _ in 0 } })
    }
    return GrowthRecord(
      label: "three layers, \(scaledLayers) scaled", depth: 3, scaledLayers: scaledLayers,
      scales: scales, curves: curves)
  }
}
