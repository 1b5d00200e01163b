import Engine
import Foundation
public import Optimization

/// A small problem as plain numbers: enough to make it again without its generator.
public struct ProblemRecord: Sendable, Hashable, Codable {
  /// φ, as in ``Regression/Loss``.
  public enum Loss: String, Sendable, Hashable, Codable, CaseIterable {
    case leastSquares = "least-squares"
    case huber
    case logistic
    case zero
    case absolute
  }

  /// r.
  public enum Term: String, Sendable, Hashable, Codable, CaseIterable {
    case none
    case l1
    case nonNegative = "non-negative"
    case simplex
  }

  /// What it is called.
  public var name: String
  /// φ.
  public var loss: Loss
  /// δ of Huber's loss; nil for the others.
  public var delta: Double?
  /// r.
  public var regularizer: Term
  /// ρ where r is ρ ‖x‖₁; nil for the others.
  public var weight: Double?
  /// M, row by row, b x n.
  public var matrix: [[Double]]
  /// y, b entries.
  public var target: [Double]
  /// A minimiser, n entries.
  public var minimiser: [Double]

  /// Writes a problem down; nil for problems that are no ``Regression``.
  public init?(_ solved: SolvedProblem) {
    guard let problem = solved.problem as? Regression else { return nil }
    name = solved.name
    minimiser = solved.minimisers[0].elements
    let m = problem.matrix
    matrix = (0..<m.rows).map { i in (0..<m.columns).map { m[i, $0] } }
    target = problem.target.elements
    switch problem.loss {
    case .squared: loss = .leastSquares
    case .huber(let delta): (loss, self.delta) = (.huber, delta)
    case .logistic: loss = .logistic
    case .zero: loss = .zero
    case .absolute: loss = .absolute
    }
    switch problem.regularizer {
    case is NoRegularizer: regularizer = .none
    case let l1 as L1Norm: (regularizer, weight) = (.l1, l1.weight)
    case is NonNegative: regularizer = .nonNegative
    case is Simplex: regularizer = .simplex
    default: return nil
    }
  }

  /// n.
  public var dimension: Int { minimiser.count }

  /// F in one line.
  public var formula: String {
    let smooth =
      switch loss {
      case .leastSquares: "½ ‖M x - y‖²"
      case .huber: "Huber's loss of M x - y, δ = \(delta ?? .nan)"
      case .logistic: "mean of ln(1 + e^z) - y z, z = M x"
      case .zero: "0"
      case .absolute: "‖M x - y‖₁"
      }
    return switch regularizer {
    case .none: smooth
    case .l1: "\(smooth) + \(weight ?? .nan) ‖x‖₁"
    case .nonNegative: "\(smooth), x ≥ 0"
    case .simplex: "\(smooth), x ≥ 0, Σ x = 1"
    }
  }

  /// The same problem with data that the caller has changed, to be solved from the old minimiser.
  ///
  /// - Throws: ``ProblemError``, ``SuiteError``, `EngineError`.
  public func solved() throws -> SolvedProblem {
    try SolvedProblem.solving(try problem(), near: Vector(minimiser))
  }

  /// The problem of the record, which must be solved by the minimiser that it names.
  ///
  /// - Throws: as ``solved()``; ``SuiteError/unsolvable(problem:reason:)`` for another minimiser.
  public func restored() throws -> SolvedProblem {
    let found = try solved()
    let x = Vector(minimiser)
    let nearest = found.projection?(x) ?? found.minimisers[0]
    guard (nearest - x).norm <= 1e-9 * found.length else {
      throw SuiteError.unsolvable(
        problem: name, reason: "the minimiser of the record is not one of these data")
    }
    return found
  }

  private func problem() throws -> Regression {
    func unfit(_ reason: String) -> SuiteError { .unsolvable(problem: name, reason: reason) }
    let n = dimension
    guard n > 0, matrix.allSatisfy({ $0.count == n }) else {
      throw unfit("the rows of M have not \(n) entries each")
    }
    guard minimiser.allSatisfy(\.isFinite) else { throw unfit("the minimiser is not finite") }
    if let delta, !(delta > 0 && delta.isFinite) { throw unfit("delta is \(delta)") }
    if let weight, !(weight >= 0 && weight.isFinite) { throw unfit("weight is \(weight)") }
    if loss == .logistic, !target.allSatisfy({ $0 == 0 || $0 == 1 }) {
      throw unfit("labels are 0 and 1")
    }
    let loss: Regression.Loss =
      switch self.loss {
      case .leastSquares: .squared
      case .huber: .huber(try delta ?? { throw unfit("delta is missing") }())
      case .logistic: .logistic
      case .zero: .zero
      case .absolute: .absolute
      }
    let regularizer: any Regularizer =
      switch self.regularizer {
      case .none: NoRegularizer()
      case .l1: L1Norm(weight: try weight ?? { throw unfit("weight is missing") }())
      case .nonNegative: NonNegative()
      case .simplex: Simplex(size: n)
      }
    return try Regression(
      name: name,
      matrix: Matrix(rows: matrix.count, columns: n, elements: matrix.flatMap(\.self)),
      target: Vector(target), loss: loss, regularizer: regularizer)
  }
}

extension ProblemRecord {
  /// The same problem with `digits` decimal digits at most in the largest of its numbers.
  public func rounded(digits: Int) -> ProblemRecord {
    var result = self
    let largest = matrix.joined().reduce(0) { max($0, abs($1)) }
    result.matrix = matrix.map { $0.rounded(digits: digits, of: largest) }
    if loss != .logistic { result.target = target.rounded(digits: digits) }
    result.weight = weight.map { [$0].rounded(digits: digits)[0] }
    result.delta = delta.map { [$0].rounded(digits: digits)[0] }
    return result
  }

  /// The same problem without row `i` of M and y.
  public func withoutRow(_ i: Int) -> ProblemRecord {
    var result = self
    result.matrix.remove(at: i)
    result.target.remove(at: i)
    return result
  }
}

extension [Double] {
  /// Rounded to `digits` decimal digits of the largest entry, or of `largest`.
  public func rounded(digits: Int, of largest: Double? = nil) -> [Double] {
    let size = largest ?? reduce(0) { Swift.max($0, abs($1)) }
    guard size > 0, size.isFinite else { return self }
    let place = digits - 1 - Int(log10(size).rounded(.down))
    // Decimal text is the nearest double to what a person reads; a product with 0.1 is not.
    return map { Double(String(format: "%.0fe\(-place)", $0 * pow(10, Double(place)))) ?? $0 }
  }
}
