/// Every check there is; a new one needs this line and no other.
public let allChecks: [any Check] =
  [
    GradientCheck(),
    AlignmentCheck(),
    OrthonormalFactorsCheck(),
    HomogeneityCheck(),
    FullRankCheck(),
    DescentCheck(),
    GradientDescentBoundCheck(),
    LossAlignmentCheck(),
    TrainingBoundCheck(),
    TrainingRateCheck(),
    GradientBoundCheck(),
    SemiSmoothnessCheck(),
    GrowthCheck(),
    ScaleThresholdCheck(),
    DescentLadderCheck(),
    TangentKernelCheck(),
    KernelRankCheck(),
    KernelScalingCheck(),
    LazyTrainingCheck(),
    CriticalStepCheck(),
    ObjectiveCheck(),
    SchemeCheck(),
    SubgradientStepCheck(),
    ProxCheck(),
  ] + conditionChecks.map { $0 as any Check }

/// What a check said about one of its own cases.
public struct SelfTest: Sendable, Hashable {
  /// The planted fault, or what the clean case is.
  public var name: String
  /// The relative size of the fault; nil for a clean case.
  public var size: Double?
  /// The verdict that was due.
  public var expected: Verdict
  /// What the check found.
  public var result: CheckResult

  /// Whether the verdict is the one that was due.
  public var isAsExpected: Bool { result.verdict == expected }
}

extension Check {
  /// Runs the check on its mutants, then on its clean cases.
  public func selfTests() -> [SelfTest] {
    mutants.map {
      SelfTest(name: $0.fault, size: $0.size, expected: $0.expected, result: run($0.subject))
    }
      + cleanCases.map {
        SelfTest(name: $0.name, size: nil, expected: $0.expected, result: run($0.subject))
      }
  }
}
