public import Engine

/// Why a run ended.
public enum StopReason: Sendable, Equatable, Codable {
  /// The last step that was asked for was taken.
  case horizonReached(Int)
  /// The iterate or the value of this step is NaN or infinite.
  case nonFinite(step: Int)
}

/// What an unrolled rule left behind.
public struct Trajectory: Sendable, Equatable {
  /// The values fᵢ(x_t), t first, then the instance i; t starts at 0.
  public var values: [[Double]]
  /// The iterates x_t from t = 0 on; empty unless recorded.
  public var iterates: [Vector]
  /// P_t, t from 1 on, where the rule multiplies gradients by P_t entry by entry; else empty.
  public var scales: [Vector]
  /// Why the run ended.
  public var stop: StopReason

  /// Creates a trajectory.
  public init(
    values: [[Double]], iterates: [Vector], scales: [Vector] = [], stop: StopReason
  ) {
    self.values = values
    self.iterates = iterates
    self.scales = scales
    self.stop = stop
  }

  /// F(X_t) = Σᵢ fᵢ(x_t) for every t.
  public var totals: [Double] { values.map { $0.reduce(0, +) } }
}

/// Runs `rule` for `horizon` steps on `problem` from `start` (n entries).
///
/// Stops at the first step whose iterate or value is not finite; that step is not recorded.
public func unroll<R: UpdateRule, P: Problem>(
  _ rule: R, on problem: P, from start: Vector, horizon: Int, recordingIterates: Bool = false
) -> Trajectory {
  precondition(horizon >= 0, "horizon \(horizon) is negative")
  precondition(
    start.count == problem.dimension,
    "start has \(start.count) entries, the problem \(problem.dimension) unknowns")
  var x = start
  var state = rule.initialState(for: problem)
  var result = Trajectory(
    values: [problem.values(at: x)], iterates: recordingIterates ? [x] : [],
    stop: .horizonReached(horizon))
  for t in 0..<horizon {
    rule.step(&x, &state, on: problem)
    let values = problem.values(at: x)
    guard x.isFinite, values.allSatisfy(\.isFinite) else {
      result.stop = .nonFinite(step: t + 1)
      return result
    }
    result.values.append(values)
    if recordingIterates { result.iterates.append(x) }
  }
  return result
}
