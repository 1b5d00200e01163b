public import Engine
import Foundation
public import Optimization

/// Two sets of weights, and how far the iterates that they lead to come apart.
public struct WeightPair: Sendable, Equatable, Codable {
  /// Which pair, as `k=100` or `around k=0/distance=1e-4/seed=3`.
  public var path: String
  /// The training step k of the first weights.
  public var index: Int
  /// λ_l >= max(‖W_l‖₂, ‖W'_l‖₂), L numbers.
  public var layerBounds: [Double]
  /// ‖W_l - W'_l‖₂, L numbers.
  public var layerDistances: [Double]
  /// The largest row norm of U_t along the run of W, for t = 1 to T.
  public var inputRows: [Double]
  /// ‖X_t(W) - X_t(W')‖ for t = 1 to T.
  public var differences: [Double]

  /// Creates a pair.
  public init(
    _ path: String, index: Int, layerBounds: [Double], layerDistances: [Double],
    inputRows: [Double], differences: [Double]
  ) {
    precondition(
      layerBounds.count == layerDistances.count && inputRows.count == differences.count,
      "\(layerBounds.count) and \(layerDistances.count) layers, \(inputRows.count) and "
        + "\(differences.count) steps")
    self.path = path
    self.index = index
    self.layerBounds = layerBounds
    self.layerDistances = layerDistances
    self.inputRows = inputRows
    self.differences = differences
  }
}

/// Lemma 4.2's recursion from a change of weights to a change of iterates, in logarithms.
///
/// *Derived.* With Θ = Π λ_l and everything 0 before the first step,
/// dz_t = Σ_l ‖ΔW_l‖ (Π_{j≠l} λ_j) u_t + Θ (γ dg_{t-1} + ξ dX_{t-1}), dP_t = dz_t / 2,
/// dg_t = √β dr_t, dX_t = dX_{t-1} + (dP_t ‖r_0‖ + κ dr_{t-1}) / √β',
/// dr_t = dr_{t-1} + dP_t ‖r_0‖. The lemma has γ = ξ = 1 and κ = 2, the largest P.
public struct SemiSmoothnessRecursion: Sendable, Hashable, Codable {
  /// γ: how much of a change of the gradient the network sees.
  public var gradientShare = 1.0
  /// ξ: how much of a change of the iterate the network sees.
  public var iterateShare = 1.0
  /// κ: how much of a change of the residual a step hands on.
  public var carry = 2.0

  /// The lemma's own.
  public init() {}

  /// What the recursion starts from, in logarithms.
  struct Constants {
    var smoothness: Double
    var effectiveSmoothness: Double
    var startResidual: Double

    init(_ record: SemiSmoothnessRecord) {
      smoothness = log(record.smoothness)
      effectiveSmoothness = log(record.effectiveSmoothness)
      startResidual = log(record.startResidual)
    }
  }

  /// log dX_t for t = 1 to T.
  ///
  /// `outputs` is the direct change of z at every step, `shift` one of X at every step; logarithms.
  func logDistances(
    _ constants: Constants, logLayers: Double, outputs: [Double], shift: Double = -.infinity
  ) -> [Double] {
    var (iterate, residual) = (-Double.infinity, -Double.infinity)
    return outputs.map { direct in
      let inputs = logSum(
        log(gradientShare) + constants.smoothness / 2 + residual, log(iterateShare) + iterate)
      let scale = logSum(direct, logLayers + inputs) - log(2) + constants.startResidual
      let step = logSum(scale, log(carry) + residual) - constants.effectiveSmoothness / 2
      iterate = logSum(logSum(iterate, step), shift)
      residual = logSum(logSum(residual, scale), shift + constants.smoothness / 2)
      return iterate
    }
  }
}

