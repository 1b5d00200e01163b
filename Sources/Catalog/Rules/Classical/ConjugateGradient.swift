public import Engine
public import Optimization

/// Conjugate gradients, every instance of a quadratic by itself (Hestenes and Stiefel 1952).
///
/// The yardstick that no method of gradients can beat on a quadratic at any step. The curvature along a
/// direction comes from a second gradient, exact where f is quadratic.
public struct ConjugateGradient: UpdateRule {
  public let name = "conjugate-gradient"

  /// Creates the rule.
  public init() {}

  /// Gradient and direction, and the squared norm of every instance's gradient.
  public struct State: Sendable {
    var gradient: Vector
    var direction: Vector
    var squares: [Double]
    var product: Vector
  }

  public var cost: Double { 2 }

  public func initialState<P: Problem>(for problem: P) -> State {
    let zeros = Vector(zeros: problem.dimension)
    return State(gradient: zeros, direction: zeros, squares: [], product: zeros)
  }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    let n = problem.coordinatesPerInstance
    func square(_ v: Vector, _ w: Vector, _ i: Int) -> Double {
      ((i * n)..<((i + 1) * n)).reduce(0) { $0 + v[$1] * w[$1] }
    }
    let instances = 0..<problem.instanceCount
    problem.gradient(at: x, into: &state.gradient)
    let squares = instances.map { square(state.gradient, state.gradient, $0) }
    for i in instances {
      let before = state.squares.isEmpty ? 0 : state.squares[i]
      let keep = before > 0 ? squares[i] / before : 0
      for j in (i * n)..<((i + 1) * n) {
        state.direction[j] = keep * state.direction[j] - state.gradient[j]
      }
    }
    state.squares = squares
    problem.gradient(at: x.moved(1, state.direction), into: &state.product)
    for i in instances {
      let part = (i * n)..<((i + 1) * n)
      for j in part { state.product[j] -= state.gradient[j] }
      let curvature = square(state.direction, state.product, i)
      // At a minimiser there is neither gradient nor curvature left.
      let step = curvature > 0 ? squares[i] / curvature : 0
      for j in part { x[j] += step * state.direction[j] }
    }
  }
}
