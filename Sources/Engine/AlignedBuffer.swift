/// Doubles at a cache line's boundary, zero at first; what the kernels read and write.
final class AlignedBuffer: @unchecked Sendable {
  let base: UnsafeMutablePointer<Double>
  let count: Int

  // Sendable by discipline: a buffer is either written only while its owner builds it, or owned by
  // one object that is itself not Sendable.
  init(_ count: Int) {
    self.count = count
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: Swift.max(count, 1) * MemoryLayout<Double>.stride, alignment: 64)
    base = raw.bindMemory(to: Double.self, capacity: count)
    base.initialize(repeating: 0, count: count)
  }

  deinit { base.deallocate() }
}

/// Rounds a length up to whole vectors.
func padded(_ count: Int) -> Int { (count + 7) & ~7 }
