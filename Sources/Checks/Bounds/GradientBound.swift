public import Engine
import Foundation
public import Optimization

/// What Lemma 4.1 needs to know of a training run, at its recorded steps.
public struct GradientBoundRecord: Sendable, Equatable, Codable {
  /// What was measured at the weights W^k.
  public struct Snapshot: Sendable, Equatable, Codable {
    /// k.
    public var step: Int
    /// F(W^k).
    public var loss: Double
    /// ‖∂F/∂W_l‖_F, L numbers.
    public var gradientNorms: [Double]
    /// ‖W_l‖₂, L numbers.
    public var layerNorms: [Double]
    /// ‖U_t‖_F for t = 1 to T: the network's inputs (∂f, x) at X_{t-1}, all coordinates.
    public var inputNorms: [Double]

    /// Creates a snapshot.
    public init(
      step: Int, loss: Double, gradientNorms: [Double], layerNorms: [Double],
      inputNorms: [Double]
    ) {
      precondition(
        gradientNorms.count == layerNorms.count,
        "\(gradientNorms.count) gradients of \(layerNorms.count) layers")
      self.step = step
      self.loss = loss
      self.gradientNorms = gradientNorms
      self.layerNorms = layerNorms
      self.inputNorms = inputNorms
    }
  }

  /// Problem, rule and setting.
  public var label: String
  /// How the rule's own step sizes were chosen.
  public var stepRule: StepRule
  /// What turns the network's output into a step scale.
  public var map: OutputMap
  /// Which values the training loss is made of.
  public var loss: MetaLoss
  /// Whether the network's inputs are constants in the backward pass.
  public var isDetached: Bool
  /// Widths n_1 to n_{L-1}.
  public var widths: [Int]
  /// d, the unknowns of one instance; sets how much rounding to expect.
  public var unknowns: Int
  /// ‖r_0‖.
  public var startResidual: Double
  /// √β ‖X_0 - X*‖; sets how much rounding to expect.
  public var reach: Double
  /// The recorded steps, in order.
  public var snapshots: [Snapshot]

  /// Creates a record.
  public init(
    label: String, stepRule: StepRule, map: OutputMap = .twiceSigmoid, loss: MetaLoss = .last,
    isDetached: Bool = true, widths: [Int], unknowns: Int, startResidual: Double, reach: Double,
    snapshots: [Snapshot]
  ) {
    self.label = label
    self.stepRule = stepRule
    self.map = map
    self.loss = loss
    self.isDetached = isDetached
    self.widths = widths
    self.unknowns = unknowns
    self.startResidual = startResidual
    self.reach = reach
    self.snapshots = snapshots
  }

  /// ‖∂F/∂W_l‖_F <= ½ ‖r_0‖ ‖r_T‖ (Π_{j≠l} ‖W_j‖₂) Σ_t ‖U_t‖_F at every step and layer.
  ///
  /// With W_L = 0 the product of every inner layer is 0, and so is its gradient.
  public var bound: Bound {
    Bound(
      "Lemma 4.1", .value, source: "paper A, Lemma 4.1; constants derived",
      premises: [
        .theoryStep(stepRule), .lastLoss(loss), .twiceSigmoid(map),
        Premise(
          "inputs detached", met: isDetached, isDetached ? "detached" : "full derivative"),
      ],
      points: snapshots.flatMap(points))
  }

  private func points(_ snapshot: Snapshot) -> [Bound.Point] {
    let inputs = log(snapshot.inputNorms.reduce(0, +))
    let layers = snapshot.layerNorms.map { log($0) }
    let residual = log(2 * snapshot.loss) / 2
    let error = ResidualRounding.run(
      dimension: unknowns, step: snapshot.inputNorms.count, reach: reach)
    return layers.indices.map { l in
      let others = layers.indices.filter { $0 != l }.reduce(0) { $0 + layers[$1] }
      let factor = log(startResidual / 2) + others + inputs
      return Bound.Point(
        "k=\(snapshot.step)/layer=\(l + 1)", index: snapshot.step, logLimit: factor + residual,
        logMeasured: log(snapshot.gradientNorms[l]),
        // What is left of it when only the rounding of r_T is backpropagated, and the pass's own.
        logAllowed: factor + logSum(log(error), log(passRounding) + residual))
    }
  }

  /// Relative rounding of a backward pass: T steps of products of length d, and the layers' sums.
  ///
  /// Magnitudes are products of |W_l|, whose norms exceed ‖W_l‖₂ by √min(n_{l-1}, n_l) at most.
  private var passRounding: Double {
    let shape = zip([2] + widths, widths + [1])
    let spread = shape.reduce(1) { $0 * Double(min($1.0, $1.1)).squareRoot() }
    let horizon = snapshots.first?.inputNorms.count ?? 0
    let length = horizon * (4 * unknowns + 8) + widths.reduce(0, +)
    return Double(length) * Double.ulpOfOne * spread * Double(unknowns).squareRoot()
  }
}

