import OptCheck
import Testing

/// The rule of the README, word for word.
struct LearnedMomentum: FormulaRule {
  let name = "learned-momentum"
  let stepRule = StepRule.instance
  var parameters = Parameters([("p", Tensor(1)), ("a", Tensor(0.5))])

  func initialCarry(for problem: any Problem, seed: UInt64) -> [Carry] {
    [Carry(Matrix(zeros: problem.instanceCount, problem.coordinatesPerInstance), along: .rows)]
  }

  func step(
    _ x: Traced, _ carry: [Traced], _ context: FormulaContext
  ) -> (x: Traced, carry: [Traced]) {
    let step = context["p"] * context.stepSizes
    let move = context["a"] * carry[0] - step * context.problem.gradient(at: x)
    return (context.problem.prox(x + move, steps: step), [move])
  }
}

@Suite struct ReadmeRule {
  @Test func itsGradientHolds() throws {
    let (rule, problem) = (LearnedMomentum(), try FormulaObjectives.problem(instances: 2))
    let objective = try rule.metaObjective(
      on: problem, from: Vector(zeros: problem.dimension), horizon: 8, loss: .last)
    var gradient = rule.parameters.zeros
    #expect(objective.evaluate(rule.parameters, gradient: &gradient).loss > 0)
    #expect(gradient.tensors.allSatisfy { $0.elements[0] != 0 })
    let result = GradientCheck().run(
      .init(label: "readme", parameters: rule.parameters) {
        FormulaObjective(
          rule, on: problem, from: Vector(zeros: problem.dimension), horizon: 8,
          loss: .objective(MetaLoss.last.weights(horizon: 8)))
      })
    #expect(result.verdict == .holds, "\(result.reason)")
  }
}
