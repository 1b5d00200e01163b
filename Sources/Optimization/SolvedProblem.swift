public import Engine

/// A problem of one instance whose minimisers are known: the ground on which rules are checked.
public struct SolvedProblem: Sendable {
  /// Which of the conditions of paper B a problem is for.
  public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
    /// r = 0: FP1, GC1.
    case smooth
    /// f = 0, r with a proximal operator: FP2, GC2.
    case implicit
    /// Both: FP3, GC3.
    case composite
    /// The same where r is a constraint, which no subgradient can enforce.
    case constrained
    /// Not smooth and without a cheap proximal operator: for subgradient rules only.
    case nonsmooth
  }

  /// Family and data scale, such as `lasso@1e3`.
  public var name: String
  /// What is minimised.
  public var problem: any Problem
  /// Which conditions it is for.
  public var kind: Kind
  /// F at the minimisers.
  public var minimumValue: Double
  /// Minimisers, n entries each: the one of least norm first; three where there are more.
  public var minimisers: [Vector]
  /// The minimiser nearest to a point; nil where nobody knows.
  public var projection: (@Sendable (Vector) -> Vector)?
  /// How far the first minimiser is from being one: the norm of x - prox(x - ∇f(x)/L), times L.
  public var residual: Double
  /// What vouches for the minimum.
  public var certificate: String
  /// Unit vectors along which f is steepest and flattest, for starts that are hard.
  public var hardDirections: [Vector]
  /// A constant β₀ with ½ ‖∇f‖² >= β₀ (f - f*) everywhere, where one is known: it certifies rates.
  public var gradientDominance: Double?

  /// Puts a solution beside a problem.
  public init(
    name: String, problem: any Problem, kind: Kind, minimumValue: Double, minimisers: [Vector],
    projection: (@Sendable (Vector) -> Vector)?, residual: Double, certificate: String,
    hardDirections: [Vector] = [], gradientDominance: Double? = nil
  ) {
    precondition(problem.instanceCount == 1, "'\(name)' has \(problem.instanceCount) instances")
    precondition(!minimisers.isEmpty, "'\(name)' has no minimiser")
    self.name = name
    self.problem = problem
    self.kind = kind
    self.minimumValue = minimumValue
    self.minimisers = minimisers
    self.projection = projection
    self.residual = residual
    self.certificate = certificate
    self.hardDirections = hardDirections
    self.gradientDominance = gradientDominance
  }

  /// Whether there is one minimiser only.
  public var isUnique: Bool { minimisers.count == 1 }

  /// The length against which starts are scaled: that of the first minimiser, or 1.
  public var length: Double {
    let norm = minimisers[0].norm
    return norm > 0 ? norm : 1
  }

  /// L.
  public var smoothness: Double { problem.smoothness[0] }

  /// How far the first minimiser may be from a true one: its residual times the condition number.
  public var accuracy: Double {
    residual * (gradientDominance.map { smoothness / $0 } ?? 1e3)
  }

  /// A step of proximal gradient with step 1/L from `x`.
  public func proximalStep(from x: Vector) -> Vector {
    var next = x
    next.add(-1 / smoothness, problem.gradient(at: x))
    problem.regularizer.prox(
      &next, steps: Vector([Double](repeating: 1 / smoothness, count: x.count)))
    return next
  }

  /// ‖x - prox(x - ∇f(x)/L)‖, in units of x.
  public func stationarity(at x: Vector) -> Double { (x - proximalStep(from: x)).norm }
}
