public import Engine
public import Foundation

/// Named arrays in one file, in the safetensors format.
///
/// Layout: 8 bytes of header length, a JSON header, then the arrays' bytes, little-endian and
/// row-major. Written as F64; read from F64, F32, I64 and I32, all of which a double holds exactly.
/// NaN and infinities pass through bit for bit: whether they are welcome is the reader's business.
public struct Safetensors: Sendable, Equatable {
  /// The arrays by name.
  public var tensors: [String: Tensor]
  /// The free-text `__metadata__` entries.
  public var metadata: [String: String]

  /// Collects arrays and metadata.
  public init(_ tensors: [String: Tensor] = [:], metadata: [String: String] = [:]) {
    self.tensors = tensors
    self.metadata = metadata
  }

  /// The names in order, as they are written.
  public var names: [String] { tensors.keys.sorted() }

  /// The array called `name`, or nil.
  public subscript(name: String) -> Tensor? {
    get { tensors[name] }
    set { tensors[name] = newValue }
  }

  /// Reads and validates the file at `url`.
  ///
  /// - Throws: `StorageError.unreadable`, or `StorageError.malformed` naming the array at fault.
  public static func read(from url: URL) throws(StorageError) -> Safetensors {
    try Safetensors(decoding: try AtomicFile.read(url), path: url.path)
  }

  /// Writes the file at `url` atomically; equal contents give equal bytes.
  ///
  /// - Throws: `StorageError.unwritable`.
  public func write(to url: URL) throws(StorageError) {
    try AtomicFile.write(encoded(), to: url)
  }

