public import Engine
import Foundation
public import Optimization

/// F(x) = Σᵢ φ(mᵢ·x, yᵢ) + r(x), one instance: the small problems that rules are checked on.
///
/// Written for a handful of unknowns, in plain loops that share no code with ``LeastSquares``,
/// ``Lasso`` or ``LogisticL1``.
public struct Regression: LinearModelProblem {
  /// φ.
  public enum Loss: Sendable, Hashable {
    /// ½ (z - y)².
    case squared
    /// ½ (z - y)² up to |z - y| = δ, then δ |z - y| - ½ δ².
    case huber(Double)
    /// (ln(1 + e^z) - y z) / b, with y 0 or 1.
    case logistic
    /// 0: F is r alone; ‖M‖² stands for the curvature and sets the scale of steps.
    case zero
    /// |z - y|; the "gradient" is the subgradient with sign(0) = 0.
    case absolute
  }

  public let name: String
  /// M, b x d.
  public let matrix: Matrix
  /// y, b entries.
  public let target: Vector
  /// φ.
  public let loss: Loss
  public let regularizer: any Regularizer
  public let smoothness: [Double]
  public var minimumValue: Double? { nil }
  public var generatingPoint: Vector? { nil }
  public var map: LinearMap { .shared(matrix, copies: 1) }
  public var dimension: Int { matrix.columns }

  /// Creates a problem.
  ///
  /// - Throws: ``ProblemError`` for data that are not finite or do not fit.
  public init(
    name: String, matrix: Matrix, target: Vector, loss: Loss,
    regularizer: any Regularizer = NoRegularizer()
  ) throws {
    guard matrix.rows > 0, matrix.columns > 0 else { throw ProblemError.empty(problem: name) }
    guard matrix.isFinite else { throw ProblemError.notFinite(problem: name, array: "M") }
    guard target.isFinite else { throw ProblemError.notFinite(problem: name, array: "Y") }
    guard target.count == matrix.rows else {
      throw ProblemError.shape(
        problem: name, array: "Y", found: [target.count], expected: [matrix.rows])
    }
    self.name = name
    self.matrix = matrix
    self.target = target
    self.loss = loss
    self.regularizer = regularizer
    let norm = try matrix.spectralNorm()
    let constant =
      switch loss {
      case .squared, .huber, .absolute, .zero: norm * norm
      case .logistic: norm * norm / (4 * Double(matrix.rows))
      }
    smoothness = [constant]
  }

  public func instances(_ range: Range<Int>) -> Regression {
    precondition(range == 0..<1, "instances \(range) of 1")
    return self
  }

  /// φ at row `i` for z.
  private func value(_ z: Double, _ i: Int) -> Double {
    switch loss {
    case .squared: return (z - target[i]) * (z - target[i]) / 2
    case .huber(let delta):
      let e = abs(z - target[i])
      return e <= delta ? e * e / 2 : delta * (e - delta / 2)
    case .logistic: return LogisticL1.loss(z, label: target[i]) / Double(matrix.rows)
    case .zero: return 0
    case .absolute: return abs(z - target[i])
    }
  }

  /// φ' at row `i` for z.
  private func slope(_ z: Double, _ i: Int) -> Double {
    switch loss {
    case .squared: return z - target[i]
    case .huber(let delta): return min(max(z - target[i], -delta), delta)
    case .logistic:
      let scale = 1 / Double(matrix.rows)
      return target[i] == 1 ? -scale / (1 + exp(z)) : scale / (1 + exp(-z))
    case .zero: return 0
    case .absolute: return z > target[i] ? 1 : z < target[i] ? -1 : 0
    }
  }

  /// φ'' at row `i` for z.
  private func bend(_ z: Double, _ i: Int) -> Double {
    switch loss {
    case .squared: return 1
    case .huber(let delta): return abs(z - target[i]) <= delta ? 1 : 0
    case .logistic:
      let e = exp(-abs(z))
      return e / ((1 + e) * (1 + e)) / Double(matrix.rows)
    case .zero, .absolute: return 0
    }
  }

  public func values(at x: Vector) -> [Double] {
    var sum = regularizer.value(at: x.elements[...])
    for i in 0..<matrix.rows { sum += value(matrix.rowProduct(i, x), i) }
    return [sum]
  }

  public func gradient(at x: Vector, into g: inout Vector) {
    for j in 0..<g.count { g[j] = 0 }
    if loss == .zero { return }
    for i in 0..<matrix.rows {
      matrix.addRow(i, times: slope(matrix.rowProduct(i, x), i), to: &g)
    }
  }

  public func smoothValuesAndGradient(at x: Vector) -> (values: [Double], gradient: Vector) {
    var sum = 0.0
    for i in 0..<matrix.rows { sum += value(matrix.rowProduct(i, x), i) }
    return ([sum], gradient(at: x))
  }

  public func hessianProduct(_ v: Vector, at x: Vector, into h: inout Vector) {
    for j in 0..<h.count { h[j] = 0 }
    for i in 0..<matrix.rows {
      let bend = bend(matrix.rowProduct(i, x), i)
      matrix.addRow(i, times: bend * matrix.rowProduct(i, v), to: &h)
    }
  }

  /// ∇²f at `x`, d x d.
  func hessian(at x: Vector) -> Matrix {
    var scaled = matrix
    for i in 0..<matrix.rows {
      let root = bend(matrix.rowProduct(i, x), i).squareRoot()
      for j in 0..<matrix.columns { scaled[i, j] *= root }
    }
    return scaled.gram()
  }
}
