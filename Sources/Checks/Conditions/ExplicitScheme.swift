public import Engine
public import Optimization

/// Scheme (18) of paper B in plain loops, with p, a, b, b₁, b₂ in Rⁿ given step by step.
///
///     x̂ = x - p ∇f(x),  ŷ = y - p ∇f(y)
///     x⁺ = prox_{r,p}((1 - b) x̂ + b ŷ - b₁)
///     y⁺ = x⁺ + a (x⁺ - x) + b₂
///
/// All products are entry by entry; y₀ = x₀. It shares no code with the rules that it is compared with.
public struct ExplicitScheme: UpdateRule {
  /// What one step is filled with, n entries each.
  public struct Parts: Sendable, Hashable {
    /// p.
    public var step: Vector
    /// b.
    public var mixing: Vector
    /// a.
    public var momentum: Vector
    /// b₁.
    public var innerBias: Vector
    /// b₂.
    public var outerBias: Vector

    /// Creates parts: b = 1 and the rest 0 unless given.
    public init(
      step: Vector, mixing: Vector? = nil, momentum: Vector? = nil, innerBias: Vector? = nil,
      outerBias: Vector? = nil
    ) {
      let zero = Vector(zeros: step.count)
      self.step = step
      self.mixing = mixing ?? Vector([Double](repeating: 1, count: step.count))
      self.momentum = momentum ?? zero
      self.innerBias = innerBias ?? zero
      self.outerBias = outerBias ?? zero
    }

    /// Creates parts whose first three are the same for all `count` coordinates.
    public init(
      count: Int, step: Double, mixing: Double = 1, momentum: Double = 0,
      innerBias: Vector? = nil, outerBias: Vector? = nil
    ) {
      func spread(_ value: Double) -> Vector { Vector([Double](repeating: value, count: count)) }
      self.init(
        step: spread(step), mixing: spread(mixing), momentum: spread(momentum),
        innerBias: innerBias, outerBias: outerBias)
    }
  }

  /// What can be wrong with an evaluation, for mutants.
  enum Fault: Sendable {
    case none
    /// The proximal operator takes a share of 1 in place of p.
    case unitProx(Double)
    /// ŷ is formed with the gradient at x.
    case staleGradient
  }

  public let name: String
  /// The parts of step k, from 0.
  public var parts: @Sendable (_ k: Int) -> Parts
  /// ∇f of step k at a point, where a special case takes another f than the problem's; nil if not.
  public var slope: (@Sendable (_ k: Int, _ point: Vector) -> Vector)?
  var fault = Fault.none

  /// Creates the scheme.
  public init(
    _ name: String, slope: (@Sendable (_ k: Int, _ point: Vector) -> Vector)? = nil,
    parts: @escaping @Sendable (_ k: Int) -> Parts
  ) {
    self.name = name
    self.slope = slope
    self.parts = parts
  }

  /// k, y, and room for gradients.
  public struct State: Sendable {
    var count = 0
    var y: Vector?
    var here: Vector
    var there: Vector
  }

  public func initialState<P: Problem>(for problem: P) -> State {
    State(here: Vector(zeros: problem.dimension), there: Vector(zeros: problem.dimension))
  }

  public func settle(_ state: inout State, at x: Vector) -> Bool {
    state.y = x
    return true
  }

  public func remembered(in state: State) -> [Vector] { state.y.map { [$0] } ?? [] }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    let k = state.count
    let part = parts(k)
    let y = state.y ?? x
    gradient(k, x, on: problem, into: &state.here)
    gradient(k, y, on: problem, into: &state.there)
    if case .staleGradient = fault { state.there = state.here }
    let p = part.step
    var next = x
    for j in 0..<x.count {
      let (fromX, fromY) = (x[j] - p[j] * state.here[j], y[j] - p[j] * state.there[j])
      let b = part.mixing[j]
      next[j] = (1 - b) * fromX + b * fromY - part.innerBias[j]
    }
    var scale = p
    if case .unitProx(let share) = fault {
      for j in 0..<p.count { scale[j] = (1 - share) * p[j] + share }
    }
    problem.regularizer.prox(&next, steps: scale)
    var extrapolated = next
    for j in 0..<x.count {
      extrapolated[j] += part.momentum[j] * (next[j] - x[j]) + part.outerBias[j]
    }
    x = next
    state.y = extrapolated
    state.count += 1
  }

  private func gradient<P: Problem>(
    _ k: Int, _ point: Vector, on problem: P, into g: inout Vector
  ) {
    if let slope {
      g = slope(k, point)
    } else {
      problem.gradient(at: point, into: &g)
    }
  }
}

/// Scheme (6) of paper B with a full matrix and b = 0: x⁺ = x - P_k ∇f(x), on smooth problems.
public struct PreconditionedScheme: UpdateRule {
  /// Where a run has been, with gradients.
  public struct History: Sendable {
    /// The iterates, that of the step last.
    public internal(set) var points: [Vector] = []
    /// ∇f at each.
    public internal(set) var gradients: [Vector] = []
  }

  public let name: String
  /// P_k, n x n, of the step that leads on from the last point of a run.
  public var preconditioner: @Sendable (_ history: History) -> Matrix

  /// Creates the scheme.
  public init(
    _ name: String, preconditioner: @escaping @Sendable (_ history: History) -> Matrix
  ) {
    self.name = name
    self.preconditioner = preconditioner
  }

  public func initialState<P: Problem>(for problem: P) -> History { History() }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout History, on problem: P) {
    let g = problem.gradient(at: x)
    state.points.append(x)
    state.gradients.append(g)
    x.add(-1, preconditioner(state).times(g))
  }
}
