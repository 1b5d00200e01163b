public import Engine
public import Optimization

/// r = 0 where no entry is negative, else infinite; its prox is max(x, 0), whatever the steps.
public struct NonNegative: Regularizer {
  public let name = "non-negative"

  /// Creates it.
  public init() {}

  public func value(at x: ArraySlice<Double>) -> Double {
    x.allSatisfy { $0 >= 0 } ? 0 : .infinity
  }

  /// The least-norm element of the normal cone is 0.
  public func addSubgradient(at x: Vector, to g: inout Vector) {}

  public func prox(_ x: inout Vector, steps: Vector) {
    for j in 0..<x.count where !(x[j] > 0) { x[j] = x[j].isNaN ? .nan : 0 }
  }

  public func value(of x: Traced) -> Traced { x.constant(Matrix(zeros: x.rows, 1)) }
  public func subgradient(of x: Traced) -> Traced {
    x.constant(Matrix(zeros: x.rows, x.columns))
  }
  public func prox(of x: Traced, steps: Traced) -> Traced { x.relu }
}
