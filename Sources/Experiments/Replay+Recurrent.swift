import Catalog
import Engine
import Optimization

/// Replays the rules with an LSTM: trajectory, hidden values, gradients, truncated training.
struct RecurrentReplayer: CaseReplayer {
  private static let names = ["CoordMathLSTM", "CoordBlackboxLSTM", "RNNprop"]

  func covers(_ header: ReferenceCase.Header) -> Bool { Self.names.contains(header.algorithm) }

  func outputs(of reference: ReferenceCase) throws -> [String: Tensor] {
    let problem = try reference.problem()
    let rule = try reference.recurrentRule()
    return try outputs(reference, rule, on: problem)
  }

  private func outputs(
    _ reference: ReferenceCase, _ rule: some FormulaRule, on problem: some LinearModelProblem
  ) throws -> [String: Tensor] {
    let (start, horizon) = try reference.start(on: problem)
    let (n, d) = (problem.instanceCount, problem.coordinatesPerInstance)
    let network = try reference.network()
    let carry = try reference.carry(
      rule.initialCarry(for: problem, seed: 0), network, hidden: reference.arrays["h0"],
      cells: reference.arrays["c0"])

    // The trajectory, with all that the rule shows on its way.
    let observations = Observations()
    var state = FormulaState(
      stepSizes: rule.stepRule.stepSizes(for: problem), carry: carry)
    var x = start
    var run = Trajectory(
      values: [problem.values(at: x)], iterates: [x], stop: .horizonReached(horizon))
    var others = [x]
    for _ in 0..<horizon {
      rule.step(&x, &state, on: problem, observer: observations)
      run.values.append(problem.values(at: x))
      run.iterates.append(x)
      others.append(Vector(state.carry[0].matrix.elements))
    }
    var arrays = CommonOutputs(problem, run, horizon: horizon).arrays
    for (name, values) in observations.values {
      arrays[name] = Tensor(shape: [horizon, n, d], elements: values.flatMap(\.elements))
    }
    if reference.header.algorithm == "CoordMathLSTM" {
      arrays["Z"] = Tensor(shape: [horizon + 1, n, d], elements: others.flatMap(\.elements))
    }
    let last = state.carry[network.place(in: state.carry)].matrix
    arrays["hT"] = network.coordinateMajor(last, from: 0)
    arrays["cT"] = network.coordinateMajor(last, from: network.layers * network.hidden)
    arrays["step_size"] = problem.perInstance(rule.stepRule.stepSizes(for: problem))
    arrays["obj_mean"] = arrays["obj_reported"]
    arrays["obj_reported"] = nil

    let objective = FormulaObjective(
      rule, on: problem, from: start, horizon: horizon,
      loss: .objective(MetaLoss.mean.weights(horizon: horizon)), carry: carry)
    var gradient = rule.parameters.zeros
    arrays["loss_mean"] = Tensor(objective.evaluate(rule.parameters, gradient: &gradient).loss)
    reference.record(gradient, as: "grad_mean", into: &arrays)
    for name in reference.header.noGradient ?? [] { arrays["grad_mean.\(name)"] = nil }
    try train(reference, rule, on: problem, network, into: &arrays)
    return arrays
  }

  private func train(
    _ reference: ReferenceCase, _ rule: some FormulaRule, on problem: some LinearModelProblem,
    _ network: RecurrentNetwork, into arrays: inout [String: Tensor]
  ) throws {
    guard let unroll = reference.header.dims["unroll"], unroll >= 1,
      let rate = try reference.number("meta_lr"),
      let minibatches = try reference.number("minibatches"), minibatches >= 1
    else {
      throw ReplayError.setting(
        "hyper", value: "without meta_lr, minibatches or dims.unroll", accepted: "all three")
    }
    let (_, horizon) = try reference.start(on: problem)
    let plan = TruncatedTraining(
      optimizer: try reference.adam(), stepSize: rate, horizon: horizon, segment: unroll)
    var state = plan.initialState(rule.parameters)
    let zero = Vector(zeros: problem.dimension)
    for k in 0..<Int(minibatches) {
      let carry = try reference.carry(
        rule.initialCarry(for: problem, seed: 0), network,
        hidden: try reference.part(k, of: "h0_meta"), cells: try reference.part(k, of: "c0_meta"))
      plan.advance(&state, rule, on: problem, from: zero, carry: carry)
    }
    let count = Int(minibatches) * plan.segmentCount
    let rest = [Double](repeating: .nan, count: count - state.losses.count)
    arrays["meta_loss"] = Tensor(shape: [count], elements: state.losses + rest)
    reference.record(state.parameters, as: "w_after", into: &arrays)
  }

  func isRequired(_ array: String, in reference: ReferenceCase) -> Bool {
    !["obj_total", "obj_reported", "Z", "step_size"].contains(array)
  }

