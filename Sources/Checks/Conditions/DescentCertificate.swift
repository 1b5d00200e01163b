import Engine
import Optimization

/// The certificate of linear convergence on smooth problems, step by step.
struct DescentCertificate {
  private let problem: SolvedProblem
  private let smoothness: Double
  private let initialGradient: Double
  private var least = Double.infinity
  private var worst = Double.infinity
  /// The least γ_t of every window.
  private(set) var margins: [Double] = []

  init(_ problem: SolvedProblem, at start: Vector) {
    self.problem = problem
    smoothness = problem.smoothness
    initialGradient = problem.problem.gradient(at: start).norm
  }

  mutating func add(from x: Vector, to next: Vector, step: Int) {
    let g = problem.problem.gradient(at: x)
    let size = g.norm
    // Below this the step is rounding, and the gap 1e-14 of what it was.
    guard size > 1e-7 * initialGradient else { return }
    let move = x - next
    let margin =
      smoothness * (move.dot(g) - smoothness / 2 * move.dot(move)) / (size * size)
    least = min(least, margin.isNaN ? -.infinity : margin)
    worst = min(worst, least)
  }

  mutating func closeWindow() {
    if least < .infinity { margins.append(least) } else { margins.append(worst) }
    least = .infinity
  }

  /// 1 - 2 β₀ γ / L with the least γ so far.
  var rate: Double? {
    guard let dominance = problem.gradientDominance, worst < .infinity else { return nil }
    return 1 - 2 * dominance * worst / smoothness
  }
}
