internal import CKernels
import Foundation

/// The last nonlinearity of a learned rule: how the network's output z becomes a step factor.
///
/// Raw values are the names of the reference code's configurations.
public enum OutputMap: String, Sendable, Hashable, Codable, CaseIterable {
  /// 2σ(z), in (0, 2) and exactly 1 at 0.
  case twiceSigmoid = "sigmoid"
  /// The exponential.
  case exp
  /// ln(1 + e^z); PyTorch returns z itself beyond 20, where the two differ by 2e-9 at most.
  case softplus
  /// z itself.
  case identity = "eye"
  /// 2 - 2 e^(-z²).
  case gaussian = "Gaussian"

  /// The map at `z`, by the functions of the C library.
  public func value(_ z: Double) -> Double {
    switch self {
    case .twiceSigmoid: 2 / (1 + Foundation.exp(-z))
    case .exp: Foundation.exp(z)
    case .softplus: max(z, 0) + log1p(Foundation.exp(-abs(z)))
    case .identity: z
    case .gaussian: 2 - 2 * Foundation.exp(-z * z)
    }
  }

  /// The derivative of the map at `z`, by the functions of the C library.
  public func derivative(_ z: Double) -> Double {
    switch self {
    case .twiceSigmoid:
      // σ (1 - σ) is even in z; formed at -|z| it does not cancel.
      { 2 * $0 / ((1 + $0) * (1 + $0)) }(Foundation.exp(-abs(z)))
    case .exp: Foundation.exp(z)
    case .softplus: 1 / (1 + Foundation.exp(-z))
    case .identity: 1
    case .gaussian: 4 * z * Foundation.exp(-z * z)
    }
  }

  /// Writes the map's values and derivatives at `z` into arrays of the same length.
  ///
  /// The arithmetic is that of the fused unroll: its own vectorised exponential.
  public func evaluate(_ z: [Double], values: inout [Double], derivatives: inout [Double]) {
    precondition(
      z.count == values.count && z.count == derivatives.count,
      "map of \(z.count) entries into \(values.count) and \(derivatives.count)")
    oc_map_evaluate(code, z.count, z, &values, &derivatives)
  }

  var code: Int32 {
    switch self {
    case .twiceSigmoid: Int32(OC_TWICE_SIGMOID.rawValue)
    case .exp: Int32(OC_EXPONENTIAL.rawValue)
    case .softplus: Int32(OC_SOFTPLUS.rawValue)
    case .identity: Int32(OC_IDENTITY.rawValue)
    case .gaussian: Int32(OC_GAUSSIAN.rawValue)
    }
  }
}
