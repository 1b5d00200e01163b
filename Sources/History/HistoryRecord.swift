public import Checks

/// What a command tells of one run.
///
/// A command adds what it finds as it goes, so that a run that ends early keeps what it has. Of each
/// subject the most telling figure comes first: the trend shows that one unasked.
public struct HistoryRecord: Sendable, Hashable, Codable {
  /// A number worth following from run to run.
  public struct Figure: Sendable, Hashable, Codable {
    /// What it was measured on: a rule, a report, an experiment.
    public var subject: String
    /// The part of it: a problem, a check, a curve; empty for the whole.
    public var context: String
    /// The quantity.
    public var name: String
    /// Its value; nil where it is not a number.
    public var value: Double?
    /// Its unit, `1` if it has none.
    public var unit: String

    /// Puts the parts together; NaN becomes nil.
    public init(
      _ name: String, _ value: Double?, of subject: String, in context: String = "",
      unit: String = "1"
    ) {
      self.subject = subject
      self.context = context
      self.name = name
      self.value = value.flatMap { $0.isNaN ? nil : $0 }
      self.unit = unit
    }

    /// Context and name in one, as `--figure` and headings have it: `GC1 level`.
    public var label: String { context.isEmpty ? name : "\(context) \(name)" }
  }

  /// What a check found on a subject.
  public struct Judgement: Sendable, Hashable, Codable {
    /// What was checked.
    public var subject: String
    /// The id of the check or of the claim.
    public var check: String
    /// What was found.
    public var verdict: Verdict
    /// Why, in one line.
    public var reason: String

    /// Puts the parts together.
    public init(_ check: String, _ verdict: Verdict, on subject: String, reason: String = "") {
      self.subject = subject
      self.check = check
      self.verdict = verdict
      self.reason = reason
    }
  }

  /// The command: `verify`, `train`, ...
  public var command: String
  /// What determines its figures beside seed and program, by name; trends tell where it changes.
  public var settings: [String: String]
  /// Of all draws; nil if there are none.
  public var seed: UInt64?
  /// Threads that it could use.
  public var threads: Int
  /// Its numbers.
  public var figures: [Figure] = []
  /// Its verdicts.
  public var verdicts: [Judgement] = []

  /// A run that has found nothing yet.
  public init(
    command: String, settings: [String: String] = [:], seed: UInt64? = nil, threads: Int
  ) {
    self.command = command
    self.settings = settings
    self.seed = seed
    self.threads = threads
  }

  /// All that figures and verdicts are about, in order of appearance.
  public var subjects: [String] {
    (figures.map(\.subject) + verdicts.map(\.subject)).reduce(into: []) { known, subject in
      if !known.contains(subject) { known.append(subject) }
    }
  }
}
