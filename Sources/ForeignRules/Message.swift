import Engine
import Foundation
import Optimization

/// One line of optcheck-1.
struct Message {
  private let fields: [String: Any]
  /// The line as it came.
  let text: String

  /// Reads a JSON object; NaN and infinities may stand as Python writes them.
  ///
  /// nil where the line is nothing of the kind.
  init?(_ line: String) {
    text = line
    if let fields = Self.object(line) {
      self.fields = fields
    } else if let fields = Self.object(Self.quotingNonFinite(line)) {
      self.fields = fields
    } else {
      return nil
    }
  }

  private static func object(_ line: String) -> [String: Any]? {
    (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any]
  }

  /// Puts NaN, Infinity and -Infinity between quotes where they stand outside of strings.
  private static func quotingNonFinite(_ line: String) -> String {
    var result = ""
    var isInString = false
    var rest = Substring(line)
    while let character = rest.first {
      if !isInString,
        let word = ["NaN", "-Infinity", "Infinity"].first(where: { rest.hasPrefix($0) })
      {
        result += "\"\(word)\""
        rest.removeFirst(word.count)
        continue
      }
      if character == "\"" { isInString.toggle() }
      if isInString, character == "\\" {
        result.append(character)
        rest.removeFirst()
        if let escaped = rest.first {
          result.append(escaped)
          rest.removeFirst()
        }
        continue
      }
      result.append(character)
      rest.removeFirst()
    }
    return result
  }

  func has(_ key: String) -> Bool { fields[key] != nil }

  func string(_ key: String) -> String? { fields[key] as? String }

  func strings(_ key: String) -> [String]? { fields[key] as? [String] }

  func flag(_ key: String) -> Bool? { fields[key] as? Bool }

  func integer(_ key: String) -> Int? {
    (fields[key] as? NSNumber).flatMap { Int(exactly: $0.doubleValue) }
  }

  /// An array of numbers; those that are not finite are kept as such.
  func numbers(_ key: String) -> [Double]? {
    guard let entries = fields[key] as? [Any] else { return nil }
    var result: [Double] = []
    for entry in entries {
      if let number = entry as? NSNumber, !(entry is String) {
        result.append(number.doubleValue)
      } else {
        switch entry as? String {
        case "NaN": result.append(.nan)
        case "Infinity": result.append(.infinity)
        case "-Infinity": result.append(-.infinity)
        default: return nil
        }
      }
    }
    return result
  }

  // MARK: Writing

  /// `name`: [numbers], each with the digits that bring it back exactly.
  static func field(_ name: String, _ numbers: [Double]) -> String {
    "\"\(name)\": [\(numbers.map(number).joined(separator: ", "))]"
  }

  /// A number as JSON; what is not finite as Python writes it.
  static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value > 0 ? "Infinity" : "-Infinity" }
    return "\(value)"
  }
}
