import Engine

/// Unrolled runs of a rule, instances in groups: a value that threads can share.
struct GroupedRuns<Rule: FormulaRule>: Sendable {
  let rule: Rule
  let horizon: Int
  let loss: UnrollLoss
  let groups: [Group]
  var start: RunState
  var storedSteps = 100
  private let instanceCount: Int
  private let coordinates: Int

  /// Instances that run on one tape.
  struct Group: Sendable {
    var range: Range<Int>
    var problem: any TwiceDifferentiableProblem
    var stepSizes: [Double]
    var target: Vector?
  }

  init(
    _ rule: Rule, on problem: some TwiceDifferentiableProblem, horizon: Int, loss: UnrollLoss,
    start: RunState
  ) {
    self.rule = rule
    self.horizon = horizon
    self.loss = loss
    self.start = start
    instanceCount = problem.instanceCount
    coordinates = problem.coordinatesPerInstance
    groups = Self.groups(rule, problem, rule.stepRule.stepSizes(for: problem), loss)
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
  struct Outcome: Sendable {
    var loss = 0.0
    var finalValue = 0.0
    var firstNonFinite: Int?
    var gradient: Parameters?
    var end: RunState
    var piece: Tape.Piece?
    /// Bytes of values that the largest recording held.
    var bytes = 0
  }

  private func state(_ start: RunState, of group: Group) -> RunState {
    let (n, d) = (instanceCount, coordinates)
    let (lower, upper) = (group.range.lowerBound * d, group.range.upperBound * d)
    return RunState(
      x: Vector(Array(start.x.elements[lower..<upper])),
      carry: start.carry.map { $0.instances(group.range, of: n) }, index: start.index)
  }

  /// Steps `range` of the run (from 0) recorded on `tape`, with the loss in them.
  private struct Recording {
    var recorder: FormulaRecorder<Rule>
    /// All weights, in the order of the parameters, also those that no step asks for.
    var variables: [Traced]
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
    let variables = recorder.weights.all
    let isLater = range.lowerBound > 0
    let x0 = recorder.leaf(start.x, isVariable: isLater)
    let carry0 = start.carry.map {
      isLater ? tape.variable($0.matrix) : tape.constant($0.matrix)
    }
    var run = Recording(
      recorder: recorder, variables: variables, x0: x0, carry0: carry0, x: x0, carry: carry0)
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
      return (1 / Double(instanceCount)) * (x - point).squared.sum
    }
  }

  /// Runs a group without differentiating.
  func run(
    _ i: Int, _ parameters: Parameters, piece: Tape.Piece? = nil, collecting: Bool = false
  ) -> Outcome {
    let group = groups[i]
    return TapePool.withTape(recording: false) { tape in
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
  func differentiate(_ i: Int, _ parameters: Parameters) -> Outcome {
    let group = groups[i]
    guard horizon > storedSteps else {
      return TapePool.withTape { tape in
        let run = record(
          group, parameters, on: tape, from: state(start, of: group), steps: 0..<horizon)
        pull(tape, run.loss, run, nil)
        var result = outcome(run)
        result.gradient = gradient(run, parameters)
        result.bytes = tape.byteCount
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
    for (i, variable) in run.variables.enumerated() {
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
        result.bytes = max(result.bytes, tape.byteCount)
        total.add(1, gradient(run, parameters))
        seeds = (tape.cotangent(of: run.x0), run.carry0.map { tape.cotangent(of: $0) })
      }
    }
    result.gradient = total
    return result
  }

  func trajectory(_ i: Int, _ parameters: Parameters) -> Trajectory {
    let group = groups[i]
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

  /// The derivative of a group's loss along a direction of the weights, in forward mode.
  func slope(_ i: Int, _ parameters: Parameters, _ direction: Parameters) -> Double {
    TapePool.withTape { tape in
      let run = record(
        groups[i], parameters, on: tape, from: state(start, of: groups[i]), steps: 0..<horizon)
      tape.pushforward(
        zip(run.variables, direction.tensors).map { ($0, $1.asMatrix) })
      return run.loss.map { tape.tangent(of: $0).elements[0] } ?? 0
    }
  }
}
