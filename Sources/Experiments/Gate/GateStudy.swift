import Catalog
import Checks
public import Engine
import Foundation
public import Optimization

/// Measures a rule for the regression gate: figures that do not depend on the clock.
public struct GateStudy: Sendable {
  /// What is measured.
  public enum Part: String, Sendable, Hashable, Codable, CaseIterable {
    /// Times to gaps on the suite.
    case pace
    /// The fitted rates of the same runs, which take as long as the runs; pace comes with them.
    case rates
    /// Losses of a short training, for rules with weights.
    case training
    /// Verdicts of the checks.
    case verdicts
  }

  /// The rule.
  public var rule: any Candidate
  /// How it is asked for.
  public var source: RuleSource
  /// On what.
  public var suite: GateSuite
  /// What of it.
  public var parts: Set<Part>
  /// Threads; no figure depends on it.
  public var threads: Int

  /// Plans it.
  public init(
    _ rule: any Candidate, from source: RuleSource? = nil, on suite: GateSuite? = nil,
    parts: Set<Part> = Set(Part.allCases), threads: Int = Parallel.coreCount
  ) {
    self.rule = rule
    self.source = source ?? RuleSource(rule.name)
    self.suite = suite ?? .standard(for: rule)
    self.parts = parts
    self.threads = rule.isConcurrent ? threads : 1
  }

  /// Steps that the checks may take: a twentieth of what `verify` gives them.
  static let verdictBudget = Verification.defaultBudget / 20

  /// Runs it; `proceed` is asked now and then, and may end the run by throwing.
  ///
  /// - Throws: what `proceed` throws, `CandidateError.failedToSpeak`, and whatever a problem's
  ///   solution throws.
  public func run(proceed: @Sendable () throws -> Void = {}) throws -> GateRecord {
    var record = GateRecord(rule: rule.name, source: source, suite: suite)
    if !parts.isDisjoint(with: [.pace, .rates]) { record.cells = try cells(proceed) }
    if parts.contains(.training), let learned = rule.learnedRule {
      record.training = try TrainingCell.all(of: learned, seeds: suite.seeds, twins: suite.twins)
    }
    try proceed()
    if parts.contains(.verdicts) { record.verdicts = try verdicts(proceed) }
    return record
  }

  private func cells(_ proceed: @Sendable () throws -> Void) throws -> [PaceCell] {
    let families = ProblemSuite.families.filter { suite.families.contains($0.name) }
    let places = families.flatMap { family in suite.seeds.map { (family, $0) } }
    return try Parallel.map(places, threads: threads) { family, seed in
      try proceed()
      return try cell(family, seed)
    }.compactMap(\.self)
  }

  /// One cell; nil where the rule cannot run, or where no start can be told from the minimiser.
  private func cell(_ family: ProblemFamily, _ seed: UInt64) throws -> PaceCell? {
    let solved = try family.problem(ProblemFamily.Draw(seed: seed))
    guard isFor(solved), rule.objection(to: solved.problem) == nil else { return nil }
    let start = Trial(rule, on: solved, seed: seed).distantStart(around: solved.minimisers[0])
    let excess = solved.problem.value(at: start) - solved.minimumValue
    guard excess > 0 else { return nil }
    let course = try course(solved, start, excess, seed: seed, salt: nil)
    let twins = try (0..<suite.twins).map {
      try self.course(
        solved, start, excess, seed: seed, salt: SplitMix64(seed: 17).derived($0).state)
    }
    let distance = (start - (solved.projection?(start) ?? solved.minimisers[0])).norm
    var cell = PaceCell(
      family: family.name, seed: seed, horizon: suite.horizon, course, twins: twins,
      reach: 0.5 * solved.smoothness * distance * distance / excess)
    if parts.contains(.rates) { cell.fitRate(course) }
    return cell
  }

  private func isFor(_ solved: SolvedProblem) -> Bool {
    switch solved.kind {
    case .smooth: true
    case .constrained: rule.oracles.contains(.prox)
    case .composite, .implicit, .nonsmooth:
      rule.oracles.contains(.prox) || rule.oracles.contains(.subgradient)
    }
  }

  private func course(
    _ solved: SolvedProblem, _ start: Vector, _ excess: Double, seed: UInt64, salt: UInt64?
  ) throws -> GapCourse {
    let run = try rule.start(on: solved.problem, from: start, seed: seed, salt: salt)
    var course = GapCourse(gaps: [1])
    course.gaps.reserveCapacity(suite.horizon + 1)
    while run.count < suite.horizon {
      do { try run.advance() } catch CandidateError.nonFinite(let step) {
        course.firstNonFinite = step
        break
      }
      course.gaps.append((solved.problem.value(at: run.x) - solved.minimumValue) / excess)
    }
    return course
  }

  private func verdicts(_ proceed: @Sendable () throws -> Void) throws -> [GateRecord.Verdict] {
    let problems = try ProblemSuite.standard(scales: [1])
    let budget = Int(Double(Self.verdictBudget) * rule.speed)
    var list = try Verification(
      rule, on: problems, budget: budget, starts: 2, threads: threads
    ).run { _ in try proceed() }.findings.map {
      GateRecord.Verdict(check: $0.claim.id, verdict: $0.verdict, reason: $0.reason)
    }
    let (derivatives, reason) = DerivativeStudy.results(of: rule, on: problems)
    list.append(
      GateRecord.Verdict(
        check: "G", verdict: derivatives?.verdict ?? .notApplicable,
        reason: derivatives?.reason ?? reason))
    return list
  }
}

extension PaceCell {
  /// Sums up a run and its twins; `reach` is ½ L ‖x_0 - x*‖² in units of the gap.
  init(
    family: String, seed: UInt64, horizon: Int, _ course: GapCourse, twins: [GapCourse],
    reach: Double
  ) {
    self.family = family
    self.seed = seed
    self.horizon = horizon
    let all = ([course] + twins).map(\.envelope)
    (times, means, spreads, isSure) = ([], [], [], [])
    for level in GateSuite.levels.map({ log($0) }) {
      let reached = all.map { GapCourse.time($0, to: level) }
      guard reached.contains(where: { $0 != nil }) else { break }
      let means = all.map { GapCourse.mean($0, to: level, horizon: horizon) }
      times.append(reached[0] ?? .nan)
      isSure.append(!reached.contains(nil))
      self.means.append(means[0])
      spreads.append(Self.deviation(means.map { log(max($0, 1e-3)) }))
    }
    gaps = GateSuite.marks.filter { $0 < course.gaps.count }.map { course.gaps[$0] }
    slack =
      course.gaps.enumerated().dropFirst().map { k, gap in
        log10(reach / Double(k) / max(gap, .ulpOfOne))
      }.min() ?? .nan
    firstNonFinite = course.firstNonFinite
    hash = course.hash
  }

  mutating func fitRate(_ course: GapCourse) {
    let positive = Array(course.gaps.prefix { $0 > 1e-13 })
    rate = RateAnalysis(positive).rate.map {
      Rate(factor: $0.factor, lower: exp(-$0.upper), upper: exp(-$0.lower))
    }
  }

  /// The standard deviation of a few numbers.
  static func deviation(_ values: [Double]) -> Double {
    guard values.count > 1 else { return 0 }
    let mean = values.reduce(0, +) / Double(values.count)
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (squares / Double(values.count - 1)).squareRoot()
  }
}
