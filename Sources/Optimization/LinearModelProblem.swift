public import Engine

/// A problem that sees x through a linear map: f(x) depends on M x and on data Y.
public protocol LinearModelProblem: SeparableProblem, TwiceDifferentiableProblem {
  /// M, N instances of b x d.
  var map: LinearMap { get }
  /// Y, the data one instance after another, N b.
  var target: Vector { get }
  /// The point that generated Y, where one is known; N d.
  var generatingPoint: Vector? { get }
}
