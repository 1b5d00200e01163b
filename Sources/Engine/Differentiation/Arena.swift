/// A matrix somewhere in a tape's memory, row-major.
struct Block {
  let base: UnsafeMutablePointer<Double>
  let rows: Int
  let columns: Int

  var count: Int { rows * columns }

  func copy(_ elements: [Double]) {
    precondition(elements.count == count, "\(elements.count) entries for \(rows) x \(columns)")
    elements.withUnsafeBufferPointer { from in
      if let from = from.baseAddress { base.update(from: from, count: count) }
    }
  }
}

/// Memory that is handed out from its start to its end and taken back all at once.
struct Arena: ~Copyable {
  private var chunks: [AlignedBuffer] = []
  private var chunk = 0
  private var next = 0
  /// Doubles handed out.
  private(set) var used = 0

  private static let chunkCount = 1 << 17

  mutating func block(_ rows: Int, _ columns: Int) -> Block {
    let count = padded(rows * columns)
    while chunk < chunks.count, next + count > chunks[chunk].count {
      chunk += 1
      next = 0
    }
    if chunk == chunks.count { chunks.append(AlignedBuffer(max(count, Self.chunkCount))) }
    defer {
      next += count
      used += count
    }
    return Block(base: chunks[chunk].base + next, rows: rows, columns: columns)
  }

  mutating func reset() {
    chunk = 0
    next = 0
    used = 0
  }
}

/// Buffers by length, zero when taken.
struct BufferPool: ~Copyable {
  private var free: [Int: [UnsafeMutablePointer<Double>]] = [:]
  private var arena = Arena()

  mutating func take(_ count: Int) -> UnsafeMutablePointer<Double> {
    let base = free[count]?.popLast() ?? arena.block(1, count).base
    base.update(repeating: 0, count: count)
    return base
  }

  mutating func give(_ base: UnsafeMutablePointer<Double>, _ count: Int) {
    free[count, default: []].append(base)
  }
}
