import OptCheck

/// Gradient descent with a mistake, to show what a failure looks like.
///
/// It adds 1e-4 to the first coordinate, so that no minimiser is a fixed point and no run arrives.
public struct BiasedDescent: UpdateRule {
  public let name = "biased-descent"

  public init() {}

  public func initialState<P: Problem>(for problem: P) -> Double { 1 / problem.largestSmoothness }

  public func step<P: Problem>(_ x: inout Vector, _ size: inout Double, on problem: P) {
    x.add(-size, problem.gradient(at: x))
    x[0] += 1e-4
  }
}
