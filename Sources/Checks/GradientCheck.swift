import Engine
public import Optimization

/// Checks the gradient of a training loss against finite differences, by error bars alone.
///
/// The differences see the loss with its declared stop-gradients and the sides of its kinks held
/// at the base point (``SurrogateLoss``), which is analytic and has the derivative that
/// backpropagation promises. Along each of five directions per block (Gaussian, random signs, the
/// coordinates of the largest and the smallest entry, the gradient itself) g·v must lie within the
/// error bar of the differences plus the rounding of g·v; no tolerance is involved, and a
/// disagreement counts only if differences on other steps confirm it. Where the objective has a
/// forward mode, which shares no adjoint with backpropagation, it is a second opinion good to rounding.
/// At a kink of the loss along the first direction g·v must lie in [D₋, D₊] (``OneSidedSlopes``).
/// Where no direction is resolved to ``requiredResolution`` nothing was learnt, and the verdict is
/// inconclusive: at W_L = 0 this is so for all inner layers, so check away from initialisation too.
///
/// Numbers: `loss`; `surrogateLoss`, at the same weights; `gradientNorm` of the block; `norm.NAME`
/// of the gradient of every weight; `resolution`, the smallest error bar in units of its slope;
/// `worstExcess`, the largest distance in units of its error bar; `noise`, the standard deviation
/// of the rounding in the loss; `evaluations` of the loss, all directions together; `forwardMode`, the
/// largest |forward - g·v| in units of Σ |gᵢ vᵢ|; `leftSlope`, `rightSlope` where the loss has a kink.
public struct GradientCheck: Check {
  /// A gradient at given weights.
  public struct Subject: Sendable {
    /// Rule, problem and setting.
    public var label: String
    /// The base point.
    public var parameters: Parameters
    /// The weight to check; nil for all weights together.
    public var block: String?
    /// Of the random directions.
    public var seed: UInt64
    /// Makes the objective whose gradient is on trial.
    public var objective: @Sendable () -> any MetaObjective
    /// Makes the objective whose surrogate the differences see; may be another evaluator.
    public var reference: @Sendable () -> any MetaObjective

    /// Creates a subject; without a `reference` the objective itself is differenced.
    public init(
      label: String, parameters: Parameters, block: String? = nil, seed: UInt64 = 1,
      reference: (@Sendable () -> any MetaObjective)? = nil,
      objective: @escaping @Sendable () -> any MetaObjective
    ) {
      precondition(
        block.map(parameters.names.contains) ?? true, "no weight is called '\(block ?? "")'")
      self.label = label
      self.parameters = parameters
      self.block = block
      self.seed = seed
      self.objective = objective
      self.reference = reference ?? objective
    }
  }

  /// A gradient that holds is right to this part along some direction.
  public static let requiredResolution = 1e-3

  public let claim = Claim(
    id: "G", title: "backpropagation through time gives the gradient of the training loss",
    source: "derived: central differences of the loss with its stop-gradients frozen")

  public let equation =
    "g·v = lim (f(w + h v) - f(w - h v)) / 2h, stop-gradients and sides of kinks frozen "
    + "at w"

  public let tolerance =
    "the error bar of each difference (truncation by the extrapolation's own tableau, "
    + "rounding measured from values near w) plus the rounding of g·v; confirmed on a "
    + "second ladder"

  public let blindSpots =
    "blocks whose gradient is zero or below the noise, such as inner layers at W_L = 0; "
    + "entries far smaller than the five directions resolve"

  /// Creates the check.
  public init() {}

