public import Engine
public import Optimization

/// LISTA-CP with support selection (Chen and others 2018): z = x + We (y - M x), then all entries of z
/// but the trusted ones are shrunk by θ.
///
/// Weights: `We` 1 x d x b, `theta`.
public struct LISTACPSS: UnfoldedRule {
  public static let layerWeights = LISTACP.layerWeights

  public let name = "LISTACPSS"
  public let layers: Int
  public let stepRule = StepRule.constant(1)
  /// Which entries are not shrunk.
  public var selection: SupportSelection
  public var parameters: Parameters

  /// Creates a rule with the given weights.
  ///
  /// - Throws: ``RuleError`` when a weight is missing or unknown.
  public init(
    layers: Int, parameters: Parameters, selection: SupportSelection = SupportSelection()
  ) throws(RuleError) {
    self.layers = layers
    self.selection = selection
    self.parameters = try Self.arranged(parameters, layers: layers)
  }

  public var couplesInstances: Bool { selection.group == .reference }

  public func step(
    _ x: Traced, _ carry: [Traced], _ context: FormulaContext
  ) -> (x: Traced, carry: [Traced]) {
    let z = coupled(x, context)
    return (selection.shrink(z, weight("theta", context), layer: layer(context)), carry)
  }
}
