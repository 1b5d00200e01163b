public import Engine
public import Optimization

/// LISTA for a dictionary that changes (Aberdam and others 2021, as MS4L2O's `AdaLISTA`):
/// x ← S_θ(x - γ (W1 M)ᵀ W1 M x + γ Mᵀ W2 y).
///
/// M is that of the instance. Weights: `W1` and `W2`, 1 x b x b and the same for all layers;
/// `step_sizes` (γ) and `thresholds` (θ).
public struct AdaLISTA: UnfoldedRule {
  public static let layerWeights = [
    LayerWeight("W1", .one, .rows, .rows), LayerWeight("W2", .one, .rows, .rows),
    LayerWeight("step_sizes"), LayerWeight("thresholds"),
  ]

  public let name = "AdaLISTA"
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
    let (w1, map) = (weight("W1", context), context.model.map)
    let seen = context.target(like: x).times(weight("W2", context), .plain, .transposed)
    let explained = x.mapped(by: map).times(w1, .plain, .transposed).times(w1)
    let z = x + weight("step_sizes", context) * (seen - explained).mapped(by: map, .transposed)
    return (z.softThreshold(weight("thresholds", context)), carry)
  }
}
