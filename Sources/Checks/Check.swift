/// A check of one claim on one kind of subject.
///
/// A check that nobody saw fail is no check: each ships mutants, which it must call violated (or
/// what the mutant says), and clean cases, on which it must not.
public protocol Check: Sendable {
  /// What is checked: a rule on a problem, a training run, a curve.
  associatedtype Subject: Sendable
  /// The claim.
  var claim: Claim { get }
  /// What is measured, as a formula.
  var equation: String { get }
  /// Where its tolerance comes from.
  var tolerance: String { get }
  /// What the check cannot see.
  var blindSpots: String { get }
  /// Checks the claim on `subject`.
  func run(_ subject: Subject) -> CheckResult
  /// Faulty subjects, never empty.
  var mutants: [Mutant<Subject>] { get }
  /// Sound subjects with the verdict they must get.
  var cleanCases: [CleanCase<Subject>] { get }
}

/// A subject with a planted fault.
public struct Mutant<Subject: Sendable>: Sendable {
  /// What was planted.
  public var fault: String
  /// Its relative size; 1 for a fault without one.
  public var size: Double
  /// The faulty subject.
  public var subject: Subject
  /// The verdict it must get.
  public var expected: Verdict

  /// Creates a mutant.
  public init(
    _ fault: String, size: Double = 1, expected: Verdict = .violated, _ subject: Subject
  ) {
    self.fault = fault
    self.size = size
    self.subject = subject
    self.expected = expected
  }
}

/// A subject without fault.
public struct CleanCase<Subject: Sendable>: Sendable {
  /// What it is.
  public var name: String
  /// The subject.
  public var subject: Subject
  /// The verdict it must get.
  public var expected: Verdict

  /// Creates a clean case.
  public init(_ name: String, expected: Verdict = .holds, _ subject: Subject) {
    self.name = name
    self.subject = subject
    self.expected = expected
  }
}
