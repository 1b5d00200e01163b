import Foundation

/// Numbers as little-endian bytes, the order of every format here.
enum LittleEndian {
  /// The words that `bytes` holds; their number is a multiple of the word's size.
  static func words<Word: FixedWidthInteger>(
    _ bytes: ArraySlice<UInt8>, as type: Word.Type = Word.self
  ) -> [Word] {
    let size = MemoryLayout<Word>.size
    precondition(bytes.count % size == 0, "\(bytes.count) bytes are no words of \(size)")
    return stride(from: bytes.startIndex, to: bytes.endIndex, by: size).map { start in
      var word: Word = 0
      for k in 0..<size { word |= Word(truncatingIfNeeded: bytes[start + k]) << Word(8 * k) }
      return word
    }
  }

  /// The doubles that `bytes` holds, bit for bit.
  static func doubles(_ bytes: ArraySlice<UInt8>) -> [Double] {
    words(bytes, as: UInt64.self).map(Double.init(bitPattern:))
  }

  /// Appends the `size` low bytes of `word`.
  static func append(_ word: UInt64, size: Int = 8, to data: inout Data) {
    for k in 0..<size { data.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * k))) }
  }

  /// The bytes of `values`, bit for bit.
  static func bytes(_ values: [Double]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(8 * values.count)
    for value in values {
      let word = value.bitPattern
      for k in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * k))) }
    }
    return bytes
  }
}
