import Engine
public import Foundation
import Storage

/// MNIST's idx files of bytes, plain or gzipped.
public enum IdxFile {
  /// The lengths along each axis and the bytes, row-major.
  ///
  /// - Throws: ``DatasetError`` or `StorageError` for a file that is missing, damaged or of another kind.
  public static func read(from url: URL) throws -> (shape: [Int], bytes: [UInt8]) {
    let data = try AtomicFile.read(url)
    let bytes =
      url.pathExtension == "gz" ? try Inflate.gzip(data, path: url.path) : [UInt8](data)
    guard bytes.count >= 4, bytes[0] == 0, bytes[1] == 0, bytes[2] == 8 else {
      throw DatasetError.unreadable(path: url.path, reason: "no idx file of bytes")
    }
    let rank = Int(bytes[3])
    let header = 4 + 4 * rank
    guard bytes.count >= header else {
      throw DatasetError.unreadable(path: url.path, reason: "truncated in its header")
    }
    let shape = (0..<rank).map { axis in
      bytes[(4 + 4 * axis)..<(8 + 4 * axis)].reduce(0) { $0 << 8 | Int($1) }
    }
    let count = shape.reduce(1, *)
    guard bytes.count == header + count else {
      throw DatasetError.unreadable(
        path: url.path, reason: "\(bytes.count - header) bytes for shape \(shape)")
    }
    return (shape, Array(bytes[header...]))
  }
}
