public import Engine

/// Training by truncated backpropagation on one problem after another, as paper B trains.
///
/// A training problem is run for `horizon` steps in segments. Each segment's loss is the mean of the
/// reported objective over its steps; the weights take a step after every segment; iterate and
/// carried state go on, gradients do not flow from one segment into the one before.
public struct TruncatedTraining: Sendable, Hashable {
  /// What moves the weights.
  public var optimizer: MetaOptimizer
  /// η, the step size of training.
  public var stepSize: Double
  /// T, the steps of a run.
  public var horizon: Int
  /// Steps of a segment; what is left of `horizon` after whole segments is not run.
  public var segment: Int
  /// The largest norm of the gradient over all weights; nil for no clipping.
  public var clipNorm: Double?

  /// Creates a plan.
  public init(
    optimizer: MetaOptimizer = .adam(), stepSize: Double, horizon: Int, segment: Int,
    clipNorm: Double? = nil
  ) {
    precondition(horizon >= 1 && segment >= 1, "horizon \(horizon), segment \(segment)")
    self.optimizer = optimizer
    self.stepSize = stepSize
    self.horizon = horizon
    self.segment = segment
    self.clipNorm = clipNorm
  }

  /// Number of segments of a run.
  public var segmentCount: Int { horizon / segment }

  /// The state before the first training problem.
  public func initialState(_ parameters: Parameters) -> State {
    State(parameters: parameters, optimizer: optimizer.initialState(for: parameters))
  }

  /// Where training stands; with its plan and problems it determines all that follows.
  public struct State: Sendable, Equatable {
    /// The weights.
    public var parameters: Parameters
    /// The moments of the meta-optimizer.
    public var optimizer: MetaOptimizer.State
    /// The loss of every segment so far, each before its update.
    public var losses: [Double] = []
    /// Number of training problems used.
    public var problems = 0
    /// The best weights by validation; nil before the first.
    public var best: Best?
    /// What validation said, in order.
    public var validations: [Validation] = []
    /// Why training ended; nil while it goes on.
    public var stop: StopReason?

    /// Creates a state.
    public init(parameters: Parameters, optimizer: MetaOptimizer.State) {
      self.parameters = parameters
      self.optimizer = optimizer
    }

    /// The best weights by validation, else the present ones.
    public var chosen: Parameters { best?.parameters ?? parameters }

    /// Number of validations since the best one.
    public var validationsSinceBest: Int {
      validations.reversed().prefix { $0.problems > (best?.problems ?? 0) }.count
    }

    /// Notes a validation; a smaller value than ever makes the present weights the best ones.
    public mutating func validate(_ value: Double) {
      validations.append(Validation(problems: problems, value: value))
      if value < best?.value ?? .infinity {
        best = Best(parameters: parameters, value: value, problems: problems)
      }
    }
  }

  /// One validation.
  public struct Validation: Sendable, Hashable, Codable {
    /// Number of training problems used before it.
    public var problems: Int
    /// The mean over steps and instances of the objective.
    public var value: Double

    /// Creates one.
    public init(problems: Int, value: Double) {
      self.problems = problems
      self.value = value
    }
  }

  /// Weights with what validation said of them.
  public struct Best: Sendable, Equatable {
    /// The weights.
    public var parameters: Parameters
    /// The validation's value.
    public var value: Double
    /// Number of training problems used before it.
    public var problems: Int

    /// Creates it.
    public init(parameters: Parameters, value: Double, problems: Int) {
      self.parameters = parameters
      self.value = value
      self.problems = problems
    }
  }

  /// Trains on one more problem from `start` (n entries).
  ///
  /// - Parameter carry: what the rule carries at first; drawn from `seed` if nil. A loss or a
  ///   gradient that is not finite ends training with the weights of the last good segment.
  public func advance<Rule: FormulaRule, P: TwiceDifferentiableProblem>(
    _ state: inout State, _ rule: Rule, on problem: P, from start: Vector, carry: [Carry]? = nil,
    seed: UInt64 = 0, threads: Int = Parallel.coreCount
  ) {
    guard state.stop == nil else { return }
    let weights = [Double](repeating: 1 / Double(segment), count: segment)
    let objective = FormulaObjective(
      rule, on: problem, from: start, horizon: segment, loss: .objective(weights),
      carry: carry ?? rule.initialCarry(for: problem, seed: seed))
    objective.threads = threads
    var gradient = state.parameters.zeros
    for _ in 0..<segmentCount {
      let (evaluation, end) = objective.segment(state.parameters, gradient: &gradient)
      state.losses.append(evaluation.loss)
      guard evaluation.loss.isFinite, evaluation.firstNonFinite == nil, gradient.isFinite else {
        state.stop = .nonFinite(step: state.losses.count - 1)
        return
      }
      if let clipNorm { gradient.clip(to: clipNorm) }
      optimizer.update(
        &state.parameters, &state.optimizer, gradient: gradient, stepSize: stepSize)
      objective.start = end
    }
    state.problems += 1
  }
}

extension Parameters {
  /// Scales all entries so that their norm is at most `limit`: PyTorch's `clip_grad_norm_`, its
  /// 1e-6 included.
  public mutating func clip(to limit: Double) {
    let factor = limit / (norm + 1e-6)
    guard factor < 1 else { return }
    for i in tensors.indices {
      for j in tensors[i].elements.indices { tensors[i].elements[j] *= factor }
    }
  }
}
