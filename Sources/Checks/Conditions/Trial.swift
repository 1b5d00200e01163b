public import Engine
import Foundation
public import Optimization

/// A rule on a problem, with what a check may spend on it.
public struct Trial: Sendable {
  /// The rule.
  public var rule: any Candidate
  /// The problem, with its minimisers.
  public var problem: SolvedProblem
  /// Of the starts.
  public var seed: UInt64
  /// How many starts are tried.
  public var starts: Int
  /// How many steps of the rule may be taken, all starts together.
  public var budget: Int
  /// The only start, n entries; nil for starts from the seed.
  public var onlyStart: Vector?

  /// Creates a trial.
  public init(
    _ rule: any Candidate, on problem: SolvedProblem, seed: UInt64 = 1, starts: Int = 8,
    budget: Int = 1_000_000, from onlyStart: Vector? = nil
  ) {
    precondition(starts >= 1, "\(starts) starts")
    self.rule = rule
    self.problem = problem
    self.seed = seed
    self.starts = onlyStart == nil ? starts : 1
    self.budget = budget
    self.onlyStart = onlyStart
  }

  /// Rule and problem.
  public var label: String { "\(rule.name) on \(problem.name)" }

  /// The steps after which anything is judged at all: 1,000, or ten times the trained horizon.
  public var leastHorizon: Int { max(1000, 10 * (rule.trainedHorizon ?? 0)) }

  /// The scales of starts, in the order in which they are tried.
  static let startScales = [1, 1e3, 1e-2, 10, 1e2, 0.1]

  /// Start number `i`: scale and direction go round, and the hard directions come early.
  ///
  /// Starts outside the domain of r are taken there by its proximal operator.
  public func start(_ i: Int, around minimiser: Vector) -> Vector {
    if let onlyStart { return onlyStart }
    return drawnStart(i, around: minimiser)
  }

  /// Start number 0, or another where the proximal operator has sent that one to the minimiser.
  public func distantStart(around minimiser: Vector) -> Vector {
    let start = start(0, around: minimiser)
    guard (start - minimiser).norm < 0.1 * problem.length else { return start }
    return minimiser.moved(
      problem.length, drawnStart(2, around: Vector(zeros: minimiser.count)))
  }

  private func drawnStart(_ i: Int, around minimiser: Vector) -> Vector {
    let scale = Self.startScales[i % Self.startScales.count]
    let hard = problem.hardDirections
    var rng = SplitMix64(seed: seed).derived(i)
    let direction: Vector
    // Every second start after the first is along the flattest or the steepest direction.
    if i % 2 == 1, !hard.isEmpty {
      direction = hard[(i / 2) % hard.count].scaled(by: rng.uniform() < 0.5 ? 1 : -1)
    } else {
      let draw = rng.vector(minimiser.count)
      direction = draw.scaled(by: 1 / draw.norm)
    }
    var x = minimiser.moved(scale * problem.length, direction)
    if !problem.problem.value(at: x).isFinite {
      let steps = Vector([Double](repeating: 1 / problem.smoothness, count: x.count))
      problem.problem.regularizer.prox(&x, steps: steps)
    }
    return x
  }

  /// What start number `i` is, in words.
  func startName(_ i: Int) -> String {
    if onlyStart != nil { return "x0" }
    let scale = Self.startScales[i % Self.startScales.count]
    let kind =
      i % 2 == 1 && !problem.hardDirections.isEmpty
      ? ["flattest", "steepest"][min((i / 2) % problem.hardDirections.count, 1)] : "random"
    return "start \(i) (\(kind), scale \(scale.brief))"
  }

  /// The relative rounding below which nothing is seen: 64 eps, or what proximal gradient itself
  /// shows, in the precision of the rule.
  func floor(_ shown: Double) -> Double {
    max(64 * .ulpOfOne, 10 * shown) * rule.precision.factor
  }
}

/// Numbers over steps, for plots.
public struct Curve: Sendable, Hashable, Codable {
  /// What is shown.
  public var name: String
  /// Steps.
  public var steps: [Double]
  /// Values, as many.
  public var values: [Double]

