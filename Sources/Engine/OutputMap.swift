internal import CKernels

/// The last nonlinearity of a learned rule: how the network's output z becomes a step factor.
public enum OutputMap: String, Sendable, Hashable, CaseIterable {
  /// 2 / (1 + e^-z), in (0, 2) and exactly 1 at 0.
  case twiceSigmoid
  /// e^z.
  case exponential
  /// ln(1 + e^z).
  case softplus
  /// z itself.
  case identity
  /// 2 - 2 e^(-z^2).
  case gaussian

  var code: Int32 {
    switch self {
    case .twiceSigmoid: Int32(OC_TWICE_SIGMOID.rawValue)
    case .exponential: Int32(OC_EXPONENTIAL.rawValue)
    case .softplus: Int32(OC_SOFTPLUS.rawValue)
    case .identity: Int32(OC_IDENTITY.rawValue)
    case .gaussian: Int32(OC_GAUSSIAN.rawValue)
    }
  }

  /// Writes the map's values and derivatives at `z` into arrays of the same length.
  ///
  /// The arithmetic is that of the fused unroll, so another evaluator that maps through here
  /// takes bitwise the same steps from the same z.
  public func evaluate(_ z: [Double], values: inout [Double], derivatives: inout [Double]) {
    precondition(
      z.count == values.count && z.count == derivatives.count,
      "map of \(z.count) entries into \(values.count) and \(derivatives.count)")
    oc_map_evaluate(code, z.count, z, &values, &derivatives)
  }
}
