public import Engine
public import Optimization

/// Checks that a learned rule at initialisation *is* gradient descent, bit for bit (I1).
///
/// W_L = 0 gives z = 0 and P = 2σ(0) = 1 exactly, so no tolerance is due. The iterates to compare
/// with come from another rule, hence another code path.
///
/// Numbers: `horizon`, steps compared; `differing`, entries of all iterates that differ;
/// `firstStep` and `firstCoordinate`, where the first of them is; `largestDifference`.
public struct AlignmentCheck: Check {
  /// Two rules on one problem.
  public struct Subject: Sendable {
    /// Rule, problem and setting.
    public var label: String
    /// The rule on trial.
    public var rule: any UpdateRule
    /// Gradient descent with the same steps.
    public var reference: any UpdateRule
    /// What both minimise.
    public var problem: any Problem
    /// x_0, n entries.
    public var start: Vector
    /// T.
    public var horizon: Int
    /// That W_L = 0, or that P = 1 for another reason; as the caller measured it.
    public var premise: Premise

    /// Creates a subject.
    public init(
      label: String, rule: any UpdateRule, reference: any UpdateRule, problem: any Problem,
      start: Vector, horizon: Int, premise: Premise
    ) {
      self.label = label
      self.rule = rule
      self.reference = reference
      self.problem = problem
      self.start = start
      self.horizon = horizon
      self.premise = premise
    }
  }

  public let claim = Claim(
    id: "I1", title: "at initialisation every iterate is gradient descent's, bit for bit",
    source: "paper A, initialisation W_L = 0")

  public let equation =
    "X_t = X_t of gradient descent, every bit, t = 1 ... T"

  public let tolerance =
    "none: the two are the same numbers"

  public let blindSpots =
    "weights other than the initial ones; steps beyond the horizon"

  /// Creates the check.
  public init() {}

  public func run(_ subject: Subject) -> CheckResult {
    let mine = iterates(subject.rule, subject)
    let theirs = iterates(subject.reference, subject)
    var result = CheckResult(
      claim: claim, subject: subject.label, verdict: .inconclusive, reason: "",
      premises: [subject.premise], numbers: ["horizon": Double(subject.horizon)])
    var differing = 0
    var largest = 0.0
    for (t, (a, b)) in zip(mine, theirs).enumerated() where a != b {
      for j in 0..<a.count where a[j] != b[j] {
        differing += 1
        largest = max(largest, abs(a[j] - b[j]))
        guard result.evidence.count < 10 else { continue }
        result.evidence.append(
          Evidence("t=\(t)/coordinate=\(j)", actual: a[j], reference: b[j], allowed: 0))
        if differing == 1 {
          result.numbers["firstStep"] = Double(t)
          result.numbers["firstCoordinate"] = Double(j)
        }
      }
    }
    result.numbers["differing"] = Double(differing)
    result.numbers["largestDifference"] = largest
    if mine.count != theirs.count {
      result.evidence.append(
        Evidence(
          "finite steps", actual: Double(mine.count - 1), reference: Double(theirs.count - 1),
          allowed: 0))
    }
    if let first = result.evidence.first {
      result.verdict = .decide(result.premises, .isFalse)
      result.reason =
        "\(differing) entries differ, first \(first.path): \(first.actual), "
        + "gradient descent \(first.reference)"
    } else if theirs.count <= subject.horizon {
      result.verdict = .decide(result.premises, .undecided)
      result.reason = "both stop being finite at step \(theirs.count)"
    } else {
      result.verdict = .decide(result.premises, .isTrue(slack: nil))
      result.qualifier = "exact"
      result.reason = "\(theirs.count) iterates of \(subject.start.count) entries, all equal"
    }
    return result
  }

  private func iterates(_ rule: any UpdateRule, _ subject: Subject) -> [Vector] {
    unroll(
      rule, on: subject.problem, from: subject.start, horizon: subject.horizon,
      recordingIterates: true
    ).iterates
  }

  public var mutants: [Mutant<Subject>] {
    [
      Mutant(
        "one coordinate of one step off by an ulp", size: .ulpOfOne,
        subject(ScaledDescent(isOff: { t, j in t == 3 && j == 2 }))),
      Mutant("P = 1 + 1e-15", size: 1e-15, subject { _, _ in 1 + 1e-15 }),
      Mutant("the authors' step, 0.9999", size: 1e-4, subject { _, _ in 0.9999 }),
      Mutant("diverges", subject { _, _ in 1e200 }),
      Mutant(
        "W_L not 0, and it shows", size: 1e-3, expected: .premiseFails,
        subject(Premise("W_L = 0", met: false, "planted")) { _, _ in 1.001 }),
    ]
  }

  public var cleanCases: [CleanCase<Subject>] {
    [
      CleanCase("the same descent", subject { _, _ in 1 }),
      CleanCase(
        "W_L not 0, but nothing shows", expected: .holdsVacuously,
        subject(Premise("W_L = 0", met: false, "planted")) { _, _ in 1 }),
    ]
  }

  private func subject(
    _ premise: Premise = Premise("P = 1", met: true, "by construction"),
    _ factor: @escaping @Sendable (Int, Int) -> Double
  ) -> Subject {
    subject(ScaledDescent(factor: factor), premise)
  }

  private func subject(
    _ rule: ScaledDescent, _ premise: Premise = Premise("P = 1", met: true, "by construction")
  ) -> Subject {
    Subject(
      label: "scaled descent", rule: rule, reference: PlainDescent(),
      problem: DiagonalQuadratic(dimension: 6, seed: 7), start: Vector(zeros: 6), horizon: 12,
      premise: premise)
  }
}
