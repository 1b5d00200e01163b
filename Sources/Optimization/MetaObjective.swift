import Engine

/// The training loss as a function of a rule's weights, on fixed problems from a fixed start.
///
/// A class of its own state: it owns the buffers that make an evaluation free of allocation.
public protocol MetaObjective: AnyObject {
  /// The loss at `parameters`; overwrites `gradient`, which has the same names and shapes.
  func evaluate(_ parameters: Parameters, gradient: inout Parameters) -> MetaEvaluation
  /// The unrolled run at `parameters`, with its iterates.
  func unroll(_ parameters: Parameters) -> Trajectory
  /// The loss as finite differences may see it: smooth in the weights near `base`, and with the
  /// derivative there that ``evaluate(_:gradient:)`` promises.
  func surrogate(at base: Parameters) -> any SurrogateLoss
  /// The derivative of the loss at `parameters` along `direction` by forward mode, which shares no
  /// adjoint with ``evaluate(_:gradient:)``; nil where there is none.
  func forwardDerivative(at parameters: Parameters, along direction: Parameters) -> Double?
}

extension MetaObjective {
  /// None.
  public func forwardDerivative(
    at parameters: Parameters, along direction: Parameters
  ) -> Double? { nil }
}

/// The training loss on one piece of itself.
///
/// What the rule declares constant in its backward pass is held at the values it has at a base
/// point, and so is the side of every kink (which units of a ReLU are active). The function is
/// then analytic, so differences need not dodge kinks, and its derivative at the base point is the
/// one that backpropagation computes.
public protocol SurrogateLoss {
  /// The loss at `parameters`, and the rounding to expect in it.
  func loss(at parameters: Parameters) -> Double
}

/// One evaluation of a ``MetaObjective``.
public struct MetaEvaluation: Sendable, Equatable {
  /// The training loss, summed over instances.
  public var loss: Double
  /// F(X_T), the sum over instances; equals `loss` for ``MetaLoss/last``.
  public var finalValue: Double
  /// The first step t whose iterate is not finite; nil if all are.
  public var firstNonFinite: Int?

  /// Creates an evaluation.
  public init(loss: Double, finalValue: Double, firstNonFinite: Int? = nil) {
    self.loss = loss
    self.finalValue = finalValue
    self.firstNonFinite = firstNonFinite
  }
}
