/// What training minimises, out of the values F(X_t) along the unrolled rule.
public enum MetaLoss: String, Sendable, Hashable, Codable, CaseIterable {
  /// F(X_T).
  case last
  /// The mean of F(X_t) over t = 1 ... T.
  case mean
  /// Σ t F(X_t) / Σ t over t = 1 ... T.
  case weightedSum = "weighted_sum"

  /// The weight of F(X_t), in entry t - 1, for t from 1 to T.
  public func weights(horizon: Int) -> [Double] {
    precondition(horizon >= 1, "horizon \(horizon) is not positive")
    let total = Double(horizon)
    switch self {
    case .last: return [Double](repeating: 0, count: horizon - 1) + [1]
    case .mean: return [Double](repeating: 1 / total, count: horizon)
    case .weightedSum:
      return (1...horizon).map { Double($0) / (total * (total + 1) / 2) }
    }
  }
}
