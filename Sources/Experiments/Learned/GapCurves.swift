public import Engine
import Foundation
public import Optimization

/// How fast a rule closes the gap on many instances of a problem.
public struct GapCurve: Sendable, Hashable, Codable {
  /// The rule, for people.
  public var label: String
  /// The mean over instances of (F(x_t) - F*) / F*, for t from 0 to the horizon.
  public var mean: [Double]
  /// The median over instances, t by t.
  public var median: [Double]
  /// The relative gap of every instance at chosen iterations.
  public var gaps: [Int: [Double]]
  /// The first iteration whose value is not finite; nil if all are.
  public var firstNonFinite: Int?

  /// The first t whose mean gap is at most `level`; nil if there is none.
  public func iterations(to level: Double) -> Int? { mean.firstIndex { $0 <= level } }
}

/// Gap curves of several rules on the same instances from the same start.
public struct GapStudy: Sendable {
  /// The instances.
  public var problem: any SeparableProblem
  /// F* of every instance.
  public var minima: [Double]
  /// x_0, n entries.
  public var start: Vector
  /// Number of iterations.
  public var horizon: Int
  /// Iterations at which every instance's gap is kept.
  public var marks: [Int]
  /// Instances that run together; the draws of a rule's random state depend on it.
  public var chunk: Int
  /// Threads; no bit of a result depends on it.
  public var threads: Int

  /// Creates a study; the start is 0 unless given.
  public init(
    problem: any SeparableProblem, minima: [Double], start: Vector? = nil, horizon: Int,
    marks: [Int] = [], chunk: Int = 16, threads: Int = Parallel.coreCount
  ) {
    precondition(minima.count == problem.instanceCount, "\(minima.count) minima")
    precondition(chunk >= 1 && horizon >= 1, "chunk \(chunk), horizon \(horizon)")
    self.problem = problem
    self.minima = minima
    self.start = start ?? Vector(zeros: problem.dimension)
    self.horizon = horizon
    self.marks = marks
    self.chunk = chunk
    self.threads = threads
  }

  /// (F - F*) / F*, and F itself where the minimum is 0, as for data that x = 0 fits exactly.
  public static func relativeGap(_ value: Double, minimum: Double) -> Double {
    minimum == 0 ? value : (value - minimum) / abs(minimum)
  }

  /// The curve of `rule`.
  public func curve(_ label: String, _ rule: any UpdateRule) -> GapCurve {
    let count = problem.instanceCount
    let parts: [[[Double]]] =
      (try? Parallel.map(ranges, threads: threads) { relativeGaps(of: rule, in: $0) }) ?? []
    // gaps[t] holds all instances.
    let gaps = (0...horizon).map { t in parts.flatMap { $0[t] } }
    return GapCurve(
      label: label, mean: gaps.map { $0.reduce(0, +) / Double(count) },
      median: gaps.map { $0.sorted()[(count - 1) / 2] },
      gaps: Dictionary(
        uniqueKeysWithValues: marks.filter { $0 <= horizon }.map { ($0, gaps[$0]) }),
      firstNonFinite: gaps.firstIndex { !$0.allSatisfy(\.isFinite) })
  }

  /// What runs together.
  var ranges: [Range<Int>] {
    let count = problem.instanceCount
    return stride(from: 0, to: count, by: chunk).map { $0..<min(count, $0 + chunk) }
  }

  /// The relative gaps of the instances in `range`, one of ``ranges``, for every t; NaN from where a run leaves
  /// the numbers.
  func relativeGaps(of rule: any UpdateRule, in range: Range<Int>) -> [[Double]] {
    values(of: rule, in: range).map { values in
      zip(values, minima[range]).map { Self.relativeGap($0, minimum: $1) }
    }
  }

  /// The values of the instances in `range` for every t; NaN from where a run leaves the numbers.
  private func values(of rule: any UpdateRule, in range: Range<Int>) -> [[Double]] {
    func run(_ problem: some SeparableProblem) -> [[Double]] {
      let d = problem.coordinatesPerInstance
      let part = problem.instances(range)
      let x = Vector(Array(start.elements[(range.lowerBound * d)..<(range.upperBound * d)]))
      func run(_ rule: some UpdateRule) -> Trajectory {
        unroll(rule, on: part, from: x, horizon: horizon)
      }
      let values = run(rule).values
      let missing = [Double](repeating: .nan, count: range.count)
      return values + Array(repeating: missing, count: horizon + 1 - values.count)
    }
    return run(problem)
  }
}

/// Two rules on the same instances, instance by instance.
public struct PairedComparison: Sendable, Hashable, Codable {
  /// Number of instances.
  public var count: Int
  /// Instances on which the first rule's number is the smaller one.
  public var wins: Int
  /// The median of log10(first / second): decades gained, negative if the first is smaller.
  public var median: Double
  /// An interval that holds the median with a probability of at least 95 %.
  public var interval: ClosedRange<Double>

  /// Compares positive numbers of the same instances.
  ///
  /// Numbers below `floor` count as `floor`: what an error bar does not tell apart is no lead.
  ///
  /// The interval's ends are order statistics; their ranks follow from the binomial distribution,
  /// whatever the distribution of the numbers.
  public init(_ first: [Double], _ second: [Double], floor: Double = 0) {
    precondition(first.count == second.count && !first.isEmpty, "\(first.count), \(second.count)")
    let (first, second) = (first.map { max($0, floor) }, second.map { max($0, floor) })
    let ratios = zip(first, second).map { log10($0 / $1) }.sorted()
    let n = ratios.count
    count = n
    wins = zip(first, second).count { $0 < $1 }
    median = (ratios[(n - 1) / 2] + ratios[n / 2]) / 2
    let cut = Self.rank(n)
    interval = ratios[cut]...ratios[n - 1 - cut]
  }

  /// The largest k with P(fewer than k + 1 of n fair coins show heads) <= 2.5 %, or 0.
  static func rank(_ n: Int) -> Int {
    var (sum, k) = (0.0, 0)
    while k < n / 2 {
      sum += exp(
        lgamma(Double(n + 1)) - lgamma(Double(k + 1)) - lgamma(Double(n - k + 1))
          - Double(n) * log(2))
      if sum > 0.025 { break }
      k += 1
    }
    return max(0, k - 1)
  }
}
