public import Engine

/// F = ½ ‖x‖² + 0.1 ‖x‖₁, on which one step of a rule shows what it asks for and remembers.
public struct Touchstone: TwiceDifferentiableProblem {
  public let name = "touchstone"
  public let dimension: Int
  public let smoothness = [1.0]
  public let minimumValue: Double? = 0

  /// Creates it with n unknowns.
  public init(dimension: Int) { self.dimension = dimension }

  public var regularizer: any Regularizer { L1Norm(weight: 0.1) }

  public func values(at x: Vector) -> [Double] {
    [x.dot(x) / 2 + regularizer.value(at: x.elements[...])]
  }

  public func gradient(at x: Vector, into g: inout Vector) { g = x }

  public func hessianProduct(_ v: Vector, at x: Vector, into h: inout Vector) { h = v }
}
