public import Engine

/// What a rule minimises: F = f + r over Rⁿ, f smooth, possibly a stack of independent instances.
///
/// The field also says *optimizee* or *task*. A batch of N instances with d unknowns each is one
/// problem in n = N d unknowns: instance i owns the coordinates i d ..< (i + 1) d, and F is the sum
/// over instances. Most problems are smooth: r is 0 unless ``regularizer`` says otherwise.
public protocol Problem: Sendable {
  /// Registry key and report heading.
  var name: String { get }
  /// N, the number of independent instances.
  var instanceCount: Int { get }
  /// n = N d, the number of unknowns of all instances together.
  var dimension: Int { get }
  /// The Lipschitz constants of the instances' gradients (βᵢ), N of them, in units of f / x².
  var smoothness: [Double] { get }
  /// The minimum of F; nil when it is not known.
  var minimumValue: Double? { get }
  /// r, the nonsmooth part.
  var regularizer: any Regularizer { get }
  /// The factor on the sum over instances in reported objectives and training losses.
  ///
  /// 1 for a sum; 1/N for a mean, which the reference code reports for all but least squares.
  var reportedScale: Double { get }
  /// The value of F at every instance at `x` (n entries): N numbers.
  func values(at x: Vector) -> [Double]
  /// Overwrites `g` (n entries) with the gradient of f at `x` (n entries).
  func gradient(at x: Vector, into g: inout Vector)
}

/// A problem whose instances can be taken by themselves, so that cores share them.
public protocol SeparableProblem: Problem {
  /// The problem of the instances in `range` alone, in their order.
  ///
  /// `reportedScale` stays that of the whole.
  func instances(_ range: Range<Int>) -> Self
}

extension Problem {
  /// One instance, unless a problem says otherwise.
  public var instanceCount: Int { 1 }

  /// r = 0, unless a problem says otherwise.
  public var regularizer: any Regularizer { NoRegularizer() }

  /// A sum over instances, unless a problem says otherwise.
  public var reportedScale: Double { 1 }

  /// d, the number of unknowns of one instance.
  public var coordinatesPerInstance: Int { dimension / instanceCount }

  /// β = maxᵢ βᵢ.
  public var largestSmoothness: Double { smoothness.max() ?? 0 }

  /// F(x), the sum over instances in their order.
  public func value(at x: Vector) -> Double { values(at: x).reduce(0, +) }

  /// One number per instance (N) repeated for each of its coordinates (n).
  public func spread(_ perInstance: [Double]) -> Vector {
    Vector(perInstance.flatMap { [Double](repeating: $0, count: coordinatesPerInstance) })
  }

  /// Overwrites `g` with ∇f(x) plus the subgradient of r that has the least norm.
  public func subgradient(at x: Vector, into g: inout Vector) {
    gradient(at: x, into: &g)
    regularizer.addSubgradient(at: x, to: &g)
  }

  /// The gradient of f at `x` as a new vector.
  public func gradient(at x: Vector) -> Vector {
    var g = Vector(zeros: dimension)
    gradient(at: x, into: &g)
    return g
  }
}

/// A problem whose curvature can be applied to a vector: what backpropagation through steps needs.
public protocol TwiceDifferentiableProblem: Problem {
  /// The values of f at every instance, and its gradient, which share most of their work.
  func smoothValuesAndGradient(at x: Vector) -> (values: [Double], gradient: Vector)
  /// Overwrites `h` with ∇²f(x) `v`; all have n entries.
  func hessianProduct(_ v: Vector, at x: Vector, into h: inout Vector)
}

extension TwiceDifferentiableProblem {
  /// One after the other.
  public func smoothValuesAndGradient(at x: Vector) -> (values: [Double], gradient: Vector) {
    (smoothValues(at: x), gradient(at: x))
  }
}
