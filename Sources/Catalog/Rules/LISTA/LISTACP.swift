public import Engine
public import Optimization

/// LISTA with coupled weights (Chen and others 2018, LISTA-CP): x ← S_θ(x + We (y - M x)).
///
/// Weights: `We` 1 x d x b (the paper's Wᵀ), `theta`.
public struct LISTACP: UnfoldedRule {
  public static let layerWeights = [
    LayerWeight("We", .one, .columns, .rows), LayerWeight("theta"),
  ]

  public let name = "LISTACP"
  public let layers: Int
  public let stepRule = StepRule.constant(1)
  public var parameters: Parameters

  /// Creates a rule with the given weights.
  ///
  /// - Throws: ``RuleError`` when a weight is missing or unknown.
  public init(layers: Int, parameters: Parameters) throws(RuleError) {
    self.layers = layers
    self.parameters = try Self.arranged(parameters, layers: layers)
  }

  public func step(
    _ x: Traced, _ carry: [Traced], _ context: FormulaContext
  ) -> (x: Traced, carry: [Traced]) {
    (coupled(x, context).softThreshold(weight("theta", context)), carry)
  }
}

extension UnfoldedRule {
  /// x + We (y - M x): the step before shrinking that LISTA-CP and its relatives have in common.
  func coupled(_ x: Traced, _ context: FormulaContext) -> Traced {
    x + correction(x, context)
  }

  /// We (y - M x).
  func correction(_ x: Traced, _ context: FormulaContext) -> Traced {
    context.residual(at: x).times(weight("We", context), .plain, .transposed)
  }
}
