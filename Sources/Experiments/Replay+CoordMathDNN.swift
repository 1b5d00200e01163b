import Catalog
import Engine
import Optimization

/// Replays ``CoordMathDNN`` on least squares: trajectory, losses, gradients, trained weights.
struct CoordMathDNNReplayer: CaseReplayer {
  /// How losses and gradients are computed.
  var evaluator: CoordMathDNN.Evaluator

  func covers(_ header: ReferenceCase.Header) -> Bool {
    header.algorithm == "CoordMathDNN" && header.problem == "QP"
  }

  func outputs(of reference: ReferenceCase) throws -> [String: Tensor] {
    let problem = try reference.leastSquares()
    let (start, horizon) = try reference.start(on: problem)
    let rule = try self.rule(reference)
    let (n, d) = (problem.instanceCount, problem.coordinatesPerInstance)

    let run = unroll(rule, on: problem, from: start, horizon: horizon, recordingIterates: true)
    var arrays = CommonOutputs(problem, run, horizon: horizon).arrays
    arrays["step_size"] = Tensor(shape: [n], elements: rule.stepRule.stepSizes(for: problem))
    var raw: [Double] = []
    for x in run.iterates.prefix(horizon) {
      raw += rule.network.output(gradient: problem.gradient(at: x), x: x).elements
    }
    raw += [Double](repeating: .nan, count: horizon * n * d - raw.count)
    arrays["p_raw"] = Tensor(shape: [horizon, n, d], elements: raw)

    for loss in MetaLoss.allCases {
      let objective = try rule.metaObjective(on: problem, from: start, horizon: horizon, loss: loss)
      var gradient = rule.parameters.zeros
      let evaluation = objective.evaluate(rule.parameters, gradient: &gradient)
      arrays["loss_\(loss.rawValue)"] = Tensor(evaluation.loss)
      reference.record(gradient, as: "grad_\(loss.rawValue)", into: &arrays)
    }

    let objective = try rule.metaObjective(on: problem, from: start, horizon: horizon, loss: .last)
    for (name, optimizer) in [("sgd", MetaOptimizer.sgd), ("adam", try reference.adam())] {
      guard let steps = try reference.number("meta_steps"), steps >= 1, steps < 1e6,
        let rate = try reference.number("\(name)_lr")
      else {
        throw ReplayError.setting(
          "hyper", value: "without meta_steps or \(name)_lr", accepted: "both, as numbers")
      }
      let plan = MetaTraining(optimizer: optimizer, stepSize: rate, stepsPerEpoch: Int(steps))
      let state = plan.train(rule.parameters, objective)
      let rest = [Double](repeating: .nan, count: plan.stepCount - state.losses.count)
      arrays["meta_loss_\(name)"] = Tensor(shape: [plan.stepCount], elements: state.losses + rest)
      reference.record(state.parameters, as: "w_after_\(name)", into: &arrays)
      // Weights that take no part stay as they were.
      for weight in reference.header.noGradient ?? [] {
        arrays["w_after_\(name).\(weight)"] = reference.arrays["w0.\(weight)"]
      }
    }
    return arrays
  }

  private func rule(_ reference: ReferenceCase) throws -> CoordMathDNN {
    guard case .text(let name) = reference.header.hyper["p_norm"],
      let map = OutputMap(rawValue: name)
    else {
      throw ReplayError.setting(
        "hyper.p_norm", value: reference.header.hyper["p_norm"]?.description ?? "absent",
        accepted: OutputMap.allCases.map(\.rawValue).joined(separator: ", "))
    }
    // The weights say how many layers there are and how wide.
    let inner = (0...).lazy.map { "dnn.\($0).weight" }.prefix {
      reference.arrays["w0.\($0)"] != nil
    }
    var widths: [Int] = []
    for name in Array(inner) + ["linear.weight"] {
      widths.append(try reference.array("w0.\(name)", shape: [nil, nil]).shape[1])
    }
    guard widths.allSatisfy({ $0 >= 1 }) else {
      throw ReplayError.setting("widths", value: "\(widths)", accepted: "numbers from 1")
    }
    let scale = reference.arrays["w0.p_scale"]
    let architecture = CoordMathDNN.Architecture(
      widths: widths, map: map, learnsScale: scale != nil)
    var entries = try architecture.weightNames.map {
      (name: $0, tensor: try reference.array("w0.\($0)", shape: [nil, nil]))
    }
    if let scale {
      guard scale.elements.count == 1, scale.isFinite else {
        throw ReplayError.shape(array: "w0.p_scale", found: scale.shape, expected: [])
      }
      entries.append(("p_scale", Tensor(scale.elements[0])))
    }
    return try CoordMathDNN(
      architecture: architecture, parameters: Parameters(entries),
      stepRule: try reference.stepRule(), scale: try reference.number("p_scale") ?? 1,
      evaluator: evaluator)
  }
}

extension ReferenceCase {
  /// Adam with the recorded constants.
  ///
  /// - Throws: ``ReplayError`` for constants that are no numbers.
  func adam() throws -> MetaOptimizer {
    .adam(
      beta1: try number("adam", "beta1") ?? 0.9, beta2: try number("adam", "beta2") ?? 0.999,
      epsilon: try number("adam", "eps") ?? 1e-8)
  }

  /// Files `parameters` under `prefix`, each in the shape that its initial value has.
  func record(
    _ parameters: Parameters, as prefix: String, into arrays: inout [String: Tensor]
  ) {
    for (name, tensor) in zip(parameters.names, parameters.tensors) {
      let shape = self.arrays["w0.\(name)"]?.shape ?? tensor.shape
      arrays["\(prefix).\(name)"] = Tensor(shape: shape, elements: tensor.elements)
    }
  }
}
