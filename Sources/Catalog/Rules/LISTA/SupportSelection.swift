public import Engine

/// Which entries a layer keeps as they are instead of shrinking them (Chen and others 2018, LISTA-SS).
///
/// Layer t, from 0, trusts the largest qₜ = min((t + 1) q, q_max) of all entries, provided that they
/// are beyond the threshold.
public struct SupportSelection: Sendable, Hashable {
  /// What the entries are compared with.
  public enum Group: String, Sendable, Hashable, CaseIterable {
    /// The coordinates of the same instance: the paper.
    case coordinates
    /// The same coordinate of all instances in the batch: NetX-lab's `shrink_ss` takes the quantile
    /// along the batch, so what one instance does depends on the others, and a batch of one
    /// keeps nothing.
    case reference
  }

  /// q, the fraction that the first layer trusts.
  public var fraction: Double
  /// q_max.
  public var largestFraction: Double
  /// What the entries are compared with.
  public var group: Group

  /// Creates a selection; the fractions lie in 0...1.
  public init(
    fraction: Double = 0.012, largestFraction: Double = 0.13, group: Group = .coordinates
  ) {
    precondition((0...1).contains(largestFraction), "largest fraction \(largestFraction)")
    self.fraction = fraction
    self.largestFraction = largestFraction
    self.group = group
  }

  /// qₜ of layer `layer`, from 0.
  public func fraction(layer: Int) -> Double {
    min(max(0, Double(layer + 1) * fraction), largestFraction)
  }

  /// Shrinks `z` (N x d) by `threshold` but for the entries that layer `layer` trusts.
  public func shrink(_ z: Traced, _ threshold: Traced, layer: Int) -> Traced {
    let kept = z.support(
      fraction: fraction(layer: layer), threshold: threshold, acrossRows: group == .reference)
    // A threshold of 0 leaves an entry as it is, and passes nothing on to θ.
    return z.softThreshold((1 - kept) * threshold)
  }
}