  /// Adam divides by roots of tiny second moments, so weights after it compare absolutely.
  func allowance(for array: String, in reference: ReferenceCase) -> Replay.Allowance? {
    array.hasPrefix("w_after.") ? .absolute(1e-9) : nil
  }
}

extension ReferenceCase {
  /// The LSTM that the shapes of the weights tell of.
  func network() throws -> RecurrentNetwork {
    let first = try array("w0.lstm.weight_ih_l0", shape: [nil, nil])
    let layers = (0...).lazy.prefix { arrays["w0.lstm.weight_ih_l\($0)"] != nil }.count
    return RecurrentNetwork(
      inputWidth: first.shape[1], hidden: first.shape[0] / 4, layers: layers)
  }

  /// The rule with the recorded weights.
  fileprivate func recurrentRule() throws -> any FormulaRule {
    let network = try network()
    let weights = Parameters(
      arrays.keys.filter { $0.hasPrefix("w0.") }.sorted().compactMap { name in
        arrays[name].map { (String(name.dropFirst(3)), $0) }
      })
    switch header.algorithm {
    case "CoordBlackboxLSTM":
      return try CoordBlackboxLSTM(
        hidden: network.hidden, layers: network.layers, features: .reference, parameters: weights)
    case "RNNprop":
      let betas = numbers("rnnprop_beta") ?? [0.95, 0.95]
      return try RNNprop(
        hidden: network.hidden, layers: network.layers, beta1: betas[0], beta2: betas[1],
        features: .reference, parameters: weights)
    default:
      let parts = try RecurrentParts(
        try architecture(network).asReference, parameters: weights)
      return CoordMathLSTM(parts, form: .reference, stepRule: .reference)
    }
  }

  private func architecture(_ network: RecurrentNetwork) throws -> RecurrentParts.Architecture {
    let variant = header.variant ?? ""
    guard var result = RecurrentParts.Architecture.variant(variant, network: network) else {
      throw ReplayError.setting(
        "variant", value: "'\(variant)'", accepted: "A, P, PA, PBA, PBA1, PBA2, PBA12")
    }
    for part in result.heads.keys {
      let name = part.rawValue
      if case .text(let text) = header.hyper["\(name)_norm"],
        let map = OutputMap(rawValue: text.prefix { $0 != " " }.description)
      {
        result.heads[part]?.map = map
      }
      if let scale = try number("\(name)_scale") { result.heads[part]?.scale = scale }
      if arrays["w0.\(name)_scale"] != nil { result.heads[part]?.learnsScale = true }
    }
    return result
  }

  /// A rule's carry with the recorded LSTM state (layers x N d x H each) in its place.
  fileprivate func carry(
    _ carry: [Carry], _ network: RecurrentNetwork, hidden: Tensor?, cells: Tensor?
  ) throws -> [Carry] {
    guard let hidden, let cells else { throw ReplayError.missingArray("h0 or c0") }
    var carry = carry
    let place = network.place(in: carry)
    let columns = carry[place].matrix.columns
    for (name, tensor) in [("h0", hidden), ("c0", cells)]
    where tensor.shape != [network.layers, columns, network.hidden] {
      throw ReplayError.shape(
        array: name, found: tensor.shape, expected: [network.layers, columns, network.hidden])
    }
    carry[place].matrix = network.state(h: hidden.elements, c: cells.elements)
    return carry
  }

  /// Entry `k` of the array called `name` along its first side.
  fileprivate func part(_ k: Int, of name: String) throws -> Tensor {
    guard let tensor = arrays[name] else { throw ReplayError.missingArray(name) }
    let shape = Array(tensor.shape.dropFirst())
    let count = shape.reduce(1, *)
    guard tensor.elements.count >= (k + 1) * count else {
      throw ReplayError.shape(array: name, found: tensor.shape, expected: [k + 1] + shape)
    }
    return Tensor(shape: shape, elements: Array(tensor.elements[(k * count)..<((k + 1) * count)]))
  }
}

extension RecurrentNetwork {
  /// Which of a rule's carries is the LSTM's state: the one with 2 L H rows.
  func place(in carry: [Carry]) -> Int {
    carry.firstIndex { $0.axis == .columns } ?? 0
  }

  /// Rows `offset` on of a state as layers x n x H.
  fileprivate func coordinateMajor(_ state: Matrix, from offset: Int) -> Tensor {
    let n = state.columns
    var result = Tensor(zeros: [layers, n, hidden])
    for l in 0..<layers {
      for r in 0..<n {
        for k in 0..<hidden {
          result.elements[(l * n + r) * hidden + k] = state[offset + l * hidden + k, r]
        }
      }
    }
    return result
  }
}
