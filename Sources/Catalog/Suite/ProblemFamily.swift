import Foundation
public import Optimization

/// A way to make problems with known minimisers, from a seed.
public struct ProblemFamily: Sendable {
  /// What a family needs to make one problem.
  public struct Draw: Sendable, Hashable, Codable {
    /// Of the data.
    public var seed: UInt64
    /// The factor on all data, M and y: f grows with its square.
    public var scale: Double
    /// n, where the family leaves a choice.
    public var dimension: Int?

    /// Creates it.
    public init(seed: UInt64 = 1, scale: Double = 1, dimension: Int? = nil) {
      self.seed = seed
      self.scale = scale
      self.dimension = dimension
    }
  }

  /// The family's name, such as `lasso`.
  public let name: String
  /// Which conditions its problems are for.
  public let kind: SolvedProblem.Kind
  /// n, unless a draw says otherwise.
  public let dimension: Int
  /// The least n that the family makes sense for.
  public let leastDimension: Int
  private let make: @Sendable (Draw, Int, String) throws -> SolvedProblem

  init(
    _ name: String, _ kind: SolvedProblem.Kind, dimension: Int, least: Int = 1,
    make: @escaping @Sendable (_ draw: Draw, _ n: Int, _ name: String) throws -> SolvedProblem
  ) {
    self.name = name
    self.kind = kind
    self.dimension = dimension
    leastDimension = least
    self.make = make
  }

  /// The problem of a draw.
  ///
  /// - Throws: `EngineError` when LAPACK gives up, ``SuiteError`` when no solution is good enough.
  public func problem(_ draw: Draw = Draw()) throws -> SolvedProblem {
    let n = draw.dimension ?? dimension
    precondition(n >= leastDimension, "\(name) in \(n) unknowns")
    return try make(draw, n, problemName(of: draw))
  }

  /// What the problem of a draw is called, such as `lasso@1e3#7-n2`.
  public func problemName(of draw: Draw) -> String {
    let n = draw.dimension ?? dimension
    return name + (draw.scale == 1 ? "" : "@\(Self.brief(draw.scale))")
      + (draw.seed == 1 ? "" : "#\(draw.seed)") + (n == dimension ? "" : "-n\(n)")
  }

  /// 1e-3 for 0.001.
  private static func brief(_ scale: Double) -> String {
    let exponent = log10(scale)
    return exponent == exponent.rounded() ? "1e\(Int(exponent))" : "\(scale)"
  }
}

/// A small problem could not be solved to rounding.
public enum SuiteError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The candidate for a minimiser is not stationary.
  case unsolved(problem: String, residual: Double)
  /// Nobody here knows its minimisers.
  case unsolvable(problem: String, reason: String)

  public var description: String {
    switch self {
    case .unsolved(let problem, let residual):
      "'\(problem)' was solved to \(residual) only"
    case .unsolvable(let problem, let reason): "'\(problem)' was not solved: \(reason)"
    }
  }
}

/// The problems that rules are checked on.
public enum ProblemSuite {
  /// The scales of the data.
  public static let scales = [1, 1e-3, 1e3]

  /// Every family at every scale; the plain scale comes first.
  ///
  /// - Throws: whatever a family throws.
  public static func standard(
    seed: UInt64 = 1, families: [ProblemFamily] = families, scales: [Double] = scales
  ) throws -> [SolvedProblem] {
    try scales.flatMap { scale in
      try families.map { try $0.problem(ProblemFamily.Draw(seed: seed, scale: scale)) }
    }
  }

  /// All families; a new one needs a line here.
  public static let families: [ProblemFamily] = [
    .quadratic("quadratic-n2-k10", dimension: 2, condition: 10),
    .quadratic("quadratic-n2-k1e4", dimension: 2, condition: 1e4),
    .quadratic("quadratic-n10-k10", dimension: 10, condition: 10),
    .quadratic("quadratic-n10-k1e4", dimension: 10, condition: 1e4),
    .quadratic("quadratic-rotated", dimension: 6, condition: 1e3, isRotated: true),
    .underdetermined,
    .logistic,
    .huber,
    .lasso,
    .lassoRepeated,
    .logisticL1,
    .nonNegative,
    .simplex,
    .absoluteValue,
    .absoluteResiduals,
  ]
}
