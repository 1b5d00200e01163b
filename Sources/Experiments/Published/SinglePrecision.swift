import Engine
import Optimization

/// A rule whose iterates are rounded to single precision after every step.
struct SinglePrecision<Rule: UpdateRule>: UpdateRule {
  var rule: Rule

  var name: String { "\(rule.name) in single precision" }

  func initialState<P: Problem>(for problem: P) -> Rule.State { rule.initialState(for: problem) }

  func step<P: Problem>(_ x: inout Vector, _ state: inout Rule.State, on problem: P) {
    rule.step(&x, &state, on: problem)
    for i in 0..<x.count { x[i] = Double(Float(x[i])) }
  }
}
