public import Engine
public import Optimization

/// LISTA-CPSS with the problem's step size (NetX-lab's `LISTACPSSSTEP`): z = x + s We (y - M x),
/// then all entries of z but the trusted ones are shrunk by s θ.
///
/// Weights: `We` 1 x d x b, `theta`.
public struct LISTACPSSStep: UnfoldedRule {
  public static let layerWeights = LISTACP.layerWeights

  public let name = "LISTACPSSSTEP"
  public let layers: Int
  public var stepRule: StepRule
  /// Which entries are not shrunk.
  public var selection: SupportSelection
  public var parameters: Parameters

  /// Creates a rule with the given weights.
  ///
  /// - Throws: ``RuleError`` when a weight is missing or unknown.
  public init(
    layers: Int, parameters: Parameters, stepRule: StepRule = .theory,
    selection: SupportSelection = SupportSelection()
  ) throws(RuleError) {
    self.layers = layers
    self.stepRule = stepRule
    self.selection = selection
    self.parameters = try Self.arranged(parameters, layers: layers)
  }

  public var couplesInstances: Bool { selection.group == .reference }

  public func step(
    _ x: Traced, _ carry: [Traced], _ context: FormulaContext
  ) -> (x: Traced, carry: [Traced]) {
    let s = context.stepSizes
    let z = x + s * correction(x, context)
    return (
      selection.shrink(z, s * weight("theta", context), layer: layer(context)), carry
    )
  }
}
