public import Engine

/// What the training of a ``FormulaRule`` minimises along an unrolled run.
public enum UnrollLoss: Sendable, Equatable {
  /// Σ wₜ F(x_t), F the reported objective; entry t - 1 is the weight of F(x_t).
  case objective([Double])
  /// The mean over instances of ‖x_T - x*‖², for given x* (n entries).
  case distance(to: Vector)
}

/// Where an unrolled run of a ``FormulaRule`` stands.
public struct RunState: Sendable, Equatable {
  /// x_t, n entries.
  public var x: Vector
  /// What the rule carries.
  public var carry: [Carry]
  /// t.
  public var index: Int

  /// Creates a state.
  public init(x: Vector, carry: [Carry], index: Int = 0) {
    self.x = x
    self.carry = carry
    self.index = index
  }
}

/// The training loss of a ``FormulaRule``, differentiated on a tape, instances side by side.
///
/// Groups of instances run on tapes of their own, on all cores; how they are grouped depends on
/// the problem only and sums are taken in their order, so results do not depend on the number of
/// threads. Beyond ``storedSteps`` steps the run is stored at intervals only and recomputed in
/// between, so memory grows with the square root of the horizon.
public final class FormulaObjective<Rule: FormulaRule>: MetaObjective {
  /// Threads; no bit of a result depends on it.
  public var threads = Parallel.coreCount
  /// Bytes of values that the largest recording of the last gradient held, on one tape.
  public private(set) var recordedBytes = 0
  private var runs: GroupedRuns<Rule>

  /// Creates the loss of `horizon` steps from `start` (n entries).
  public init<P: TwiceDifferentiableProblem>(
    _ rule: Rule, on problem: P, from start: Vector, horizon: Int, loss: UnrollLoss,
    carry: [Carry]? = nil
  ) {
    precondition(start.count == problem.dimension, "start has \(start.count) entries")
    precondition(horizon >= 1, "horizon \(horizon) is not positive")
    if case .objective(let weights) = loss {
      precondition(weights.count == horizon, "\(weights.count) weights for \(horizon) steps")
    }
    let first = carry ?? rule.initialCarry(for: problem, seed: rule.stateSeed)
    runs = GroupedRuns(
      rule, on: problem, horizon: horizon, loss: loss, start: RunState(x: start, carry: first))
  }

  /// Steps that one tape records at most; longer runs are recomputed in pieces.
  public var storedSteps: Int {
    get { runs.storedSteps }
    set { runs.storedSteps = newValue }
  }

  /// The state that runs start from; initially that of the first step.
  public var start: RunState {
    get { runs.start }
    set { runs.start = newValue }
  }

  private func all<Result: Sendable>(
    _ body: @Sendable (GroupedRuns<Rule>, Int) -> Result
  ) -> [Result] {
    // A value, so that threads share nothing that changes.
    let runs = runs
    let indices = Array(runs.groups.indices)
    return (try? Parallel.map(indices, threads: threads) { body(runs, $0) }) ?? []
  }

  private func evaluation(_ outcomes: [GroupedRuns<Rule>.Outcome]) -> MetaEvaluation {
    MetaEvaluation(
      loss: outcomes.reduce(0) { $0 + $1.loss },
      finalValue: outcomes.reduce(0) { $0 + $1.finalValue },
      firstNonFinite: outcomes.compactMap(\.firstNonFinite).min())
  }

  public func evaluate(_ parameters: Parameters, gradient: inout Parameters) -> MetaEvaluation {
    segment(parameters, gradient: &gradient).evaluation
  }

  /// The loss with its gradient, and the state that the run ends in: one truncated segment.
  public func segment(
    _ parameters: Parameters, gradient: inout Parameters
  ) -> (evaluation: MetaEvaluation, end: RunState) {
    let outcomes = all { $0.differentiate($1, parameters) }
    gradient = parameters.zeros
    recordedBytes = outcomes.map(\.bytes).max() ?? 0
    for outcome in outcomes {
      if let part = outcome.gradient { gradient.add(1, part) }
    }
    return (evaluation(outcomes), end(outcomes))
  }

  /// The loss alone, and the state that the run ends in.
  public func value(_ parameters: Parameters) -> (evaluation: MetaEvaluation, end: RunState) {
    let outcomes = all { $0.run($1, parameters) }
    return (evaluation(outcomes), end(outcomes))
  }

  private func end(_ outcomes: [GroupedRuns<Rule>.Outcome]) -> RunState {
    let carries = start.carry.indices.map { i in
      Carry.joined(outcomes.map { $0.end.carry[i] })
    }
    return RunState(
      x: Vector(outcomes.flatMap(\.end.x.elements)), carry: carries,
      index: start.index + runs.horizon)
  }

  /// The derivative of the loss at `parameters` along `direction`, in forward mode.
  public func derivative(at parameters: Parameters, along direction: Parameters) -> Double {
    all { $0.slope($1, parameters, direction) }.reduce(0, +)
  }

  public func forwardDerivative(
    at parameters: Parameters, along direction: Parameters
  ) -> Double? { derivative(at: parameters, along: direction) }

  public func unroll(_ parameters: Parameters) -> Trajectory {
    let parts = all { $0.trajectory($1, parameters) }
    let length = parts.map(\.values.count).min() ?? 0
    let stop: StopReason =
      length <= runs.horizon ? .nonFinite(step: length) : .horizonReached(runs.horizon)
    return Trajectory(
      values: (0..<length).map { t in parts.flatMap { $0.values[t] } },
      iterates: (0..<length).map { t in Vector(parts.flatMap { $0.iterates[t].elements }) },
      stop: stop)
  }

  /// The smooth piece of the loss that a run at `parameters` takes, group by group.
  ///
  /// It consists of the sides of all kinks and of the stopped values: where two weights have the
  /// same, a difference between them has crossed no kink.
  public func pieces(at parameters: Parameters) -> [Tape.Piece] {
    all { $0.run($1, parameters, collecting: true).piece }.compactMap(\.self)
  }

  public func surrogate(at base: Parameters) -> any SurrogateLoss {
    FrozenLoss(objective: self, pieces: pieces(at: base))
  }

  /// The loss on the piece that the run takes at a base point.
  private struct FrozenLoss: SurrogateLoss {
    let objective: FormulaObjective
    let pieces: [Tape.Piece]

    func loss(at parameters: Parameters) -> Double {
      let pieces = pieces
      return objective.evaluation(
        objective.all { $0.run($1, parameters, piece: pieces[$1]) }
      ).loss
    }
  }
}
