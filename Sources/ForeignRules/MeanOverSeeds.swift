public import Engine
public import Optimization

/// A random rule in another process, judged by the mean of its iterates over several seeds.
///
/// A process holds one run at a time, so every seed has a process of its own; each sees the problem at
/// its own iterate.
public final class MeanOverSeeds: Candidate {
  private let rules: [ForeignRule]

  /// The seeds that the mean is over, counted from a run's own.
  public static let count = 5

  /// Starts the other processes beside `first`.
  ///
  /// - Throws: `CandidateError.failedToSpeak`.
  public init(_ first: ForeignRule, others: () throws -> ForeignRule) throws {
    var rules = [first]
    do {
      for _ in 1..<Self.count { rules.append(try others()) }
    } catch {
      for rule in rules.dropFirst() { rule.close() }
      throw error
    }
    self.rules = rules
  }

  public var name: String { rules[0].name }
  public var oracles: Set<Oracle> { rules[0].oracles }
  public var remembersIterates: Bool { rules[0].remembersIterates }
  public var trainedHorizon: Int? { rules[0].trainedHorizon }
  public var precision: Precision { rules[0].precision }
  public var dimension: Int? { rules[0].dimension }
  public var isDeterministic: Bool { false }
  public var speed: Double { rules[0].speed / Double(Self.count) }
  public var isConcurrent: Bool { false }
  public var seedCount: Int { Self.count }

  public func objection(to problem: any Problem) -> String? { rules[0].objection(to: problem) }

  public func start(
    on problem: any Problem, from start: Vector, seed: UInt64
  ) throws -> any CandidateRun {
    MeanRun(
      try rules.enumerated().map { i, rule in
        try rule.start(on: problem, from: start, seed: seed &+ UInt64(i))
      })
  }

  /// Ends all processes.
  public func close() { for rule in rules { rule.close() } }
}

private final class MeanRun: CandidateRun {
  private let runs: [any CandidateRun]

  init(_ runs: [any CandidateRun]) { self.runs = runs }

  var x: Vector { mean(runs.map(\.x)) }
  var count: Int { runs[0].count }

  func advance() throws { for run in runs { try run.advance() } }

  func probe(
    at point: Vector, gradient: Vector?, settled: Bool, steps: Int
  ) throws -> [Vector] {
    let all = try runs.map {
      try $0.probe(at: point, gradient: gradient, settled: settled, steps: steps)
    }
    return (0..<steps).map { k in mean(all.map { $0[k] }) }
  }

  private func mean(_ points: [Vector]) -> Vector {
    var sum = points[0]
    for point in points.dropFirst() { sum.add(1, point) }
    return sum.scaled(by: 1 / Double(points.count))
  }
}
