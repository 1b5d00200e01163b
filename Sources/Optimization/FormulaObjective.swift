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
  /// Steps that one tape records at most; longer runs are recomputed in pieces.
  public var storedSteps = 100

  private let rule: Rule
  private let problem: any TwiceDifferentiableProblem
  private let horizon: Int
  private let loss: UnrollLoss
  private let groups: [Group]
  private let stepSizes: [Double]
  /// The state that ``evaluate(_:gradient:)`` starts from; initially that of the first step.
  public var start: RunState

  /// Instances that run on one tape.
  private struct Group: Sendable {
    var range: Range<Int>
    var problem: any TwiceDifferentiableProblem
    var stepSizes: [Double]
    var target: Vector?
  }

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
    self.rule = rule
    self.problem = problem
    self.horizon = horizon
    self.loss = loss
    stepSizes = rule.stepRule.stepSizes(for: problem)
    self.start = RunState(
      x: start, carry: carry ?? rule.initialCarry(for: problem, seed: rule.stateSeed))
    groups = Self.groups(rule, problem, stepSizes, loss)
  }

  private static func groups(
    _ rule: Rule, _ problem: some TwiceDifferentiableProblem, _ stepSizes: [Double],
    _ loss: UnrollLoss
  ) -> [Group] {
    let (n, d) = (problem.instanceCount, problem.coordinatesPerInstance)
    func target(_ range: Range<Int>) -> Vector? {
      guard case .distance(let point) = loss else { return nil }
      return Vector(Array(point.elements[(range.lowerBound * d)..<(range.upperBound * d)]))
    }
    guard !rule.couplesInstances, let separable = problem as? any SeparableProblem else {
      return [
        Group(range: 0..<n, problem: problem, stepSizes: stepSizes, target: target(0..<n))
      ]
    }
    return groupRanges(separable).compactMap { range in
      guard
        let part = separable.instances(range) as? any TwiceDifferentiableProblem
      else { return nil }
      return Group(
        range: range, problem: part, stepSizes: Array(stepSizes[range]), target: target(range))
    }
  }

  /// How the instances of a problem are grouped: by their sizes alone.
  private static func groupRanges(_ problem: some SeparableProblem) -> [Range<Int>] {
    let (n, d) = (problem.instanceCount, problem.coordinatesPerInstance)
    // One dictionary for all instances wants many of them in one product.
    let isShared = (problem as? any LinearModelProblem).map { $0.map.isShared } ?? false
    let size = isShared ? max(32, (n + 3) / 4) : max(1, 256 / d)
    return stride(from: 0, to: n, by: size).map { $0..<min(n, $0 + size) }
  }

  // MARK: One group

  /// What one group's run yields.
  private struct Outcome: Sendable {
    var loss = 0.0
    var finalValue = 0.0
    var firstNonFinite: Int?
    var gradient: Parameters?
    var end: RunState
    var piece: Tape.Piece?
    /// The derivative along a direction of the weights, if one was asked for.
    var slope = 0.0
  }

  private func state(_ start: RunState, of group: Group) -> RunState {
    let (n, d) = (problem.instanceCount, problem.coordinatesPerInstance)
    let (lower, upper) = (group.range.lowerBound * d, group.range.upperBound * d)
    return RunState(
      x: Vector(Array(start.x.elements[lower..<upper])),
      carry: start.carry.map { $0.instances(group.range, of: n) }, index: start.index)
  }

  /// Steps `range` of the run (from 0) recorded on `tape`, with the loss in them.
  private struct Recording {
    var recorder: FormulaRecorder<Rule>
    var x0: Traced
    var carry0: [Traced]
    var x: Traced
    var carry: [Traced]
    var loss: Traced?
    var finalValue = 0.0
    var firstNonFinite: Int?
  }

  private func record(
    _ group: Group, _ parameters: Parameters, on tape: Tape, from start: RunState,
    steps range: Range<Int>
  ) -> Recording {
    let recorder = FormulaRecorder(
      rule, tape, parameters, problem: group.problem, stepSizes: group.stepSizes)
    let isLater = range.lowerBound > 0
    let x0 = recorder.leaf(start.x, isVariable: isLater)
    let carry0 = start.carry.map {
      isLater ? tape.variable($0.matrix) : tape.constant($0.matrix)
    }
    var run = Recording(recorder: recorder, x0: x0, carry0: carry0, x: x0, carry: carry0)
    for t in range {
      (run.x, run.carry) = recorder.step(run.x, run.carry, index: self.start.index + t)
      if run.firstNonFinite == nil, !run.x.value.isFinite { run.firstNonFinite = t + 1 }
      guard let term = term(group, run.x, step: t, recorder.problem, &run.finalValue) else {
        continue
      }
      run.loss = run.loss.map { $0 + term } ?? term
    }
    return run
  }

  /// What step `t` (from 0) adds to the loss; also sets F(x_T).
  private func term(
    _ group: Group, _ x: Traced, step t: Int, _ formula: ProblemFormula,
    _ finalValue: inout Double
  ) -> Traced? {
    let isLast = t == horizon - 1
    switch loss {
    case .objective(let weights):
      guard weights[t] != 0 || isLast else { return nil }
      let value = formula.reportedValue(at: x)
      if isLast { finalValue = value.number }
      return weights[t] == 0 ? nil : weights[t] == 1 ? value : weights[t] * value
    case .distance:
      guard isLast, let target = group.target else { return nil }
      finalValue = formula.reportedValue(at: x).number
      let point = x.constant(Matrix(rows: x.rows, columns: x.columns, elements: target.elements))
      return (1 / Double(problem.instanceCount)) * (x - point).squared.sum
    }
  }

  /// Runs a group without differentiating.
  private func run(
    _ group: Group, _ parameters: Parameters, piece: Tape.Piece? = nil, collecting: Bool = false
  ) -> Outcome {
    TapePool.withTape(recording: false) { tape in
      if let piece { tape.impose(piece) }
      if collecting { tape.collectPiece() }
      let run = record(
        group, parameters, on: tape, from: state(start, of: group), steps: 0..<horizon)
      return outcome(run, piece: collecting ? tape.piece : nil)
    }
  }

  private func outcome(_ run: Recording, piece: Tape.Piece? = nil) -> Outcome {
    var carry = run.carry.map { Carry($0.value, along: .none) }
    for i in carry.indices { carry[i].axis = start.carry[i].axis }
    return Outcome(
      loss: run.loss?.number ?? 0, finalValue: run.finalValue,
      firstNonFinite: run.firstNonFinite,
      end: RunState(x: run.x.vector, carry: carry, index: start.index + horizon), piece: piece)
  }

  /// Runs a group and backpropagates through all of its steps.
  private func differentiate(_ group: Group, _ parameters: Parameters) -> Outcome {
    guard horizon > storedSteps else {
      return TapePool.withTape { tape in
        let run = record(
          group, parameters, on: tape, from: state(start, of: group), steps: 0..<horizon)
        pull(tape, run.loss, run, nil)
        var result = outcome(run)
        result.gradient = gradient(run, parameters)
        return result
      }
    }
    return recompute(group, parameters)
  }

  private func pull(
    _ tape: Tape, _ loss: Traced?, _ run: Recording,
    _ seeds: (x: Matrix, carry: [Matrix])?
  ) {
    var all: [(output: Traced, cotangent: Matrix)] = []
    if let loss { all.append((loss, Matrix(rows: 1, columns: 1, elements: [1]))) }
    if let seeds {
      all.append((run.x, seeds.x))
      all += zip(run.carry, seeds.carry).map { ($0, $1) }
    }
    tape.pullback(all)
  }

  private func gradient(_ run: Recording, _ parameters: Parameters) -> Parameters {
    var result = parameters
    for (i, variable) in run.recorder.variables.enumerated() {
      result.tensors[i].elements = run.recorder.tape.cotangent(of: variable).elements
    }
    return result
  }

  /// Stores the run every ⌈√T⌉ steps and records the stretches anew, last one first.
  private func recompute(_ group: Group, _ parameters: Parameters) -> Outcome {
    let interval = min(storedSteps, Int(Double(horizon).squareRoot().rounded(.up)))
    let ranges = stride(from: 0, to: horizon, by: interval).map {
      $0..<min(horizon, $0 + interval)
    }
    var stored = [state(start, of: group)]
    var result = Outcome(end: stored[0])
    for range in ranges {
      TapePool.withTape(recording: false) { tape in
        let run = record(group, parameters, on: tape, from: stored[stored.count - 1], steps: range)
        result.loss += run.loss?.number ?? 0
        if range.upperBound == horizon { result.finalValue = run.finalValue }
        result.firstNonFinite = result.firstNonFinite ?? run.firstNonFinite
        stored.append(outcome(run).end)
      }
    }
    result.end = stored[stored.count - 1]
    var seeds: (x: Matrix, carry: [Matrix])?
    var total = parameters.zeros
    for (i, range) in ranges.enumerated().reversed() {
      TapePool.withTape { tape in
        let run = record(group, parameters, on: tape, from: stored[i], steps: range)
        pull(tape, run.loss, run, seeds)
        total.add(1, gradient(run, parameters))
        seeds = (tape.cotangent(of: run.x0), run.carry0.map { tape.cotangent(of: $0) })
      }
    }
    result.gradient = total
    return result
  }

  // MARK: All groups

  private func all(_ body: @Sendable (Int) -> Outcome) -> [Outcome] {
    let count = groups.count
    let indices = Array(0..<count)
    return (try? Parallel.map(indices, threads: threads) { body($0) }) ?? []
  }

  private struct Job: @unchecked Sendable {
    // Read-only while the groups run; each has a tape of its own.
    let objective: FormulaObjective
  }

  private func evaluation(_ outcomes: [Outcome]) -> MetaEvaluation {
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
    let job = Job(objective: self)
    let outcomes = all { job.objective.differentiate(job.objective.groups[$0], parameters) }
    gradient = parameters.zeros
    for outcome in outcomes {
      if let part = outcome.gradient { gradient.add(1, part) }
    }
    return (evaluation(outcomes), end(outcomes))
  }

  /// The loss alone, and the state that the run ends in.
  public func value(_ parameters: Parameters) -> (evaluation: MetaEvaluation, end: RunState) {
    let job = Job(objective: self)
    let outcomes = all { job.objective.run(job.objective.groups[$0], parameters) }
    return (evaluation(outcomes), end(outcomes))
  }

  private func end(_ outcomes: [Outcome]) -> RunState {
    let carries = start.carry.indices.map { i in
      Carry.joined(outcomes.map { $0.end.carry[i] })
    }
    return RunState(
      x: Vector(outcomes.flatMap(\.end.x.elements)), carry: carries,
      index: start.index + horizon)
  }

  /// The derivative of the loss at `parameters` along `direction`, in forward mode.
  public func derivative(at parameters: Parameters, along direction: Parameters) -> Double {
    let job = Job(objective: self)
    let outcomes = all { i in
      let (objective, group) = (job.objective, job.objective.groups[i])
      return TapePool.withTape { tape in
        let run = objective.record(
          group, parameters, on: tape, from: objective.state(objective.start, of: group),
          steps: 0..<objective.horizon)
        tape.pushforward(
          zip(run.recorder.variables, direction.tensors).map { ($0, $1.asMatrix) })
        var result = objective.outcome(run)
        result.slope = run.loss.map { tape.tangent(of: $0).elements[0] } ?? 0
        return result
      }
    }
    return outcomes.reduce(0) { $0 + $1.slope }
  }

  public func unroll(_ parameters: Parameters) -> Trajectory {
    let job = Job(objective: self)
    let runs: [Trajectory] =
      (try? Parallel.map(groups, threads: threads) { group in
        job.objective.trajectory(group, parameters)
      }) ?? []
    let length = runs.map(\.values.count).min() ?? 0
    var result = Trajectory(
      values: (0..<length).map { t in runs.flatMap { $0.values[t] } },
      iterates: (0..<length).map { t in Vector(runs.flatMap { $0.iterates[t].elements }) },
      stop: .horizonReached(horizon))
    if length <= horizon { result.stop = .nonFinite(step: length) }
    return result
  }

  private func trajectory(_ group: Group, _ parameters: Parameters) -> Trajectory {
    var rule = rule
    rule.parameters = parameters
    let begin = state(start, of: group)
    var x = begin.x
    var state = FormulaState(
      index: begin.index, stepSizes: group.stepSizes, carry: begin.carry)
    var result = Trajectory(
      values: [group.problem.values(at: x)], iterates: [x], stop: .horizonReached(horizon))
    for t in 0..<horizon {
      rule.step(&x, &state, on: group.problem, observer: nil)
      let values = group.problem.values(at: x)
      guard x.isFinite, values.allSatisfy(\.isFinite) else {
        result.stop = .nonFinite(step: t + 1)
        break
      }
      result.values.append(values)
      result.iterates.append(x)
    }
    return result
  }

  public func surrogate(at base: Parameters) -> any SurrogateLoss {
    let job = Job(objective: self)
    let pieces = all {
      job.objective.run(job.objective.groups[$0], base, collecting: true)
    }.map(\.piece)
    return FrozenLoss(objective: self, pieces: pieces)
  }

  /// The loss on the piece that the run takes at a base point.
  private struct FrozenLoss: SurrogateLoss {
    let objective: FormulaObjective
    let pieces: [Tape.Piece?]

    func loss(at parameters: Parameters) -> Double {
      let job = Job(objective: objective)
      let pieces = pieces
      return objective.evaluation(
        objective.all {
          job.objective.run(job.objective.groups[$0], parameters, piece: pieces[$0])
        }
      ).loss
    }
  }
}
