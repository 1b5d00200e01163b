public import Checks

/// What the tangent kernel says about the training runs of paper A.
public struct TangentKernelResults: Sendable, Codable {
  /// One kernel for each setting.
  public var kernels: [KernelRow]
  /// Training runs beside their linearisations.
  public var curves: [LazyCurve]
  /// Critical training steps over e, for each initialisation.
  public var critical: [CriticalSteps]
  /// Critical training steps over T and L.
  public var depths: [DepthRow]
  /// Every verdict.
  public var checks: [CheckResult]
  /// Seconds per stage; the only numbers that another run may change.
  public var seconds: [StageSeconds]

  /// Creates results.
  public init(
    kernels: [KernelRow] = [], curves: [LazyCurve] = [], critical: [CriticalSteps] = [],
    depths: [DepthRow] = [], checks: [CheckResult] = [], seconds: [StageSeconds] = []
  ) {
    self.kernels = kernels
    self.curves = curves
    self.critical = critical
    self.depths = depths
    self.checks = checks
    self.seconds = seconds
  }

  /// Adds what another part of the study found.
  mutating func append(_ other: TangentKernelResults) {
    kernels += other.kernels
    curves += other.curves
    critical += other.critical
    depths += other.depths
    checks += other.checks
    seconds += other.seconds
  }
}

/// The spectrum of H at the initial weights of one setting.
public struct KernelRow: Sendable, Hashable, Codable {
  /// What H belongs to.
  public var setting: TrainingSetting
  /// The setting's sizes, `d=32 b=25 N=32 n=[2, 1024]`.
  public var sizes: String
  /// How the hidden layers are drawn.
  public var initialization: String
  /// T.
  public var horizon: Int
  /// e.
  public var scale: Double
  /// Nb, the order of H.
  public var order: Int
  /// n_{L-1}.
  public var width: Int
  /// The eigenvalues above rounding; a lower bound where the spectrum is not complete.
  public var rank: Int
  /// Whether the whole spectrum is known.
  public var isComplete: Bool
  /// The leading eigenvalues, largest first.
  public var leading: [Double]
  /// λ_min: 0 without full rank, nil where only a part of the spectrum is known.
  public var smallest: Double?
  /// The half-width around λ_max: rounding by LAPACK, the residual by Lanczos.
  public var error: Double
  /// 2/λ_max.
  public var critical: Double
  /// The share of F(W^0) that the linear model never removes; an upper bound if not complete.
  public var floor: Double
  /// (F(W^0) - F(W^1)) / (η ‖∇F‖²) for η → 0, and its error bar.
  public var decreaseRatio: Double
  /// The error bar of `decreaseRatio`.
  public var decreaseBar: Double
  /// How the spectrum was found.
  public var method: String
  /// The command that trains this setting.
  public var replay: String
}

/// A training run beside r_lin(k) = (I - ηH)^k r_T^0.
public struct LazyCurve: Sendable, Hashable, Codable {
  /// The setting.
  public var run: String
  /// How the hidden layers are drawn.
  public var initialization: String
  /// T.
  public var horizon: Int
  /// e.
  public var scale: Double
  /// η.
  public var metaStepSize: Double
  /// η over 2/λ_max.
  public var share: Double
  /// What was seen, at k = 1 first.
  public var samples: [LazyTrainingCheck.Subject.Sample]
  /// The first k at which the run departs from the prediction by 10 % of ‖r_T^0‖; nil for never.
  public var departure: Int?
  /// The first k at which it departs by 10 % of the motion; nil for never.
  public var relativeDeparture: Int?
}

/// Critical training steps over e.
public struct CriticalSteps: Sendable, Hashable, Codable {
  /// The setting of the first e.
  public var setting: TrainingSetting
  /// How the hidden layers are drawn.
  public var initialization: String
  /// T.
  public var horizon: Int
  /// Training steps of one trial.
  public var steps: Int
  /// One sample per e.
  public var samples: [CriticalStepCheck.Subject.Sample]
  /// For each e, the step sizes above the first unstable one whose loss never rose, or stood still:
  /// mostly saturated at once.
  public var islands: [[Double]]
  /// Slopes of log η_max against log e, over all e and from a least one on.
  public var slopes: [Slope]

  /// A slope with its 95 % interval.
  public struct Slope: Sendable, Hashable, Codable {
    /// The least e that counts.
    public var from: Double
    /// The slope.
    public var value: Double
    /// The lower end of its interval.
    public var low: Double
    /// The upper end of its interval.
    public var high: Double
  }
}

/// 2/λ_max at one depth over T.
public struct DepthRow: Sendable, Hashable, Codable {
  /// The setting at the largest T.
  public var setting: TrainingSetting
  /// How the hidden layers are drawn.
  public var initialization: String
  /// L.
  public var depth: Int
  /// n_1 to n_{L-1}.
  public var widths: [Int]
  /// e.
  public var scale: Double
  /// T, in order.
  public var horizons: [Int]
  /// 2/λ_max, one for each T.
  public var critical: [Double]
}

/// How long a stage took.
public struct StageSeconds: Sendable, Hashable, Codable {
  /// The stage.
  public var stage: String
  /// Seconds.
  public var seconds: Double
}