  public func run(_ subject: Subject) -> CheckResult {
    let base = subject.parameters
    let objective = subject.objective()
    var gradient = base.zeros
    let evaluation = objective.evaluate(base, gradient: &gradient)
    let surrogate = subject.reference().surrogate(at: base)
    let surrogateLoss = surrogate.loss(at: base)
    var result = CheckResult(
      claim: claim, subject: subject.label, verdict: .inconclusive, reason: "",
      numbers: ["loss": evaluation.loss, "surrogateLoss": surrogateLoss], seed: subject.seed)
    for (name, tensor) in zip(gradient.names, gradient.tensors) {
      result.numbers["norm.\(name)"] = Vector(tensor.elements).norm
    }
    result.premises = [
      Premise(
        "the loss is finite", met: evaluation.loss.isFinite, "loss \(evaluation.loss.brief)")
    ]
    guard evaluation.loss.isFinite else {
      result.verdict = .decide(result.premises, .meaningless)
      result.reason = "the loss is \(evaluation.loss)"
      return result
    }

    let directions = Direction.all(
      gradient, block: subject.block, rng: SplitMix64(seed: subject.seed))
    func difference(_ direction: Direction, scale: Double = 1) -> FiniteDifference {
      FiniteDifference(
        of: { surrogate.loss(at: base.moved($0, direction.vector)) }, scale: scale)
    }
    let differences = directions.map { difference($0) }
    // All directions share one base point, hence one rounding of the loss.
    let noise = differences.map(\.noise).max() ?? 0
    let jitter = roundingOfGradient(objective, base, gradient, subject)
    var evaluations = differences.map(\.evaluations).reduce(0, +)
    for (direction, first) in zip(directions, differences) {
      let rounding = jitter + direction.roundingOfDot(gradient)
      func evidence(_ difference: FiniteDifference) -> Evidence {
        let slope = difference.slope(withNoise: noise)
        return Evidence(
          direction.name, actual: gradient.dot(direction.vector), reference: slope.value,
          allowed: slope.error + rounding)
      }
      var found = evidence(first)
      if found.excess > 1, found.excess.isFinite {
        // Nobody is accused on one ladder: a second one, on other steps, must agree.
        let second = difference(direction, scale: first.steps.upperBound / 2)
        evaluations += second.evaluations
        found = [found, evidence(second)].min { $0.excess < $1.excess } ?? found
      }
      result.evidence.append(found)
    }
    let resolution = result.evidence.map { $0.allowed / abs($0.reference) }.min() ?? .infinity
    secondOpinions(objective, base, gradient, directions, jitter, &result)
    if subject.block == nil, let first = directions.first {
      kink(subject, first, gradient, differences[0], jitter, &result)
    }
    result.evidence.sort { $0.excess > $1.excess }
    let norm =
      subject.block.flatMap { result.numbers["norm.\($0)"] } ?? gradient.norm
    result.numbers["gradientNorm"] = norm
    result.numbers["noise"] = noise
    result.numbers["resolution"] = resolution
    result.numbers["worstExcess"] = result.evidence.first?.excess
    result.numbers["evaluations"] = Double(evaluations)
    judge(&result, noise: noise, surrogateLoss: surrogateLoss)
    return result
  }

  /// Forward mode along every direction.
  private func secondOpinions(
    _ objective: any MetaObjective, _ base: Parameters, _ gradient: Parameters,
    _ directions: [Direction], _ jitter: Double, _ result: inout CheckResult
  ) {
    for direction in directions {
      guard let forward = objective.forwardDerivative(at: base, along: direction.vector) else {
        return
      }
      let size = direction.magnitudeOfDot(gradient)
      let actual = gradient.dot(direction.vector)
      result.evidence.append(
        Evidence(
          direction.name + "/forward mode", actual: actual, reference: forward,
          // Tangents round like cotangents: what moves g when weights move by an ulp moves both.
          allowed: 2 * jitter + direction.roundingOfDot(gradient) + 64 * .ulpOfOne * size))
      guard size > 0 else { continue }
      result.numbers["forwardMode"] = max(
        result.numbers["forwardMode"] ?? 0, abs(forward - actual) / size)
    }
  }

  /// Whether g·v lies between the two slopes, where they differ.
  private func kink(
    _ subject: Subject, _ direction: Direction, _ gradient: Parameters,
    _ difference: FiniteDifference, _ jitter: Double, _ result: inout CheckResult
  ) {
    let sides = OneSidedSlopes(
      of: subject.reference(), at: subject.parameters, along: direction.vector,
      step: difference.steps.lowerBound * 1e-3)
    guard sides.isKink else { return }
    let actual = gradient.dot(direction.vector)
    result.numbers["leftSlope"] = sides.left.value
    result.numbers["rightSlope"] = sides.right.value
    result.evidence.append(
      Evidence(
        "\(direction.name)/between the slopes to both sides", actual: actual,
        reference: sides.nearest(to: actual),
        allowed: sides.error + jitter + direction.roundingOfDot(gradient)))
  }

