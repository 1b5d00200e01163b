import CDataFiles
import Foundation

/// Deflated data, through zlib.
enum Inflate {
  /// The contents of gzip or zlib data.
  static func gzip(_ data: Data, path: String) throws -> [UInt8] {
    let input = [UInt8](data)
    // The last four bytes hold the length modulo 2^32.
    guard input.count >= 18, input[0] == 0x1F, input[1] == 0x8B else {
      throw DatasetError.unreadable(path: path, reason: "no gzip file")
    }
    let size = input.suffix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
    return try inflated(input, raw: false, count: size, path: path)
  }

  /// `count` bytes out of bare deflate data.
  static func raw(_ input: [UInt8], count: Int, path: String) throws -> [UInt8] {
    try inflated(input, raw: true, count: count, path: path)
  }

  private static func inflated(
    _ input: [UInt8], raw: Bool, count: Int, path: String
  ) throws -> [UInt8] {
    // No file of ours is a thousand times smaller packed: such a length is damage.
    guard count <= 1100 * input.count + 64 else {
      throw DatasetError.unreadable(path: path, reason: "damaged or truncated")
    }
    var output = [UInt8](repeating: 0, count: max(count, 1))
    var written = 0
    let status = cd_inflate(input, input.count, raw ? 1 : 0, &output, output.count, &written)
    guard status == CD_OK.rawValue, written == count else {
      throw DatasetError.unreadable(path: path, reason: "damaged or truncated")
    }
    return count == 0 ? [] : output
  }
}
