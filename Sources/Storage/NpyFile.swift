public import Engine
public import Foundation

/// One array of doubles per file, in numpy's .npy format 1.0.
///
/// Little-endian float64, C order. Other types and orders are refused by name.
public enum NpyFile {
  /// The bytes of the file, the same as `numpy.save` writes.
  public static func encoded(_ tensor: Tensor) -> Data {
    let lengths = tensor.shape.map(String.init).joined(separator: ", ")
    let shape = tensor.shape.count == 1 ? "(\(lengths),)" : "(\(lengths))"
    var header = "{'descr': '\(float64)', 'fortran_order': False, 'shape': \(shape), }"
    // Data start at a multiple of 64, and a newline ends the header.
    let used = preamble + header.utf8.count + 1
    header += String(repeating: " ", count: (64 - used % 64) % 64) + "\n"
    var file = Data(magic + [1, 0])
    LittleEndian.append(UInt64(header.utf8.count), size: 2, to: &file)
    return file + Data(header.utf8) + Data(LittleEndian.bytes(tensor.elements))
  }

  /// Writes `tensor` to `url` atomically.
  ///
  /// - Throws: `StorageError.unwritable`.
  public static func write(_ tensor: Tensor, to url: URL) throws(StorageError) {
    try AtomicFile.write(encoded(tensor), to: url)
  }

  /// Reads the array in the file at `url`.
  ///
  /// - Throws: `StorageError.unreadable`, or `StorageError.malformed` naming the part at fault.
  public static func read(from url: URL) throws(StorageError) -> Tensor {
    try decode(try AtomicFile.read(url), path: url.path)
  }

  /// Decodes the bytes of a file; `path` is for the error's text only.
  ///
  /// - Throws: `StorageError.malformed` naming the part at fault.
  public static func decode(_ data: Data, path: String) throws(StorageError) -> Tensor {
    func malformed(_ culprit: String, _ reason: String) -> StorageError {
      .malformed(path: path, culprit: culprit, reason: reason)
    }
    let bytes = [UInt8](data)
    guard bytes.starts(with: magic), bytes.count >= preamble else {
      throw malformed("file", "does not begin as .npy files do")
    }
    guard bytes[6] == 1 else { throw malformed("version", "\(bytes[6]), want 1") }
    let length = Int(LittleEndian.words(bytes[8..<10], as: UInt16.self)[0])
    guard bytes.count >= preamble + length else { throw malformed("header", "truncated") }
    let header = String(decoding: bytes[preamble..<(preamble + length)], as: UTF8.self)
    guard let type = header.firstMatch(of: /'descr': *'([^']*)'/)?.output.1 else {
      throw malformed("header", "descr is missing")
    }
    guard type == float64 else { throw malformed("descr", "\(type), want \(float64)") }
    guard header.contains(/'fortran_order': *False/) else {
      throw malformed("fortran_order", "want False (save numpy.ascontiguousarray)")
    }
    guard let list = header.firstMatch(of: /'shape': *\(([0-9, ]*)\)/)?.output.1 else {
      throw malformed("header", "shape is missing")
    }
    let lengths = list.split(whereSeparator: { $0 == "," || $0 == " " })
    let shape = lengths.compactMap { Int($0) }
    let body = bytes[(preamble + length)...]
    var size = 8
    for length in shape {
      let (product, overflow) = size.multipliedReportingOverflow(by: length)
      guard !overflow else { throw malformed("shape", "\(shape) is too large") }
      size = product
    }
    guard shape.count == lengths.count, size == body.count else {
      throw malformed("data", "\(body.count) bytes, shape \(shape) takes \(size)")
    }
    return Tensor(shape: shape, elements: LittleEndian.doubles(body))
  }

  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  private static let float64 = "<f8"

  /// Bytes before the header's text: magic, version, length.
  private static let preamble = 10
}
