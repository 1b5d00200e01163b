import Engine
import Optimization

/// A problem whose gradient is rounded in another way, as another BLAS kernel would do it.
///
/// Two units in the last place of what is summed: |∇f| and L ‖x‖. The draw is a function of x and
/// `salt` alone, so that a run on it can be replayed.
struct RoundedProblem<Base: Problem>: Problem {
  let base: Base
  let salt: UInt64

  var name: String { base.name }
  var dimension: Int { base.dimension }
  var instanceCount: Int { base.instanceCount }
  var smoothness: [Double] { base.smoothness }
  var minimumValue: Double? { base.minimumValue }
  var regularizer: any Regularizer { base.regularizer }
  var reportedScale: Double { base.reportedScale }

  func values(at x: Vector) -> [Double] { base.values(at: x) }

  func gradient(at x: Vector, into g: inout Vector) {
    base.gradient(at: x, into: &g)
    let size = base.largestSmoothness * x.norm
    // Nothing is summed where f = 0, and so nothing is rounded.
    guard size.isFinite, g.elements.contains(where: { $0 != 0 }) else { return }
    var bits = salt
    for value in x.elements { bits = bits &* 0x100_0000_01b3 ^ value.bitPattern }
    var rng = SplitMix64(seed: bits)
    for j in 0..<g.count {
      g[j] += 2 * Double.ulpOfOne * (abs(g[j]) + size) * (2 * rng.uniform() - 1)
    }
  }
}

extension Candidate {
  /// A run on `problem` from `start`; with a salt, one that is rounded in another way from there on.
  func start(
    on problem: any Problem, from start: Vector, seed: UInt64, salt: UInt64?
  ) throws -> any CandidateRun {
    guard let salt else { return try self.start(on: problem, from: start, seed: seed) }
    var rng = SplitMix64(seed: salt)
    let moved = Vector(
      start.elements.map { $0 * (1 + 2 * Double.ulpOfOne * (2 * rng.uniform() - 1)) })
    // A rule that reads data needs the problem itself.
    if oracles.contains(.data) { return try self.start(on: problem, from: moved, seed: seed) }
    func rounded(_ base: some Problem) throws -> any CandidateRun {
      try self.start(on: RoundedProblem(base: base, salt: salt), from: moved, seed: seed)
    }
    return try rounded(problem)
  }
}
