import Catalog
import Engine
import Optimization

/// Replays the LISTA family on LASSO with one dictionary: runs, gradients, both kinds of training.
///
/// NetX-lab's classes select the support across the batch; our own cases of ALISTA do so over
/// coordinates.
struct LISTAReplayer: CaseReplayer {
  private static let rules:
    [String: @Sendable (Int, Parameters, ReferenceCase) throws -> any UnfoldedRule] = [
      "LISTA": { layers, weights, _ in
        try LISTA(layers: layers, parameters: weights, stepRule: .reference)
      },
      "LISTACP": { layers, weights, _ in try LISTACP(layers: layers, parameters: weights) },
      "LISTACPSS": { layers, weights, reference in
        try LISTACPSS(
          layers: layers, parameters: weights, selection: try reference.selection(.reference))
      },
      "LISTACPSSSTEP": { layers, weights, reference in
        try LISTACPSSStep(
          layers: layers, parameters: weights, stepRule: .reference,
          selection: try reference.selection(.reference))
      },
      "LISTACPSSWOnly": { layers, weights, _ in
        try LISTACPSSWOnly(layers: layers, parameters: weights)
      },
      "ALISTA": { layers, weights, reference in
        try ALISTA(
          layers: layers,
          analyticWeight: try Lasso(reference).map.matrix(0).leastCoherent(),
          parameters: weights, selection: try reference.selection(.coordinates))
      },
      "StepLISTA": { layers, weights, _ in try StepLISTA(layers: layers, parameters: weights) },
    ]

  func covers(_ header: ReferenceCase.Header) -> Bool {
    Self.rules[header.algorithm] != nil && header.problem == "LASSO"
  }

  func outputs(of reference: ReferenceCase) throws -> [String: Tensor] {
    guard let make = Self.rules[reference.header.algorithm] else { return [:] }
    let problem = try Lasso(reference)
    let layers = try reference.start(on: problem).horizon
    var arrays = try outputs(
      of: try make(layers, reference.weights, reference), reference, problem)
    if reference.header.hyper["percent"] != nil, reference.header.algorithm != "LISTA" {
      let selection = try reference.selection(.reference)
      arrays["percent_t"] = Tensor(
        shape: [layers], elements: (0..<layers).map(selection.fraction(layer:)))
    }
    return arrays
  }

  private func outputs(
    of rule: some UnfoldedRule, _ reference: ReferenceCase, _ problem: Lasso
  ) throws -> [String: Tensor] {
    let (start, horizon) = try reference.start(on: problem)
    let objective = try rule.objective(
      on: problem, from: start, horizon: horizon,
      loss: .objective(MetaLoss.last.weights(horizon: horizon)))
    var arrays = CommonOutputs(
      problem, objective.unroll(rule.parameters), horizon: horizon
    ).arrays
    arrays["step_size"] = problem.perInstance(StepRule.reference.stepSizes(for: problem))
    var gradient = rule.parameters.zeros
    arrays["loss_last"] = Tensor(objective.evaluate(rule.parameters, gradient: &gradient).loss)
    reference.record(gradient, as: "grad_last", into: &arrays)

    let counters: [(LayerCounter, String)] =
      rule is LISTA ? [(.fresh, "sgd"), (.reference, "sgd_asis")] : [(.fresh, "sgd")]
    for (counter, suffix) in counters {
      let plan = MetaTraining(
        stepSize: try reference.required("sgd_lr"),
        stepsPerEpoch: try reference.count("meta_steps"))
      var state = plan.initialState(rule.parameters)
      var memory = MetaTraining.Memory(for: rule.parameters)
      while !state.isFinished(plan) {
        objective.start.index = counter.firstStep(run: state.losses.count, layers: rule.layers)
        plan.advance(&state, objective, memory: &memory)
      }
      let rest = [Double](repeating: .nan, count: plan.stepCount - state.losses.count)
      arrays["meta_loss_\(suffix)"] = Tensor(
        shape: [plan.stepCount], elements: state.losses + rest)
      reference.record(state.parameters, as: "w_after_\(suffix)", into: &arrays)
    }
    // The reference code refuses the schedule where layers share a weight.
    guard rule.parameters.names.allSatisfy({ StagedTraining.layer(of: $0) != nil }) else {
      return arrays
    }
    let plan = try reference.stagedTraining(stepSize: "staged_lr", epochs: 1)
    let outcome = try plan.train(rule.parameters, layers: 1...min(3, horizon)) { layer in
      try rule.training(of: layer, on: [problem], from: [start])
    }
    reference.record(outcome, into: &arrays)
    return arrays
  }

  func isRequired(_ array: String, in reference: ReferenceCase) -> Bool {
    reference.isRequiredOfLayers(array)
  }
}

extension Lasso {
  /// The problem of a `LASSO` case.
  init(_ reference: ReferenceCase) throws {
    guard let lasso = try reference.problem() as? Lasso else {
      throw ReplayError.setting("problem", value: reference.header.problem, accepted: "LASSO")
    }
    self = lasso
  }
}

extension ReferenceCase {
  /// The initial weights, `w0.<name>` each.
  var weights: Parameters {
    Parameters(
      arrays.sorted { $0.key < $1.key }.filter { $0.key.hasPrefix("w0.") }
        .map { (String($0.key.dropFirst(3)), $0.value) })
  }

  /// Which entries are not shrunk.
  func selection(_ group: SupportSelection.Group) throws -> SupportSelection {
    let fractions = (try required("percent"), try required("max_percent"))
    guard (0...1).contains(fractions.1) else {
      throw ReplayError.setting("hyper.max_percent", value: "\(fractions.1)", accepted: "0...1")
    }
    return SupportSelection(
      fraction: fractions.0, largestFraction: fractions.1, group: group)
  }

  /// The number under `key`.
  ///
  /// - Throws: ``ReplayError`` if it is absent or no number.
  func required(_ key: String) throws -> Double {
    guard let value = try number(key) else {
      throw ReplayError.setting("hyper.\(key)", value: "absent", accepted: "a number")
    }
    return value
  }

  /// The count under `key`.
  ///
  /// - Throws: ``ReplayError`` if it is absent or no number from 1 to 999999.
  func count(_ key: String) throws -> Int {
    let value = try required(key)
    guard value >= 1, value < 1e6 else {
      throw ReplayError.setting("hyper.\(key)", value: "\(value)", accepted: "1 to 999999")
    }
    return Int(value)
  }

  /// The layer-wise plan of the case.
  func stagedTraining(stepSize key: String, epochs: Int) throws -> StagedTraining {
    StagedTraining(
      stepSize: try required(key), layerDecay: try required("lr_decay_layer"),
      stageFactors: [1, try required("lr_decay_stage2"), try required("lr_decay_stage3")],
      length: .epochs(epochs))
  }

  /// Sums of the objective are no part of these cases, nor gradients of weights without any.
  func isRequiredOfLayers(_ array: String) -> Bool {
    let absent = (header.noGradient ?? []).contains {
      array.hasPrefix("grad_") && array.hasSuffix(".\($0)")
    }
    return !absent && !["obj_total", "obj_reported"].contains(array)
  }

  /// Files what layer-wise training left.
  func record(_ outcome: StagedTraining.Outcome, into arrays: inout [String: Tensor]) {
    let losses = outcome.epochs.flatMap(\.losses)
    arrays["staged_loss"] = Tensor(shape: [losses.count], elements: losses)
    record(outcome.parameters, as: "w_after_staged", into: &arrays)
  }
}
