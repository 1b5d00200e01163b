public import Engine
public import Foundation

/// Several arrays in one file, as `numpy.savez` writes them: .npy members, stored, in a zip archive.
///
/// Members are sorted by name and carry the zip format's first date, so equal arrays give equal bytes.
public enum NpzArchive {
  /// The bytes of the file.
  ///
  /// - Precondition: below 4 GB and 65,536 arrays, where zip needs another format.
  public static func encoded(_ arrays: [String: Tensor]) -> Data {
    precondition(arrays.count < 1 << 16, "\(arrays.count) arrays")
    var file = Data()
    var directory = Data()
    for (name, tensor) in arrays.sorted(by: { $0.key < $1.key }) {
      let member = Data("\(name).npy".utf8)
      let content = NpyFile.encoded(tensor)
      let start = file.count
      precondition(start + content.count < 1 << 32, "an archive of 4 GB")
      var facts = Data()
      // Version 2.0, no flags, stored, 1 January 1980.
      for word: UInt64 in [20, 0, 0, 0, 0x21] { LittleEndian.append(word, size: 2, to: &facts) }
      for word in [UInt64(checksum(content)), UInt64(content.count), UInt64(content.count)] {
        LittleEndian.append(word, size: 4, to: &facts)
      }
      LittleEndian.append(UInt64(member.count), size: 2, to: &facts)
      LittleEndian.append(0, size: 2, to: &facts)
      file += Data("PK\u{3}\u{4}".utf8) + facts + member + content
      directory += Data("PK\u{1}\u{2}".utf8) + Data([20, 0]) + facts
      // No comment, first disk, attributes of no system.
      directory += Data(repeating: 0, count: 10)
      LittleEndian.append(UInt64(start), size: 4, to: &directory)
      directory += member
    }
    let start = file.count
    file += directory + Data("PK\u{5}\u{6}".utf8) + Data(repeating: 0, count: 4)
    for _ in 0..<2 { LittleEndian.append(UInt64(arrays.count), size: 2, to: &file) }
    LittleEndian.append(UInt64(directory.count), size: 4, to: &file)
    LittleEndian.append(UInt64(start), size: 4, to: &file)
    return file + Data(repeating: 0, count: 2)
  }

  /// Writes `arrays` to `url` atomically.
  ///
  /// - Throws: `StorageError.unwritable`.
  public static func write(_ arrays: [String: Tensor], to url: URL) throws(StorageError) {
    try AtomicFile.write(encoded(arrays), to: url)
  }

  /// CRC-32 of IEEE 802.3, bit by bit: archives here are small.
  static func checksum(_ data: Data) -> UInt32 {
    var register = UInt32.max
    for byte in data {
      register ^= UInt32(byte)
      for _ in 0..<8 { register = register >> 1 ^ (register & 1 == 0 ? 0 : 0xEDB8_8320) }
    }
    return ~register
  }
}
