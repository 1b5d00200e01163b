public import Engine
public import Optimization

/// LISTA-CPSS without threshold (NetX-lab's `LISTACPSSWOnly`): x ← x + We (y - M x).
///
/// A learned linear iteration; support selection has nothing left to do. Weights: `We` 1 x d x b.
public struct LISTACPSSWOnly: UnfoldedRule {
  public static let layerWeights = [LayerWeight("We", .one, .columns, .rows)]

  public let name = "LISTACPSSWOnly"
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
    (coupled(x, context), carry)
  }
}
