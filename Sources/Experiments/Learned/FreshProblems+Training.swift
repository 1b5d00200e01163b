import Catalog
import Engine
import Optimization

extension FreshProblems {
  /// `rule` after training on `count` of these problems on one thread, as paper B trains: 100 steps in
  /// segments of 20, by Adam; the last weights, as nothing is held out.
  ///
  /// - Parameter progress: told the share of problems done; may throw to end the training.
  /// - Throws: what `progress` throws, `ProblemError` for a size out of range.
  func trained<Rule: FormulaRule>(
    _ rule: Rule, stepSize: Double, count: Int, progress: (Double) throws -> Void
  ) throws -> Rule {
    let plan = TruncatedTraining(
      optimizer: .adam(), stepSize: stepSize, horizon: 100, segment: 20)
    var rule = rule
    var state = plan.initialState(rule.parameters)
    while state.problems < count, state.stop == nil {
      func advance(_ problem: some LinearModelProblem) {
        plan.advance(
          &state, rule, on: problem, from: Vector(zeros: problem.dimension),
          seed: SplitMix64(seed: seed).derived(state.problems).state, threads: 1)
      }
      advance(try training(state.problems))
      try progress(Double(state.problems) / Double(count))
    }
    rule.parameters = state.parameters
    return rule
  }
}
