/// A statement of a paper, under the id that reports and results use for it.
public struct Claim: Sendable, Hashable, Codable {
  /// Short id, such as `D1`.
  public var id: String
  /// What is claimed, in one line.
  public var title: String
  /// Paper and place, or `derived`.
  public var source: String

  /// Creates a claim.
  public init(id: String, title: String, source: String) {
    self.id = id
    self.title = title
    self.source = source
  }
}

/// What was found about a claim on one subject.
public enum Verdict: Sendable, Hashable, Codable, CaseIterable {
  /// Premises measured true, conclusion true beyond rounding.
  case holds
  /// True, but says nothing: a premise fails, or the bound is over six decades loose.
  case holdsVacuously
  /// A premise is measured false and the conclusion does not stand.
  case premiseFails
  /// Premises true, conclusion false beyond the error bar.
  case violated
  /// The budget ended, the signal lies below its noise floor, or a premise cannot be decided.
  case inconclusive
  /// The claim is not about this subject; no verdict.
  case notApplicable

  /// How reports print it.
  public var name: String {
    switch self {
    case .holds: "holds"
    case .holdsVacuously: "holds vacuously"
    case .premiseFails: "premise fails"
    case .violated: "violated"
    case .inconclusive: "inconclusive"
    case .notApplicable: "not applicable"
    }
  }

  /// One character for it, for tables and for eyes that see no colour.
  public var mark: String {
    switch self {
    case .holds: "✓"
    case .holdsVacuously: "○"
    case .premiseFails: "△"
    case .violated: "✗"
    case .inconclusive: "?"
    case .notApplicable: "–"
    }
  }

  /// What the marks mean, in one line.
  public static var legend: String {
    allCases.map { "\($0.mark) \($0.name)" }.joined(separator: ", ")
  }
}

/// A condition under which a claim is stated, and whether it was met.
public struct Premise: Sendable, Hashable, Codable {
  /// Met, not met, or not decidable here.
  public enum Status: String, Sendable, Hashable, Codable {
    /// Measured true.
    case met
    /// Measured false.
    case notMet = "not met"
    /// Nobody can tell: a constant is not public, or the measurement does not resolve it.
    case unknown
  }
  /// The condition, in words.
  public var statement: String
  /// Whether it was met.
  public var status: Status
  /// The numbers that show it.
  public var evidence: String

  /// Creates a premise.
  public init(_ statement: String, _ status: Status, _ evidence: String) {
    self.statement = statement
    self.status = status
    self.evidence = evidence
  }

  /// A premise that a measurement decides.
  public init(_ statement: String, met: Bool, _ evidence: String) {
    self.init(statement, met ? .met : .notMet, evidence)
  }
}

/// Whether the conclusion of a claim was seen to be true.
public enum Conclusion: Sendable, Hashable {
  /// True; a bound also tells its slack in decades.
  case isTrue(slack: Double?)
  /// False beyond the error bar.
  case isFalse
  /// False or true only within the error bar, or not measurable.
  case undecided
  /// Makes no sense without its premises.
  case meaningless
}

extension Verdict {
  /// Bounds looser than this many decades say nothing.
  public static let vacuousSlack = 6.0

  /// The one place where premises and conclusion become a verdict, in the order of the rules:
  /// signal and budget first, then false premises, undecided ones, and the conclusion itself.
  public static func decide(_ premises: [Premise], _ conclusion: Conclusion) -> Verdict {
    if conclusion == .undecided { return .inconclusive }
    if premises.contains(where: { $0.status == .notMet }) {
      if case .isTrue = conclusion { return .holdsVacuously }
      return .premiseFails
    }
    let isAssuming = premises.contains { $0.status == .unknown }
    switch conclusion {
    case .isTrue(let slack):
      if let slack, slack > vacuousSlack { return .holdsVacuously }
      return .holds
    case .isFalse: return isAssuming ? .inconclusive : .violated
    case .undecided, .meaningless: return .inconclusive
    }
  }
}