/// T1: Lemma 4.1, the gradient of every layer is bounded by the residuals and the other layers.
///
/// Detached, loss F(X_T), P = 2σ(z): from ‖M B_t‖ <= ‖M‖ for B_t = Π_{s>t} (I - S P_s A), which D1
/// gives, and 2σ(1 - σ) <= ½. Numbers: `slack` (decades, at the sharpest k and layer), `sharpest`
/// (that k), `sharpestLayer`, `largestSlack`, `layerlSlack` (the least at layer l), `points`.
public struct GradientBoundCheck: Check {
  public let claim = Claim(
    id: "T1", title: "‖∂F/∂W_l‖ is bounded by ‖r_0‖ ‖r_T‖ Π_{j≠l} ‖W_j‖ Σ_t ‖U_t‖ / 2",
    source: "paper A, Lemma 4.1; constants derived")

  public let equation =
    "‖∂F/∂W_l‖_F ≤ ½ ‖r_0‖ ‖r_T‖ (Π_{j≠l} ‖W_j‖₂) Σ_t ‖U_t‖_F"

  public let tolerance =
    "the bound at the rounding of r_T, and that of a backward pass of T steps"

  public let blindSpots =
    "a gradient that is too small; training steps that were not recorded"

  /// Creates the check.
  public init() {}

  public func run(_ subject: GradientBoundRecord) -> CheckResult {
    let bound = subject.bound
    var numbers: [String: Double] = [:]
    let layers = subject.widths.count + 1
    for layer in 1...layers {
      var own = bound
      own.points = bound.points.filter { $0.path.hasSuffix("layer=\(layer)") }
      numbers["layer\(layer)Slack"] = own.sharpest?.slack
      if let sharpest = bound.sharpest, own.sharpest?.point == sharpest.point {
        numbers["sharpestLayer"] = Double(layer)
      }
    }
    return bound.judge(claim, subject: subject.label, numbers: numbers)
  }

  public var mutants: [Mutant<GradientBoundRecord>] {
    let clean = Self.nearlySharp
    var scaled = clean
    scaled.snapshots[1].gradientNorms[0] *= 10
    var percent = clean
    percent.snapshots[0].gradientNorms[1] *= 1.01
    var halved = clean
    for k in halved.snapshots.indices { halved.snapshots[k].loss /= 4 }
    var shrunk = clean
    for k in shrunk.snapshots.indices { shrunk.snapshots[k].layerNorms[1] /= 3 }
    var short = ScalarNetwork.steep.gradientRecord(horizon: 2)
    short.snapshots[0].inputNorms.removeLast()
    short.snapshots[0].inputNorms[0] /= 100
    var frozen = clean
    frozen.snapshots[0].layerNorms[1] = 0
    var foreign = scaled
    foreign.stepRule = .reference
    var full = scaled
    full.isDetached = false
    var mean = scaled
    mean.loss = .mean
    var exponential = scaled
    exponential.map = .exp
    var broken = clean
    broken.snapshots[1].gradientNorms[1] = .nan
    return [
      Mutant("the gradient of one layer is 10 x too large at one step", size: 9, scaled),
      Mutant("it is 1% too large where the bound is sharp", size: 1e-2, percent),
      Mutant("r_T is taken for half of what it is", size: 0.5, halved),
      Mutant("the norm of another layer is off by 3", size: 2, shrunk),
      Mutant("inputs of the last step are forgotten", short),
      Mutant("W_L is 0 and the inner layers have a gradient", frozen),
      Mutant("a gradient is not a number", broken),
      Mutant("10 x too large under another step rule", expected: .premiseFails, foreign),
      Mutant("10 x too large with the full derivative", expected: .premiseFails, full),
      Mutant("10 x too large for the mean loss", expected: .premiseFails, mean),
      Mutant("10 x too large for P = exp(z)", expected: .premiseFails, exponential),
    ]
  }

  public var cleanCases: [CleanCase<GradientBoundRecord>] {
    var start = ScalarNetwork.gentle.gradientRecord(horizon: 1)
    start.label = "W_L = 0"
    start.snapshots[0].layerNorms[1] = 0
    start.snapshots[0].gradientNorms = [0, start.snapshots[0].gradientNorms[1]]
    var saturated = Self.nearlySharp
    for k in saturated.snapshots.indices {
      saturated.snapshots[k].gradientNorms = saturated.snapshots[k].gradientNorms.map {
        1e-9 * $0
      }
    }
    var foreign = Self.nearlySharp
    foreign.stepRule = .reference
    return [
      CleanCase("one unknown, one step: sharp within 1%", Self.nearlySharp),
      CleanCase("two steps, far from linear", ScalarNetwork.steep.gradientRecord(horizon: 2)),
      CleanCase("W_L = 0: inner layers 0 <= 0", start),
      CleanCase("a saturated P, nine decades loose", expected: .holdsVacuously, saturated),
      CleanCase("another step rule", expected: .holdsVacuously, foreign),
    ]
  }

  /// One step with z near 0, at two weights.
  private static var nearlySharp: GradientBoundRecord {
    var record = ScalarNetwork.gentle.gradientRecord(horizon: 1)
    var other = ScalarNetwork.gentle
    other.outer = [0.05]
    var second = other.gradientRecord(horizon: 1).snapshots[0]
    second.step = 1
    record.snapshots.append(second)
    return record
  }
}
