public import Engine

/// A rule on trial, wherever it lives: in this process as an ``UpdateRule``, or in another one.
public protocol Candidate: Sendable {
  /// How reports name it.
  var name: String { get }
  /// What it asks its problem for.
  var oracles: Set<Oracle> { get }
  /// Whether it remembers iterates that a probe can set.
  var remembersIterates: Bool { get }
  /// The number of steps that it was trained for, if any.
  var trainedHorizon: Int? { get }
  /// The precision that it computes in.
  var precision: Precision { get }
  /// The only number of unknowns that it fits; nil for any.
  var dimension: Int? { get }
  /// Whether two runs from the same seed should be the same.
  var isDeterministic: Bool { get }
  /// How many seeds a run is the mean over: 1, unless the rule is random by its own word.
  var seedCount: Int { get }
  /// Steps that it can take in the time that a native rule without network takes one.
  var speed: Double { get }
  /// Whether runs may go side by side.
  var isConcurrent: Bool { get }
  /// Why the rule cannot run on `problem`; nil if it can.
  func objection(to problem: any Problem) -> String?
  /// How many steps a probe may take.
  var probeDepth: Int { get }
  /// The rule itself, where it lives in this process.
  var updateRule: (any UpdateRule)? { get }
  /// A run on `problem`, one instance, from `start` (n entries).
  ///
  /// - Throws: ``CandidateError``.
  func start(
    on problem: any Problem, from start: Vector, seed: UInt64
  ) throws -> any CandidateRun
}

extension Candidate {
  /// Double.
  public var precision: Precision { .double }
  /// Any.
  public var dimension: Int? { nil }
  /// It should.
  public var isDeterministic: Bool { true }
  /// One.
  public var seedCount: Int { 1 }
  /// 1.
  public var speed: Double { 1 }
  /// It can if the dimension fits.
  public func objection(to problem: any Problem) -> String? {
    guard let dimension, dimension != problem.dimension else { return nil }
    return "the rule fits \(dimension) unknowns only"
  }
  /// They may.
  public var isConcurrent: Bool { true }
  /// One.
  public var probeDepth: Int { 1 }
  /// None.
  public var updateRule: (any UpdateRule)? { nil }
  /// The rule with its weights, where it has any that this process can see.
  public var learnedRule: (any LearnedUpdateRule)? { updateRule as? any LearnedUpdateRule }
}

/// The precision that a rule computes in.
public enum Precision: String, Sendable, Hashable, Codable, CaseIterable {
  case double
  case single

  /// Rounding in units of that of double precision: 1, or 2²⁹.
  public var factor: Double { self == .double ? 1 : 0x1p29 }
}

/// A run of a ``Candidate``; it belongs to one thread.
public protocol CandidateRun: AnyObject {
  /// x_k, n entries.
  var x: Vector { get }
  /// k, the number of steps taken.
  var count: Int { get }
  /// The iterates that the rule remembers, n entries each, where it shows them.
  var remembered: [Vector] { get }
  /// Takes the next step.
  ///
  /// - Throws: ``CandidateError``.
  func advance() throws
  /// Where the next `steps` steps would lead from `point`; the run stays as it is.
  ///
  /// - Parameters:
  ///   - gradient: what the rule is told that ∇f is, wherever it asks; nil for the truth.
  ///   - settled: whether remembered iterates are set to `point` first.
  /// - Throws: ``CandidateError``.
  func probe(
    at point: Vector, gradient: Vector?, settled: Bool, steps: Int
  ) throws -> [Vector]
}

extension CandidateRun {
  /// None: another process shows where it is, and nothing else.
  public var remembered: [Vector] { [] }

  /// One step from `point` with remembered iterates set to it.
  public func probe(at point: Vector) throws -> Vector {
    try probe(at: point, gradient: nil, settled: true, steps: 1)[0]
  }
}

