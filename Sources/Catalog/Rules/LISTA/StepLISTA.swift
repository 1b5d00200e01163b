public import Engine
public import Optimization

/// ISTA with learned step sizes (Ablin and others 2019, Step-LISTA): x ← prox(x - s ∇f(x); s).
///
/// On LASSO the threshold is ρ s, with the ρ of the problem. Runs on any problem. Weights: `step_sizes`.
public struct StepLISTA: UnfoldedRule {
  public static let layerWeights = [LayerWeight("step_sizes")]

  public let name = "StepLISTA"
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
    let s = weight("step_sizes", context)
    let z = x - s * context.problem.gradient(at: x)
    return (context.problem.prox(z, steps: s), carry)
  }
}
