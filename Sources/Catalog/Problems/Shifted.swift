public import Engine
public import Optimization

/// A problem moved aside: x ↦ F(x + t), with t added to every coordinate.
///
/// The reference code's objective shift (`--ood-t`), a test of rules outside their training
/// distribution. The minimum is that of F; minimisers move by -t.
public struct Shifted<Base: Problem>: Problem {
  /// What is taken for the gradient, the subgradient and the prox of F(x + t).
  public enum Form: String, Sendable, Hashable, CaseIterable {
    /// Those of F(x + t): prox(x) = prox_r(x + t) - t.
    case exact
    /// NetX's code, which agrees where t = 0. For least squares the prox subtracts t, so every step
    /// drifts by -t. With an l1 term it is -t + sign(x) max(|x| - ρ p + sign(x) t, 0), right only
    /// where x and x + t have one sign. The subgradient of the logistic problem takes ∇f at x + 2 t.
    case reference
  }

  /// F.
  public let base: Base
  /// t.
  public let shift: Double
  /// Exact, or as the reference code has it.
  public let form: Form

  /// Moves `base` by `shift`, a finite number.
  public init(_ base: Base, by shift: Double, form: Form = .exact) {
    precondition(shift.isFinite, "shift \(shift)")
    self.base = base
    self.shift = shift
    self.form = form
  }

  public var name: String { "\(base.name)-shifted-\(shift)" }
  public var instanceCount: Int { base.instanceCount }
  public var dimension: Int { base.dimension }
  public var smoothness: [Double] { base.smoothness }
  public var minimumValue: Double? { base.minimumValue }
  public var reportedScale: Double { base.reportedScale }

  public var regularizer: any Regularizer {
    switch form {
    case .exact where base.regularizer is NoRegularizer: NoRegularizer()
    case .exact: ShiftedRegularizer(base: base.regularizer, shift: shift)
    case .reference: ReferenceShiftedRegularizer(problem: base, shift: shift)
    }
  }

  public func values(at x: Vector) -> [Double] { base.values(at: moved(x)) }

  public func gradient(at x: Vector, into g: inout Vector) { base.gradient(at: moved(x), into: &g) }

  private func moved(_ x: Vector) -> Vector { x.shifted(by: shift) }
}

extension Shifted: TwiceDifferentiableProblem where Base: TwiceDifferentiableProblem {
  public func hessianProduct(_ v: Vector, at x: Vector, into h: inout Vector) {
    base.hessianProduct(v, at: moved(x), into: &h)
  }
}

extension Shifted: SeparableProblem where Base: SeparableProblem {
  public func instances(_ range: Range<Int>) -> Shifted {
    Shifted(base.instances(range), by: shift, form: form)
  }
}

extension Shifted: LinearModelProblem where Base: LinearModelProblem {
  public var map: LinearMap { base.map }

  /// Y - M t where the data enter as M x - Y, so that M x - target is the residual; else Y.
  ///
  /// The reference code keeps Y, so a rule that uses it aims at the problem that was not moved.
  public var target: Vector {
    guard form == .exact, base is LeastSquares || base is Lasso else { return base.target }
    return base.target - base.map.times(Vector(zeros: dimension).shifted(by: shift))
  }

  public var generatingPoint: Vector? { base.generatingPoint?.shifted(by: -shift) }
}

extension Problem {
  /// The start with `shift` in every coordinate: 0 unless moved (the reference code's `--ood-s`).
  public func start(shiftedBy shift: Double = 0) -> Vector {
    Vector(zeros: dimension).shifted(by: shift)
  }
}

extension Vector {
  /// Every entry plus `t`.
  fileprivate func shifted(by t: Double) -> Vector { Vector(elements.map { $0 + t }) }
}

/// r(x + t).
private struct ShiftedRegularizer: Regularizer {
  let base: any Regularizer
  let shift: Double

  var name: String { "\(base.name), shifted" }

  func value(at x: ArraySlice<Double>) -> Double {
    base.value(at: ArraySlice(x.map { $0 + shift }))
  }

  func addSubgradient(at x: Vector, to g: inout Vector) {
    base.addSubgradient(at: x.shifted(by: shift), to: &g)
  }

  func prox(_ x: inout Vector, steps: Vector) {
    x = x.shifted(by: shift)
    base.prox(&x, steps: steps)
    x = x.shifted(by: -shift)
  }

  func value(of x: Traced) -> Traced { base.value(of: x + shift) }
  func subgradient(of x: Traced) -> Traced { base.subgradient(of: x + shift) }
  func prox(of x: Traced, steps: Traced) -> Traced {
    base.prox(of: x + shift, steps: steps) - shift
  }
}

/// What NetX's code has for r(x + t); see `Shifted.Form.reference`.
private struct ReferenceShiftedRegularizer: Regularizer {
  /// The problem that was not moved.
  let problem: any Problem
  let shift: Double

  var name: String { "\(problem.regularizer.name), shifted as the reference code does" }

  private var exact: ShiftedRegularizer {
    ShiftedRegularizer(base: problem.regularizer, shift: shift)
  }

  private var weight: Double? { (problem.regularizer as? L1Norm)?.weight }

  func value(at x: ArraySlice<Double>) -> Double { exact.value(at: x) }

  func addSubgradient(at x: Vector, to g: inout Vector) {
    exact.addSubgradient(at: x, to: &g)
    guard problem is LogisticL1 else { return }
    // The caller has added ∇f(x + t), where that code has ∇f(x + 2 t).
    g.add(1, problem.gradient(at: x.shifted(by: 2 * shift)))
    g.add(-1, problem.gradient(at: x.shifted(by: shift)))
  }

  func prox(_ x: inout Vector, steps: Vector) {
    for j in 0..<x.count {
      guard let weight else {
        x[j] -= shift
        continue
      }
      let sign = x[j] > 0 ? 1.0 : x[j] < 0 ? -1 : 0
      x[j] = sign * max(abs(x[j]) - weight * steps[j] + sign * shift, 0) - shift
    }
  }

  func value(of x: Traced) -> Traced { exact.value(of: x) }

  func subgradient(of x: Traced) -> Traced {
    let r = exact.subgradient(of: x)
    guard problem is LogisticL1 else { return r }
    let f = ProblemFormula(problem)
    return r + f.gradient(at: x + 2 * shift) - f.gradient(at: x + shift)
  }

  func prox(of x: Traced, steps: Traced) -> Traced {
    guard let weight else { return x - shift }
    // sign(x) max(|x| - θ, 0) with the threshold θ = ρ p - sign(x) t.
    return x.softThreshold(weight * steps - shift * x.sign) - shift
  }
}