  /// The bytes of the file: arrays sorted by name, starting at a multiple of 8.
  public func encoded() -> Data {
    precondition(tensors[Self.metadataKey] == nil, "\(Self.metadataKey) is no name for an array")
    var entries: [String] = []
    if !metadata.isEmpty {
      let members = metadata.sorted { $0.key < $1.key }
        .map { HeaderJSON.quoted($0.key) + ":" + HeaderJSON.quoted($0.value) }
      entries.append("\"\(Self.metadataKey)\":{\(members.joined(separator: ","))}")
    }
    var body = Data()
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      let begin = body.count
      body.append(contentsOf: LittleEndian.bytes(tensor.elements))
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      entries.append(
        "\(HeaderJSON.quoted(name)):{\"data_offsets\":[\(begin),\(body.count)],"
          + "\"dtype\":\"F64\",\"shape\":[\(shape)]}")
    }
    var header = Data("{\(entries.joined(separator: ","))}".utf8)
    while header.count % 8 != 0 { header.append(0x20) }
    var file = Data()
    LittleEndian.append(UInt64(header.count), to: &file)
    return file + header + body
  }

  /// Decodes and validates the bytes of a file; `path` is for the error's text only.
  ///
  /// - Throws: `StorageError.malformed` naming the array or the part of the file at fault.
  public init(decoding data: Data, path: String) throws(StorageError) {
    func malformed(_ culprit: String, _ reason: String) -> StorageError {
      .malformed(path: path, culprit: culprit, reason: reason)
    }
    let bytes = [UInt8](data)
    guard bytes.count >= 8 else { throw malformed("file", "truncated, \(bytes.count) bytes") }
    let length = LittleEndian.words(bytes[0..<8], as: UInt64.self)[0]
    guard length <= Self.longestHeader else {
      throw malformed("header", "length of \(length) bytes is over \(Self.longestHeader)")
    }
    guard length <= UInt64(bytes.count - 8) else {
      throw malformed("header", "truncated, \(bytes.count - 8) of \(length) bytes")
    }
    let body = bytes[(8 + Int(length))...]
    self.init()
    let members = try Self.members(of: bytes[8..<(8 + Int(length))], malformed)
    var entries: [Entry] = []
    var seen: Set<String> = []
    for (name, value) in members {
      guard seen.insert(name).inserted else { throw malformed("array \(name)", "occurs twice") }
      if name == Self.metadataKey {
        metadata = try Self.texts(of: value, malformed)
      } else {
        entries.append(try Entry(name, value, malformed))
      }
    }
    // The format wants the arrays side by side: neither overlaps nor bytes that nobody owns.
    entries.sort { ($0.begin, $0.end, $0.name) < ($1.begin, $1.end, $1.name) }
    var position = 0
    for entry in entries {
      let culprit = "array \(entry.name)"
      guard entry.begin >= position else {
        throw malformed(culprit, "overlaps its neighbour at byte \(entry.begin)")
      }
      guard entry.begin == position else {
        throw malformed(culprit, "starts at byte \(entry.begin), want \(position)")
      }
      guard entry.end <= body.count else {
        throw malformed(culprit, "truncated, ends at byte \(entry.end) of \(body.count)")
      }
      position = entry.end
      let slice = body[(body.startIndex + entry.begin)..<(body.startIndex + entry.end)]
      guard let elements = entry.kind.doubles(slice) else {
        throw malformed(culprit, "holds an integer that no double equals")
      }
      tensors[entry.name] = Tensor(shape: entry.shape, elements: elements)
    }
    guard position == body.count else {
      throw malformed("file", "\(body.count - position) bytes after the last array")
    }
  }

  private typealias Report = (_ culprit: String, _ reason: String) -> StorageError

  private static let metadataKey = "__metadata__"

  /// The limit of the reference implementation, in bytes.
  private static let longestHeader: UInt64 = 100_000_000

  /// The header's members in order.
  private static func members(
    of bytes: ArraySlice<UInt8>, _ malformed: Report
  ) throws(StorageError) -> [(key: String, value: HeaderJSON)] {
    let json: HeaderJSON
    do { json = try HeaderJSON(parsing: bytes) } catch {
      throw malformed("header", "byte \(error.offset): \(error.reason)")
    }
    guard case .object(let members) = json else { throw malformed("header", "is no object") }
    return members
  }

  /// The metadata's members.
  private static func texts(
    of value: HeaderJSON, _ malformed: Report
  ) throws(StorageError) -> [String: String] {
    guard case .object(let members) = value else {
      throw malformed(metadataKey, "is no object")
    }
    var texts: [String: String] = [:]
    for (key, value) in members {
      guard case .string(let text) = value else {
        throw malformed("\(metadataKey) \(key)", "is no string")
      }
      guard texts.updateValue(text, forKey: key) == nil else {
        throw malformed("\(metadataKey) \(key)", "occurs twice")
      }
    }
    return texts
  }

  /// The element types read here, under the format's names.
  private enum Kind: String, CaseIterable {
    case f64 = "F64"
    case f32 = "F32"
    case i64 = "I64"
    case i32 = "I32"

    var size: Int { self == .f64 || self == .i64 ? 8 : 4 }

    /// The values of `bytes`; nil if a double cannot hold one.
    func doubles(_ bytes: ArraySlice<UInt8>) -> [Double]? {
      switch self {
      case .f64: return LittleEndian.doubles(bytes)
      case .f32:
        return LittleEndian.words(bytes, as: UInt32.self).map { Double(Float(bitPattern: $0)) }
      case .i32: return LittleEndian.words(bytes, as: Int32.self).map(Double.init)
      case .i64:
        let values = LittleEndian.words(bytes, as: Int64.self).compactMap(Double.init(exactly:))
        return values.count == bytes.count / 8 ? values : nil
      }
    }
  }

  /// What the header says of one array; shape, type and byte range agree with each other.
  private struct Entry {
    let name: String
    let kind: Kind
    let shape: [Int]
    let begin: Int
    let end: Int

    init(_ name: String, _ value: HeaderJSON, _ malformed: Report) throws(StorageError) {
      let culprit = "array \(name)"
      guard case .object(let members) = value else { throw malformed(culprit, "is no object") }
      var fields: [String: HeaderJSON] = [:]
      for (key, value) in members {
        guard ["dtype", "shape", "data_offsets"].contains(key) else {
          throw malformed(culprit, "unknown field \(key)")
        }
        guard fields.updateValue(value, forKey: key) == nil else {
          throw malformed(culprit, "field \(key) occurs twice")
        }
      }
      guard case .string(let type) = fields["dtype"] else {
        throw malformed(culprit, "dtype is missing or no string")
      }
      guard let kind = Kind(rawValue: type) else {
        let known = Kind.allCases.map(\.rawValue).joined(separator: ", ")
        throw malformed(culprit, "unknown dtype \(type), known are \(known)")
      }
      guard let shape = Self.integers(fields["shape"]) else {
        throw malformed(culprit, "shape is missing or no list of whole numbers")
      }
      guard let offsets = Self.integers(fields["data_offsets"]), offsets.count == 2,
        offsets[0] <= offsets[1]
      else { throw malformed(culprit, "data_offsets is missing or no ascending pair") }
      var size = kind.size
      for length in shape {
        let (product, overflow) = size.multipliedReportingOverflow(by: length)
        guard !overflow else { throw malformed(culprit, "shape \(shape) is too large") }
        size = product
      }
      guard size == offsets[1] - offsets[0] else {
        throw malformed(
          culprit,
          "shape \(shape) of \(type) takes \(size) bytes, its offsets span \(offsets[1] - offsets[0])"
        )
      }
      (self.name, self.kind, self.shape) = (name, kind, shape)
      (begin, end) = (offsets[0], offsets[1])
    }

    private static func integers(_ value: HeaderJSON?) -> [Int]? {
      guard case .array(let elements) = value else { return nil }
      var integers: [Int] = []
      for element in elements {
        guard case .integer(let integer) = element else { return nil }
        integers.append(integer)
      }
      return integers
    }
  }
}
