import Engine
import Optimization
import Synchronization

/// A rule with a fault planted in it.
struct FaultyRule<Base: UpdateRule>: UpdateRule {
  let base: Base
  let fault: RuleFault
  let size: Double
  /// What the rule says that it asks for, whether the fault lets it or not.
  var needs: Set<Oracle>?

  var name: String { "\(base.name) with \(fault.name), \(size)" }

  struct State: Sendable {
    var base: Base.State
    var k = 0
    var gradients: [Vector] = []
    /// x_{k-1}, for momentum of the fault's own.
    var previous: Vector?
    /// What the rule takes its problem for.
    let kind: SolvedProblem.Kind
    let clock: StepClock
  }

  func initialState<P: Problem>(for problem: P) -> State {
    let clock = StepClock()
    let oracles = FaultyOracles(problem, fault, size, GradientMemory(), clock)
    return State(base: base.initialState(for: oracles), kind: kind(of: problem), clock: clock)
  }

  /// The branch that a rule takes which tells r = 0 and f = 0 from the rest.
  private func kind<P: Problem>(of problem: P) -> SolvedProblem.Kind {
    if problem.regularizer is NoRegularizer { return .smooth }
    let somewhere = Vector([Double](repeating: 1, count: problem.dimension))
    return problem.gradient(at: somewhere).norm == 0 ? .implicit : .composite
  }

  func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    state.k += 1
    let old = x
    let memory = GradientMemory(state.gradients)
    state.clock.set(state.k)
    base.step(&x, &state.base, on: FaultyOracles(problem, fault, size, memory, state.clock))
    state.gradients = memory.recent
    switch fault.change {
    case .iterate(let change): change(old, &x, state.k, size)
    case .branch(let kind, let change):
      if kind == state.kind { change(old, &x, state.k, size) }
    case .momentum(let factor):
      let last = x.count - 1
      x[last] += factor(state.k, size) * (old[last] - (state.previous ?? old)[last])
      state.previous = old
    case .memory(let factor):
      let last = x.count - 1
      x[last] += factor * (old[last] - (state.previous ?? old)[last])
      state.previous = old
      state.previous?[last] += size
    default: break
    }
  }

  func settle(_ state: inout State, at x: Vector) -> Bool {
    let remembers = base.settle(&state.base, at: x)
    guard fault.hasMemory else { return remembers }
    state.previous = x
    return true
  }

  func remembered(in state: State) -> [Vector] {
    base.remembered(in: state.base) + (state.previous.map { [$0] } ?? [])
  }

  var oracles: Set<Oracle>? { needs ?? base.oracles }
}

/// The last gradients that a rule was given, within one step.
private final class GradientMemory: Sendable {
  private let gradients: Mutex<[Vector]>

  init(_ recent: [Vector] = []) { gradients = Mutex(recent) }

  var recent: [Vector] { gradients.withLock { $0 } }

  /// The gradient of two calls ago, or the oldest.
  func exchange(_ g: Vector) -> Vector {
    gradients.withLock {
      $0.append(g)
      if $0.count > 3 { $0.removeFirst() }
      return $0[0]
    }
  }
}

/// The number of the step that is being taken: a rule may hold on to a proximal operator for all of them.
///
/// Copies of a state share it; every step sets it before it asks for anything, and a run belongs to
/// one thread.
final class StepClock: Sendable {
  private let step = Mutex(0)

  var k: Int { step.withLock { $0 } }

  func set(_ k: Int) { step.withLock { $0 = k } }
}

/// A problem whose oracles have a fault.
private struct FaultyOracles<Base: Problem>: Problem {
  let base: Base
  let fault: RuleFault
  let size: Double
  let memory: GradientMemory
  let clock: StepClock

  init(
    _ base: Base, _ fault: RuleFault, _ size: Double, _ memory: GradientMemory, _ clock: StepClock
  ) {
    self.base = base
    self.fault = fault
    self.size = size
    self.memory = memory
    self.clock = clock
  }

  var name: String { base.name }
  var dimension: Int { base.dimension }
  var instanceCount: Int { base.instanceCount }
  var minimumValue: Double? { base.minimumValue }
  var reportedScale: Double { base.reportedScale }

  var smoothness: [Double] {
    guard case .smoothness(let change) = fault.change else { return base.smoothness }
    return base.smoothness.map { change($0, size) }
  }

  var regularizer: any Regularizer {
    guard !(base.regularizer is NoRegularizer) else { return base.regularizer }
    switch fault.change {
    case .prox(let change):
      return FaultyRegularizer(base: base.regularizer, size: size, change: change)
    case .preconditioner(let factor):
      return FaultyRegularizer(base: base.regularizer, size: size) { [clock] x, steps, base, size in
        var steps = steps
        steps[steps.count - 1] *= factor(clock.k, size)
        base.prox(&x, steps: steps)
      }
    default: return base.regularizer
    }
  }

  func values(at x: Vector) -> [Double] { base.values(at: x) }

  func gradient(at x: Vector, into g: inout Vector) {
    base.gradient(at: x, into: &g)
    switch fault.change {
    case .gradient(let change):
      let stale = memory.exchange(g)
      change(&g, stale, size)
    case .preconditioner(let factor): g[g.count - 1] *= factor(clock.k, size)
    default: break
    }
  }
}

private struct FaultyRegularizer: Regularizer {
  let base: any Regularizer
  let size: Double
  let change: @Sendable (inout Vector, Vector, any Regularizer, Double) -> Void

  var name: String { base.name }
  var l1Weight: Double { base.l1Weight }
  func value(at x: ArraySlice<Double>) -> Double { base.value(at: x) }
  func addSubgradient(at x: Vector, to g: inout Vector) { base.addSubgradient(at: x, to: &g) }
  func prox(_ x: inout Vector, steps: Vector) { change(&x, steps, base, size) }
  func value(of x: Traced) -> Traced { base.value(of: x) }
  func subgradient(of x: Traced) -> Traced { base.subgradient(of: x) }
  func prox(of x: Traced, steps: Traced) -> Traced { base.prox(of: x, steps: steps) }
}
