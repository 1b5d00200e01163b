import Catalog
import Foundation
import Optimization

/// How many problems rules solve, and how soon: performance, data and target profiles.
///
/// Time is in whole steps: the first from which on the gap stays at or below a target, one of 10^{-j/2}
/// for j = 1 to 24, relative to the start's gap. All rules start from the same points.
///
/// Only problems take part on which every rule runs. A rule that cannot be asked for a proximal
/// operator has not failed on the LASSO, and counting it as never solved would measure what a rule is
/// made for. What leaves the finite numbers, or is not there by the last step, is never solved.
public struct Profiles: Sendable, Hashable, Codable {
  /// Names of rules.
  public let rules: [String]
  /// Family and seed of every problem that takes part.
  public let problems: [String]
  /// Families that every rule was measured on but not every rule runs on.
  public let leftOut: [LeftOut]
  /// K, the least of all rules' horizons: later arrivals are never solved.
  public let horizon: Int
  /// Steps to targets, rule by rule, problem by problem; targets beyond the last that is reached are
  /// left out.
  public let steps: [[[Int?]]]

  /// A family that takes no part, and why.
  public struct LeftOut: Sendable, Hashable, Codable {
    /// Its name.
    public var family: String
    /// The rules that do not run on it.
    public var rules: [String]
  }

  /// The profiles of rules on what all of them were measured on and run on; without problems where
  /// there is no such thing.
  public init(_ records: [GateRecord]) {
    precondition(!records.isEmpty, "no rule")
    func shared<Value: Hashable>(_ values: (GateSuite) -> [Value]) -> [Value] {
      values(records[0].suite).filter { value in
        records.allSatisfy { values($0.suite).contains(value) }
      }
    }
    let families = shared(\.families)
    let seeds = Set(shared(\.seeds))
    let cells = records.map { record in
      Dictionary(
        record.cells.filter { families.contains($0.family) && seeds.contains($0.seed) }
          .map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
    }
    let horizon = records.map(\.suite.horizon).min() ?? 0
    let problems = records[0].cells.map(\.key).filter { key in
      cells.allSatisfy { $0[key] != nil }
    }
    rules = records.map(\.rule)
    self.horizon = horizon
    self.problems = problems
    leftOut = families.compactMap { family in
      let idle = records.filter { record in !record.cells.contains { $0.family == family } }
      return idle.isEmpty ? nil : LeftOut(family: family, rules: idle.map(\.rule))
    }
    steps = cells.map { cells in
      problems.map { key in
        (cells[key]?.times ?? []).map { time in
          // Between steps k - 1 and k the interpolated time lies in (k - 1, k].
          guard time.isFinite, time.rounded(.up) <= Double(horizon) else { return nil }
          return max(1, Int(time.rounded(.up)))
        }
      }
    }
  }

  /// The records of rules that run on all smooth problems that they were measured on, or on all
  /// problems where none is smooth: what is compared where nobody chose.
  ///
  /// A rule made for one family would leave that one alone, or none.
  public static func general(_ records: [GateRecord]) -> [GateRecord] {
    let smooth = ProblemSuite.families.filter { $0.kind == .smooth }.map(\.name)
    return records.filter { record in
      let asked = record.suite.families.filter(smooth.contains)
      return (asked.isEmpty ? record.suite.families : asked).allSatisfy { family in
        record.cells.contains { $0.family == family }
      }
    }
  }

  /// Target number j of 1 to 24 is 10^{-j/2}.
  public static var targetCount: Int { GateSuite.levels.count }

  /// The targets whose profiles a report shows, by their numbers: gaps of 10⁻³ and 10⁻⁶.
  public static let accuracies = [6, 12]

  /// The gap that target number `target` asks for.
  public static func gap(_ target: Int) -> Double { GateSuite.levels[target - 1] }

  /// Steps of a rule to a target on a problem; nil if it never gets there.
  func time(_ rule: Int, _ problem: Int, _ target: Int) -> Int? {
    let own = steps[rule][problem]
    return target <= own.count ? own[target - 1] : nil
  }

  /// Rule by rule the share of problems solved to a target within τ times the best rule's steps.
  ///
  /// After Dolan and Moré (2002). Rules that tie are all the best; a problem that no rule solves counts.
  public func performance(_ target: Int) -> [ShareCurve] {
    let best = problems.indices.map { problem in
      rules.indices.compactMap { time($0, problem, target) }.min()
    }
    return rules.indices.map { rule in
      ShareCurve(
        problems.indices.map { problem in
          guard let own = time(rule, problem, target), let best = best[problem] else { return nil }
          return Double(own) / Double(best)
        })
    }
  }

  /// Rule by rule the share of problems solved to a target within k steps.
  ///
  /// Moré and Wild (2009) divide by n + 1, the function values that make a simplex gradient. A step here asks for a
  /// gradient whatever n is, so the unit is the step.
  public func data(_ target: Int) -> [ShareCurve] {
    rules.indices.map { rule in
      ShareCurve(problems.indices.map { time(rule, $0, target).map(Double.init) })
    }
  }

  /// Rule by rule the share of pairs of a problem and a target that are reached within k steps.
  ///
  /// As in COCO (Hansen and others 2021); the mean of ``data(_:)`` over all targets.
  public func targets() -> [ShareCurve] {
    rules.indices.map { rule in
      ShareCurve(
        problems.indices.flatMap { problem in
          (1...Self.targetCount).map { time(rule, problem, $0).map(Double.init) }
        })
    }
  }

  /// The steps that areas are taken over: 1 to K.
  public var stepRange: ClosedRange<Double> { 1...Double(max(horizon, 2)) }

  /// The rules by their numbers, those with the largest area under ``targets()`` first.
  public var ranking: [Int] {
    let areas = targets().map { $0.area(stepRange) }
    return rules.indices.sorted { (-areas[$0], $0) < (-areas[$1], $1) }
  }

  /// ``ranking``, rules that take the same steps to all targets together: their curves are one.
  public var alike: [[Int]] {
    ranking.reduce(into: []) { groups, rule in
      if let place = groups.firstIndex(where: { steps[$0[0]] == steps[rule] }) {
        groups[place].append(rule)
      } else {
        groups.append([rule])
      }
    }
  }
}
