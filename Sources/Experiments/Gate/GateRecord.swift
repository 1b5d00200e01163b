public import Checks

/// The figures of one rule that the regression gate compares.
public struct GateRecord: Sendable, Hashable, Codable {
  /// The rule's name.
  public var rule: String
  /// How it is asked for.
  public var source: RuleSource
  /// What it was measured on.
  public var suite: GateSuite
  /// Times to gaps, family by family, seed by seed.
  public var cells: [PaceCell] = []
  /// Short trainings; empty for rules without weights.
  public var training: [TrainingCell] = []
  /// Check by check, all problems together.
  public var verdicts: [Verdict] = []

  /// What a check said.
  public struct Verdict: Sendable, Hashable, Codable {
    /// Its id.
    public var check: String
    /// The verdict.
    public var verdict: Checks.Verdict
    /// Why, in one line.
    public var reason: String
  }

  /// The families of its cells, each once, in their order.
  public var families: [String] { cells.map(\.family).firsts }

  /// The cells of a family, seed by seed.
  public func cells(of family: String) -> [PaceCell] { cells.filter { $0.family == family } }

  /// The parts that it holds; what was never measured cannot be compared.
  public var parts: Set<GateStudy.Part> {
    var parts: Set<GateStudy.Part> = []
    if !cells.isEmpty { parts.insert(.pace) }
    if cells.contains(where: { $0.rate != nil }) { parts.insert(.rates) }
    if !training.isEmpty { parts.insert(.training) }
    if !verdicts.isEmpty { parts.insert(.verdicts) }
    return parts
  }

  /// An empty record.
  public init(rule: String, source: RuleSource, suite: GateSuite) {
    self.rule = rule
    self.source = source
    self.suite = suite
  }
}

/// Figures of rules at one commit, to compare others with.
public struct GateBaseline: Sendable, Hashable, Codable {
  /// The version of this format.
  public static let currentSchema = 1

  /// The version of this format that it was written in.
  public var schema = currentSchema
  /// When it was made, ISO 8601.
  public var date: String
  /// On what and with what.
  public var machine: RunRecord
  /// Rule by rule.
  public var rules: [GateRecord]
  /// Changes that somebody has called intended, oldest first.
  public var blessings: [Blessing] = []

  /// A change that was called intended.
  public struct Blessing: Sendable, Hashable, Codable {
    /// When, ISO 8601.
    public var date: String
    /// The commit whose figures took over.
    public var commit: String
    /// The rules.
    public var rules: [String]
    /// Why.
    public var reason: String

    /// Creates it.
    public init(date: String, commit: String, rules: [String], reason: String) {
      self.date = date
      self.commit = commit
      self.rules = rules
      self.reason = reason
    }
  }

  /// Creates a baseline.
  public init(date: String, machine: RunRecord, rules: [GateRecord]) {
    self.date = date
    self.machine = machine
    self.rules = rules
  }

  /// Puts the records of `others` in the place of those of the same rules.
  public mutating func replace(with others: [GateRecord]) {
    for record in others {
      if let index = rules.firstIndex(where: { $0.rule == record.rule }) {
        rules[index] = record
      } else {
        rules.append(record)
      }
    }
  }
}

extension GateBaseline {
  /// How its rules of this process are asked for; commands in a file are not run.
  public var nativeSources: [String] {
    rules.map(\.source).filter { !$0.isExternal }.map(\.text)
  }
}

extension Sequence where Element: Hashable {
  /// Every element once, where it comes first.
  var firsts: [Element] {
    var seen: Set<Element> = []
    return filter { seen.insert($0).inserted }
  }
}
