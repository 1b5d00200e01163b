public import Checks
import Foundation

/// What became of rules since a baseline.
public struct GateComparison: Sendable, Hashable, Codable {
  /// One family of problems, all seeds together.
  public struct Family: Sendable, Hashable, Codable {
    /// Its name, or `training on` it.
    public var name: String
    /// What became of it.
    public var answer: GateAnswer
    /// More steps or larger losses than before, the mean over seeds.
    public var effect: Effect
    /// Seeds compared, and those beyond their own bars.
    public var cells: Int
    public var worse: Int
    public var better: Int
    /// Seeds whose bits agree.
    public var identical: Int
    /// The least change of every seed that would be seen.
    public var limit: Double
  }

  /// A check whose verdict has changed.
  public struct Change: Sendable, Hashable, Codable {
    /// Its id.
    public var check: String
    /// Before.
    public var old: Verdict
    /// Now.
    public var new: Verdict
    /// Why, now.
    public var reason: String
    /// Worse if it is violated now, better if it no longer is, else the same.
    public var answer: GateAnswer
  }

  /// One rule.
  public struct Rule: Sendable, Hashable, Codable {
    /// Its name.
    public var name: String
    /// What became of it.
    public var answer: GateAnswer
    /// More steps than before, the mean over families; nil where nothing was comparable.
    public var effect: Effect?
    /// Family by family, then trainings.
    public var families: [Family]
    /// Checks whose verdicts changed.
    public var changes: [Change]
    /// The least change that would be seen on some family.
    public var limit: Double
    /// Whether seeds are the same, so that they could be compared one by one.
    public var isPaired: Bool
    /// What else a reader should know.
    public var notes: [String]

    /// Whether a check is violated that was not.
    public var isNewlyViolated: Bool { changes.contains { $0.answer == .worse } }
  }

  /// Changes smaller than this, as a logarithm, are not worth an answer.
  public var margin: Double
  /// Rule by rule.
  public var rules: [Rule]

  /// A tenth of a percent.
  public static let defaultMargin = 1e-3

  /// Compares records of rules, old and new, by name.
  public init(
    from old: [GateRecord], to new: [GateRecord], margin: Double = defaultMargin
  ) {
    self.margin = margin
    let names =
      old.map(\.rule) + new.map(\.rule).filter { name in !old.contains { $0.rule == name } }
    rules = names.map { name in
      switch (old.first { $0.rule == name }, new.first { $0.rule == name }) {
      case (let old?, let new?): Rule(from: old, to: new, margin: margin)
      case (_?, nil): Rule(name, .gone)
      default: Rule(name, .new)
      }
    }
  }

  /// The worst answer of all: worse before gone before all else.
  public var answer: GateAnswer {
    let order: [GateAnswer] = [.worse, .gone, .better, .new, .same]
    return order.first { answer in rules.contains { $0.answer == answer } } ?? .same
  }
}

extension GateComparison.Rule {
  fileprivate init(_ name: String, _ answer: GateAnswer) {
    self.init(
      name: name, answer: answer, effect: nil, families: [], changes: [], limit: 0,
      isPaired: true, notes: [])
  }

  fileprivate init(from old: GateRecord, to new: GateRecord, margin: Double) {
    self.init(old.rule, .same)
    let twins = min(old.suite.twins, new.suite.twins)
    isPaired = !Set(old.suite.seeds).isDisjoint(with: new.suite.seeds)
    if old.suite.horizon != new.suite.horizon {
      notes.append("\(old.suite.horizon) steps before, \(new.suite.horizon) now")
    }
    if isPaired {
      families = Self.paired(old.cells, new.cells, \.key, \.family, margin) {
        Effect(from: $0, to: $1, twins: twins, margin: margin)
      }
    } else {
      notes.append("no seed in common: means over seeds are compared")
      let strata = Self.strata(old, new)
      families = strata.map { name, old, new in
        Self.unpaired(name, old, new, risk: Effect.unpairedRisk / Double(strata.count), margin)
      }
      // Families together show what none of them shows alone.
      if !strata.isEmpty {
        effect = .unpaired(strata.map { ($0.old, $0.new) }, risk: Effect.unpairedRisk)
      }
    }
    if isPaired, !families.isEmpty { effect = .mean(families.map(\.effect)) }
    limit = families.map(\.limit).min() ?? .infinity
    if !isPaired, let effect { limit = min(limit, effect.limit(margin: margin)) }
    families += Self.paired(
      old.training, new.training, \.key, { "training on \($0.family)" }, margin,
      { Effect(from: $0, to: $1, twins: twins) })
    if families.isEmpty { notes.append("no figure can be compared") }
    let lost = Set(old.cells.map(\.key)).subtracting(new.cells.map(\.key))
    let isNarrower = isPaired && !lost.isEmpty && new.suite == old.suite
    if isNarrower {
      notes.append("no longer runs on \(lost.sorted().joined(separator: ", "))")
    }
    changes = old.verdicts.compactMap { verdict in
      new.verdicts.first { $0.check == verdict.check }.flatMap {
        GateComparison.Change(from: verdict, to: $0)
      }
    }
    var answers = families.map(\.answer) + changes.map(\.answer)
    if !isPaired, let effect { answers.append(effect.answer(margin: margin)) }
    if isNarrower { answers.append(.worse) }
    answer = answers.contains(.worse) ? .worse : answers.contains(.better) ? .better : .same
  }

