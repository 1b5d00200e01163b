import Engine
import Optimization

/// A rule whose clock runs at another pace: its k-th iterate is the base's iterate number `pace` k,
/// on the segment between neighbours where that is no whole number.
///
/// A contraction by ρ per step becomes one by ρ^pace, whatever the rule: what the regression gate must
/// notice.
struct PacedRule<Base: UpdateRule>: UpdateRule {
  let base: Base
  let pace: Double

  var name: String { base.name }
  var trainedHorizon: Int? { base.trainedHorizon }
  var oracles: Set<Oracle>? { base.oracles }
  var cost: Double { base.cost }
  func objection(to problem: any Problem) -> String? { base.objection(to: problem) }

  /// The base's state, its last two iterates, and how far both clocks are.
  struct State: Sendable {
    var base: Base.State
    var before: Vector?
    var after: Vector?
    var taken = 0
    var count = 0
  }

  func initialState<P: Problem>(for problem: P) -> State {
    State(base: base.initialState(for: problem))
  }

  func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    var after = state.after ?? x
    var before = state.before ?? x
    state.count += 1
    let time = pace * Double(state.count)
    while Double(state.taken) < time {
      before = after
      base.step(&after, &state.base, on: problem)
      state.taken += 1
    }
    x = before.moved(time - Double(state.taken - 1), after - before)
    (state.before, state.after) = (before, after)
  }
}
