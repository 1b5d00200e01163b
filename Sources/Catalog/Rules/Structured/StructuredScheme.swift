public import Engine
public import Optimization

/// Scheme (18) of paper B with diagonal parts, the general rule of which many are settings.
///
/// With p, a, b, b₁, b₂ chosen anew in every step by its ``SchemeParts``,
///
///     x̂ = x - p ∇f(x),  ŷ = y - p ∇f(y)
///     x⁺ = prox_{r,p}((1 - b) x̂ + b ŷ - b₁)
///     y⁺ = x⁺ + a (x⁺ - x) + b₂
///
/// Proximal gradient is a = 0; FISTA a = (τ - 1)/τ⁺; L2O-PA learns p and a; all have b = 1.
public struct StructuredScheme<Parts: SchemeParts>: FormulaRule {
  /// Where parts are chosen, and which of the two sequences counts as the iterate.
  public enum Form: String, Sendable, Hashable, CaseIterable {
    /// At x, which is the iterate: as printed.
    case paper
    /// At y, which is the iterate, and with the opposite sign of b₁: as the reference code has it.
    /// Objectives are those of the extrapolated points, which momentum makes larger now and then.
    case reference
  }

  /// Chooses p, a, b, b₁, b₂.
  public var parts: Parts
  /// What counts as the iterate.
  public var form: Form
  public var stepRule: StepRule
  public var stateSeed: UInt64

  /// Composes the rule.
  public init(
    _ parts: Parts, form: Form = .paper, stepRule: StepRule = .instance, stateSeed: UInt64 = 0
  ) {
    self.parts = parts
    self.form = form
    self.stepRule = stepRule
    self.stateSeed = stateSeed
  }

  public var name: String { parts.name }

  /// The other of the two sequences.
  public var rememberedIterates: [Int] { [0] }

  public var parameters: Parameters {
    get { parts.parameters }
    set { parts.parameters = newValue }
  }

  public func initialCarry(for problem: any Problem, seed: UInt64) -> [Carry] {
    let zero = Matrix(zeros: problem.instanceCount, problem.coordinatesPerInstance)
    return [Carry(zero, along: .rows)] + parts.initialCarry(for: problem, seed: seed)
  }

  public func step(
    _ iterate: Traced, _ carry: [Traced], _ context: FormulaContext
  ) -> (x: Traced, carry: [Traced]) {
    // Both sequences start at the same point.
    let other = context.index == 0 ? iterate : carry[0]
    let (x, y) = form == .paper ? (iterate, other) : (other, iterate)
    let problem = context.problem
    let here = problem.gradient(at: iterate)
    let (part, rest) = parts.choose(
      at: iterate, gradient: here, carry: Array(carry.dropFirst()), context)
    let isSame = context.index == 0
    func moved(_ point: Traced, _ isIterate: Bool) -> Traced {
      point - part.step * (isIterate || isSame ? here : problem.gradient(at: point))
    }
    var v = moved(y, form == .reference)
    if let b = part.mixing { v = (1 - b) * moved(x, form == .paper) + b * v }
    if let b1 = part.innerBias { v = form == .paper ? v - b1 : v + b1 }
    let xNext = problem.prox(v, steps: part.step)
    var yNext = xNext
    if let a = part.momentum { yNext = yNext + a * (xNext - x) }
    if let b2 = part.outerBias { yNext = yNext + b2 }
    return form == .paper ? (xNext, [yNext] + rest) : (yNext, [xNext] + rest)
  }
}

/// What scheme (18) is filled with in one step; every part stretches to N x d.
public struct SchemeStep {
  /// p, the step of every coordinate.
  public var step: Traced
  /// b, the share of the extrapolated point; nil for 1.
  public var mixing: Traced?
  /// a; nil for 0.
  public var momentum: Traced?
  /// b₁; nil for 0.
  public var innerBias: Traced?
  /// b₂; nil for 0.
  public var outerBias: Traced?

  /// Creates the parts.
  public init(
    step: Traced, mixing: Traced? = nil, momentum: Traced? = nil,
    innerBias: Traced? = nil, outerBias: Traced? = nil
  ) {
    self.step = step
    self.mixing = mixing
    self.momentum = momentum
    self.innerBias = innerBias
    self.outerBias = outerBias
  }
}

/// Chooses the parts of scheme (18), step by step.
public protocol SchemeParts: Sendable {
  /// The name of the rule that they make.
  var name: String { get }
  /// The weights; none unless something is learned.
  var parameters: Parameters { get set }
  /// What is carried from step to step.
  func initialCarry(for problem: any Problem, seed: UInt64) -> [Carry]
  /// The parts at `point`, where ∇f is `gradient`, and what is carried on.
  func choose(
    at point: Traced, gradient: Traced, carry: [Traced], _ context: FormulaContext
  ) -> (step: SchemeStep, carry: [Traced])
}

extension SchemeParts {
  /// Nothing.
  public func initialCarry(for problem: any Problem, seed: UInt64) -> [Carry] { [] }
}

/// Given parts: p = factor · sᵢ, constant or coordinate by coordinate, and a sequence of momenta.
public struct GivenParts: SchemeParts {
  /// How momentum depends on the step, k from 0.
  public enum Momentum: Sendable, Hashable {
    /// None: proximal gradient.
    case none
    /// The same in every step.
    case constant(Double)
    /// (τ_k - 1)/τ_{k+1}: FISTA.
    case fista

    func value(_ k: Int) -> Double? {
      switch self {
      case .none: return nil
      case .constant(let a): return a
      case .fista:
        var tau = 1.0
        func next(_ tau: Double) -> Double { (1 + (1 + 4 * tau * tau).squareRoot()) / 2 }
        for _ in 0..<k { tau = next(tau) }
        return (tau - 1) / next(tau)
      }
    }
  }

  public let name: String
  public var parameters = Parameters([])
  /// Factors on the steps, one for all or d; a variable metric where they differ.
  public var factors: [Double]
  /// a, step by step.
  public var momentum: Momentum

  /// Creates parts.
  public init(_ name: String, factors: [Double] = [1], momentum: Momentum = .none) {
    self.name = name
    self.factors = factors
    self.momentum = momentum
  }

  public func choose(
    at point: Traced, gradient: Traced, carry: [Traced], _ context: FormulaContext
  ) -> (step: SchemeStep, carry: [Traced]) {
    let scale = point.constant(Matrix(rows: 1, columns: factors.count, elements: factors))
    return (
      SchemeStep(
        step: scale * context.stepSizes,
        momentum: momentum.value(context.index).map { point.constant($0) }), []
    )
  }
}
