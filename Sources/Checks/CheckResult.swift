/// One number beside what it is compared with, and where it was found.
public struct Evidence: Sendable, Hashable, Codable {
  /// Where, outermost first: `k=100/t=3/instance=17`.
  public var path: String
  /// What was measured.
  public var actual: Double
  /// What it should be, or may be at most.
  public var reference: Double
  /// The error bar: how far off is still in order.
  public var allowed: Double

  /// Creates a piece of evidence.
  public init(_ path: String, actual: Double, reference: Double, allowed: Double) {
    self.path = path
    self.actual = actual
    self.reference = reference
    self.allowed = allowed
  }

  /// The distance in units of what is allowed; infinite where nothing finite was measured.
  public var excess: Double {
    let distance = abs(actual - reference)
    guard distance.isFinite else { return .infinity }
    return distance == 0 ? 0 : distance / allowed
  }
}

/// What a check found: one verdict with the numbers behind it; printing is for others.
public struct CheckResult: Sendable, Hashable, Codable {
  /// The claim that was checked.
  public var claim: Claim
  /// What it was checked on: rule, problem and setting.
  public var subject: String
  /// What was found.
  public var verdict: Verdict
  /// How a `holds` is meant: exact, asymptotic, certified, tested, or assuming a premise.
  public var qualifier: String?
  /// Why, in one line.
  public var reason: String
  /// The premises, each with whether it was met.
  public var premises: [Premise]
  /// The numbers that were measured, by name.
  public var numbers: [String: Double]
  /// Where it was worst, ten places at most, worst first; not empty when violated.
  public var evidence: [Evidence]
  /// The seed that replays it.
  public var seed: UInt64?
  /// The command that replays it.
  public var replay: String?

  /// Creates a result.
  public init(
    claim: Claim, subject: String, verdict: Verdict, qualifier: String? = nil, reason: String,
    premises: [Premise] = [], numbers: [String: Double] = [:], evidence: [Evidence] = [],
    seed: UInt64? = nil, replay: String? = nil
  ) {
    self.claim = claim
    self.subject = subject
    self.verdict = verdict
    self.qualifier = qualifier
    self.reason = reason
    self.premises = premises
    self.numbers = numbers
    self.evidence = evidence.worst()
    self.seed = seed
    self.replay = replay
  }
}

extension [Evidence] {
  /// The worst few, worst first: enough to see where and by how much, however long the run.
  public func worst(_ count: Int = 10) -> [Evidence] {
    Array(sorted { $0.excess > $1.excess }.prefix(count))
  }
}

extension CheckResult: CustomStringConvertible {
  /// The verdict with its reason, then the evidence, worst first.
  public var description: String {
    let head = "\(claim.id) on \(subject): \(verdict.name) - \(reason)"
    let rows = evidence.worst().map {
      "  \($0.path): \($0.actual) vs \($0.reference), \($0.excess) x allowed"
    }
    return ([head] + rows).joined(separator: "\n")
  }
}
