public import Engine

/// The nonsmooth part r of an objective F = f + r: convex, with a proximal operator of its own.
///
/// r is the same for all instances of a problem and separates over them.
public protocol Regularizer: Sendable {
  /// What reports call it.
  var name: String { get }
  /// ρ where r is ρ ‖x‖₁; 0 else.
  var l1Weight: Double { get }
  /// r at one instance; `x` has its d entries.
  func value(at x: ArraySlice<Double>) -> Double
  /// Adds one subgradient of r at `x` (n entries) to `g`: that of least norm.
  func addSubgradient(at x: Vector, to g: inout Vector)
  /// Replaces `x` by argmin_u r(u) + ½ Σⱼ (uⱼ - xⱼ)² / pⱼ, with p = `steps`, none negative (n entries).
  ///
  /// pⱼ = 0 leaves coordinate j alone, which takes an xⱼ that the domain of r allows.
  func prox(_ x: inout Vector, steps: Vector)

  /// r at every instance of `x` (N x d), as a formula: N x 1.
  func value(of x: Traced) -> Traced
  /// The subgradient of least norm at `x` (N x d), as a formula: N x d.
  func subgradient(of x: Traced) -> Traced
  /// The proximal operator at `x` (N x d), as a formula; `steps` stretches to N x d.
  func prox(of x: Traced, steps: Traced) -> Traced
}

extension Regularizer {
  /// 0, unless r is an l1 norm.
  public var l1Weight: Double { 0 }
}

/// r = 0.
public struct NoRegularizer: Regularizer {
  public let name = "none"

  /// Creates it.
  public init() {}

  public func value(at x: ArraySlice<Double>) -> Double { 0 }
  public func addSubgradient(at x: Vector, to g: inout Vector) {}
  public func prox(_ x: inout Vector, steps: Vector) {}

  public func value(of x: Traced) -> Traced { x.constant(Matrix(zeros: x.rows, 1)) }
  public func subgradient(of x: Traced) -> Traced {
    x.constant(Matrix(zeros: x.rows, x.columns))
  }
  public func prox(of x: Traced, steps: Traced) -> Traced { x }
}

/// r = ρ ‖x‖₁; its prox is the soft threshold sign(x) max(|x| - ρ p, 0).
public struct L1Norm: Regularizer {
  public let name = "l1"
  /// ρ, not negative.
  public let weight: Double

  public var l1Weight: Double { weight }

  /// Creates ρ ‖x‖₁.
  public init(weight: Double) {
    precondition(weight >= 0, "weight \(weight) is negative")
    self.weight = weight
  }

  public func value(at x: ArraySlice<Double>) -> Double { weight * x.reduce(0) { $0 + abs($1) } }

  public func addSubgradient(at x: Vector, to g: inout Vector) {
    for j in 0..<x.count where x[j] != 0 { g[j] += x[j] > 0 ? weight : -weight }
  }

  public func prox(_ x: inout Vector, steps: Vector) {
    for j in 0..<x.count {
      let rest = abs(x[j]) - weight * steps[j]
      // As PyTorch's sign(x) max(|x| - θ, 0), where a negative θ is not clamped.
      x[j] = rest > 0 && x[j] != 0 ? (x[j] > 0 ? rest : -rest) : 0
    }
  }

  public func value(of x: Traced) -> Traced { weight * x.magnitude.rowSums }
  public func subgradient(of x: Traced) -> Traced { weight * x.sign }
  public func prox(of x: Traced, steps: Traced) -> Traced {
    x.softThreshold(weight * steps)
  }
}
