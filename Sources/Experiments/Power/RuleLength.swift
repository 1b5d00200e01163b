/// How much a user writes for a new rule: target X1.
public struct RuleLength: Sendable, Hashable, Codable {
  /// The file, within the package.
  public var file: String
  /// Its lines, comments and all.
  public var lines: Int
  /// How many there may be.
  public var allowed: Int

  /// Creates a length.
  public init(file: String, lines: Int, allowed: Int) {
    self.file = file
    self.lines = lines
    self.allowed = allowed
  }
}