/// What a run of a candidate can end in.
public enum CandidateError: Error, Sendable, Equatable, CustomStringConvertible {
  /// An iterate is not finite: the rule broke a promise about numbers.
  case nonFinite(step: Int)
  /// A rule in another process failed to speak.
  case failedToSpeak(rule: String, line: Int, text: String)

  public var description: String {
    switch self {
    case .nonFinite(let step): "the iterate of step \(step) is not finite"
    case .failedToSpeak(let rule, let line, let text):
      "rule '\(rule)' failed to speak at line \(line): \(text)"
    }
  }
}

/// An ``UpdateRule`` on trial.
public struct NativeCandidate<Rule: UpdateRule>: Candidate {
  /// The rule.
  public let rule: Rule
  public let name: String
  public let oracles: Set<Oracle>
  public let remembersIterates: Bool

  /// Puts `rule` on trial.
  ///
  /// Unless the rule says what it asks for, one step on a problem of two unknowns shows it; what it
  /// remembers, its state shows. A rule that cannot run there (it reads data) remembers nothing.
  public init(_ rule: Rule, name: String? = nil) {
    self.rule = rule
    self.name = name ?? rule.name
    let log = OracleLog()
    let problem = WatchedProblem(Touchstone(dimension: 2), log)
    guard rule.oracles?.contains(.data) != true, rule.objection(to: problem) == nil else {
      oracles = rule.oracles ?? []
      remembersIterates = false
      return
    }
    var state = rule.initialState(for: problem)
    var x: Vector = [1, -2]
    rule.step(&x, &state, on: problem)
    oracles = rule.oracles ?? log.seen
    remembersIterates = rule.settle(&state, at: x)
  }

  public var trainedHorizon: Int? { rule.trainedHorizon }
  public func objection(to problem: any Problem) -> String? { rule.objection(to: problem) }
  public var probeDepth: Int { .max }
  public var updateRule: (any UpdateRule)? { rule }

  public var speed: Double { 1 / rule.cost }

  public func start(
    on problem: any Problem, from start: Vector, seed: UInt64
  ) throws -> any CandidateRun {
    func run<P: Problem>(_ problem: P) -> any CandidateRun {
      NativeRun(rule, on: problem, from: start)
    }
    return run(problem)
  }
}

/// A run of an ``UpdateRule``.
final class NativeRun<Rule: UpdateRule, P: Problem>: CandidateRun {
  private let rule: Rule
  private let problem: P
  private var state: Rule.State
  private(set) var x: Vector
  private(set) var count = 0
  var remembered: [Vector] { rule.remembered(in: state) }

  init(_ rule: Rule, on problem: P, from start: Vector) {
    self.rule = rule
    self.problem = problem
    x = start
    state = rule.initialState(for: problem)
  }

  func advance() throws {
    rule.step(&x, &state, on: problem)
    count += 1
    guard x.isFinite else { throw CandidateError.nonFinite(step: count) }
  }

  func probe(
    at point: Vector, gradient: Vector?, settled: Bool, steps: Int
  ) throws -> [Vector] {
    var state = state
    if settled { rule.settle(&state, at: point) }
    var x = point
    let pretended = gradient.map { PretendedGradient(base: problem, gradient: $0) }
    return try (1...steps).map { t in
      if let pretended {
        rule.step(&x, &state, on: pretended)
      } else {
        rule.step(&x, &state, on: problem)
      }
      guard x.isFinite else { throw CandidateError.nonFinite(step: count + t) }
      return x
    }
  }
}

/// A problem whose gradient is said to be the same vector everywhere.
struct PretendedGradient<Base: Problem>: Problem {
  let base: Base
  let gradient: Vector

  var name: String { base.name }
  var dimension: Int { base.dimension }
  var instanceCount: Int { base.instanceCount }
  var smoothness: [Double] { base.smoothness }
  var minimumValue: Double? { nil }
  var regularizer: any Regularizer { base.regularizer }
  var reportedScale: Double { base.reportedScale }
  func values(at x: Vector) -> [Double] { base.values(at: x) }
  func gradient(at x: Vector, into g: inout Vector) { g = gradient }
}
