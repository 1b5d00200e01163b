import Foundation
public import Optimization

/// The constants of Theorem 4.3 for one training run, in logarithms.
///
/// q = 1 - 4 η (β₀²/β²) δ₄ α₀² with δ₄ = σ(δ₃ Θ)(1 - σ(δ₃ Θ)) and Θ = Π_l (‖W_l^0‖₂ + C_l), C_l the
/// distance that layer l really travelled. δ₃ bounds the norm of a network input at step T: *derived*
/// here, since the paper's own constant is not public.
public struct TrainingBound: Sendable, Hashable {
  /// δ₃ = ‖X_0‖ + (2 (T - 1) / √β' + √β) ‖r_0‖.
  public var inputBound: Double
  /// log Θ; -∞ if a layer is zero and stays so.
  public var logLayers: Double
  /// log δ₄.
  public var logSlope: Double
  /// log (1 - q); -∞ if α₀ is not above rounding.
  public var logRate: Double

  /// Evaluates the constants.
  public init(_ record: TrainingRecord) {
    let beta = record.largestSmoothness
    inputBound =
      record.startNorm
      + (2 * Double(record.horizon - 1) / record.effectiveSmoothness.squareRoot()
        + beta.squareRoot()) * record.startResidual
    logLayers = zip(record.layerNorms, record.travelled).map { log($0 + $1) }.reduce(0, +)
    logSlope = Self.logSigmoidSlope(exp(log(inputBound) + logLayers))
    logRate =
      log(4) + log(record.stepSize) + 2 * (log(record.smallestCurvature) - log(beta)) + logSlope
      + 2 * log(record.resolvedSingularValue)
  }

  /// log σ(s)(1 - σ(s)) for s >= 0: about -s, where the product itself underflows from s = 745 on.
  static func logSigmoidSlope(_ s: Double) -> Double { -s - 2 * log1p(exp(-s)) }

  /// Whether 1 - q is zero: the bound then only says that the loss does not grow.
  public var isTrivial: Bool { logRate == -.infinity }

  /// Whether q > 0; else η is so large that the bound has no meaning.
  public var isMeaningful: Bool { logRate < 0 }

  /// log q, 0 once 1 - q underflows.
  public var logContraction: Double { log1p(-exp(logRate)) }

  /// log(-log q), finite where 1 - q underflows.
  public var logDecay: Double { logRate < -40 ? logRate : log(-logContraction) }

  /// The rates log(F(W^0)/F(W^k)) / k of `record` beside -log q, for every k.
  ///
  /// Without points where the bound is trivial, or has no meaning.
  public func bound(_ record: TrainingRecord, premises: [Premise]) -> Bound {
    let losses = record.losses
    let steps = isTrivial || !isMeaningful ? [] : Array(losses.indices.dropFirst())
    return Bound(
      "Theorem 4.3", .rate, source: "paper A, Theorem 4.3; δ₃ derived, C_l a posteriori",
      premises: premises,
      points: steps.map { k in
        // The relative rounding of both losses, on the scale of the rate.
        let rounding =
          record.rounding(at: losses[0]) / losses[0] + record.rounding(at: losses[k]) / losses[k]
        return Bound.Point(
          "k=\(k)", index: k, logLimit: logDecay,
          logMeasured: log(max(0, log(losses[0] / losses[k]) / Double(k))),
          logAllowed: log(rounding / Double(k)))
      })
  }
}

/// How the bound and the first step of training scale when the data do, Y → c Y from X_0 = 0.
///
/// As c → 0 the bound's 1 - q falls as c² and the first relative decrease as c⁴, so below the
/// crossing the inequality of Theorem 4.3 fails: its undecidable premises exclude small c.
public struct RateScaling: Sendable, Hashable {
  /// What was measured at one c.
  public struct Sample: Sendable, Hashable {
    /// c.
    public var scale: Double
    /// log10 (1 - q).
    public var log10Rate: Double
    /// 1 - F(W^1) / F(W^0).
    public var firstRelativeDecrease: Double

    /// Creates a sample.
    public init(scale: Double, log10Rate: Double, firstRelativeDecrease: Double) {
      self.scale = scale
      self.log10Rate = log10Rate
      self.firstRelativeDecrease = firstRelativeDecrease
    }
  }

  /// d log (1 - q) / d log c, 2 in theory.
  public var boundSlope: Double
  /// d log (1 - F(W^1) / F(W^0)) / d log c, 4 in theory.
  public var decreaseSlope: Double
  /// The c below which the bound promises more than the first step delivers; nil if the fitted lines
  /// do not cross.
  public var crossing: Double?

  /// Fits lines to logarithms by least squares; at least two samples of different c, all positive.
  public init(_ samples: [Sample]) {
    precondition(samples.count >= 2, "\(samples.count) samples make no line")
    precondition(
      samples.allSatisfy { $0.scale > 0 && $0.firstRelativeDecrease > 0 },
      "a scale or a decrease is not positive")
    let x = samples.map { log10($0.scale) }
    let bound = fittedLine(x, samples.map(\.log10Rate))
    let decrease = fittedLine(x, samples.map { log10($0.firstRelativeDecrease) })
    boundSlope = bound.slope
    decreaseSlope = decrease.slope
    let difference = decrease.slope - bound.slope
    crossing =
      difference > 0 ? pow(10, (bound.intercept - decrease.intercept) / difference) : nil
  }
}

/// The line through the points (x, y) by least squares; at least two different x.
func fittedLine(_ x: [Double], _ y: [Double]) -> (slope: Double, intercept: Double) {
  let n = Double(x.count)
  let (meanX, meanY) = (x.reduce(0, +) / n, y.reduce(0, +) / n)
  let square = x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
  let slope = zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) } / square
  return (slope, meanY - slope * meanX)
}