/// What Lemma 4.2 needs to know of a rule, and the pairs of weights that it is tried on.
public struct SemiSmoothnessRecord: Sendable, Equatable, Codable {
  /// Problem, rule and setting.
  public var label: String
  /// How the rule's own step sizes were chosen.
  public var stepRule: StepRule
  /// What turns the network's output into a step scale.
  public var map: OutputMap
  /// Widths n_1 to n_{L-1}.
  public var widths: [Int]
  /// d, the unknowns of one instance; sets how much rounding to expect.
  public var unknowns: Int
  /// β.
  public var smoothness: Double
  /// β': β under the theory's step rule, minᵢ βᵢ under any other.
  public var effectiveSmoothness: Double
  /// ‖r_0‖.
  public var startResidual: Double
  /// √β ‖X_0 - X*‖; sets how much rounding to expect.
  public var reach: Double
  /// The pairs, in order.
  public var pairs: [WeightPair]
  /// The recursion that bounds them.
  public var recursion = SemiSmoothnessRecursion()

  /// Creates a record.
  public init(
    label: String, stepRule: StepRule, map: OutputMap = .twiceSigmoid, widths: [Int],
    unknowns: Int, smoothness: Double, effectiveSmoothness: Double, startResidual: Double,
    reach: Double, pairs: [WeightPair]
  ) {
    self.label = label
    self.stepRule = stepRule
    self.map = map
    self.widths = widths
    self.unknowns = unknowns
    self.smoothness = smoothness
    self.effectiveSmoothness = effectiveSmoothness
    self.startResidual = startResidual
    self.reach = reach
    self.pairs = pairs
  }

  /// log of the bound on ‖X_t(W) - X_t(W')‖ for t = 1 to T.
  public func logLimits(_ pair: WeightPair) -> [Double] {
    let layers = pair.layerBounds.map { log($0) }
    let direct = layers.indices.map { l in
      log(pair.layerDistances[l])
        + layers.indices.filter { $0 != l }.reduce(0) { $0 + layers[$1] }
    }.reduce(-.infinity, logSum)
    return recursion.logDistances(
      .init(self), logLayers: layers.reduce(0, +),
      outputs: pair.inputRows.map { direct + log($0) })
  }

  /// log of what rounding can add to the measured differences: the lemma's recursion once more.
  ///
  /// It starts from the rounding of every step of x - S P ∇f and from that of the network, whose
  /// magnitudes exceed Θ u_t by √min(n_{l-1}, n_l) a layer at most. Twice, for two runs.
  func logRounding(_ pair: WeightPair) -> [Double] {
    let shape = zip([2] + widths, widths + [1])
    let spread = shape.reduce(1) { $0 * Double(min($1.0, $1.1)).squareRoot() }
    let terms = Double(widths.reduce(0, +) + 2 * widths.count + 4) * Double.ulpOfOne
    let step = ResidualRounding.run(dimension: unknowns, step: 1, reach: reach)
    let shift = log(step) - log(effectiveSmoothness) / 2
    let layers = pair.layerBounds.reduce(0) { $0 + log($1) }
    // The network sees the rounding of its own inputs, of ∂f too.
    let inputs = logSum(shift, log(smoothness) + shift)
    let outputs = pair.inputRows.map {
      layers + logSum(log(terms * spread * $0), inputs)
    }
    return SemiSmoothnessRecursion().logDistances(
      .init(self), logLayers: layers, outputs: outputs, shift: shift
    ).map { $0 + log(2) }
  }

  /// ‖X_t(W) - X_t(W')‖ under the recursion's bound, for every pair and every t.
  public var bound: Bound {
    Bound(
      "Lemma 4.2", .distance, source: "paper A, Lemma 4.2; recursion derived",
      premises: [.theoryStep(stepRule), .twiceSigmoid(map)],
      points: pairs.flatMap { pair in
        let (limits, rounding) = (logLimits(pair), logRounding(pair))
        return limits.indices.map { t in
          Bound.Point(
            "\(pair.path)/t=\(t + 1)", index: pair.index, logLimit: limits[t],
            logMeasured: log(pair.differences[t]), logAllowed: rounding[t])
        }
      })
  }
}
