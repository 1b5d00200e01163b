import Catalog
import Checks
import Engine
public import Foundation
import Optimization
import Storage

/// What is planted and what is caught: the power of the checks, and their false alarms.
public struct PowerStudy: Sendable {
  /// One in so many units is run; 1 for all.
  public var thinning: Int
  /// Seeds of the clean runs.
  public var cleanSeeds: Int
  /// Where units are kept, so that a study that was cut goes on; nil for nowhere.
  public var file: URL?
  /// Of all draws.
  public var seed: UInt64
  /// Names of the faults of rules that are planted, and nothing else; nil for everything.
  public var faults: Set<String>?

  /// Plans a study.
  public init(
    thinning: Int = 1, cleanSeeds: Int = 12, file: URL? = nil, seed: UInt64 = 1,
    faults: Set<String>? = nil
  ) {
    precondition(thinning >= 1 && cleanSeeds >= 1, "thinning \(thinning), seeds \(cleanSeeds)")
    self.thinning = thinning
    self.cleanSeeds = cleanSeeds
    self.file = file
    self.seed = seed
    self.faults = faults
  }

  /// One fault in one rule at one size.
  public struct FaultUnit: Sendable, Hashable, Codable {
    /// The rule.
    public var rule: String
    /// The fault.
    public var fault: String
    /// Where it sits.
    public var place: String
    /// Its relative size.
    public var size: Double
    /// Ids of the checks that called it violated; `G` for derivatives.
    public var caughtBy: [String]
    /// The same at initialisation, for derivatives; nil for others.
    public var caughtAtInitialization: [String]?
    /// Cells that were violated, undecided, and all.
    public var violated: Int
    public var undecided: Int
    public var cells: Int
    /// Cells in which the fault is known to break the claim, by verdict; nil where none is known.
    public var certain: [String: Int]?

    var key: String { "\(rule)/\(fault)/\(size)" }
  }

  /// One clean rule with one seed: the verdicts of its cells.
  public struct CleanUnit: Sendable, Hashable, Codable {
    /// The rule.
    public var rule: String
    /// The seed of problems and starts.
    public var seed: UInt64
    /// Cells by verdict.
    public var verdicts: [String: Int]
    /// Cells that were called violated, with the reason.
    public var alarms: [String]

    var key: String { "clean/\(rule)/\(seed)" }
  }

  /// All units.
  public struct Results: Sendable, Hashable, Codable {
    /// The version of this format.
    public var schema = 1
    /// Faults.
    public var faults: [FaultUnit] = []
    /// Clean runs.
    public var clean: [CleanUnit] = []
    /// The share of units that were asked for.
    public var thinning = 1

    /// No unit.
    public init() {}
  }

  /// The rules that faults are planted in.
  private enum Base: String, CaseIterable {
    case gradientDescent = "gradient-descent"
    case proximalGradient = "proximal-gradient"
    case heavyBall = "heavy-ball"
    case nesterov
    case fista

    var rule: any UpdateRule {
      switch self {
      case .gradientDescent: GradientDescent(stepRule: .instance)
      case .proximalGradient: ProximalGradient()
      case .heavyBall: MomentumDescent(.heavyBall, stepRule: .instance, momentum: 0.5)
      case .nesterov: MomentumDescent(.nesterov, stepRule: .instance, momentum: 0.5)
      case .fista: FISTA()
      }
    }

    var hasProx: Bool { self != .gradientDescent }
  }

  /// Problems on which every clean rule is known to reach 1e-6 well within the budget.
  private static let families = [
    "quadratic-n2-k10", "quadratic-n10-k10", "quadratic-wide", "huber", "lasso", "logistic-l1",
    "non-negative", "absolute",
  ]

  private struct Work: Sendable {
    var key: String
    var run: @Sendable () throws -> Outcome
  }

  private enum Outcome: Sendable {
    case fault(FaultUnit)
    case clean(CleanUnit)
  }

