public import Engine
public import Optimization

/// LISTA with an analytic weight (Liu and others 2019): z = x + γ Wᵀ (y - M x), then all entries of z but
/// the trusted ones are shrunk by θ; only the numbers γ and θ of every layer are learned.
///
/// W has the least coherence with the dictionary, ``Engine/Matrix/leastCoherent()``. Weights: `gamma`, `theta`.
public struct ALISTA: UnfoldedRule {
  public static let layerWeights = [LayerWeight("gamma"), LayerWeight("theta")]

  public let name = "ALISTA"
  public let layers: Int
  public let stepRule = StepRule.constant(1)
  /// W, b x d.
  public let analyticWeight: Matrix
  /// Which entries are not shrunk.
  public var selection: SupportSelection
  public var parameters: Parameters

  /// Creates a rule with the given weights for dictionaries shaped like `analyticWeight`.
  ///
  /// - Throws: ``RuleError`` when a weight is missing or unknown.
  public init(
    layers: Int, analyticWeight: Matrix, parameters: Parameters,
    selection: SupportSelection = SupportSelection()
  ) throws(RuleError) {
    self.layers = layers
    self.analyticWeight = analyticWeight
    self.selection = selection
    self.parameters = try Self.arranged(parameters, layers: layers)
  }

  public var couplesInstances: Bool { selection.group == .reference }

  public func validate(on problem: any Problem) throws(RuleError) {
    let model = try Self.model(problem)
    let shape = [model.map.blockRows, model.map.blockColumns]
    guard [analyticWeight.rows, analyticWeight.columns] == shape else {
      throw .wrongShape(
        parameter: "W", found: [analyticWeight.rows, analyticWeight.columns], expected: shape)
    }
  }

  public func step(
    _ x: Traced, _ carry: [Traced], _ context: FormulaContext
  ) -> (x: Traced, carry: [Traced]) {
    let w = LinearMap.shared(analyticWeight, copies: x.rows)
    let correction = context.residual(at: x).mapped(by: w, .transposed)
    let z = x + weight("gamma", context) * correction
    return (selection.shrink(z, weight("theta", context), layer: layer(context)), carry)
  }
}

extension Matrix {
  /// The W of this shape that minimises ‖Wᵀ A‖_F subject to wᵢᵀ aᵢ = 1 for every column.
  ///
  /// Every column of W has a problem of its own, with the solution wᵢ = G⁺ aᵢ / (aᵢᵀ G⁺ aᵢ), G = A Aᵀ.
  /// Source: Liu, Chen, Wang and Yin, "ALISTA", ICLR 2019, (9).
  /// - Throws: ``RuleError`` for a column of zeros, `EngineError` for entries that are not finite.
  public func leastCoherent() throws -> Matrix {
    let svd = try thinSVD()
    let cut = rankTolerance * (svd.values.elements.first ?? 0)
    // G⁺ A = U Σ⁺ Vᵀ.
    var scaled = svd.rightTransposed
    for i in 0..<scaled.rows {
      let inverse = svd.values[i] > cut ? 1 / svd.values[i] : 0
      for j in 0..<scaled.columns { scaled[i, j] *= inverse }
    }
    var w = Matrix.product(svd.left, scaled)
    for j in 0..<columns {
      let product = (0..<rows).reduce(0) { $0 + self[$1, j] * w[$1, j] }
      guard product > 0 else {
        throw RuleError.unsupported(
          setting: "the dictionary of ALISTA", value: "zero in column \(j)",
          accepted: "no column of zeros")
      }
      for i in 0..<rows { w[i, j] /= product }
    }
    return w
  }
}
