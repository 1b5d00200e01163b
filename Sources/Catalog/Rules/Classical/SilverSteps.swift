public import Engine
public import Optimization

/// Gradient descent with the silver steps, h_k = 1 + ρ^(ν(k) - 1) over L with ρ = 1 + √2.
///
/// ν(k) is the exponent of 2 in k = 1, 2, 3, ... No momentum and no knowledge beyond L, yet after
/// 2^m - 1 steps the worst case over smooth convex functions falls like k^-1.27 (Altschuler and Parrilo
/// 2023). Between those counts a long step may stand alone, and values rise.
public struct SilverSteps: UpdateRule {
  public let name = "silver-steps"
  /// How 1/L follows from the problem.
  public var stepRule: StepRule

  /// Creates the rule.
  public init(stepRule: StepRule = .instance) { self.stepRule = stepRule }

  /// h_k for k = 1, 2, 3, ..., in units of 1/L.
  public static func factor(_ k: Int) -> Double {
    let rho = 1 + 2.0.squareRoot()
    return (0..<k.trailingZeroBitCount).reduce(1 / rho) { power, _ in power * rho } + 1
  }

  /// Steps taken, step sizes of the coordinates, and room for a gradient.
  public struct State: Sendable {
    var count = 0
    let steps: Vector
    var gradient: Vector
  }

  public func initialState<P: Problem>(for problem: P) -> State {
    State(
      steps: problem.spread(stepRule.stepSizes(for: problem)),
      gradient: Vector(zeros: problem.dimension))
  }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    state.count += 1
    let h = Self.factor(state.count)
    problem.gradient(at: x, into: &state.gradient)
    for j in x.elements.indices { x[j] -= h * state.steps[j] * state.gradient[j] }
  }
}
