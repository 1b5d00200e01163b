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
