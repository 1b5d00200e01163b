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
