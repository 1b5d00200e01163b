import Catalog
import Engine
import Optimization

/// Replays the classical rules: iterates, values, and what a rule keeps between its steps.
struct ClassicalReplayer: CaseReplayer {
  /// The rules by the names that the reference cases give them.
  private static let rules: [String: @Sendable (ReferenceCase) throws -> any UpdateRule] = [
    "PGD": proximalGradient, "GD": proximalGradient, "GradientDescent": proximalGradient,
    "ProximalGradientDescent": proximalGradient,
    "FISTA": { FISTA(stepRule: try $0.stepRule()) },
    "SubGD": { SubgradientDescent(stepRule: try $0.stepRule(), schedule: .constant) },
    "Adam": { try adam($0, nil) },
    "AdamHD": { reference in
      guard let rate = try reference.number("hyper_step") else {
        throw ReplayError.setting("hyper.hyper_step", value: "absent", accepted: "a number")
      }
      return try adam(reference, Adam.HyperDescent(rate: rate, scope: .reference))
    },
    "Shampoo": { reference in
      Shampoo(
        stepRule: try reference.stepRule(), epsilon: try reference.number("eps_init") ?? 1e-8)
    },
  ]

  @Sendable private static func proximalGradient(
    _ reference: ReferenceCase
  ) throws -> any UpdateRule {
    ProximalGradient(stepRule: try reference.stepRule())
  }

  private static func adam(
    _ reference: ReferenceCase, _ hyper: Adam.HyperDescent?
  ) throws -> Adam {
    Adam(
      stepRule: try reference.stepRule(), beta1: try reference.number("momentum1") ?? 0.9,
      beta2: try reference.number("momentum2") ?? 0.999,
      epsilon: try reference.number("eps") ?? 1e-8, hyperDescent: hyper)
  }

  func covers(_ header: ReferenceCase.Header) -> Bool {
    Self.rules[header.algorithm] != nil
  }

  func outputs(of reference: ReferenceCase) throws -> [String: Tensor] {
    guard let make = Self.rules[reference.header.algorithm] else { return [:] }
    return try outputs(reference, try make(reference), on: try reference.problem())
  }

  private func outputs(
    _ reference: ReferenceCase, _ rule: some UpdateRule, on problem: some Problem
  ) throws -> [String: Tensor] {
    let (start, horizon) = try reference.start(on: problem)
    let run = unroll(rule, on: problem, from: start, horizon: horizon, recordingIterates: true)
    var arrays = CommonOutputs(problem, run, horizon: horizon).arrays
    let stepRule = try reference.stepRule()
    arrays["step_size"] = problem.perInstance(stepRule.stepSizes(for: problem))
    let (n, d) = (problem.instanceCount, problem.coordinatesPerInstance)
    if let fista = rule as? FISTA {
      let states = states(fista, on: problem, from: start, horizon: horizon)
      arrays["tau"] = Tensor(shape: [horizon + 1], elements: states.map(\.tau))
      arrays["Zx"] = Tensor(
        shape: [horizon + 1, n, d],
        elements: states.flatMap { ($0.extrapolated ?? start).elements })
    }
    if let adam = rule as? Adam, adam.hyperDescent != nil {
      let states = states(adam, on: problem, from: start, horizon: horizon).dropFirst()
      arrays["step_t"] = Tensor(shape: [horizon, n], elements: states.flatMap(\.stepSizes))
    }
    return arrays
  }

  /// The states before the first step and after every one.
  private func states<R: UpdateRule>(
    _ rule: R, on problem: some Problem, from start: Vector, horizon: Int
  ) -> [R.State] {
    var x = start
    var states = [rule.initialState(for: problem)]
    for _ in 0..<horizon {
      var state = states[states.count - 1]
      rule.step(&x, &state, on: problem)
      states.append(state)
    }
    return states
  }

  /// A fourth root of a nearly singular matrix loses digits: two ways to form it differ by 2e-10.
  func allowance(for array: String, in reference: ReferenceCase) -> Replay.Allowance? {
    reference.header.algorithm == "Shampoo" ? .relative(1e-8) : nil
  }
}
