public import Engine
import Foundation
public import Optimization

/// Shampoo (Gupta, Koren and Singer 2018) on a d x 1 parameter, every instance by itself.
///
/// L ← L + v vᵀ and R ← R + vᵀv from ε I, x ← x - s L^(-1/4) v R^(-1/4); v is a subgradient of F.
public struct Shampoo: UpdateRule {
  public let name = "shampoo"
  /// How the step sizes sᵢ follow from the problem.
  public var stepRule: StepRule
  /// ε, the first L and R.
  public var epsilon: Double

  /// Creates the rule; ε is the reference code's.
  public init(stepRule: StepRule = .instance, epsilon: Double = 1e-8) {
    self.stepRule = stepRule
    self.epsilon = epsilon
  }

  /// The statistics of every instance.
  public struct State: Sendable {
    let stepSizes: [Double]
    var left: [Matrix]
    var right: [Double]
    var subgradient: Vector
  }

  public func initialState<P: Problem>(for problem: P) -> State {
    var left = Matrix(identity: problem.coordinatesPerInstance)
    for i in left.elements.indices { left.elements[i] *= epsilon }
    return State(
      stepSizes: stepRule.stepSizes(for: problem),
      left: Array(repeating: left, count: problem.instanceCount),
      right: [Double](repeating: epsilon, count: problem.instanceCount),
      subgradient: Vector(zeros: problem.dimension))
  }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    problem.subgradient(at: x, into: &state.subgradient)
    let d = problem.coordinatesPerInstance
    for i in 0..<problem.instanceCount {
      let v = Vector(Array(state.subgradient.elements[(i * d)..<((i + 1) * d)]))
      for j in 0..<d {
        for k in 0..<d { state.left[i][j, k] += v[j] * v[k] }
      }
      state.right[i] += v.dot(v)
      guard let direction = inverseFourthRoot(state.left[i], v) else {
        // What is not finite is passed on, for the loop outside to see.
        for j in 0..<d { x[i * d + j] = .nan }
        continue
      }
      let scale = state.stepSizes[i] / pow(state.right[i], 0.25)
      for j in 0..<d { x[i * d + j] -= scale * direction[j] }
    }
  }

  /// A^(-1/4) `v` for symmetric A with no eigenvalue below ε; nil if A is not finite.
  private func inverseFourthRoot(_ a: Matrix, _ v: Vector) -> Vector? {
    guard let eigen = try? a.symmetricEigen() else { return nil }
    var c = eigen.vectors.times(v, .transposed)
    // Once the subgradients outgrow ε by 1/ulp, rounding takes small eigenvalues below it, and below 0.
    for j in 0..<c.count { c[j] /= pow(max(eigen.values[j], epsilon), 0.25) }
    return eigen.vectors.times(c)
  }
}
