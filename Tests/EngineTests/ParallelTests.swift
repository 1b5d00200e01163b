import OptCheck
import Synchronization
import Testing

/// Work side by side.
@Suite struct ParallelTests {
  private struct Refusal: Error, Equatable { var item: Int }

  @Test(arguments: [1, 2, 3]) func resultsComeInOrder(threads: Int) throws {
    let squares = try Parallel.map(Array(0..<50), threads: threads) { $0 * $0 }
    #expect(squares == (0..<50).map { $0 * $0 })
    #expect(try Parallel.map([Int](), threads: threads) { $0 }.isEmpty)
  }

  /// The error is that of the first item in order, and what was not begun stays so.
  @Test(arguments: [1, 2, 3]) func aRefusalEndsTheWork(threads: Int) {
    let begun = Mutex<[Int]>([])
    let error = #expect(throws: Refusal.self) {
      try Parallel.map(Array(0..<1000), threads: threads) { item in
        begun.withLock { $0.append(item) }
        if item >= 10 { throw Refusal(item: item) }
      }
    }
    #expect(error == Refusal(item: 10))
    // Every thread may have one more in hand.
    #expect(begun.withLock { $0.count } <= 11 + threads)
  }
}
