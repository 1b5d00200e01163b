public import Engine

/// What a rule minimises: f: Rⁿ → R, convex and smooth, possibly a stack of independent instances.
///
/// The field also says *optimizee* or *task*. A batch of N instances with d unknowns each is one
/// problem in n = N d unknowns: instance i owns the coordinates i d ..< (i + 1) d, and f is the sum
/// over instances.
public protocol Problem: Sendable {
  /// Registry key and report heading.
  var name: String { get }
  /// N, the number of independent instances.
  var instanceCount: Int { get }
  /// n = N d, the number of unknowns of all instances together.
  var dimension: Int { get }
  /// The Lipschitz constants of the instances' gradients (βᵢ), N of them, in units of f / x².
  var smoothness: [Double] { get }
  /// The minimum of f; nil when it is not known.
  var minimumValue: Double? { get }
  /// The value of every instance at `x` (n entries): N numbers.
  func values(at x: Vector) -> [Double]
  /// Overwrites `g` (n entries) with the gradient at `x` (n entries).
  func gradient(at x: Vector, into g: inout Vector)
}

extension Problem {
  /// One instance, unless a problem says otherwise.
  public var instanceCount: Int { 1 }

  /// d, the number of unknowns of one instance.
  public var coordinatesPerInstance: Int { dimension / instanceCount }

  /// β = maxᵢ βᵢ.
  public var largestSmoothness: Double { smoothness.max() ?? 0 }

  /// f(x), the sum over instances in their order.
  public func value(at x: Vector) -> Double { values(at: x).reduce(0, +) }

  /// One number per instance (N) repeated for each of its coordinates (n).
  public func spread(_ perInstance: [Double]) -> Vector {
    Vector(perInstance.flatMap { [Double](repeating: $0, count: coordinatesPerInstance) })
  }

  /// The gradient at `x` as a new vector.
  public func gradient(at x: Vector) -> Vector {
    var g = Vector(zeros: dimension)
    gradient(at: x, into: &g)
    return g
  }
}

/// A problem whose curvature can be applied to a vector: what backpropagation through steps needs.
public protocol TwiceDifferentiableProblem: Problem {
  /// Overwrites `h` with ∇²f(x) `v`; all have n entries.
  func hessianProduct(_ v: Vector, at x: Vector, into h: inout Vector)
}
