import Engine
public import Optimization

/// The slopes of a training loss to the left and to the right of a point, along a direction.
///
/// At a kink (a ReLU whose input is 0, a threshold that is just met) there is no derivative; what
/// backpropagation returns should lie in [D₋, D₊]. Each side is differenced on the piece that the loss
/// takes a small step away on that side, on which it is analytic.
public struct OneSidedSlopes: Sendable, Hashable {
  /// The slope of h ↦ f(base + h v) for h < 0.
  public let left: Estimate
  /// The slope for h > 0.
  public let right: Estimate

  /// Differences `objective` at `base` along the unit vector `direction`, `step` to each side.
  public init(
    of objective: any MetaObjective, at base: Parameters, along direction: Parameters, step: Double
  ) {
    func slope(_ h: Double) -> Estimate {
      let surrogate = objective.surrogate(at: base.moved(h, direction))
      return FiniteDifference(of: { surrogate.loss(at: base.moved($0, direction)) }).slope
    }
    // What is frozen (stop-gradients) is frozen at the moved point; half the step tells how much
    // that matters.
    func side(_ h: Double) -> Estimate {
      let (wide, narrow) = (slope(h), slope(h / 2))
      return Estimate(
        value: narrow.value, error: narrow.error + 2 * abs(wide.value - narrow.value))
    }
    left = side(-step)
    right = side(step)
  }

  /// Whether the two differ beyond their error bars.
  public var isKink: Bool { abs(right.value - left.value) > right.error + left.error }

  /// The nearest of [D₋, D₊] to `slope`, in either order.
  func nearest(to slope: Double) -> Double {
    min(max(slope, min(left.value, right.value)), max(left.value, right.value))
  }

  var error: Double { max(left.error, right.error) }
}
