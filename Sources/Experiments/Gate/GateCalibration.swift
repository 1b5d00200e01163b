import Catalog
public import Engine
import Foundation
import Optimization
import Storage

/// Target Q1: how often the regression gate answers wrongly, and what it sees.
///
/// A comparison is one rule on all families from three seeds. The same code runs in several
/// environments; answers other than `same` between any two are false alarms, as are those between
/// blocks of seeds of one environment. Rules whose contraction ρ became ρ^0.99 or ρ^1.01 must be
/// called worse and better, also against records of another environment.
public struct GateCalibration: Sendable {
  /// A way to run the same code.
  public struct Environment: Sendable, Hashable, Codable {
    /// What differs, in words.
    public var name: String
    /// Records of the rules from the seeds, made there.
    public var records: [GateRecord]

    /// Puts records beside the name of where they were made.
    public init(name: String, records: [GateRecord]) {
      self.name = name
      self.records = records
    }
  }

  /// Seeds in a comparison.
  public static let blockSize = 3

  /// The rules: all that need no weights and take no constant step, so that a contraction exists.
  public static let standardRules = [
    "gradient-descent", "gradient-descent:1.5", "heavy-ball", "heavy-ball:0.5", "nesterov",
    "nesterov:0.5", "proximal-gradient", "fista", "l-bfgs", "CoordMathDNN",
  ]

  /// Names of the rules.
  public var rules: [String]
  /// Blocks of seeds; 25 make 1,000 comparisons of each kind with ten rules and five environments.
  public var blocks: Int
  /// Threads; no figure depends on it.
  public var threads: Int

  /// Plans it.
  public init(
    rules: [String] = standardRules, blocks: Int = 25, threads: Int = Parallel.coreCount
  ) {
    precondition(blocks >= 2, "\(blocks) blocks")
    self.rules = rules
    self.blocks = blocks
    self.threads = threads
  }

  /// The seeds of all blocks.
  public var seeds: [UInt64] { (1...UInt64(blocks * Self.blockSize)).map { $0 } }

  /// Comparisons of one kind of one rule, by answer.
  public struct Count: Sendable, Hashable, Codable {
    /// The rule.
    public var rule: String
    /// Answers.
    public var answers: [String: Int] = [:]
    /// The detection limits of the comparisons: the least change of all seeds of some family that would be
    /// seen; as a logarithm.
    public var limits: [Double] = []
    /// Comparisons that were answered otherwise than they should, in words; ten at most.
    public var misses: [String] = []

    /// All comparisons.
    public var total: Int { answers.values.reduce(0, +) }

    init(rule: String) { self.rule = rule }

    mutating func add(_ result: GateComparison.Rule, expected: GateAnswer, _ what: String) {
      answers[result.answer.rawValue, default: 0] += 1
      limits.append(result.limit)
      guard result.answer != expected, misses.count < 10 else { return }
      let first = result.families.first { $0.answer == result.answer } ?? result.families.first
      let effect = first.map {
        ", \($0.name) by \(Number.significant($0.effect.percent, digits: 2)) %"
      }
      misses.append("\(what): \(result.answer.rawValue)\(effect ?? "")")
    }
  }

  /// What was counted.
  public struct Results: Sendable, Hashable, Codable {
    /// Where the same code ran.
    public var environments: [String]
    /// Seeds in a comparison, and blocks of them.
    public var blockSize: Int
    public var blocks: Int
    /// The same code, same seeds, two environments.
    public var same: [Count]
    /// The same code and environment, other seeds.
    public var disjoint: [Count]
    /// ρ^0.99.
    public var slower: [Count]
    /// ρ^1.01.
    public var faster: [Count]
  }

  /// The records of all rules from all seeds, in this process; pace alone.
  ///
  /// - Parameter pace: of the rules' clocks, 1 for the rules themselves.
  public func records(
    pace: Double = 1, proceed: @Sendable () throws -> Void = {}
  ) throws -> [GateRecord] {
    try rules.map { name in
      let own = try CandidateCatalog.candidate(name, trained: nil)
      let rule = pace == 1 ? own : own.paced(pace) ?? own
      var suite = GateSuite.standard(for: own, seeds: seeds)
      // Slow rules too, so that a change of 1 % has room to show.
      suite.horizon = 1000
      return try GateStudy(
        rule, from: RuleSource(name), on: suite, parts: [.pace], threads: threads
      ).run(proceed: proceed)
    }
  }

  /// Compares what was measured; the first environment is that of `slower` and `faster`.
  public func results(
    _ environments: [Environment], slower: [GateRecord], faster: [GateRecord]
  ) -> Results {
    precondition(!environments.isEmpty, "no environment")
    let base = environments[0].records
    func counts(
      _ body: (_ rule: Int, _ block: Int, _ count: inout Count) -> Void
    ) -> [Count] {
      base.indices.map { rule in
        var count = Count(rule: base[rule].source.text)
        for block in 0..<blocks { body(rule, block, &count) }
        return count
      }
    }
    func compared(_ old: GateRecord, _ new: GateRecord) -> GateComparison.Rule {
      GateComparison(from: [old], to: [new]).rules[0]
    }
    func planted(_ records: [GateRecord], _ expected: GateAnswer) -> [Count] {
      counts { rule, block, count in
        for environment in environments.prefix(4) {
          count.add(
            compared(part(environment.records[rule], block), part(records[rule], block)),
            expected: expected, "block \(block), \(environment.name)")
        }
      }
    }
    return Results(
      environments: environments.map(\.name), blockSize: Self.blockSize, blocks: blocks,
      same: counts { rule, block, count in
        for environment in environments.dropFirst() {
          count.add(
            compared(part(base[rule], block), part(environment.records[rule], block)),
            expected: .same, "block \(block), \(environment.name)")
        }
      },
      disjoint: counts { rule, block, count in
        for distance in 1...min(4, blocks - 1) {
          let other = (block + distance) % blocks
          count.add(
            compared(part(base[rule], block), part(base[rule], other)), expected: .same,
            "blocks \(block) and \(other)")
        }
      },
      slower: planted(slower, .worse), faster: planted(faster, .better))
  }

  /// What a record holds of one block of seeds.
  private func part(_ record: GateRecord, _ block: Int) -> GateRecord {
    let own = Set(seeds[(block * Self.blockSize)..<((block + 1) * Self.blockSize)])
    var part = record
    part.suite.seeds = own.sorted()
    part.cells = record.cells.filter { own.contains($0.seed) }
    return part
  }
}

extension Candidate {
  /// The rule with another pace; nil for a rule that is not of this process.
  func paced(_ pace: Double) -> (any Candidate)? {
    func paced(_ rule: some UpdateRule) -> any Candidate {
      NativeCandidate(PacedRule(base: rule, pace: pace), name: name)
    }
    return updateRule.map { paced($0) }
  }
}
