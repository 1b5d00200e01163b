import Catalog
public import Checks
public import Foundation
import Optimization

/// Everything that the report on theory and experiment shows.
public struct TheoryResults: Sendable {
  /// What was found about one claim of paper B for one rule.
  public struct Condition: Sendable, Hashable, Codable {
    /// The rule.
    public var rule: String
    /// How the catalogue calls it.
    public var candidate: String
    /// The claim.
    public var claim: Claim
    /// The verdict over all problems.
    public var verdict: Verdict
    /// Why, in one line.
    public var reason: String

    /// Creates it.
    public init(
      rule: String, candidate: String? = nil, claim: Claim, verdict: Verdict, reason: String
    ) {
      self.rule = rule
      self.candidate = candidate ?? rule
      self.claim = claim
      self.verdict = verdict
      self.reason = reason
    }
  }

  /// What methods without learning reach at one problem size.
  public struct YardstickTable: Sendable, Hashable, Codable {
    /// d, unknowns of an instance.
    public var columns: Int
    /// b, rows of an instance.
    public var rowCount: Int
    /// N.
    public var instances: Int
    /// Method by method, T by T.
    public var rows: [Yardsticks.Row]
    /// The best ratio of any learned run, by T.
    public var bestLearned: [Int: Double]

    /// Creates it.
    public init(_ setting: TrainingSetting, rows: [Yardsticks.Row], bestLearned: [Int: Double]) {
      (columns, rowCount, instances) = (setting.columns, setting.rows, setting.instances)
      self.rows = rows
      self.bestLearned = bestLearned
    }

    /// The setting whose problems these are.
    public var setting: TrainingSetting {
      var setting = TrainingSetting(horizon: 1, scale: 1, metaStepSize: 1)
      (setting.columns, setting.rows, setting.instances) = (columns, rowCount, instances)
      return setting
    }

    /// The problems, in words.
    public var problems: String {
      "d = \(columns), b = \(rowCount), N = \(instances), seed \(setting.problemSeed)"
    }
  }

  /// The command that makes the report again.
  public var command: String
  /// Paper A's runs at d = 32, with every check on them.
  public var convergence: ConvergenceResults
  /// Published experiments that were computed for this report.
  public var computed: [ExperimentResult]
  /// Published experiments whose results were kept.
  public var stored: [ExperimentResult]
  /// Methods without learning.
  public var yardsticks: [YardstickTable]
  /// The tangent kernel.
  public var kernel: TangentKernelResults
  /// Bounds with their slack.
  public var bounds: BoundResults
  /// Paper B's conditions, rule by rule.
  public var conditions: [Condition]
  /// S5, S6 and the catalogue of proximal operators.
  public var schemes: [CheckResult]
  /// Trained rules against classical ones; nil if not run.
  public var learned: LearnedResults?

  /// Puts the parts together.
  public init(
    command: String, convergence: ConvergenceResults, computed: [ExperimentResult],
    stored: [ExperimentResult], yardsticks: [YardstickTable], kernel: TangentKernelResults,
    bounds: BoundResults, conditions: [Condition], schemes: [CheckResult], learned: LearnedResults?
  ) {
    self.command = command
    self.convergence = convergence
    self.computed = computed
    self.stored = stored
    self.yardsticks = yardsticks
    self.kernel = kernel
    self.bounds = bounds
    self.conditions = conditions
    self.schemes = schemes
    self.learned = learned
  }

  /// Every experiment, those of this report first.
  public var experiments: [ExperimentResult] { computed + stored }

  /// Every verdict on runs of paper A: theory first, then what its experiments claim.
  public var checks: [CheckResult] {
    convergence.checks + bounds.checks + kernel.checks + schemes + ExperimentClaims.all(self)
  }
}

extension TheoryResults {
  /// Every condition of paper B for one rule of the catalogue, on the standard problems.
  ///
  /// - Throws: `RuleError` or `StorageError` for a rule or weights that are not there.
  public static func conditions(of candidate: String, trained: URL?) throws -> [Condition] {
    let rule = try CandidateCatalog.candidate(candidate, trained: trained)
    return try Verification(rule, on: ProblemSuite.standard()).run().findings.map {
      Condition(
        rule: rule.name, candidate: candidate, claim: $0.claim, verdict: $0.verdict,
        reason: $0.reason)
    }
  }
}
