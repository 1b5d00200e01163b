public import Engine

/// A learned rule written as a forward formula; running, training and checking follow from it.
///
/// Iterates are N x d, one row per instance. A rule with long-lived state declares it in
/// ``initialCarry(for:seed:)`` and hands it on in ``step(_:_:_:)``.
public protocol FormulaRule: LearnedUpdateRule where State == FormulaState {
  /// How the step sizes sᵢ follow from the problem.
  var stepRule: StepRule { get }
  /// Whether what one instance does depends on the others in its batch.
  var couplesInstances: Bool { get }
  /// The seed of a random initial state where the rule runs by itself.
  var stateSeed: UInt64 { get }
  /// Which of the carried matrices are iterates, N x d: a probe sets them to the point it is at.
  var rememberedIterates: [Int] { get }
  /// What the rule carries from step to step beside x, before the first.
  func initialCarry(for problem: any Problem, seed: UInt64) -> [Carry]
  /// One step from `x` (N x d): the next iterate, and what is carried on.
  func step(
    _ x: Traced, _ carry: [Traced], _ context: FormulaContext
  ) -> (x: Traced, carry: [Traced])
}

/// A matrix that a rule carries from step to step.
public struct Carry: Sendable, Equatable {
  /// Along which side instances lie one after another, so that they can be taken apart.
  public enum Axis: Sendable {
    /// N times as many rows as one instance has.
    case rows
    /// N times as many columns as one instance has.
    case columns
    /// All instances share it.
    case none
  }

  /// The entries.
  public var matrix: Matrix
  /// Where the instances lie.
  public var axis: Axis

  /// Creates a carry.
  public init(_ matrix: Matrix, along axis: Axis) {
    self.matrix = matrix
    self.axis = axis
  }

  /// The part of the instances in `range`, of `count` in all.
  func instances(_ range: Range<Int>, of count: Int) -> Carry {
    if axis == .none || range.count == count { return self }
    let (rows, columns) = (matrix.rows, matrix.columns)
    if axis == .rows {
      let k = rows / count * columns
      return Carry(
        Matrix(
          rows: range.count * (rows / count), columns: columns,
          elements: Array(matrix.elements[(range.lowerBound * k)..<(range.upperBound * k)])),
        along: axis)
    }
    let k = columns / count
    let elements = (0..<rows).flatMap {
      matrix.elements[($0 * columns + range.lowerBound * k)..<($0 * columns + range.upperBound * k)]
    }
    return Carry(
      Matrix(rows: rows, columns: range.count * k, elements: elements), along: axis)
  }

  /// The parts of groups of instances, put together again.
  static func joined(_ parts: [Carry]) -> Carry {
    let first = parts[0]
    if parts.count == 1 || first.axis == .none { return first }
    if first.axis == .rows {
      return Carry(
        Matrix(
          rows: parts.reduce(0) { $0 + $1.matrix.rows }, columns: first.matrix.columns,
          elements: parts.flatMap(\.matrix.elements)), along: .rows)
    }
    let columns = parts.reduce(0) { $0 + $1.matrix.columns }
    var elements: [Double] = []
    elements.reserveCapacity(first.matrix.rows * columns)
    for i in 0..<first.matrix.rows {
      for part in parts {
        let k = part.matrix.columns
        elements += part.matrix.elements[(i * k)..<((i + 1) * k)]
      }
    }
    return Carry(
      Matrix(rows: first.matrix.rows, columns: columns, elements: elements), along: .columns)
  }
}

/// What a step of a ``FormulaRule`` may use.
public struct FormulaContext {
  /// t, from 0: the step leads from x_t to x_{t+1}.
  public let index: Int
  /// The problem.
  public let problem: ProblemFormula
  /// sᵢ, N x 1.
  public let stepSizes: Traced
  let weights: TracedWeights
  let observer: Observations?

  /// The weight called `name`: a matrix; vectors are columns, leading sides of length 1 are dropped.
  public subscript(name: String) -> Traced {
    guard let weight = weights[name] else { preconditionFailure("no weight is called '\(name)'") }
    return weight
  }

  /// Whether there is a weight called `name`.
  public func has(_ name: String) -> Bool { weights.has(name) }

  /// Whether anybody looks on, so that what only they want to see is computed.
  public var isObserved: Bool { observer != nil }

  /// Shows an intermediate value to whoever looks on.
  public func observe(_ name: String, _ value: Traced) {
    observer?.append(name, value.value)
  }
}

/// Intermediate values of a run by name, one per step.
public final class Observations {
  /// The values of every name, in the order of the steps.
  public private(set) var values: [String: [Matrix]] = [:]

  /// Creates an empty collection.
  public init() {}

  func append(_ name: String, _ value: Matrix) { values[name, default: []].append(value) }
}

/// What a ``FormulaRule`` carries when it runs as an ordinary rule.
public struct FormulaState: Sendable {
  /// Number of steps taken.
  public var index: Int
  /// sᵢ, N numbers.
  public var stepSizes: [Double]
  /// What the formula carries.
  public var carry: [Carry]

