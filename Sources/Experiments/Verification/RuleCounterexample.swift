public import Catalog
public import Checks
public import Engine
import Foundation
public import Optimization
import Storage

/// How a rule is asked for on the command line.
public struct RuleSource: Sendable, Hashable, Codable {
  /// A name with its option and checkpoint, or the command of another process.
  public var text: String
  /// Whether it is the command of another process.
  public var isExternal: Bool

  /// Creates a source.
  public init(_ text: String, isExternal: Bool = false) {
    self.text = text
    self.isExternal = isExternal
  }

  /// The words of a command line, quoted for a shell.
  public var words: String { (isExternal ? "--external " : "") + Self.quoted(text) }

  /// `text` as one word of a shell, plain where it can be.
  public static func quoted(_ text: String) -> String {
    let plain = "@%+=:,./-_"
    let isPlain =
      !text.isEmpty
      && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || plain.contains($0)) }
    return isPlain ? text : "'" + text.replacing("'", with: "'\\''") + "'"
  }
}

/// Where a rule breaks a claim: small enough to read, and enough to replay it without a generator.
public struct RuleCounterexample: Sendable, Hashable, Codable {
  /// What the level is.
  public enum Measure: String, Sendable, Hashable, Codable {
    /// ‖x_K - x*‖ / ‖x₀ - x*‖.
    case distance
    /// ‖x⁺ - x*‖ / ‖x₀ - x*‖, where x⁺ is one step from x* with the state that K steps left and
    /// remembered iterates at x*; two steps under FP4.
    case displacement
  }

  /// The version of this format.
  public var format = Self.currentFormat
  /// The rule's name.
  public var rule: String
  /// How it was asked for.
  public var source: RuleSource
  /// The claim that is broken.
  public var check: String
  /// The claim in words.
  public var claim: String
  /// The family that the problem was drawn from.
  public var family: String
  /// Which of its problems.
  public var draw: ProblemFamily.Draw
  /// Whether the data are the draw's; if not, rows or digits were dropped since.
  public var isDrawn: Bool
  /// Of the rule's own draws and of the check.
  public var seed: UInt64
  /// The problem itself.
  public var problem: ProblemRecord
  /// x₀, n entries.
  public var start: [Double]
  /// K.
  public var horizon: Int
  /// What the level is.
  public var measure: Measure
  /// The minimiser that the level is measured from, n entries.
  public var minimiser: [Double]
  /// The level after K steps; infinite where the iterate is not finite.
  public var level: Double
  /// What the check said.
  public var reason: String
  /// Python with NumPy, 15 lines at most, that finds the level from the arrays beside it.
  public var snippet: String

  /// The version that this code writes and reads.
  public static let currentFormat = 2
}

extension RuleCounterexample {
  /// What a replay shows.
  public struct Replay: Sendable, Hashable, Codable {
    /// What the check says of the rule on that problem from that start.
    public var verdict: Verdict
    /// Why.
    public var reason: String
    /// The level found now.
    public var level: Double
    /// Whether the generator still makes the data of the draw; nil where they were simplified.
    public var isDrawReproduced: Bool?

    /// Whether the claim is still broken.
    public var isStillViolated: Bool { verdict == .violated }
    /// In two or three words.
    public var outcome: String {
      switch verdict {
      case .violated: "still violated"
      case .notApplicable: "does not apply"
      default: "now passes"
      }
    }
  }

  /// Puts `rule` to the same test: this problem, this start.
  ///
  /// - Throws: ``SuiteError``, `EngineError` or ``ProblemError`` for data that are no solved problem,
  ///   `CandidateError.failedToSpeak`.
  public func replayed(by rule: any Candidate) throws -> Replay {
    guard let check = conditionChecks.first(where: { $0.claim.id == check }) else {
      throw SuiteError.unsolvable(problem: problem.name, reason: "no check is called '\(check)'")
    }
    let ground = try problem.restored()
    let trial = Self.trial(of: rule, on: ground, from: Vector(start), seed: seed, check)
    let result = try check.judge(trial).result
    var replay = Replay(
      verdict: result.verdict, reason: result.reason, level: .nan,
      isDrawReproduced: isDrawn ? isDrawReproduced : nil)
    if result.verdict != .notApplicable {
      replay.level = try Level(
        of: rule, on: ground, from: Vector(start), seed: seed, measure, check.claim.id
      ).value(after: horizon, from: Vector(minimiser))
    }
    return replay
  }

