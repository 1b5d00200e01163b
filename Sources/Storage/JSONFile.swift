public import Foundation

/// JSON as this project writes it: keys sorted, indented, slashes plain, one newline at the end.
///
/// Equal values give equal bytes. JSON has no NaN and no infinities; they travel as the strings
/// "NaN", "Infinity" and "-Infinity". Other doubles are written so that they come back exactly.
public enum JSONFile {
  /// The bytes of `value`.
  ///
  /// - Precondition: `value` encodes without error, as synthesized conformances do.
  public static func encoded(_ value: some Encodable) -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: infinity, negativeInfinity: "-" + infinity, nan: nan)
    do { return try encoder.encode(value) + Data("\n".utf8) } catch {
      preconditionFailure("\(type(of: value)) does not encode: \(error)")
    }
  }

  /// Writes `value` to `url` atomically.
  ///
  /// - Throws: `StorageError.unwritable`.
  public static func write(_ value: some Encodable, to url: URL) throws(StorageError) {
    try AtomicFile.write(encoded(value), to: url)
  }

  /// Reads a value from the file at `url`.
  ///
  /// - Throws: `StorageError.unreadable`, or `StorageError.malformed` naming the key at fault.
  public static func read<Value: Decodable>(
    _ type: Value.Type = Value.self, from url: URL
  ) throws(StorageError) -> Value {
    try decode(type, from: try AtomicFile.read(url), path: url.path)
  }

  /// Decodes a value; `path` is for the error's text only.
  ///
  /// - Throws: `StorageError.malformed` naming the key at fault, as in `runs[3].seed`.
  public static func decode<Value: Decodable>(
    _ type: Value.Type = Value.self, from data: Data, path: String
  ) throws(StorageError) -> Value {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: infinity, negativeInfinity: "-" + infinity, nan: nan)
    do { return try decoder.decode(type, from: data) } catch {
      let (culprit, reason) = explanation(of: error, in: data)
      throw .malformed(path: path, culprit: culprit, reason: reason)
    }
  }

  private static let infinity = "Infinity"
  private static let nan = "NaN"

  /// The place and the reason of a decoder's error.
  private static func explanation(
    of error: any Error, in data: Data
  ) -> (culprit: String, reason: String) {
    switch error {
    case DecodingError.keyNotFound(let key, let context):
      (place(context.codingPath + [key]), "missing")
    case DecodingError.valueNotFound(let type, let context):
      (place(context.codingPath), "null, want \(type)")
    case DecodingError.typeMismatch(let type, let context):
      (place(context.codingPath), "not of type \(type)")
    case DecodingError.dataCorrupted(let context):
      (place(context.codingPath), corruption(context, in: data))
    default: ("JSON", "\(error)")
    }
  }

  /// What is wrong with the text; on Linux the decoder says neither that nor where.
  private static func corruption(_ context: DecodingError.Context, in data: Data) -> String {
    guard context.codingPath.isEmpty else { return context.debugDescription }
    do { _ = try JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed) } catch {
      let detail = (error as NSError).userInfo[NSDebugDescriptionErrorKey] as? String
      return detail ?? context.debugDescription
    }
    return "holds a number that its field cannot, such as -1 where a count is wanted"
  }

  private static func place(_ path: [any CodingKey]) -> String {
    let text = path.map { key in key.intValue.map { "[\($0)]" } ?? ".\(key.stringValue)" }.joined()
    return text.isEmpty ? "JSON" : String(text.first == "." ? text.dropFirst() : text[...])
  }
}