  /// Runs what is not on file yet; `progress` hears how far it is.
  ///
  /// - Throws: `StorageError`, or whatever a problem's solution throws.
  public func run(
    isCancelled: @escaping @Sendable () -> Bool = { false },
    progress: (_ done: Int, _ total: Int, _ what: String) -> Void = { _, _, _ in }
  ) throws -> Results {
    var results = Results()
    if let file, FileManager.default.fileExists(atPath: file.path) {
      results = try JSONFile.read(Results.self, from: file)
    }
    results.thinning = thinning
    let done = Set(results.faults.map(\.key) + results.clean.map(\.key))
    let all = try work().enumerated().filter { $0.offset % thinning == 0 }.map(\.element)
    let open = all.filter { !done.contains($0.key) }
    let batch = 16
    for first in stride(from: 0, to: open.count, by: batch) {
      if isCancelled() { break }
      let part = Array(open[first..<min(open.count, first + batch)])
      progress(all.count - open.count + first, all.count, part[0].key)
      for outcome in try Parallel.map(part, { try $0.run() }) {
        switch outcome {
        case .fault(let unit): results.faults.append(unit)
        case .clean(let unit): results.clean.append(unit)
        }
      }
      if let file { try JSONFile.write(results, to: file) }
    }
    // Equal studies give equal files, in whatever pieces they were run.
    let order = Dictionary(uniqueKeysWithValues: all.enumerated().map { ($1.key, $0) })
    results.faults = results.faults.filter { order[$0.key] != nil }
      .sorted { order[$0.key, default: 0] < order[$1.key, default: 0] }
    results.clean = results.clean.filter { order[$0.key] != nil }
      .sorted { order[$0.key, default: 0] < order[$1.key, default: 0] }
    return results
  }

  private func work() throws -> [Work] {
    let suite = try ProblemSuite.families.filter { Self.families.contains($0.name) }
      .map { try $0.problem() }
    guard faults == nil else { return ruleFaults(on: suite) }
    return ruleFaults(on: suite) + derivativeFaults() + ownFaults() + cleanRuns()
  }

  // MARK: Rules

  private func ruleFaults(on suite: [SolvedProblem]) -> [Work] {
    Base.allCases.flatMap { base in
      RuleFault.all.filter {
        (base.hasProx || !$0.needsProx) && faults?.contains($0.name) != false
      }.flatMap { fault in
        fault.sizes.map { size in
          let key = "\(base.rawValue)/\(fault.name)/\(size)"
          return Work(key: key) { [seed] in
            func faulty(_ rule: some UpdateRule) -> any Candidate {
              NativeCandidate(
                FaultyRule(
                  base: rule, fault: fault, size: size,
                  needs: base.hasProx ? [.gradient, .prox] : [.gradient]), name: rule.name)
            }
            let results = try Verification(
              faulty(base.rule), on: try fault.ground(suite, size: size), seed: seed,
              budget: 3_000_000, starts: 2, threads: 1
            ).run()
            let cells = results.findings.flatMap(\.trials).map(\.result)
            return .fault(
              FaultUnit(
                rule: base.rawValue, fault: fault.name, place: fault.place.rawValue, size: size,
                caughtBy: results.findings.filter { $0.verdict == .violated }.map(\.claim.id),
                violated: cells.count { $0.verdict == .violated },
                undecided: cells.count { $0.verdict == .inconclusive }, cells: cells.count,
                certain: Self.certain(fault, size, cells, on: suite)))
          }
        }
      }
    }
  }

  /// The verdicts of the cells that `fault` is known to break: on smooth problems, at sizes well
  /// above the level at which a run counts as arrived.
  private static func certain(
    _ fault: RuleFault, _ size: Double, _ cells: [CheckResult], on suite: [SolvedProblem]
  ) -> [String: Int]? {
    guard !fault.breaks.isEmpty, size >= 1e-4 else { return nil }
    let smooth = Set(suite.filter { $0.kind == .smooth }.map(\.name))
    let those = cells.filter { cell in
      fault.breaks.contains { cell.claim.id.hasPrefix($0) }
        && smooth.contains { cell.subject.hasSuffix(" on " + $0) }
    }
    return Dictionary(grouping: those, by: \.verdict.name).mapValues(\.count)
  }

  // MARK: Derivatives

  /// A learned rule for the faults of gradients.
  private struct Learned: Sendable {
    var name: String
    var initial: any LearnedUpdateRule
    var trained: Parameters
  }

  private func learned() throws -> [Learned] {
    let architecture = CoordMathDNN.Architecture(widths: [2, 16])
    let dnn = try CoordMathDNN(
      architecture: architecture,
      parameters: CoordMathDNN.initialParameters(architecture, .qr, scale: 2, seed: seed),
      stepRule: .instance)
    let network = RecurrentNetwork(hidden: 6)
    guard let pa = RecurrentParts.Architecture.variant("PA", network: network) else {
      preconditionFailure("there is a variant PA")
    }
    let lstm = CoordMathLSTM(
      try RecurrentParts(pa, parameters: pa.initialParameters(seed: seed)))
    return [
      Learned(name: dnn.name, initial: dnn, trained: moved(dnn.parameters)),
      Learned(name: lstm.name, initial: lstm, trained: moved(lstm.parameters)),
    ]
  }

  /// Weights off their initial values, as training leaves them.
  private func moved(_ parameters: Parameters) -> Parameters {
    var result = parameters
    var rng = SplitMix64(seed: seed)
    for i in result.tensors.indices {
      for j in result.tensors[i].elements.indices {
        result.tensors[i].elements[j] += 0.1 * rng.normal()
      }
    }
    return result
  }