  /// Creates a curve.
  public init(_ name: String, steps: [Double] = [], values: [Double] = []) {
    self.name = name
    self.steps = steps
    self.values = values
  }

  mutating func add(_ step: Int, _ value: Double) {
    steps.append(Double(step))
    values.append(value)
  }
}

/// What a check of a trial found, with the curves behind it.
public struct TrialResult: Sendable, Hashable, Codable {
  /// The verdict with its numbers.
  public var result: CheckResult
  /// What it rests on.
  public var curves: [Curve]
  /// Steps of the rule that it took.
  public var steps: Int

  /// Creates a result.
  public init(_ result: CheckResult, curves: [Curve] = [], steps: Int = 0) {
    self.result = result
    self.curves = curves
    self.steps = steps
  }
}

/// A check of a rule by its iterates alone.
public protocol TrialCheck: Check where Subject == Trial {
  /// Why the claim is not about `rule` on problems of `kind`; nil if it is.
  func objection(to rule: any Candidate, on kind: SolvedProblem.Kind) -> String?
  /// Checks the claim.
  ///
  /// - Throws: `CandidateError.failedToSpeak` where a rule in another process does not answer.
  func measure(_ trial: Trial) throws -> TrialResult
}

extension TrialCheck {
  public func run(_ subject: Trial) -> CheckResult {
    do { return try judge(subject).result } catch {
      return CheckResult(
        claim: claim, subject: subject.label, verdict: .inconclusive, reason: "\(error)",
        seed: subject.seed)
    }
  }

  /// The verdict, where the claim is about the subject.
  ///
  /// A rule that leaves the finite numbers where it promised not to breaks the claim.
  /// - Throws: `CandidateError.failedToSpeak`.
  public func judge(_ trial: Trial) throws -> TrialResult {
    if let objection = objection(to: trial.rule, on: trial.problem.kind) {
      return TrialResult(
        CheckResult(
          claim: claim, subject: trial.label, verdict: .notApplicable, reason: objection))
    }
    if let objection = trial.rule.objection(to: trial.problem.problem) {
      return TrialResult(
        CheckResult(
          claim: claim, subject: trial.label, verdict: .notApplicable, reason: objection))
    }
    do { return try measure(trial) } catch CandidateError.nonFinite(let step) {
      return TrialResult(
        CheckResult(
          claim: claim, subject: trial.label, verdict: .violated,
          reason: "the iterate of step \(step) is not finite",
          evidence: [Evidence("k=\(step)", actual: .infinity, reference: 0, allowed: 0)],
          seed: trial.seed))
    }
  }
}

extension Candidate {
  /// Whether it can do anything about r.
  var handlesRegularizers: Bool { oracles.contains(.prox) || oracles.contains(.subgradient) }
}

/// Which of the four forms of a condition of paper B a check is about.
public enum Condition: Int, Sendable, Hashable, Codable, CaseIterable {
  /// r = 0.
  case smooth = 1
  /// f = 0.
  case implicit
  /// f + r.
  case composite
  /// Any of them, for rules with memory.
  case memory

  /// Why the condition is not about `rule` on `kind`; nil if it is.
  func objection(to rule: any Candidate, on kind: SolvedProblem.Kind) -> String? {
    let fits: Bool
    switch self {
    case .smooth: fits = kind == .smooth
    case .implicit: fits = kind == .implicit
    case .composite: fits = kind == .composite || kind == .constrained
    case .memory:
      if !rule.remembersIterates { return "the rule remembers no iterates" }
      fits = kind != .nonsmooth
    }
    if !fits { return "the condition is not about \(kind.rawValue) problems" }
    if kind != .smooth, !rule.handlesRegularizers { return "the rule takes no account of r" }
    if kind == .constrained, !rule.oracles.contains(.prox) {
      return "the rule has no proximal step to keep a constraint with"
    }
    return nil
  }
}

/// Which steps are looked at: all up to 64, then 48 in every doubling.
struct StepSchedule {
  static func contains(_ k: Int) -> Bool {
    if k <= 64 { return true }
    let octave = Int.bitWidth - 1 - k.leadingZeroBitCount
    return k % max(1, (1 << octave) / 48) == 0
  }
}
