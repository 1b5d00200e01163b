import OptCheck
import Testing

/// Figures that the shipped PyTorch classes printed (float32), so good to about 1e-6 relative.
@Suite struct AuthorsTraining {
  @Test func firstLosses() throws {
    let problem = try LeastSquares.authors(seed: 895, instances: 32, rows: 25, columns: 32)
    let architecture = CoordMathDNN.Architecture(widths: [2, 1024])
    let w0 = try CoordMathDNN.initialParameters(
      architecture, .orthogonal(.inOut), scale: 50, seed: 118)
    let rule = try CoordMathDNN(
      architecture: architecture, parameters: w0, stepRule: .reference)
    let objective = try rule.metaObjective(
      on: problem, from: Vector(zeros: 1024), horizon: 20, loss: .last)
    let plan = MetaTraining(stepSize: 1e-7, stepsPerEpoch: 4)
    var state = plan.initialState(w0)
    var memory = MetaTraining.Memory(for: w0)
    while !state.isFinished(plan) { plan.advance(&state, objective, memory: &memory) }
    let expected = [3.05966735, 2.85946226, 2.75219250, 2.67929792]
    for (a, b) in zip(state.losses, expected) { #expect(abs(a - b) <= 1e-6 * b) }
  }
}