  private func derivativeFaults() -> [Work] {
    guard let rules = try? learned(),
      let solved = try? ProblemSuite.families.first(where: { $0.name == "quadratic-rotated" })?
        .problem(), let problem = solved.problem as? Regression
    else { preconditionFailure("the suite has a rotated quadratic") }
    let start = Trial(NativeCandidate(GradientDescent()), on: solved, seed: seed)
      .start(0, around: solved.minimisers[0])
    return rules.flatMap { entry in
      DerivativeFault.all.flatMap { fault in
        fault.sizes.map { size in
          let key = "\(entry.name)/\(fault.name)/\(size)"
          return Work(key: key) { [seed] in
            func caught(_ rule: some LearnedUpdateRule, _ parameters: Parameters) -> Bool {
              fault.caught(
                rule, at: parameters, on: problem, from: start, horizon: 12, size: size,
                seed: seed)
            }
            let atStart = caught(entry.initial, entry.initial.parameters)
            let after = caught(entry.initial, entry.trained)
            return .fault(
              FaultUnit(
                rule: entry.name, fault: fault.name, place: "derivative", size: size,
                caughtBy: after ? ["G"] : [], caughtAtInitialization: atStart ? ["G"] : [],
                violated: after ? 1 : 0, undecided: 0, cells: 1))
          }
        }
      }
    }
  }

  // MARK: Initialisation, training, problems

  /// The mutants that checks of weights, trainings and problems ship, and their clean cases.
  private func ownFaults() -> [Work] {
    allChecks.filter { !($0 is any TrialCheck) }.flatMap { ownFaults(of: $0) }
  }

  private func ownFaults(of check: some Check) -> [Work] {
    let id = check.claim.id
    let place = Self.place(of: id)
    // What no verdict is due on is a hard case, not a fault.
    let faults = check.mutants.indices.filter { check.mutants[$0].expected != .inconclusive }
    let rule = "cases of \(id)"
    return faults.map { i in
      let (fault, size) = (check.mutants[i].fault, check.mutants[i].size)
      return Work(key: "\(rule)/\(fault)/\(size)") {
        let mutant = check.mutants[i]
        let verdict = check.run(mutant.subject).verdict
        let isCaught = verdict == .violated || verdict == .premiseFails
        return .fault(
          FaultUnit(
            rule: rule, fault: fault, place: place, size: size, caughtBy: isCaught ? [id] : [],
            violated: isCaught ? 1 : 0, undecided: verdict == .inconclusive ? 1 : 0, cells: 1))
      }
    } + [
      Work(key: "clean/\(rule)/\(seed)") { [seed] in
        let results = check.cleanCases.filter { $0.expected == .holds }.map {
          check.run($0.subject)
        }
        return .clean(
          CleanUnit(
            rule: rule, seed: seed,
            verdicts: Dictionary(grouping: results, by: \.verdict.name).mapValues(\.count),
            alarms: results.filter { $0.verdict == .violated }.map(\.reason)))
      }
    ]
  }

  /// Where the faults of a check sit.
  private static func place(of id: String) -> String {
    switch id {
    case "I1", "I2", "I3", "I4": "initialisation"
    case "T1", "T2", "T2g", "T3", "T4", "T7", "D3": "trainer"
    case "D1", "D2", "D2L": "descent step"
    case "F": "problem"
    case "PROX": "prox"
    case "S5", "S6": "scheme"
    default: "derivative"
    }
  }

  // MARK: Clean runs

  private func cleanRuns() -> [Work] {
    Base.allCases.flatMap { base in
      (0..<cleanSeeds).map { i in
        let own = seed &+ UInt64(i)
        return Work(key: "clean/\(base.rawValue)/\(own)") {
          let suite = try ProblemSuite.families.filter { Self.families.contains($0.name) }
            .map { try $0.problem(ProblemFamily.Draw(seed: 1000 + own)) }
          func candidate(_ rule: some UpdateRule) -> any Candidate { NativeCandidate(rule) }
          let results = try Verification(
            candidate(base.rule), on: suite, seed: own, budget: 6_000_000, starts: 3, threads: 1
          ).run()
          let cells = results.findings.flatMap(\.trials).map(\.result)
          return .clean(
            CleanUnit(
              rule: base.rawValue, seed: own,
              verdicts: Dictionary(grouping: cells, by: \.verdict.name).mapValues(\.count),
              alarms: cells.filter { $0.verdict == .violated }.map {
                "\($0.claim.id) on \($0.subject): \($0.reason)"
              }))
        }
      }
    }
  }
}
