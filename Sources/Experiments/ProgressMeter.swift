import Synchronization

/// Adds up work done on several threads and reports the share that is done.
///
/// What hears of it may throw, to end the work.
public final class ProgressMeter: Sendable {
  private let total: Double
  private let done = Mutex(0.0)
  private let report: @Sendable (Double) throws -> Void

  /// A meter for `total` units of work.
  public init(total: Double, report: @escaping @Sendable (Double) throws -> Void) {
    self.total = total
    self.report = report
  }

  /// Adds `amount` units of work done.
  ///
  /// - Throws: what the report throws.
  public func add(_ amount: Double) throws {
    let share = done.withLock {
      $0 += amount
      return total > 0 ? min(1, $0 / total) : 1
    }
    try report(share)
  }

  /// What `body` yields, which counts as one unit of work.
  ///
  /// - Throws: what `body` or the report throws.
  public func counting<Result>(_ body: () throws -> Result) throws -> Result {
    let result = try body()
    try add(1)
    return result
  }
}