  /// The trial that a counterexample stands for.
  static func trial(
    of rule: any Candidate, on problem: SolvedProblem, from start: Vector, seed: UInt64,
    _ check: any TrialCheck
  ) -> Trial {
    // Convergence stops where it is decided; what is slow gets two doublings more.
    Trial(
      rule, on: problem, seed: seed, budget: (check is ConvergenceCheck ? 32 : 8) * 1000,
      from: start)
  }

  private var isDrawReproduced: Bool {
    guard let family = ProblemSuite.families.first(where: { $0.name == family }),
      draw.dimension ?? family.dimension >= family.leastDimension,
      let drawn = try? family.problem(draw), let record = ProblemRecord(drawn)
    else { return false }
    return record.matrix == problem.matrix && record.target == problem.target
  }

  /// The distance or displacement along one run.
  struct Level {
    let rule: any Candidate
    let problem: SolvedProblem
    var start: Vector
    let seed: UInt64
    let measure: Measure
    /// Steps of a probe.
    let depth: Int

    init(
      of rule: any Candidate, on problem: SolvedProblem, from start: Vector, seed: UInt64,
      _ measure: Measure, _ check: String
    ) {
      self.rule = rule
      self.problem = problem
      self.start = start
      self.seed = seed
      self.measure = measure
      depth = check == "FP4" ? min(2, rule.probeDepth) : 1
    }

    /// The same from a start that differs in the last digits.
    var nudged: Level {
      var twin = self
      twin.start = Vector(start.elements.map { $0 + 4 * $0.ulp })
      return twin
    }

    /// The level after `horizon` steps; infinite where an iterate is not finite.
    func value(after horizon: Int, from minimiser: Vector) throws -> Double {
      let run = try rule.start(on: problem.problem, from: start, seed: seed)
      let reach = max((start - minimiser).norm, .leastNormalMagnitude)
      do {
        for _ in 0..<horizon { try run.advance() }
        return (try end(run, minimiser) - minimiser).norm / reach
      } catch CandidateError.nonFinite { return .infinity }
    }

    private func end(_ run: any CandidateRun, _ minimiser: Vector) throws -> Vector {
      switch measure {
      case .distance: run.x
      case .displacement:
        try run.probe(at: minimiser, gradient: nil, settled: true, steps: depth)[depth - 1]
      }
    }

    /// The levels after 1, 2, ..., `horizon` steps, up to the first that is not finite.
    func all(_ horizon: Int, from minimiser: Vector) throws -> [Double] {
      let run = try rule.start(on: problem.problem, from: start, seed: seed)
      let reach = max((start - minimiser).norm, .leastNormalMagnitude)
      var levels: [Double] = []
      for _ in 0..<horizon {
        do {
          try run.advance()
          levels.append((try end(run, minimiser) - minimiser).norm / reach)
        } catch CandidateError.nonFinite { return levels + [.infinity] }
      }
      return levels
    }
  }
}

extension RuleCounterexample {
  /// The rule's run, measured at the shortest horizon that shows what the check found.
  ///
  /// - Throws: `CandidateError.failedToSpeak`.
  static func measured(
    _ rule: any Candidate, _ source: RuleSource, _ claim: Claim, _ sample: ProblemGenerator.Sample,
    from start: Vector, seed: UInt64, _ result: CheckResult
  ) throws -> RuleCounterexample? {
    let level = Level(
      of: rule, on: sample.problem, from: start, seed: seed, measure(of: claim), claim.id)
    // Displacements settle early and cost a probe a step; distances may grow late.
    let known = result.numbers["horizon"].map { Int($0) } ?? 1000
    let longest = level.measure == .displacement ? 1000 : min(max(known, 1), 100_000)
    let (horizon, minimiser) = try shortest(level, longest)
    return try measured(
      rule, source, claim, sample, from: start, seed: seed, horizon: horizon, minimiser: minimiser,
      reason: result.reason)
  }

