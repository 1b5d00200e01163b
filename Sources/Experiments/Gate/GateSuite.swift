import Catalog
import Foundation
public import Optimization

/// What a rule is measured on for the regression gate: families of problems, each from a few seeds.
public struct GateSuite: Sendable, Hashable, Codable {
  /// Names of families of ``ProblemSuite``.
  public var families: [String]
  /// Of the problems' data and of the starts; a cell is a family with a seed.
  public var seeds: [UInt64]
  /// K, the steps of every run.
  public var horizon: Int
  /// Runs beside each, rounded in another way: what differs between them is noise.
  public var twins: Int

  /// Creates a suite.
  public init(families: [String], seeds: [UInt64], horizon: Int = 1000, twins: Int = 4) {
    self.families = families
    self.seeds = seeds
    self.horizon = horizon
    self.twins = twins
  }

  /// Everything but what resembles its neighbour too much to tell more.
  public static let standardFamilies = [
    "quadratic-n10-k10", "quadratic-n10-k1e4", "quadratic-rotated", "quadratic-wide", "logistic",
    "huber", "lasso", "lasso-repeated", "logistic-l1", "non-negative", "simplex", "absolute",
  ]

  /// The suite for `rule`: a slow rule gets fewer seeds and steps, so that it too takes seconds.
  public static func standard(for rule: any Candidate, seeds: [UInt64]? = nil) -> GateSuite {
    let isSlow = rule.speed < 0.1
    return GateSuite(
      families: standardFamilies, seeds: seeds ?? (isSlow ? [1, 2] : [1, 2, 3, 4, 5]),
      horizon: isSlow ? 200 : 1000)
  }

  /// The gaps whose times are kept, relative to the start's: two for each decade.
  static let levels = (1...24).map { pow(10, -Double($0) / 2) }

  /// The steps whose gaps are kept.
  static let marks = [1, 10, 100, 1000]
}
