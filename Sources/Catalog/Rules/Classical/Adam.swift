public import Engine
import Foundation
public import Optimization

/// Adam (Kingma and Ba 2015) on subgradients of F, with bias correction.
///
/// With hypergradient descent on the step size (Baydin et al. 2018) it is AdamHD.
public struct Adam: UpdateRule {
  /// How AdamHD moves its step: s ← max(s - κ ⟨v, u⟩, 1e-8) from the second step on, where u is
  /// the derivative of x by s in the step before.
  public struct HyperDescent: Sendable, Hashable {
    /// Over what the inner product is taken.
    public enum Scope: String, Sendable, Hashable, CaseIterable {
      /// Every instance by itself: a stack of instances is as many runs.
      case instance
      /// The whole batch, as in the reference code: all instances share one correction, so a run
      /// depends on what it is batched with.
      case reference
    }

    /// κ.
    public var rate: Double
    /// Over what the inner product is taken.
    public var scope: Scope

    /// Creates it.
    public init(rate: Double, scope: Scope = .instance) {
      self.rate = rate
      self.scope = scope
    }
  }

  /// How the step sizes sᵢ follow from the problem.
  public var stepRule: StepRule
  /// Decay of the mean of subgradients.
  public var beta1: Double
  /// Decay of the mean of their squares.
  public var beta2: Double
  /// ε, outside the root.
  public var epsilon: Double
  /// What moves the step size; nil for Adam itself.
  public var hyperDescent: HyperDescent?

  public var name: String { hyperDescent == nil ? "adam" : "adam-hd" }

  /// Square roots and quotients.
  public var cost: Double { 2 }

  /// Creates the rule.
  public init(
    stepRule: StepRule = .constant(1e-3), beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-8, hyperDescent: HyperDescent? = nil
  ) {
    self.stepRule = stepRule
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.hyperDescent = hyperDescent
  }

  /// Moments, step sizes and the last direction.
  public struct State: Sendable {
    /// sᵢ, N numbers, as the last step used them.
    public internal(set) var stepSizes: [Double]
    var count = 0
    var first: Vector
    var second: Vector
    var direction: Vector
    var subgradient: Vector
  }

  public func initialState<P: Problem>(for problem: P) -> State {
    let zero = Vector(zeros: problem.dimension)
    return State(
      stepSizes: stepRule.stepSizes(for: problem), first: zero, second: zero, direction: zero,
      subgradient: zero)
  }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    problem.subgradient(at: x, into: &state.subgradient)
    let d = problem.coordinatesPerInstance
    state.count += 1
    if let hyperDescent, state.count > 1 { hyperDescent.move(&state, d) }
    let correction1 = 1 - pow(beta1, Double(state.count))
    let correction2 = 1 - pow(beta2, Double(state.count))
    for j in x.elements.indices {
      let g = state.subgradient[j]
      let m = beta1 * state.first[j] + (1 - beta1) * g
      let v = beta2 * state.second[j] + (1 - beta2) * g * g
      state.first[j] = m
      state.second[j] = v
      let u = -(m / correction1) / ((v / correction2).squareRoot() + epsilon)
      state.direction[j] = u
      x[j] += state.stepSizes[j / d] * u
    }
  }
}

extension Adam.HyperDescent {
  fileprivate func move(_ state: inout Adam.State, _ d: Int) {
    var products = [Double](repeating: 0, count: state.stepSizes.count)
    for j in 0..<state.direction.count {
      products[j / d] += state.subgradient[j] * state.direction[j]
    }
    let total = products.reduce(0, +)
    for i in products.indices {
      let product = scope == .reference ? total : products[i]
      state.stepSizes[i] = max(state.stepSizes[i] - rate * product, 1e-8)
    }
  }
}