  /// Creates a state.
  public init(index: Int = 0, stepSizes: [Double], carry: [Carry]) {
    self.index = index
    self.stepSizes = stepSizes
    self.carry = carry
  }
}

extension FormulaRule {
  /// It runs on a tape, which takes some tens of microseconds a step.
  public var cost: Double { 32 }

  public var couplesInstances: Bool { false }

  public var stateSeed: UInt64 { 0 }

  public var rememberedIterates: [Int] { [] }

  public func settle(_ state: inout FormulaState, at x: Vector) -> Bool {
    for i in rememberedIterates { state.carry[i].matrix.elements = x.elements }
    return !rememberedIterates.isEmpty
  }

  public func remembered(in state: FormulaState) -> [Vector] {
    rememberedIterates.map { Vector(state.carry[$0].matrix.elements) }
  }

  public func initialCarry(for problem: any Problem, seed: UInt64) -> [Carry] { [] }

  public func initialState<P: Problem>(for problem: P) -> FormulaState {
    FormulaState(
      stepSizes: stepRule.stepSizes(for: problem),
      carry: initialCarry(for: problem, seed: stateSeed))
  }

  public func step<P: Problem>(_ x: inout Vector, _ state: inout FormulaState, on problem: P) {
    step(&x, &state, on: problem, observer: nil)
  }

  /// One step in place; `observer` sees what the formula shows.
  public func step(
    _ x: inout Vector, _ state: inout FormulaState, on problem: any Problem,
    observer: Observations?
  ) {
    TapePool.withTape(recording: false) { tape in
      let recorder = FormulaRecorder(
        self, tape, parameters, problem: problem, stepSizes: state.stepSizes, observer: observer)
      let start = recorder.leaf(x)
      let carry = state.carry.map { tape.constant($0.matrix) }
      let next = recorder.step(start, carry, index: state.index)
      x = next.x.vector
      for i in next.carry.indices { state.carry[i].matrix = next.carry[i].value }
      state.index += 1
    }
  }

  public func metaObjective<P: TwiceDifferentiableProblem>(
    on problem: P, from start: Vector, horizon: Int, loss: MetaLoss
  ) throws(RuleError) -> any MetaObjective {
    FormulaObjective(
      self, on: problem, from: start, horizon: horizon,
      loss: .objective(loss.weights(horizon: horizon)))
  }
}

/// A rule's weights on one tape, where each is put when it is first asked for: a step of an unfolded rule
/// needs those of one layer.
final class TracedWeights {
  private let parameters: Parameters
  private let tape: Tape
  private var placed: [Traced?]

  init(_ parameters: Parameters, on tape: Tape) {
    self.parameters = parameters
    self.tape = tape
    placed = Array(repeating: nil, count: parameters.names.count)
  }

  /// All of them, in the order of the parameters.
  var all: [Traced] { parameters.names.indices.map(weight) }

  func has(_ name: String) -> Bool { parameters.names.contains(name) }

  /// The weight called `name`; nil if there is none.
  subscript(name: String) -> Traced? { parameters.names.firstIndex(of: name).map(weight) }

  private func weight(at i: Int) -> Traced {
    if let known = placed[i] { return known }
    let new = tape.variable(parameters.tensors[i].asMatrix)
    placed[i] = new
    return new
  }
}

/// A rule's formula with its weights on one tape.
struct FormulaRecorder<Rule: FormulaRule> {
  let rule: Rule
  let tape: Tape
  let problem: ProblemFormula
  let stepSizes: Traced
  let weights: TracedWeights
  let observer: Observations?

  init(
    _ rule: Rule, _ tape: Tape, _ parameters: Parameters, problem: any Problem,
    stepSizes: [Double], observer: Observations? = nil
  ) {
    self.rule = rule
    self.tape = tape
    self.problem = ProblemFormula(problem)
    self.observer = observer
    weights = TracedWeights(parameters, on: tape)
    self.stepSizes = tape.constant(
      Matrix(rows: stepSizes.count, columns: 1, elements: stepSizes))
  }

  func leaf(_ x: Vector, isVariable: Bool = false) -> Traced {
    let n = problem.instanceCount
    let matrix = Matrix(rows: n, columns: x.count / n, elements: x.elements)
    return isVariable ? tape.variable(matrix) : tape.constant(matrix)
  }

  func step(
    _ x: Traced, _ carry: [Traced], index: Int
  ) -> (x: Traced, carry: [Traced]) {
    rule.step(
      x, carry,
      FormulaContext(
        index: index, problem: problem, stepSizes: stepSizes, weights: weights,
        observer: observer))
  }
}

extension Tensor {
  /// The entries as a matrix: vectors are columns, leading sides of length 1 are dropped.
  var asMatrix: Matrix {
    var sides = shape
    while sides.count > 2, sides[0] == 1 { sides.removeFirst() }
    let rows = sides.first ?? 1
    return Matrix(
      rows: rows, columns: rows == 0 ? 0 : elements.count / rows, elements: elements)
  }
}
