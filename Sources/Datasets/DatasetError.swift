/// What is wrong with a data file; every case names the file.
public enum DatasetError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file cannot be opened, or is no file of its kind.
  case unreadable(path: String, reason: String)
  /// A variable is absent.
  case missing(path: String, variable: String, present: [String])
  /// A variable has the wrong shape.
  case shape(path: String, variable: String, found: [Int], expected: String)
  /// A place in a text file does not hold what it should.
  case entry(path: String, line: Int, column: Int, found: String, expected: String)
  /// A number is not among the accepted ones.
  case value(path: String, name: String, found: String, accepted: String)

  /// One line that names the culprit and what is accepted.
  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(path): \(reason)"
    case .missing(let path, let variable, let present):
      "\(path): no variable '\(variable)'; it holds "
        + (present.isEmpty ? "none" : present.joined(separator: ", "))
    case .shape(let path, let variable, let found, let expected):
      "\(path): '\(variable)' has shape \(found), expected \(expected)"
    case .entry(let path, let line, let column, let found, let expected):
      "\(path): line \(line), column \(column) is '\(found)', expected \(expected)"
    case .value(let path, let name, let found, let accepted):
      "\(path): \(name) is \(found); accepted: \(accepted)"
    }
  }
}
