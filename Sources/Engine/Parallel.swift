import Dispatch
import Foundation
import Synchronization

/// Independent work on all cores.
public enum Parallel {
  /// Number of cores that this process may use.
  public static var coreCount: Int { max(1, ProcessInfo.processInfo.activeProcessorCount) }

  /// Applies `body` to every item, `threads` at a time, and returns the results in order.
  ///
  /// Items are taken one by one in their order, so put long ones first. What an item yields must
  /// not depend on the others: then the results do not depend on the number of threads. Once an item
  /// has thrown no other is begun.
  /// - Throws: the error of the first item, in order, that threw.
  public static func map<Item: Sendable, Result: Sendable>(
    _ items: [Item], threads: Int = coreCount,
    _ body: @Sendable (Item) throws -> Result
  ) throws -> [Result] {
    let outcomes = Mutex([Swift.Result<Result, any Error>?](repeating: nil, count: items.count))
    let next = Atomic(0)
    let hasFailed = Atomic(false)
    DispatchQueue.concurrentPerform(iterations: max(1, min(threads, items.count))) { _ in
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < items.count, !hasFailed.load(ordering: .relaxed) else { return }
        let outcome = Swift.Result { try body(items[index]) }
        if case .failure = outcome { hasFailed.store(true, ordering: .relaxed) }
        outcomes.withLock { $0[index] = outcome }
      }
    }
    return try outcomes.withLock { try $0.compactMap { try $0?.get() } }
  }

  /// Calls `body` with 0 to `count` - 1, `threads` at a time; none may touch what another one does.
  static func forEach(_ count: Int, threads: Int, _ body: @Sendable (Int) -> Void) {
    let next = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: max(1, min(threads, count))) { _ in
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < count else { return }
        body(index)
      }
    }
  }
}
