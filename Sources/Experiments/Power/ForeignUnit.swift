/// One rule in another process: what `optcheck verify --external` said of it.
public struct ForeignUnit: Sendable, Hashable, Codable {
  /// Its name.
  public var name: String
  /// The sound rule that the fault was planted in; nil for a sound rule.
  public var twin: String?
  /// What is wrong with it.
  public var what: String
  /// The exit status.
  public var status: Int
  /// Ids of the checks that called it violated.
  public var caughtBy: [String]

  /// Creates a unit.
  public init(name: String, twin: String?, what: String, status: Int, caughtBy: [String]) {
    self.name = name
    self.twin = twin
    self.what = what
    self.status = status
    self.caughtBy = caughtBy
  }
}

/// A table of rules by conditions that was made before: target F1.
public struct ConditionCount: Sendable, Hashable, Codable {
  /// The command that made it.
  public var command: String
  /// How many rules it has.
  public var rules: Int
  /// Cells of FP1 to FP4 and GC1 to GC4 by verdict.
  public var verdicts: [String: Int]
  /// The unknowns of every shrunk counterexample.
  public var dimensions: [Int]

  /// Creates a count.
  public init(command: String, rules: Int, verdicts: [String: Int], dimensions: [Int]) {
    self.command = command
    self.rules = rules
    self.verdicts = verdicts
    self.dimensions = dimensions
  }
}

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
