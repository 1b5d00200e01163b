public import Engine
public import Optimization

/// Where the weights of an unfolded rule start.
public enum LayerStart: Sendable, Hashable {
  /// Every layer is a step of ISTA with step size 1/β, or as close to it as the rule comes.
  case ista
  /// The reference code with a dictionary: We of the step size 0.9999/L (mean over instances), and a
  /// threshold that does not look at ρ; nil for its default, 0.4 (AdaLISTA 0.2).
  ///
  /// `LISTACPSSSTEP` then has the step size in it twice.
  case reference(threshold: Double? = nil)
  /// The reference code without a dictionary, drawn from our own stream.
  ///
  /// `LISTACPSS` starts at We = 0, where every iterate and every gradient is 0: it never learns.
  case referenceWithoutDictionary(threshold: Double? = nil, seed: UInt64)
}

/// A rule that can make its own initial weights for a problem.
public protocol InitializedUnfoldedRule: UnfoldedRule {
  /// Weights that all layers have in common whatever is asked for.
  static var alwaysShared: Set<String> { get }
  /// The weights of one layer by their plain names.
  static func initialLayer(_ start: LayerStart, _ data: LayerData) throws -> [String: Tensor]
}

/// What initial weights are made from.
public struct LayerData {
  /// The problem that the rule is for.
  public let model: any LinearModelProblem
  /// The dictionaries that differ, b x d each: those of the problem unless others were given.
  public let dictionaries: [Matrix]
  /// Of random weights.
  public var rng: SplitMix64

  /// 1/β.
  var step: Double { 1 / model.largestSmoothness }

  /// ρ; 0 if the problem has no l1 term.
  var weight: Double { (model.regularizer as? L1Norm)?.weight ?? 0 }

  var rows: Int { model.map.blockRows }
  var columns: Int { model.map.blockColumns }

  /// The mean of `scale(A) Aᵀ` over the dictionaries, 1 x d x b.
  func backprojection(_ scale: (Matrix) throws -> Double) rethrows -> Tensor {
    try mean([1, columns, rows]) { a in
      let factor = try scale(a)
      return a.transposed.elements.map { factor * $0 }
    }
  }

  /// The mean of `scale(A) Aᵀ A` over the dictionaries, 1 x d x d.
  func gram(_ scale: (Matrix) throws -> Double) rethrows -> Tensor {
    try mean([1, columns, columns]) { a in
      let factor = try scale(a)
      return a.gram().elements.map { factor * $0 }
    }
  }

  private func mean(_ shape: [Int], _ entries: (Matrix) throws -> [Double]) rethrows -> Tensor {
    var sum = Tensor(zeros: shape)
    for a in dictionaries {
      sum.add(1 / Double(dictionaries.count), Tensor(shape: shape, elements: try entries(a)))
    }
    return sum
  }

  /// Normal entries of the given deviation.
  func normal(_ shape: [Int], deviation: Double = 1, salt: Int = 0) -> Tensor {
    var rng = rng.derived(salt)
    return Tensor(
      shape: shape, elements: rng.normals(shape.reduce(1, *)).map { deviation * $0 })
  }
}

extension InitializedUnfoldedRule {
  public static var alwaysShared: Set<String> { [] }

  /// Initial weights of `layers` layers for `problem`.
  ///
  /// - Parameters:
  ///   - shared: plain names of the weights that all layers have in common.
  ///   - dictionary: in place of the problem's, as where the reference code passes the unscaled
  ///     matrix to `LISTACPSSWOnly`: there We is about 1/20 of a gradient step at b = 400.
  /// - Throws: ``RuleError`` for an unknown name or a dictionary of another shape.
  public static func initialParameters(
    for problem: some LinearModelProblem, layers: Int, shared: Set<String> = [],
    start: LayerStart = .ista, dictionary: Matrix? = nil
  ) throws -> Parameters {
    let known = layerWeights.map(\.name)
    if let stranger = shared.sorted().first(where: { !known.contains($0) }) {
      throw RuleError.unsupported(
        setting: "shared", value: "'\(stranger)'", accepted: known.joined(separator: ", "))
    }
    guard layers >= 1 else {
      throw RuleError.unsupported(setting: "layers", value: "\(layers)", accepted: "numbers >= 1")
    }
    let shape = [problem.map.blockRows, problem.map.blockColumns]
    if let dictionary, [dictionary.rows, dictionary.columns] != shape {
      throw RuleError.wrongShape(
        parameter: "dictionary", found: [dictionary.rows, dictionary.columns], expected: shape)
    }
    var (seed, isRandom) = (UInt64(0), false)
    if case .referenceWithoutDictionary(_, let given) = start {
      (seed, isRandom) = (given, true)
    }
    let rng = SplitMix64(seed: seed)
    let made = try (0..<(isRandom ? layers : 1)).map {
      try initialLayer(
        start,
        LayerData(
          model: problem, dictionaries: dictionary.map { [$0] } ?? problem.map.distinctMatrices,
          rng: rng.derived($0)))
    }
    return Parameters(
      try layerWeights.flatMap { weight in
        let isShared = shared.contains(weight.name) || alwaysShared.contains(weight.name)
        return try (0..<(isShared ? 1 : layers)).map { k in
          guard let tensor = made[min(k, made.count - 1)][weight.name] else {
            throw RuleError.missingParameter(weight.name)
          }
          return (isShared ? weight.name : "\(weight.name).\(k)", tensor)
        }
      })
  }
}

extension LayerStart {
  /// The threshold of the reference code.
  func threshold(_ official: Double = 0.4) -> Double {
    switch self {
    case .ista: 0
    case .reference(let given): given ?? official
    case .referenceWithoutDictionary(let given, _): given ?? official
    }
  }
}

