/// The JSON of a safetensors header: objects, arrays, strings and whole numbers, nothing else.
///
/// Read here rather than by Foundation, which lets a second key of the same name win silently.
indirect enum HeaderJSON {
  case object([(key: String, value: HeaderJSON)])
  case array([HeaderJSON])
  case string(String)
  case integer(Int)

  /// Where the text stops being such JSON, in bytes from its start, and why.
  struct Failure: Error {
    var offset: Int
    var reason: String
  }

  /// Parses `bytes`, which may end in spaces.
  init(parsing bytes: ArraySlice<UInt8>) throws(Failure) {
    var parser = Parser(rest: bytes, start: bytes.startIndex)
    self = try parser.value(depth: 0)
    parser.skipSpace()
    if !parser.rest.isEmpty { throw parser.failure("text after the end") }
  }

  /// `text` in quotes, escaped.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

/// Recursive descent over the bytes that are left.
private struct Parser {
  var rest: ArraySlice<UInt8>
  let start: Int

  func failure(_ reason: String) -> HeaderJSON.Failure {
    HeaderJSON.Failure(offset: rest.startIndex - start, reason: reason)
  }

  mutating func skipSpace() {
    rest = rest.drop { $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }
  }

  /// Takes `character` if it comes next, after space.
  mutating func take(_ character: Character) -> Bool {
    skipSpace()
    guard let next = rest.first, next == character.asciiValue else { return false }
    rest.removeFirst()
    return true
  }

  mutating func expect(_ character: Character) throws(HeaderJSON.Failure) {
    guard take(character) else { throw failure("'\(character)' expected") }
  }

  mutating func value(depth: Int) throws(HeaderJSON.Failure) -> HeaderJSON {
    guard depth < 4 else { throw failure("nested too deeply") }
    if take("{") { return .object(try members(depth: depth)) }
    if take("[") { return .array(try elements(depth: depth)) }
    if rest.first == Character("\"").asciiValue { return .string(try string()) }
    return .integer(try integer())
  }

  private mutating func members(
    depth: Int
  ) throws(HeaderJSON.Failure) -> [(key: String, value: HeaderJSON)] {
    var members: [(key: String, value: HeaderJSON)] = []
    if take("}") { return members }
    repeat {
      let key = try string()
      try expect(":")
      members.append((key, try value(depth: depth + 1)))
    } while take(",")
    try expect("}")
    return members
  }

  private mutating func elements(depth: Int) throws(HeaderJSON.Failure) -> [HeaderJSON] {
    var elements: [HeaderJSON] = []
    if take("]") { return elements }
    repeat { elements.append(try value(depth: depth + 1)) } while take(",")
    try expect("]")
    return elements
  }

  private mutating func integer() throws(HeaderJSON.Failure) -> Int {
    let digits = rest.prefix { (0x30...0x39).contains($0) }
    guard let value = Int(String(decoding: digits, as: UTF8.self)) else {
      throw failure("value expected: object, array, string or whole number from 0")
    }
    rest = rest.dropFirst(digits.count)
    return value
  }

  private mutating func string() throws(HeaderJSON.Failure) -> String {
    try expect("\"")
    // UTF-16, since \u escapes outside the basic plane come in pairs.
    var units: [UInt16] = []
    while let byte = rest.first {
      switch byte {
      case UInt8(ascii: "\""):
        rest.removeFirst()
        return String(decoding: units, as: UTF16.self)
      case UInt8(ascii: "\\"):
        rest.removeFirst()
        units.append(try escape())
      case 0..<0x20:
        throw failure("control character in a string")
      default:
        let plain = rest.prefix {
          $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") && $0 >= 0x20
        }
        guard let text = String(validating: plain, as: UTF8.self) else {
          throw failure("string is not UTF-8")
        }
        units += text.utf16
        rest = rest.dropFirst(plain.count)
      }
    }
    throw failure("string without an end")
  }

  /// The UTF-16 unit of the escape whose backslash has been taken.
  private mutating func escape() throws(HeaderJSON.Failure) -> UInt16 {
    guard let letter = rest.popFirst() else { throw failure("string without an end") }
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return UInt16(letter)
    case UInt8(ascii: "b"): return 0x08
    case UInt8(ascii: "f"): return 0x0C
    case UInt8(ascii: "n"): return 0x0A
    case UInt8(ascii: "r"): return 0x0D
    case UInt8(ascii: "t"): return 0x09
    case UInt8(ascii: "u"):
      let digits = rest.prefix(4)
      guard digits.count == 4,
        let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
      else { throw failure("four hexadecimal digits expected after \\u") }
      rest = rest.dropFirst(4)
      return unit
    default: throw failure("unknown escape")
    }
  }
}