  /// Seed by seed, where one may be thrown off by rounding: of several, two must agree.
  private static func paired<Cell>(
    _ old: [Cell], _ new: [Cell], _ key: (Cell) -> String, _ family: (Cell) -> String,
    _ margin: Double, _ effect: (Cell, Cell) -> Effect?
  ) -> [GateComparison.Family] {
    old.map(family).firsts.compactMap { name in
      let effects = old.filter { family($0) == name }.compactMap { cell in
        new.first { key($0) == key(cell) }.flatMap { effect(cell, $0) }
      }
      guard !effects.isEmpty else { return nil }
      let answers = effects.map { $0.answer(margin: margin) }
      let (worse, better) = (answers.count { $0 == .worse }, answers.count { $0 == .better })
      let needed = min(2, effects.count)
      let limits = effects.map { $0.limit(margin: margin) }.sorted()
      return GateComparison.Family(
        name: name, answer: worse >= needed ? .worse : better >= needed ? .better : .same,
        effect: .mean(effects), cells: effects.count, worse: worse, better: better,
        identical: effects.count { $0 == .none }, limit: limits[needed - 1])
    }
  }

  /// The logarithms of the steps down to the last level that all seeds come to, family by family.
  private static func strata(
    _ old: GateRecord, _ new: GateRecord
  ) -> [(name: String, old: [Double], new: [Double])] {
    old.families.compactMap { name in
      let (a, b) = (old.cells(of: name), new.cells(of: name))
      guard a.count > 1, b.count > 1,
        let level = (0..<GateSuite.levels.count).last(where: { j in
          (a + b).allSatisfy { $0.reachesSurely(j) }
        })
      else { return nil }
      func logs(_ cells: [PaceCell]) -> [Double] { cells.map { log($0.mean(level).value) } }
      return (name, logs(a), logs(b))
    }
  }

  private static func unpaired(
    _ name: String, _ old: [Double], _ new: [Double], risk: Double, _ margin: Double
  ) -> GateComparison.Family {
    let effect = Effect.unpaired([(old, new)], risk: risk)
    return GateComparison.Family(
      name: name, answer: effect.answer(margin: margin), effect: effect,
      cells: min(old.count, new.count), worse: 0, better: 0, identical: 0,
      limit: effect.limit(margin: margin))
  }
}

extension Effect {
  /// The probability of a false answer where seeds differ.
  static let unpairedRisk = 1e-4

  /// The mean over strata of the difference of two means, with Welch's interval (Satterthwaite's
  /// degrees of freedom over all samples).
  static func unpaired(_ strata: [(old: [Double], new: [Double])], risk: Double) -> Effect {
    let count = Double(strata.count)
    var (size, variance, fourth) = (0.0, 0.0, 0.0)
    for (old, new) in strata {
      for (values, sign) in [(old, -1.0), (new, 1.0)] {
        let n = Double(values.count)
        let deviation = PaceCell.deviation(values)
        let square = deviation * deviation / n / (count * count)
        size += sign * values.reduce(0, +) / n / count
        variance += square
        fourth += square * square / (n - 1)
      }
    }
    guard variance > 0 else { return Effect(size: size, bar: 0) }
    return Effect(
      size: size,
      bar: StudentT.quantile(1 - risk / 2, freedom: variance * variance / fourth)
        * variance.squareRoot())
  }
}

extension GateComparison.Change {
  /// Nil where nothing has changed.
  fileprivate init?(from old: GateRecord.Verdict, to new: GateRecord.Verdict) {
    guard old.verdict != new.verdict else { return nil }
    check = old.check
    self.old = old.verdict
    self.new = new.verdict
    reason = new.reason
    answer = new.verdict == .violated ? .worse : old.verdict == .violated ? .better : .same
  }
}