/// 0.9999 / σ_max².
private func referenceStep(_ a: Matrix) throws -> Double { 0.9999 / (try a.squaredSpectralNorm()) }

extension LISTA: InitializedUnfoldedRule {
  /// ISTA with steps of 1; the reference start is ISTA with `stepRule: .reference` and ρ = θ.
  public static func initialLayer(
    _ start: LayerStart, _ data: LayerData
  ) throws -> [String: Tensor] {
    let (b, d) = (data.rows, data.columns)
    switch start {
    case .ista:
      return [
        "We": data.backprojection { _ in data.step }, "S": data.gram { _ in data.step },
        "theta": Tensor(data.step * data.weight),
      ]
    case .reference:
      return [
        "We": data.backprojection { _ in 1 }, "S": data.gram { _ in 1 },
        "theta": Tensor(start.threshold()),
      ]
    case .referenceWithoutDictionary:
      let r = data.normal([b, d], salt: 1).matrix
      return [
        "We": data.normal([1, d, b]), "S": Tensor(shape: [1, d, d], elements: r.gram().elements),
        "theta": Tensor(start.threshold()),
      ]
    }
  }
}

/// We and θ of the coupled rules; `ista` has a threshold of `step` ρ.
private func coupledLayer(
  _ start: LayerStart, _ data: LayerData, step: Double, blind: (LayerData) -> Tensor
) throws -> [String: Tensor] {
  switch start {
  case .ista:
    [
      "We": data.backprojection { _ in step }, "theta": Tensor(step * data.weight),
    ]
  case .reference:
    [
      "We": try data.backprojection(referenceStep), "theta": Tensor(start.threshold()),
    ]
  case .referenceWithoutDictionary:
    ["We": blind(data), "theta": Tensor(start.threshold())]
  }
}

/// Normal entries of deviation 1/(b d)², as two of the reference code's classes draw We.
private func tinyNormal(_ data: LayerData) -> Tensor {
  let size = Double(data.rows * data.columns)
  return data.normal([1, data.columns, data.rows], deviation: 1 / (size * size))
}

extension LISTACP: InitializedUnfoldedRule {
  /// As for ``LISTACPSS``.
  public static func initialLayer(
    _ start: LayerStart, _ data: LayerData
  ) throws -> [String: Tensor] {
    try LISTACPSS.initialLayer(start, data)
  }
}

extension LISTACPSS: InitializedUnfoldedRule {
  /// ISTA but for the trusted entries.
  public static func initialLayer(
    _ start: LayerStart, _ data: LayerData
  ) throws -> [String: Tensor] {
    try coupledLayer(start, data, step: data.step) {
      Tensor(zeros: [1, $0.columns, $0.rows])
    }
  }
}

extension LISTACPSSStep: InitializedUnfoldedRule {
  /// ISTA but for the trusted entries: the step size comes from the problem.
  public static func initialLayer(
    _ start: LayerStart, _ data: LayerData
  ) throws -> [String: Tensor] {
    try coupledLayer(start, data, step: 1, blind: tinyNormal)
  }
}

extension LISTACPSSWOnly: InitializedUnfoldedRule {
  /// Gradient descent on the smooth part.
  public static func initialLayer(
    _ start: LayerStart, _ data: LayerData
  ) throws -> [String: Tensor] {
    try coupledLayer(start, data, step: data.step, blind: tinyNormal)
      .filter { $0.key == "We" }
  }
}

extension ALISTA: InitializedUnfoldedRule {
  /// γ = 1 and the threshold of ISTA; in the reference code θ = 0.4 / L.
  public static func initialLayer(
    _ start: LayerStart, _ data: LayerData
  ) throws -> [String: Tensor] {
    let threshold = start == .ista ? data.weight : start.threshold()
    return ["gamma": Tensor(1), "theta": Tensor(data.step * threshold)]
  }

  /// A rule at its initial weights, with the W of the problem's dictionary.
  ///
  /// - Throws: ``RuleError`` for a dictionary with a column of zeros, or one per instance.
  public init(
    for problem: some LinearModelProblem, layers: Int, shared: Set<String> = [],
    selection: SupportSelection = SupportSelection()
  ) throws {
    guard let dictionary = problem.map.distinctMatrices.first,
      problem.map.distinctMatrices.count == 1
    else {
      throw RuleError.unsupported(
        setting: "the problem of ALISTA", value: problem.name,
        accepted: "problems with one dictionary for all instances")
    }
    try self.init(
      layers: layers, analyticWeight: dictionary.leastCoherent(),
      parameters: Self.initialParameters(for: problem, layers: layers, shared: shared),
      selection: selection)
  }
}

extension StepLISTA: InitializedUnfoldedRule {
  /// Steps 1/β: ISTA.
  public static func initialLayer(
    _ start: LayerStart, _ data: LayerData
  ) throws -> [String: Tensor] {
    ["step_sizes": Tensor(data.step)]
  }
}

extension AdaLISTA: InitializedUnfoldedRule {
  public static var alwaysShared: Set<String> { ["W1", "W2"] }

  /// W1 = W2 = I: ISTA, in the reference code with γ = θ = 0.2.
  public static func initialLayer(
    _ start: LayerStart, _ data: LayerData
  ) throws -> [String: Tensor] {
    let identity = Tensor(
      shape: [1, data.rows, data.rows], elements: Matrix(identity: data.rows).elements)
    let isIsta = start == .ista
    return [
      "W1": identity, "W2": identity,
      "step_sizes": Tensor(isIsta ? data.step : start.threshold(0.2)),
      "thresholds": Tensor(isIsta ? data.step * data.weight : start.threshold(0.2)),
    ]
  }
}
