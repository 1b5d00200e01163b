public import Engine
public import Foundation
public import Storage

/// One recorded run of somebody's code: its inputs and its outputs.
///
/// `<name>.json` describes what `<name>.safetensors` holds; all numbers needed to repeat the run
/// are stored, so no random generator takes part.
public struct ReferenceCase: Sendable, Equatable {
  /// The description in the JSON file.
  public struct Header: Sendable, Equatable, Codable {
    /// The version of the layout; 1.
    public var format: Int?
    /// The update rule, under its reference name.
    public var algorithm: String
    /// Which of the algorithm's variants; nil if it has none.
    public var variant: String?
    /// The problem family: `QP`, `LASSO`, `LogisticL1`.
    public var problem: String
    /// Sizes: d, b, N, T and others.
    public var dims: [String: Int]
    /// Settings of rule and training.
    public var hyper: [String: JSONValue]
    /// Where the numbers come from.
    public var source: String?
    /// Provenance only.
    public var seed: Int?
    /// Weights that take no part and get no gradient.
    public var noGradient: [String]?
    /// Shape and meaning of every array.
    public var arrays: [String: Description]

    /// Shape and meaning of an array.
    public struct Description: Sendable, Equatable, Codable {
      /// Length along each axis.
      public var shape: [Int]
      /// What it holds.
      public var meaning: String?

      /// Creates a description.
      public init(shape: [Int], meaning: String? = nil) {
        self.shape = shape
        self.meaning = meaning
      }
    }

    /// Creates a header in the layout's version 1.
    public init(
      algorithm: String, variant: String? = nil, problem: String, dims: [String: Int],
      hyper: [String: JSONValue],
      source: String? = nil, seed: Int? = nil, noGradient: [String]? = nil,
      arrays: [String: Description] = [:]
    ) {
      format = ReferenceCase.formatVersion
      self.algorithm = algorithm
      self.variant = variant
      self.problem = problem
      self.dims = dims
      self.hyper = hyper
      self.source = source
      self.seed = seed
      self.noGradient = noGradient
      self.arrays = arrays
    }

    private enum CodingKeys: String, CodingKey {
      case format
      case algorithm
      case variant
      case problem
      case dims
      case hyper
      case source
      case seed
      case noGradient = "no_gradient"
      case arrays
    }
  }

  /// The version of the layout that is read and written.
  public static let formatVersion = 1

  /// The name of both files, without extension.
  public var name: String
  /// The description.
  public var header: Header
  /// All arrays, inputs and outputs.
  public var arrays: [String: Tensor]

  /// Creates a case; the header's list of arrays is made to fit.
  public init(name: String, header: Header, arrays: [String: Tensor]) {
    self.name = name
    self.header = header
    self.arrays = arrays
    for (key, tensor) in arrays where header.arrays[key] == nil {
      self.header.arrays[key] = Header.Description(shape: tensor.shape)
    }
  }

  /// Reads the case called `name` in `folder`.
  ///
  /// - Throws: ``ReplayError`` or `StorageError`, naming file and array at fault.
  public init(named name: String, in folder: URL) throws {
    let file = folder.appendingPathComponent(name)
    let header = try JSONFile.read(Header.self, from: file.appendingPathExtension("json"))
    if let version = header.format, version != Self.formatVersion {
      throw ReplayError.setting("format", value: "\(version)", accepted: "\(Self.formatVersion)")
    }
    let arrays = try Safetensors.read(from: file.appendingPathExtension("safetensors")).tensors
    for key in header.arrays.keys.sorted() {
      guard let tensor = arrays[key] else { throw ReplayError.missingArray(key) }
      let shape = header.arrays[key]?.shape ?? []
      guard tensor.shape == shape else {
        throw ReplayError.shape(array: key, found: tensor.shape, expected: shape)
      }
    }
    for key in arrays.keys.sorted() where header.arrays[key] == nil {
      throw ReplayError.unknownArray(key)
    }
    self.name = name
    self.header = header
    self.arrays = arrays
  }

  /// Writes both files into `folder`, each whole or not at all.
  ///
  /// - Throws: `StorageError.unwritable`.
  public func write(to folder: URL) throws(StorageError) {
    let file = folder.appendingPathComponent(name)
    try Safetensors(arrays).write(to: file.appendingPathExtension("safetensors"))
    try JSONFile.write(header, to: file.appendingPathExtension("json"))
  }

  /// Names of all cases in `folder`, sorted: each stem of a JSON or safetensors file.
  public static func names(in folder: URL) -> [String] {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    let stems = files.filter { $0.hasSuffix(".json") || $0.hasSuffix(".safetensors") }
      .filter { !$0.hasPrefix(".") }
      .map { ($0 as NSString).deletingPathExtension }
    return Set(stems).sorted()
  }

  /// Whether an array is given rather than recomputed; of `X`, only the first entry is.
  public static func isInput(_ array: String) -> Bool {
    ["M", "Y", "Xgt", "h0", "c0", "h0_meta", "c0_meta"].contains(array)
      || array.hasPrefix("w0.")
  }

  /// The array called `name`, with as many axes as given; nil stands for any length.
  ///
  /// - Throws: ``ReplayError``.
  public func array(_ name: String, shape: [Int?]) throws -> Tensor {
    guard let tensor = arrays[name] else { throw ReplayError.missingArray(name) }
    let fits =
      tensor.shape.count == shape.count
      && zip(tensor.shape, shape).allSatisfy { found, wanted in wanted.map { $0 == found } ?? true }
    guard fits else {
      throw ReplayError.shape(array: name, found: tensor.shape, expected: shape.map { $0 ?? -1 })
    }
    guard tensor.isFinite else { throw ReplayError.notFinite(array: name) }
    return tensor
  }

  /// The list of numbers under `key`; nil if it is absent or something else.
  func numbers(_ key: String) -> [Double]? {
    guard case .list(let list) = header.hyper[key] else { return nil }
    let numbers = list.compactMap { if case .number(let number) = $0 { number } else { nil } }
    return numbers.count == list.count ? numbers : nil
  }

  /// The number under `key`, or at `key.inner` one object further in.
  ///
  /// - Throws: ``ReplayError`` if it is there and no number; nil if it is absent.
  public func number(_ key: String, _ inner: String? = nil) throws -> Double? {
    var value = header.hyper[key]
    if let inner, case .object(let members) = value { value = members[inner] }
    switch value {
    case nil, .null: return nil
    case .number(let number): return number
    case .some(let other):
      throw ReplayError.setting(
        "hyper.\(key)", value: other.description, accepted: "a number")
    }
  }
}

/// Any JSON value.
public enum JSONValue: Sendable, Hashable, Codable, CustomStringConvertible {
  /// null.
  case null
  /// true or false.
  case flag(Bool)
  /// A number.
  case number(Double)
  /// A string.
  case text(String)
  /// A list.
  case list([JSONValue])
  /// Members by name.
  case object([String: JSONValue])

  /// Decodes whatever stands there.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .flag(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .text(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .list(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  /// Encodes the value as itself.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .flag(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .text(let value): try container.encode(value)
    case .list(let value): try container.encode(value)
    case .object(let value): try container.encode(value)
    }
  }

  /// The value in one line, for messages.
  public var description: String {
    switch self {
    case .null: "null"
    case .flag(let value): "\(value)"
    case .number(let value): "\(value)"
    case .text(let value): "'\(value)'"
    case .list(let value): "[\(value.map(\.description).joined(separator: ", "))]"
    case .object(let value): "{\(value.keys.sorted().joined(separator: ", "))}"
    }
  }
}
