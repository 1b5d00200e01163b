import Catalog
import Engine
import Optimization

/// Replays MS4L2O's AdaLISTA on LASSO: run, both losses with their gradients, layer-wise training.
struct AdaLISTAReplayer: CaseReplayer {
  func covers(_ header: ReferenceCase.Header) -> Bool {
    header.algorithm == "AdaLISTA" && header.problem == "LASSO"
  }

  func outputs(of reference: ReferenceCase) throws -> [String: Tensor] {
    let problem = try Lasso(reference)
    let (start, horizon) = try reference.start(on: problem)
    guard let layers = reference.header.dims["layers"], layers >= 1 else {
      throw ReplayError.setting("dims.layers", value: "absent", accepted: "a number from 1")
    }
    let rule = try AdaLISTA(layers: layers, parameters: reference.weights)
    try rule.validate(on: problem)
    let run = unroll(rule, on: problem, from: start, horizon: horizon, recordingIterates: true)
    var arrays = CommonOutputs(problem, run, horizon: horizon).arrays
    let target = try Self.solution(of: problem)
    arrays["Xref"] = Tensor(
      shape: [problem.instanceCount, problem.coordinatesPerInstance], elements: target.elements)

    let losses: [(String, UnrollLoss)] = [
      ("sup", .distance(to: target)),
      ("obj", .objective(MetaLoss.last.weights(horizon: layers))),
    ]
    for (name, loss) in losses {
      let objective = try rule.objective(on: problem, from: start, horizon: layers, loss: loss)
      var gradient = rule.parameters.zeros
      let evaluation = objective.evaluate(rule.parameters, gradient: &gradient)
      arrays["loss_\(name)"] = Tensor(evaluation.loss)
      reference.record(gradient, as: "grad_\(name)", into: &arrays)
    }
    let plan = try reference.stagedTraining(
      stepSize: "init_lr", epochs: try reference.count("steps_per_stage"))
    let trained = 1...min(try reference.count("staged_layers"), layers)
    let outcome = try plan.train(rule.parameters, layers: trained) { layer in
      try rule.training(of: layer, on: [problem], from: [start]) { _ in target }
    }
    reference.record(outcome, into: &arrays)
    return arrays
  }

  /// The target of supervised training: 5000 steps of FISTA from 0.
  private static func solution(of problem: Lasso) throws -> Vector {
    let rule = FISTA(stepRule: .reference)
    var x = Vector(zeros: problem.dimension)
    var state = rule.initialState(for: problem)
    for _ in 0..<5000 { rule.step(&x, &state, on: problem) }
    return x
  }

  func isRequired(_ array: String, in reference: ReferenceCase) -> Bool {
    reference.isRequiredOfLayers(array)
  }
}