  /// The rule's run, measured after `horizon` steps, whether it breaks the claim or not.
  ///
  /// - Parameter minimiser: what to measure from; the problem's first if nil.
  /// - Returns: nil for problems that no ``ProblemRecord`` holds.
  /// - Throws: `CandidateError.failedToSpeak`.
  public static func measured(
    _ rule: any Candidate, _ source: RuleSource, _ claim: Claim, _ sample: ProblemGenerator.Sample,
    from start: Vector, seed: UInt64, horizon: Int, minimiser: Vector? = nil, reason: String = ""
  ) throws -> RuleCounterexample? {
    guard let record = ProblemRecord(sample.problem) else { return nil }
    let minimiser = minimiser ?? sample.problem.minimisers[0]
    let level = Level(
      of: rule, on: sample.problem, from: start, seed: seed, measure(of: claim), claim.id)
    let drawn = (try? sample.family.problem(sample.draw)).flatMap(ProblemRecord.init)
    var example = RuleCounterexample(
      rule: rule.name, source: source, check: claim.id, claim: claim.title,
      family: sample.family.name, draw: sample.draw,
      isDrawn: drawn?.matrix == record.matrix && drawn?.target == record.target, seed: seed,
      problem: record, start: start.elements, horizon: horizon, measure: level.measure,
      minimiser: minimiser.elements, level: try level.value(after: horizon, from: minimiser),
      reason: reason, snippet: "")
    example.snippet = NumPySnippet(example, formula: NumPyFormula(rule)).text
    return example
  }

  private static func measure(of claim: Claim) -> Measure {
    claim.id.hasPrefix("FP") ? .displacement : .distance
  }

  /// The least horizon up to `longest` that shows the level, and the minimiser to measure from.
  private static func shortest(_ level: Level, _ longest: Int) throws -> (Int, Vector) {
    let run = try level.rule.start(on: level.problem.problem, from: level.start, seed: level.seed)
    for _ in 0..<longest {
      do { try run.advance() } catch CandidateError.nonFinite { break }
    }
    var points = level.problem.minimisers
    if run.x.isFinite, let projection = level.problem.projection {
      points.append(projection(run.x))
    }
    // The limit of the run, or the minimiser that probes lead away from furthest.
    var minimiser = points[points.count - 1]
    if level.measure == .displacement {
      let sizes = try points.map { try level.value(after: longest, from: $0) }
      minimiser = zip(sizes, points).max { $0.0 < $1.0 }?.1 ?? minimiser
    }
    let all = try level.all(longest, from: minimiser)
    let horizon = Self.horizon(all)
    let twin = try level.nudged.all(longest, from: minimiser)
    let calm = zip(all, twin).prefix { abs($0 - $1) <= 1e-11 * abs($0) || !$0.isFinite }.count
    guard horizon > calm, calm >= 100, all[calm - 1] >= 0.5 * all[horizon - 1] else {
      return (horizon, minimiser)
    }
    // Beyond, the last digit of x₀ decides, and another program would find another level.
    return (calm, minimiser)
  }

  /// The least number of steps that shows what levels do in the end.
  private static func horizon(_ all: [Double]) -> Int {
    // What runs away is seen once it is ten times as far as it began.
    if let last = all.last, !(last <= 10) {
      return (all.firstIndex { !($0 <= 10) } ?? all.count - 1) + 1
    }
    let last = all.last ?? 0
    let settled = all.lastIndex { abs($0 - last) > 0.1 * last } ?? -1
    if 2 * settled < all.count { return min(settled + 2, all.count) }
    // What swings is seen where it is furthest in the last window.
    let window = all.indices.suffix(all.count - all.count / 2)
    return (window.max { all[$0] < all[$1] } ?? all.count - 1) + 1
  }
}
