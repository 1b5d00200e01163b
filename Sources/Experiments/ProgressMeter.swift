import Synchronization

/// Adds up work done on several threads and reports the share that is done.
public final class ProgressMeter: Sendable {
  private let total: Double
  private let done = Mutex(0.0)
  private let report: @Sendable (Double) -> Void

  /// A meter for `total` units of work.
  public init(total: Double, report: @escaping @Sendable (Double) -> Void) {
    self.total = total
    self.report = report
  }

  /// Adds `amount` units of work done.
  public func add(_ amount: Double) {
    let share = done.withLock {
      $0 += amount
      return total > 0 ? min(1, $0 / total) : 1
    }
    report(share)
  }
}
