public import Engine
public import Optimization

/// Chebyshev's semi-iterative method: the best polynomial for curvatures in [μ, L], by recurrence.
///
/// For quadratics; it knows both ends of every instance's spectrum. After k steps the error is that of
/// the scaled Chebyshev polynomial, whatever the horizon (Golub and Varga 1961).
public struct ChebyshevIteration: UpdateRule {
  public let name = "chebyshev"
  /// μᵢ of the instances, N positive numbers: the least curvature that the start can see.
  public let curvature: [Double]

  /// Creates the rule.
  public init(curvature: [Double]) {
    precondition(curvature.allSatisfy { $0 > 0 }, "\(curvature)")
    self.curvature = curvature
  }

  /// The last move, the recurrence's numbers of every instance, and room for a gradient.
  public struct State: Sendable {
    var move: Vector
    var gradient: Vector
    let centre: [Double]
    let radius: [Double]
    var ratio: [Double]
    var isFirst = true
  }

  public func initialState<P: Problem>(for problem: P) -> State {
    precondition(curvature.count == problem.instanceCount, "\(curvature.count) curvatures")
    let ends = zip(curvature, problem.smoothness)
    let centre = ends.map { ($0 + $1) / 2 }
    let radius = ends.map { ($1 - $0) / 2 }
    return State(
      move: Vector(zeros: problem.dimension), gradient: Vector(zeros: problem.dimension),
      centre: centre, radius: radius, ratio: zip(radius, centre).map { $0 / $1 })
  }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    problem.gradient(at: x, into: &state.gradient)
    let n = problem.coordinatesPerInstance
    for i in 0..<problem.instanceCount {
      var (keep, gain) = (0.0, 1 / state.centre[i])
      if !state.isFirst {
        let next = state.radius[i] / (2 * state.centre[i] - state.radius[i] * state.ratio[i])
        // With one curvature only there is nothing left to do after the first step.
        gain = 2 / (2 * state.centre[i] - state.radius[i] * state.ratio[i])
        keep = next * state.ratio[i]
        state.ratio[i] = next
      }
      for j in (i * n)..<((i + 1) * n) {
        state.move[j] = keep * state.move[j] - gain * state.gradient[j]
        x[j] += state.move[j]
      }
    }
    state.isFirst = false
  }
}
