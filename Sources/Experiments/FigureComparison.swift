public import Catalog

/// A published curve beside ours.
public struct CurveComparison: Sendable {
  /// Largest difference, in units of the ratio, at which a point agrees without further ado.
  public static let tolerance = 2e-4
  /// Largest difference that still counts as the same curve where no band explains more.
  public static let looseTolerance = 1e-3
  /// A probe that moves a curve by more than this calls for a band: beyond it rounding of the data
  /// alone explains a difference that the tolerance does not forgive.
  public static let sensitivity = tolerance

  /// How well a curve agrees with the published one.
  public enum Agreement: Sendable, Hashable {
    /// Every point within the tolerance.
    case within
    /// Every point within the tolerance or inside the band of the twins.
    case insideBand
    /// Every point within the loose tolerance.
    case near
    /// Some point is off.
    case differs

    /// Whether nothing is left to explain.
    var isExplained: Bool { self == .within || self == .insideBand }
  }

  /// The curve's words in the legend, such as `eta = 1e-5`.
  public var label: String
  /// The published training steps k.
  public var steps: [Int]
  /// The published ratios at `steps`.
  public var published: [Double]
  /// Our run, in the draw of W_2 that comes closer.
  public var run: TrainingRun
  /// max |ratio of the probe - ratio| over all k: what rounding of the data does to the curve.
  public var probeDeviation: Double
  /// The band of the twins; nil where the probe called for none.
  public var band: Band?
  /// The other draw's largest difference, where it was run.
  public var otherDraw: (layout: CoordMathDNN.WeightLayout, difference: Double)?

  /// Creates a comparison.
  public init(
    label: String, steps: [Int], published: [Double], run: TrainingRun, probeDeviation: Double,
    band: Band?, otherDraw: (layout: CoordMathDNN.WeightLayout, difference: Double)?
  ) {
    self.label = label
    self.steps = steps
    self.published = published
    self.run = run
    self.probeDeviation = probeDeviation
    self.band = band
    self.otherDraw = otherDraw
  }

  /// The name of the draw of W_2 that `run` took, such as `out-in`.
  public var drawName: String { run.setting.layout.rawValue }

  /// The name of the other draw, where it was run.
  public var otherDrawName: String? { otherDraw?.layout.rawValue }

  /// |ours - published| at each published step.
  public var differences: [Double] { Self.differences(run, steps, published) }

  /// The largest difference over the published steps.
  public var largestDifference: Double { differences.max() ?? .nan }

  /// The published step at which the curves differ most.
  public var worstStep: Int {
    zip(steps, differences).max { $0.1 < $1.1 }?.0 ?? 0
  }

  /// Whether the published point number `index` agrees, by tolerance or by band.
  public func agrees(_ index: Int, tolerance: Double = CurveComparison.tolerance) -> Bool {
    differences[index] <= tolerance || band?.contains(published[index], at: steps[index]) == true
  }

  /// How well the curve agrees.
  public var agreement: Agreement {
    if largestDifference <= Self.tolerance { return .within }
    if steps.indices.allSatisfy({ agrees($0) }) { return .insideBand }
    if steps.indices.allSatisfy({ agrees($0, tolerance: Self.looseTolerance) }) { return .near }
    return .differs
  }

  /// Our ratio at training step `k` with the band of what can be said about it.
  ///
  /// Without bounds where the probe was not run or nothing finite was measured.
  public func range(at k: Int) -> ClosedRange<Double> {
    let ratio = run.ratios[k]
    let unknown = -Double.infinity...Double.infinity
    guard let band, k < band.low.count else {
      let bounds = (low: ratio - probeDeviation, high: ratio + probeDeviation)
      return bounds.low <= bounds.high ? bounds.low...bounds.high : unknown
    }
    guard ratio.isFinite, band.low[k] <= band.high[k] else { return unknown }
    return min(ratio, band.low[k])...max(ratio, band.high[k])
  }

  static func differences(
    _ run: TrainingRun, _ steps: [Int], _ published: [Double]
  ) -> [Double] {
    let ratios = run.ratios
    return zip(steps, published).map { $0 < ratios.count ? abs(ratios[$0] - $1) : .infinity }
  }
}

/// A published figure beside ours.
public struct FigureComparison: Sendable {
  /// What was published.
  public var figure: PublishedFigure
  /// Curve by curve, in the order of the published legend.
  public var curves: [CurveComparison]

  /// Creates a comparison.
  public init(figure: PublishedFigure, curves: [CurveComparison]) {
    self.figure = figure
    self.curves = curves
  }
}
