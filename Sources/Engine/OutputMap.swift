import Foundation

/// What turns a network's output z into a step scale.
public enum OutputMap: String, Sendable, Hashable, Codable, CaseIterable {
  /// 2σ(z), in (0, 2) and 1 at z = 0.
  case twiceSigmoid = "sigmoid"
  /// The exponential.
  case exp
  /// ln(1 + e^z).
  case softplus
  /// z itself.
  case identity = "eye"
  /// 2 - 2 e^(-z²).
  case gaussian = "Gaussian"

  /// The map at `z`.
  public func value(_ z: Double) -> Double {
    switch self {
    case .twiceSigmoid: 2 / (1 + Foundation.exp(-z))
    case .exp: Foundation.exp(z)
    // PyTorch's threshold: beyond 20 softplus is the identity.
    case .softplus: z > 20 ? z : log1p(Foundation.exp(z))
    case .identity: z
    case .gaussian: 2 - 2 * Foundation.exp(-z * z)
    }
  }

  /// The derivative of the map at `z`.
  public func derivative(_ z: Double) -> Double {
    switch self {
    case .twiceSigmoid:
      // The smaller of σ and 1 - σ is formed without cancellation.
      { 2 * $0 / ((1 + $0) * (1 + $0)) }(Foundation.exp(-abs(z)))
    case .exp: Foundation.exp(z)
    case .softplus: z > 20 ? 1 : 1 / (1 + Foundation.exp(-z))
    case .identity: 1
    case .gaussian: 4 * z * Foundation.exp(-z * z)
    }
  }
}
