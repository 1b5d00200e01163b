import Engine
import Foundation

/// What moves the weights during training (the *outer* optimizer), as PyTorch defines it.
public enum MetaOptimizer: Sendable, Hashable {
  /// θ ← θ - η ∇.
  case sgd
  /// Adam (Kingma and Ba 2015) with bias correction; ε outside the square root.
  case adam(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8)

  /// Its moments, and how many steps they have seen.
  public struct State: Sendable, Equatable {
    /// Number of steps taken.
    public var step: Int
    /// First moments; zeros for ``MetaOptimizer/sgd``.
    public var first: Parameters
    /// Second moments; zeros for ``MetaOptimizer/sgd``.
    public var second: Parameters

    /// Creates a state.
    public init(step: Int, first: Parameters, second: Parameters) {
      self.step = step
      self.first = first
      self.second = second
    }
  }

  /// The state before the first step, for weights shaped like `parameters`.
  public func initialState(for parameters: Parameters) -> State {
    State(step: 0, first: parameters.zeros, second: parameters.zeros)
  }

  /// Moves `parameters` against `gradient` by step size `stepSize` (η).
  public func update(
    _ parameters: inout Parameters, _ state: inout State, gradient: Parameters, stepSize: Double
  ) {
    update(
      &parameters, &state, gradient: gradient,
      stepSizes: [Double?](repeating: stepSize, count: parameters.tensors.count))
  }

  /// Moves every weight by a step size of its own, in the order of the parameters.
  ///
  /// A weight whose step size is nil takes no part: neither it nor its moments change.
  public func update(
    _ parameters: inout Parameters, _ state: inout State, gradient: Parameters,
    stepSizes: [Double?]
  ) {
    precondition(
      stepSizes.count == parameters.tensors.count,
      "\(stepSizes.count) step sizes for \(parameters.tensors.count) weights")
    state.step += 1
    for (i, stepSize) in stepSizes.enumerated() {
      guard let stepSize else { continue }
      switch self {
      case .sgd: parameters.tensors[i].add(-stepSize, gradient.tensors[i])
      case .adam(let beta1, let beta2, let epsilon):
        let correction1 = 1 - pow(beta1, Double(state.step))
        let correction2 = (1 - pow(beta2, Double(state.step))).squareRoot()
        for j in parameters.tensors[i].elements.indices {
          let g = gradient.tensors[i].elements[j]
          let m = beta1 * state.first.tensors[i].elements[j] + (1 - beta1) * g
          let v = beta2 * state.second.tensors[i].elements[j] + (1 - beta2) * g * g
          state.first.tensors[i].elements[j] = m
          state.second.tensors[i].elements[j] = v
          parameters.tensors[i].elements[j] -=
            stepSize / correction1 * m / (v.squareRoot() / correction2 + epsilon)
        }
      }
    }
  }

  /// How configurations name it.
  public var name: String {
    switch self {
    case .sgd: "SGD"
    case .adam: "Adam"
    }
  }
}

/// How the step size of training changes from epoch to epoch.
public enum MetaSchedule: Sendable, Hashable {
  /// Stays as it is.
  case constant
  /// Is multiplied by `factor` after each epoch.
  case step(factor: Double = 0.1)
  /// Follows half a cosine from the initial value down to `minimum` over `period` epochs.
  case cosine(period: Int, minimum: Double = 1e-5)

  /// The step size in epoch `epoch`, counted from 0.
  public func stepSize(initial: Double, epoch: Int) -> Double {
    switch self {
    case .constant: initial
    case .step(let factor): initial * pow(factor, Double(epoch))
    case .cosine(let period, let minimum):
      minimum + (initial - minimum) * (1 + cos(.pi * Double(epoch) / Double(period))) / 2
    }
  }

  /// How configurations name it.
  public var name: String {
    switch self {
    case .constant: "constant"
    case .step: "step"
    case .cosine: "cosine"
    }
  }
}
