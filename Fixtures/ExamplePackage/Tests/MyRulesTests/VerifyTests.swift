import MyRules
import OptCheckTesting
import Testing

@Suite struct Soundness {
  /// Fixed points, convergence and structure on the default suite, in one line.
  @Test func heavyBall() async throws { try await verify(HeavyBall()) }

  @Test func learnedStep() async throws { try await verify(LearnedStep(theta: 0.7)) }

  /// Meant to fail, and does: FP1, GC1 and S1 are one issue each.
  @Test func biasedDescent() async throws {
    let known = Recorder()
    await withKnownIssue {
      known.results = try await verify(BiasedDescent())
    }
    let broken = known.results?.findings.filter { $0.verdict == .violated }.map(\.claim.id)
    #expect(broken == ["FP1", "GC1", "S1"])
  }
}

/// What a closure leaves behind.
private final class Recorder {
  var results: Verification.Results?
}
