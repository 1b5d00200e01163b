public import Engine
public import Optimization

/// Learned ISTA (Gregor and LeCun 2010): x ← S_{sθ}(x + s (We y - S x)).
///
/// With s = 1 this is the paper's S_θ(We y + (I - S) x); NetX-lab's class scales by s = 0.9999/L
/// (`stepRule: .reference`). Weights: `We` 1 x d x b, `S` 1 x d x d, `theta`.
public struct LISTA: UnfoldedRule {
  public static let layerWeights = [
    LayerWeight("We", .one, .columns, .rows), LayerWeight("S", .one, .columns, .columns),
    LayerWeight("theta"),
  ]

  public let name = "LISTA"
  public let layers: Int
  public var stepRule: StepRule
  public var parameters: Parameters

  /// Creates a rule with the given weights.
  ///
  /// - Throws: ``RuleError`` when a weight is missing or unknown.
  public init(
    layers: Int, parameters: Parameters, stepRule: StepRule = .constant(1)
  ) throws(RuleError) {
    self.layers = layers
    self.stepRule = stepRule
    self.parameters = try Self.arranged(parameters, layers: layers)
  }

  public func step(
    _ x: Traced, _ carry: [Traced], _ context: FormulaContext
  ) -> (x: Traced, carry: [Traced]) {
    let s = context.stepSizes
    let input = context.target(like: x).times(weight("We", context), .plain, .transposed)
    let inhibition = x.times(weight("S", context), .plain, .transposed)
    return (
      (x + s * (input - inhibition)).softThreshold(s * weight("theta", context)), carry
    )
  }
}
