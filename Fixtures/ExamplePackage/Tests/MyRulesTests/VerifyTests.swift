import MyRules
import OptCheckTesting
import Synchronization
import Testing

@Suite struct Soundness {
  /// Fixed points, convergence and structure on the default suite, in one line.
  @Test func heavyBall() async throws { try await verify(HeavyBall()) }

  @Test func learnedStep() async throws { try await verify(LearnedStep(theta: 0.7)) }

  /// Meant to fail, and does: FP1, GC1 and S1 are one issue each, and no other is known.
  @Test func biasedDescent() async throws {
    let known = Recorder()
    try await withKnownIssue {
      known.results = try await verify(BiasedDescent())
    } matching: { issue in
      let text = issue.comments.map(\.rawValue).joined()
      guard let id = ["FP1", "GC1", "S1"].first(where: { text.contains(": \($0) violated") }) else {
        return false
      }
      known.add(id)
      return true
    }
    #expect(known.issues.sorted() == ["FP1", "GC1", "S1"])
    let broken = known.results?.findings.filter { $0.verdict == .violated }.map(\.claim.id)
    #expect(broken == ["FP1", "GC1", "S1"])
  }
}

/// Laws of one's own, on problems drawn from a seed.
@Suite struct Laws {
  private let generator = ProblemGenerator(
    families: ProblemSuite.families.filter { $0.kind == .smooth }, dimensions: 2...6)

  /// Steps below 2/L never climb, whatever the problem.
  @Test func learnedStepNeverClimbs() throws {
    let found = try generator.smallest(seed: 7, count: 50) { solved in
      try !Self.descends(LearnedStep(theta: 1.9), on: solved)
    }
    #expect(found == nil, "\(found?.problem.name ?? "")")
  }

  /// Momentum may climb, and two unknowns are enough to show it.
  @Test func heavyBallClimbs() throws {
    let found = try generator.smallest(seed: 7) { solved in
      try !Self.descends(HeavyBall(momentum: 0.9), on: solved)
    }
    #expect(found?.problem.problem.dimension == 2)
  }

  private static func descends(_ rule: some UpdateRule, on solved: SolvedProblem) throws -> Bool {
    let start = solved.minimisers[0].moved(
      solved.length, Vector([Double](repeating: 1, count: solved.problem.dimension)))
    let run = try NativeCandidate(rule).start(on: solved.problem, from: start, seed: 1)
    var value = solved.problem.value(at: start)
    // What rounding of F leaves.
    let slack = 64 * Double.ulpOfOne * abs(value)
    for _ in 0..<50 {
      try run.advance()
      let next = solved.problem.value(at: run.x)
      if next > value + slack { return false }
      value = next
    }
    return true
  }
}

/// What closures leave behind.
private final class Recorder: Sendable {
  private let state = Mutex((results: Verification.Results?.none, issues: [String]()))

  var results: Verification.Results? {
    get { state.withLock { $0.results } }
    set { state.withLock { $0.results = newValue } }
  }

  var issues: [String] { state.withLock { $0.issues } }

  func add(_ issue: String) { state.withLock { $0.issues.append(issue) } }
}
