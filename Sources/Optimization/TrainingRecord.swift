public import Engine

/// Everything that the theorems on training say about one training run, measured.
///
/// Plain gradient descent with one step size η on a fixed problem; L layers W_1 to W_L.
public struct TrainingRecord: Sendable, Equatable, Codable {
  /// Problem, rule and setting.
  public var label: String
  /// How the rule's own step sizes sᵢ were chosen.
  public var stepRule: StepRule
  /// d, the unknowns of one instance.
  public var unknowns: Int
  /// b, the rows of one instance.
  public var rows: Int
  /// N, the number of instances.
  public var instances: Int
  /// T, the steps of one unrolled run.
  public var horizon: Int
  /// Widths n_1 to n_{L-1} of the hidden layers.
  public var widths: [Int]
  /// e, the scale of the initial weights.
  public var scale: Double
  /// What turns the network's output into a step scale.
  public var map: OutputMap
  /// Which values F(X_t) the loss is made of.
  public var loss: MetaLoss
  /// η, the step size of training.
  public var stepSize: Double
  /// βᵢ, N numbers.
  public var smoothness: [Double]
  /// β₀ = λ_min(M Mᵀ).
  public var smallestCurvature: Double
  /// ‖X_0‖.
  public var startNorm: Double
  /// ‖r_0‖ = ‖M X_0 - Y‖.
  public var startResidual: Double
  /// ‖X_0 - X*‖² with X* the minimiser closest to X_0.
  public var squaredDistance: Double
  /// α₀ = σ_min of G_{L-1,T} at the initial weights, over its Nd columns.
  public var smallestSingularValue: Double
  /// σ_max of the same matrix.
  public var largestSingularValue: Double
  /// Its numerical rank.
  public var rank: Int
  /// The fraction of its columns that are zero.
  public var deadFraction: Double
  /// ‖W_l‖₂ at the start, L numbers.
  public var layerNorms: [Double]
  /// C_l = max_k ‖W_l^k - W_l^0‖₂ over the run, L numbers.
  public var travelled: [Double]
  /// F(W^k) for k from 0 to K, after every training step.
  public var losses: [Double]
  /// F(X_T) of gradient descent with the same step sizes.
  public var gradientDescentValue: Double
  /// F(W^0) - F(W^1) as ½ (r - r')·(r + r'), free of the cancellation in a difference of losses.
  public var firstDecrease: Double?
  /// Why training ended.
  public var stop: StopReason
  /// Takes for granted what nobody can decide: η below the theorem's bound, α₀ above its thresholds.
  ///
  /// For what-if questions and for mutants; a measured run leaves it false.
  public var assumesThresholds: Bool

  /// Creates a record.
  public init(
    label: String, stepRule: StepRule, unknowns: Int, rows: Int, instances: Int, horizon: Int,
    widths: [Int], scale: Double, map: OutputMap = .twiceSigmoid, loss: MetaLoss = .last,
    stepSize: Double, smoothness: [Double], smallestCurvature: Double, startNorm: Double,
    startResidual: Double, squaredDistance: Double, smallestSingularValue: Double,
    largestSingularValue: Double, rank: Int, deadFraction: Double, layerNorms: [Double],
    travelled: [Double], losses: [Double], gradientDescentValue: Double,
    firstDecrease: Double? = nil, stop: StopReason, assumesThresholds: Bool = false
  ) {
    precondition(smoothness.count == instances, "\(smoothness.count) constants, N = \(instances)")
    precondition(
      layerNorms.count == widths.count + 1 && travelled.count == layerNorms.count,
      "\(layerNorms.count) norms and \(travelled.count) distances for \(widths.count + 1) layers")
    precondition(!losses.isEmpty, "a run has at least its first loss")
    self.label = label
    self.stepRule = stepRule
    self.unknowns = unknowns
    self.rows = rows
    self.instances = instances
    self.horizon = horizon
    self.widths = widths
    self.scale = scale
    self.map = map
    self.loss = loss
    self.stepSize = stepSize
    self.smoothness = smoothness
    self.smallestCurvature = smallestCurvature
    self.startNorm = startNorm
    self.startResidual = startResidual
    self.squaredDistance = squaredDistance
    self.smallestSingularValue = smallestSingularValue
    self.largestSingularValue = largestSingularValue
    self.rank = rank
    self.deadFraction = deadFraction
    self.layerNorms = layerNorms
    self.travelled = travelled
    self.losses = losses
    self.gradientDescentValue = gradientDescentValue
    self.firstDecrease = firstDecrease
    self.stop = stop
    self.assumesThresholds = assumesThresholds
  }

  /// β = maxᵢ βᵢ.
  public var largestSmoothness: Double { smoothness.reduce(0, max) }

  /// β': β under the theory's step rule, minᵢ βᵢ under any other.
  public var effectiveSmoothness: Double {
    stepRule == .theory ? largestSmoothness : smoothness.reduce(.infinity, min)
  }

  /// K, the number of training steps.
  public var steps: Int { losses.count - 1 }

  /// α₀ if it is above rounding, max(n_{L-1}, Nd) ε σ_max; else 0.
  public var resolvedSingularValue: Double {
    let order = Double(max(widths.last ?? 0, instances * unknowns))
    let floor = order * Double.ulpOfOne * largestSingularValue
    return smallestSingularValue > floor ? smallestSingularValue : 0
  }
}
