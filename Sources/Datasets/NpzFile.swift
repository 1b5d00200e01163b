public import Engine
public import Foundation
import Storage

/// NumPy's .npz archives: .npy arrays in a zip file, stored or deflated.
public enum NpzFile {
  /// The arrays by name, as doubles.
  ///
  /// - Throws: ``DatasetError`` or `StorageError` naming the member at fault.
  public static func read(from url: URL) throws -> [String: Tensor] {
    let bytes = [UInt8](try AtomicFile.read(url))
    func fail(_ reason: String) -> DatasetError { .unreadable(path: url.path, reason: reason) }
    func number(_ at: Int, _ size: Int) throws -> Int {
      guard at >= 0, at + size <= bytes.count else { throw fail("truncated") }
      return bytes[at..<(at + size)].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
    // The directory's end is among the last 64 K.
    guard
      let end = (max(0, bytes.count - 65_557)...max(0, bytes.count - 22)).reversed().first(where: {
        $0 + 22 <= bytes.count && bytes[$0] == 0x50 && bytes[$0 + 1] == 0x4B
          && bytes[$0 + 2] == 5 && bytes[$0 + 3] == 6
      })
    else { throw fail("no zip file") }
    var place = try number(end + 16, 4)
    var result: [String: Tensor] = [:]
    for _ in 0..<(try number(end + 10, 2)) {
      guard try number(place, 4) == 0x0201_4B50 else { throw fail("damaged directory") }
      let method = try number(place + 10, 2)
      let (packed, size) = (try number(place + 20, 4), try number(place + 24, 4))
      let (nameLength, extra, comment) = (
        try number(place + 28, 2), try number(place + 30, 2), try number(place + 32, 2)
      )
      let local = try number(place + 42, 4)
      guard place + 46 + nameLength <= bytes.count else { throw fail("truncated") }
      let name = String(
        decoding: bytes[(place + 46)..<(place + 46 + nameLength)], as: UTF8.self)
      let start = local + 30 + (try number(local + 26, 2)) + (try number(local + 28, 2))
      guard start + packed <= bytes.count else { throw fail("'\(name)' is truncated") }
      let body = Array(bytes[start..<(start + packed)])
      let content: [UInt8]
      switch method {
      case 0: content = body
      case 8: content = try Inflate.raw(body, count: size, path: "\(url.path): \(name)")
      default: throw fail("'\(name)' is packed by method \(method); accepted: stored, deflated")
      }
      if name.hasSuffix(".npy") {
        result[String(name.dropLast(4))] = try array(content, path: "\(url.path): \(name)")
      }
      place += 46 + nameLength + extra + comment
    }
    return result
  }

  /// A .npy array of any common type and either order, as doubles.
  static func array(_ bytes: [UInt8], path: String) throws -> Tensor {
    func fail(_ reason: String) -> DatasetError { .unreadable(path: path, reason: reason) }
    guard bytes.count > 12, bytes[0] == 0x93, bytes[1...5].elementsEqual("NUMPY".utf8) else {
      throw fail("no .npy array")
    }
    let isLong = bytes[6] >= 2
    let lengthBytes = bytes[8..<(isLong ? 12 : 10)]
    let start = (isLong ? 12 : 10) + lengthBytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    guard start <= bytes.count else { throw fail("truncated in its header") }
    let header = String(decoding: bytes[(isLong ? 12 : 10)..<start], as: UTF8.self)
    guard let type = header.firstMatch(of: /'descr': '([^']+)'/)?.output.1,
      let order = header.firstMatch(of: /'fortran_order': (True|False)/)?.output.1,
      let lengths = header.firstMatch(of: /'shape': \(([^)]*)\)/)?.output.1
    else { throw fail("a header that cannot be read") }
    let shape = lengths.split(separator: ",").compactMap {
      Int($0.trimmingCharacters(in: .whitespaces))
    }
    let entries = try numbers(Array(bytes[start...]), String(type), path)
    guard entries.count == shape.reduce(1, *) else {
      throw fail("\(entries.count) entries for shape \(shape)")
    }
    let tensor = Tensor(shape: shape, elements: entries)
    return order == "True" ? transposed(tensor) : tensor
  }

  private static func numbers(_ bytes: [UInt8], _ type: String, _ path: String) throws -> [Double] {
    func words(_ size: Int) throws -> [UInt64] {
      guard bytes.count.isMultiple(of: size) else {
        throw DatasetError.unreadable(path: path, reason: "truncated")
      }
      return stride(from: 0, to: bytes.count, by: size).map { at in
        bytes[at..<(at + size)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
      }
    }
    switch type {
    case "<f8": return try words(8).map(Double.init(bitPattern:))
    case "<f4": return try words(4).map { Double(Float(bitPattern: UInt32($0))) }
    case "<i8": return try words(8).map { Double(Int64(bitPattern: $0)) }
    case "<i4": return try words(4).map { Double(Int32(bitPattern: UInt32($0))) }
    case "|u1", "|b1": return bytes.map(Double.init)
    default:
      throw DatasetError.unreadable(
        path: path, reason: "type \(type); accepted: <f8, <f4, <i8, <i4, |u1, |b1")
    }
  }

  /// Entries stored with the first index fastest, in row-major order.
  private static func transposed(_ tensor: Tensor) -> Tensor {
    var result = tensor
    var index = [Int](repeating: 0, count: tensor.shape.count)
    for i in result.elements.indices {
      var place = 0
      for axis in index.indices.reversed() { place = place * tensor.shape[axis] + index[axis] }
      result.elements[i] = tensor.elements[place]
      for axis in index.indices.reversed() {
        index[axis] += 1
        if index[axis] < tensor.shape[axis] { break }
        index[axis] = 0
      }
    }
    return result
  }
}
