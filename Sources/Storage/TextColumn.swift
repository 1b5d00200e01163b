public import Foundation

/// One column of numbers as text, in the format of `numpy.savetxt` with its defaults.
///
/// "%.18e", one value per line: more than the 17 digits that bring a double back exactly.
public enum TextColumn {
  /// The text of `values`.
  public static func encoded(_ values: [Double]) -> String {
    values.map { text(of: $0) + "\n" }.joined()
  }

  /// Writes `values` to `url` atomically.
  ///
  /// - Throws: `StorageError.unwritable`.
  public static func write(_ values: [Double], to url: URL) throws(StorageError) {
    try AtomicFile.write(Data(encoded(values).utf8), to: url)
  }

  /// Reads the values in the file at `url`; empty lines and those that open with # are skipped.
  ///
  /// - Throws: `StorageError.unreadable`, or `StorageError.malformed` naming the line at fault.
  public static func read(from url: URL) throws(StorageError) -> [Double] {
    try decode(try AtomicFile.read(url), path: url.path)
  }

  /// Decodes the bytes of a file; `path` is for the error's text only.
  ///
  /// - Throws: `StorageError.malformed` naming the line at fault.
  public static func decode(_ data: Data, path: String) throws(StorageError) -> [Double] {
    var values: [Double] = []
    let lines = String(decoding: data, as: UTF8.self)
      .split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (number, line) in lines.enumerated() {
      let text = line.trimmingCharacters(in: .whitespaces)
      if text.isEmpty || text.hasPrefix("#") { continue }
      guard let value = Double(text) else {
        throw .malformed(
          path: path, culprit: "line \(number + 1)", reason: "'\(text)' is no number")
      }
      values.append(value)
    }
    return values
  }

  private static func text(of value: Double) -> String {
    // C prints the sign of a NaN, numpy does not.
    value.isNaN ? "nan" : String(format: "%.18e", value)
  }
}
