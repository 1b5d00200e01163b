import OptCheck
import Testing

@Suite struct NetworkTrainings {
  /// The iterate goes on either way; only one of the two lets the gradient through.
  @Test func referenceLeavesTheWeights() throws {
    let problem = try LeastSquares.authors(seed: 2, instances: 1, rows: 6, columns: 12)
    let architecture = CoordMathDNN.Architecture(widths: [2, 8])
    let weights = try CoordMathDNN.initialParameters(
      architecture, .orthogonal(.inOut), scale: 10, seed: 1)
    let rule = try CoordMathDNN(architecture: architecture, parameters: weights)
    func run(_ backward: NetworkTraining.Backward) throws -> NetworkTraining.Outcome {
      try NetworkTraining(
        rule: rule, problem: problem, start: Vector(zeros: 12), horizon: 5, loss: .last,
        plan: MetaTraining(stepSize: 1e-4, stepsPerEpoch: 3), backward: backward
      ).run(curveSteps: [0, 2])
    }
    let (cut, connected) = (try run(.reference), try run(.connected))
    #expect(cut.state.parameters == weights)
    #expect(connected.state.parameters != weights)
    #expect(cut.state.losses.count == 3 && connected.state.losses.count == 3)
    #expect(cut.curves[2]?.first == cut.state.losses[1])
    #expect(cut.state.losses[2] < cut.state.losses[0])
  }
}