  private func judge(_ result: inout CheckResult, noise: Double, surrogateLoss: Double) {
    let loss = result.numbers["loss"] ?? .nan
    let resolution = result.numbers["resolution"] ?? .infinity
    let norm = (result.numbers["gradientNorm"] ?? .nan).brief
    // Two evaluators order their sums differently, so each carries a rounding of its own.
    let allowed = 32 * noise + 4 * loss.ulp
    let isSame = abs(loss - surrogateLoss) <= allowed
    result.premises.append(
      Premise(
        "the differences see the same loss", met: isSame,
        "\(loss) and \(surrogateLoss), \((loss - surrogateLoss).brief) apart, "
          + "rounding \(allowed.brief)"))
    guard isSame else {
      result.verdict = .decide(result.premises, .meaningless)
      result.reason = "the loss is \(loss), its surrogate \(surrogateLoss): two functions"
      return
    }
    let count = result.evidence.count {
      !$0.path.contains("/forward") && !$0.path.contains("/between")
    }
    if let worst = result.evidence.first, worst.excess > 1 {
      result.verdict = .decide(result.premises, .isFalse)
      result.reason =
        "\(worst.path): g·v = \(worst.actual.brief), should be \(worst.reference.brief) "
        + "± \(worst.allowed.brief), off by \(worst.excess.brief) error bars"
    } else if resolution > Self.requiredResolution {
      result.verdict = .decide(result.premises, .undecided)
      result.reason =
        "signal below noise floor: gradient norm \(norm), differences resolve "
        + "±\((result.evidence.map(\.allowed).min() ?? .infinity).brief)"
    } else {
      result.verdict = .decide(result.premises, .isTrue(slack: nil))
      result.qualifier = "tested"
      result.reason =
        "\(count) directions agree, the best to \(resolution.brief) relative; norm \(norm)"
      if let forward = result.numbers["forwardMode"] {
        result.reason += "; forward mode to \(forward.brief)"
      }
      if let left = result.numbers["leftSlope"], let right = result.numbers["rightSlope"] {
        result.reason += "; at a kink, slopes \(left.brief) and \(right.brief)"
      }
      let silent = result.numbers.filter { $0.key.hasPrefix("norm.") && $0.value == 0 }.keys
        .map { String($0.dropFirst(5)) }.sorted()
      if !silent.isEmpty { result.reason += "; says nothing about \(silent), zero here" }
    }
  }

  /// How far rounding moves the gradient of the block: four times what it moves by when every
  /// weight moves by a unit in its last place.
  private func roundingOfGradient(
    _ objective: any MetaObjective, _ base: Parameters, _ gradient: Parameters, _ subject: Subject
  ) -> Double {
    var rng = SplitMix64(seed: subject.seed).derived(1)
    var moved = base
    for i in moved.tensors.indices {
      for j in moved.tensors[i].elements.indices {
        let w = moved.tensors[i].elements[j]
        // Zero is not rounded; moved off it, a weight may be on the other side of a kink.
        guard w != 0 else { continue }
        moved.tensors[i].elements[j] = rng.next() & 1 == 0 ? w.nextUp : w.nextDown
      }
    }
    var other = gradient.zeros
    _ = objective.evaluate(moved, gradient: &other)
    other.add(-1, gradient)
    let distance = subject.block.flatMap { other[$0] }.map { Vector($0.elements).norm }
    return 4 * (distance ?? other.norm)
  }
}

/// A unit vector in the space of the weights.
private struct Direction {
  var name: String
  var vector: Parameters

  /// The directions along which a block (nil: all weights) of `gradient` is tested.
  static func all(_ gradient: Parameters, block: String?, rng: SplitMix64) -> [Direction] {
    var rng = rng
    let tensors = gradient.names.indices.filter { block == nil || gradient.names[$0] == block }
    let places = tensors.flatMap { i in
      gradient.tensors[i].elements.indices.map { (tensor: i, entry: $0) }
    }
    func direction(_ name: String, _ entry: (Int, Int) -> Double) -> Direction? {
      var vector = gradient.zeros
      for (i, j) in places { vector.tensors[i].elements[j] = entry(i, j) }
      let norm = vector.norm
      guard norm > 0, norm.isFinite else { return nil }
      let scaled = vector.zeros.moved(1 / norm, vector)
      return Direction(name: "\(block ?? "all weights")/\(name)", vector: scaled)
    }
    func size(_ place: (tensor: Int, entry: Int)) -> Double {
      abs(gradient.tensors[place.tensor].elements[place.entry])
    }
    let coordinates = [
      ("largest", places.max { size($0) < size($1) }),
      ("smallest", places.min { size($0) < size($1) }),
    ]
    let gaussian = direction("gaussian") { _, _ in rng.normal() }
    let signs = direction("signs") { _, _ in rng.next() & 1 == 0 ? 1 : -1 }
    let steepest = direction("gradient") { gradient.tensors[$0].elements[$1] }
    let probes = coordinates.compactMap { label, place in
      place.flatMap { place in
        direction("\(label) \(gradient.names[place.tensor])[\(place.entry)]") {
          $0 == place.tensor && $1 == place.entry ? 1 : 0
        }
      }
    }
    return [gaussian, signs, steepest].compactMap(\.self) + probes
  }

  /// Σ |g_i v_i|.
  func magnitudeOfDot(_ gradient: Parameters) -> Double {
    zip(gradient.tensors, vector.tensors).reduce(0) { sum, pair in
      sum + zip(pair.0.elements, pair.1.elements).reduce(0) { $0 + abs($1.0 * $1.1) }
    }
  }

  /// The bound on the rounding of g·v: n units of roundoff times Σ |g_i v_i|.
  func roundingOfDot(_ gradient: Parameters) -> Double {
    Double(gradient.count) * .ulpOfOne / 2 * magnitudeOfDot(gradient)
  }
}
