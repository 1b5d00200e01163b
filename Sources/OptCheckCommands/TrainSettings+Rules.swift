import Foundation
import OptCheck

/// Rules by the names of the reference code.
enum RuleName {
  /// Rules with weights.
  static let learned = [
    "CoordMathDNN", "CoordMathLSTM", "CoordBlackboxLSTM", "RNNprop", "LISTA", "LISTACPSS",
    "LISTACPSSSTEP", "LISTACPSSWOnly", "AdaLISTA",
  ]
  /// Rules without.
  static let classical = [
    "ProximalGradientDescent", "ProximalGradientDescentMomentum", "SubGradientDescent", "Adam",
    "AdamHD", "Shampoo", "LBFGS",
  ]
}

extension TrainSettings {
  /// The learned rule at its initial weights, for `problem` where the weights depend on it.
  func learnedRule(
    for problem: @autoclosure () throws -> any Problem
  ) throws -> any LearnedUpdateRule {
    let name = try text("optimizer")
    switch name {
    case "CoordMathDNN": return try coordMathDNN()
    case "CoordMathLSTM": return try coordMathLSTM()
    case "CoordBlackboxLSTM":
      let features = isOn("reference") ? CoordBlackboxLSTM.Features.reference : .paper
      let (hidden, layers) = (try integer("lstm-hidden-size"), try integer("lstm-layers"))
      return try CoordBlackboxLSTM(
        hidden: hidden, layers: layers, features: features,
        parameters: CoordBlackboxLSTM.initialParameters(
          hidden: hidden, layers: layers, features: features, seed: try seed()))
    case "RNNprop":
      let (hidden, layers) = (try integer("lstm-hidden-size"), try integer("lstm-layers"))
      return try RNNprop(
        hidden: hidden, layers: layers, beta1: try number("rnnprop-beta1"),
        beta2: try number("rnnprop-beta2"), features: isOn("reference") ? .reference : .paper,
        parameters: RNNprop.initialParameters(hidden: hidden, layers: layers, seed: try seed()),
        initialState: .normal(scale: try number("state-scale")))
    case "LISTA", "LISTACPSS", "LISTACPSSSTEP", "LISTACPSSWOnly", "AdaLISTA":
      guard let model = try problem() as? any LinearModelProblem else {
        throw UsageError("\(name) needs a problem with a dictionary: LASSO, LASSO_LISTA")
      }
      return try unfolded(name, model)
    default: break
    }
    let rules = OptCheckCommand.registry.rules.compactMap { $0 as? any LearnedUpdateRule }
    guard let rule = rules.first(where: { $0.name == name }) else {
      let names = RuleName.learned + rules.map(\.name)
      throw SettingError.badValue(
        "optimizer", value: name,
        accepted: names.joined(separator: ", ") + " (learned rules; others with --test only)",
        source: "")
    }
    return rule
  }

  /// The seed of all draws.
  func seed() throws -> UInt64 { UInt64(try integer("seed")) }

  /// The rule to test: any rule, a learned one with the weights of a file.
  func testRule() throws -> any UpdateRule {
    let name = try text("optimizer")
    if let rule = try classical(name) { return rule }
    let plain = OptCheckCommand.registry.rules.first { $0.name == name }
    if let plain, !(plain is any LearnedUpdateRule) { return plain }
    var rule = try learnedRule(for: try testProblem(0, instances: 1))
    let file =
      has("ckpt-path")
      ? URL(fileURLWithPath: try text("ckpt-path"))
      : try folder.appendingPathComponent("\(rule.name).safetensors")
    guard file.pathExtension != "pth", file.pathExtension != "pt" else {
      throw UsageError(
        "\(file.lastPathComponent) is a PyTorch file; convert it once: python -c \"import torch, sys; "
          + "from safetensors.torch import save_file as s; s({k: v.contiguous() for k, v in "
          + "torch.load(sys.argv[1], map_location='cpu').items()}, sys.argv[2])\" in.pth out.safetensors"
      )
    }
    let stored = try Safetensors.read(from: file)
    rule.parameters = Parameters(
      try zip(rule.parameters.names, rule.parameters.tensors).map { name, tensor in
        guard let found = stored[name] else { throw RuleError.missingParameter(name) }
        guard found.shape == tensor.shape else {
          throw RuleError.wrongShape(
            parameter: name, found: found.shape, expected: tensor.shape)
        }
        return (name, found)
      })
    return rule
  }

  /// The classical rule of that name; nil if there is none.
  private func classical(_ name: String) throws -> (any UpdateRule)? {
    func decay(_ key: String, _ usual: Double) throws -> Double {
      has(key) ? try number(key) : usual
    }
    func adam(_ hyper: Adam.HyperDescent?) throws -> Adam {
      Adam(
        stepRule: try stepRule(), beta1: try decay("momentum1", 0.9),
        beta2: try decay("momentum2", 0.999), epsilon: try decay("eps", 1e-8),
        hyperDescent: hyper)
    }
    switch name {
    case "ProximalGradientDescent": return ProximalGradient(stepRule: try stepRule())
    case "ProximalGradientDescentMomentum": return FISTA(stepRule: try stepRule())
    case "SubGradientDescent":
      return SubgradientDescent(
        stepRule: try stepRule(), schedule: isOn("reference") ? .constant : .inverseRoot)
    case "Adam": return try adam(nil)
    case "AdamHD":
      return try adam(
        Adam.HyperDescent(
          rate: try number("hyper-step"), scope: isOn("reference") ? .reference : .instance))
    case "Shampoo": return Shampoo(stepRule: try stepRule())
    case "LBFGS": return LBFGS()
    default: return nil
    }
  }

  private func stepRule() throws -> StepRule {
    // As in the reference code, 0 means: not given.
    if has("step-size"), try number("step-size") > 0 {
      return .constant(try number("step-size"))
    }
    if isOn("reference") { return .reference }
    return switch try text("step-rule") {
    case "theory": .theory
    case "instance": .instance
    default: .reference
    }
  }

  // MARK: Learned rules

  private func coordMathDNN() throws -> CoordMathDNN {
    guard isOn("p-use") else {
      throw UsageError("p-use is off: the rule is then gradient descent, with nothing to train")
    }
    let widths =
      has("widths")
      ? try text("widths").split(separator: ",").compactMap { Int($0) }
      : [2, try integer("lstm-hidden-size")]
    guard let map = OutputMap(rawValue: try text("p-norm")),
      let backward = CoordMathDNN.Backward(rawValue: try text("backward")),
      let evaluator = CoordMathDNN.Evaluator(rawValue: try text("evaluator")),
      let layout = CoordMathDNN.WeightLayout(rawValue: try text("weight-layout"))
    else { preconditionFailure("choices and enumerations differ") }
    let architecture = CoordMathDNN.Architecture(
      widths: widths, map: map, learnsScale: isOn("p-scale-learned"))
    let initialization: CoordMathDNN.Initialization =
      switch try text("init") {
      case "qr": .qr
      case "qrNonnegative": .qrNonnegative
      default: .orthogonal(layout)
      }
    let scale = try number("p-scale")
    var weights = try CoordMathDNN.initialParameters(
      architecture, initialization, scale: try number("e"), seed: try seed())
    if let i = weights.names.firstIndex(of: "p_scale") { weights.tensors[i] = Tensor(scale) }
    var rule = try CoordMathDNN(
      architecture: architecture, parameters: weights, stepRule: try stepRule(), scale: scale,
      backward: backward, evaluator: evaluator)
    rule.threads = try integer("threads")
    return rule
  }

  private func coordMathLSTM() throws -> CoordMathLSTM {
    var heads: [RecurrentParts.Part: RecurrentParts.Head] = [:]
    for part in RecurrentParts.Part.allCases where isOn("\(part.rawValue)-use") {
      let name = part.rawValue
      guard let map = OutputMap(rawValue: try text("\(name)-norm")) else {
        preconditionFailure("choices and enumerations differ")
      }
      heads[part] = RecurrentParts.Head(
        map, scale: try number("\(name)-scale"), learnsScale: isOn("\(name)-scale-learned"))
    }
    guard !heads.isEmpty else {
      throw UsageError(
        "no part is learned; accepted: one or more of --p-use, --a-use, --b-use, "
          + "--b1-use, --b2-use, each with its norm")
    }
    var architecture = RecurrentParts.Architecture(
      network: RecurrentNetwork(
        hidden: try integer("lstm-hidden-size"), layers: try integer("lstm-layers")), heads: heads)
    if isOn("reference") {
      architecture =
        script == .mainTrainAnlys
        ? .paperABaseline(heads, network: architecture.network) : architecture.asReference
    }
    return CoordMathLSTM(
      try RecurrentParts(
        architecture, parameters: architecture.initialParameters(seed: try seed())),
      form: isOn("reference") ? .reference : .paper, stepRule: try stepRule(),
      stateSeed: try seed())
  }

  private func unfolded(
    _ name: String, _ problem: some LinearModelProblem
  ) throws -> any LearnedUpdateRule {
    let layers = try integer(
      script == .mainTrainAnlys || name == "LISTACPSSWOnly" && !has("layers")
        ? "optimizer-training-steps" : "layers")
    var shared: Set<String> = []
    // NetX's layer-wise program has the sharing of LISTA and LISTACPSS switched off in its text.
    let mayShare = !(isOn("reference") && script == .mainUnrollListas)
    if mayShare, isOn("w-shared") { shared.insert("We") }
    if mayShare, isOn("s-shared"), name == "LISTA" { shared.insert("S") }
    if mayShare, isOn("theta-shared"), name != "LISTACPSSWOnly" { shared.insert("theta") }
    let start: LayerStart =
      isOn("reference") ? .reference(threshold: try number("lamb")) : .ista
    let selection = SupportSelection(
      fraction: try number("p"), largestFraction: try number("max-p"),
      group: isOn("reference") ? .reference : .coordinates)
    func weights<R: InitializedUnfoldedRule>(_ rule: R.Type) throws -> Parameters {
      try R.initialParameters(for: problem, layers: layers, shared: shared, start: start)
    }
    switch name {
    case "LISTA":
      return try LISTA(
        layers: layers, parameters: weights(LISTA.self),
        stepRule: isOn("reference") ? .reference : .constant(1))
    case "LISTACPSS":
      return try LISTACPSS(
        layers: layers, parameters: weights(LISTACPSS.self), selection: selection)
    case "LISTACPSSSTEP":
      return try LISTACPSSStep(
        layers: layers, parameters: weights(LISTACPSSStep.self), stepRule: try stepRule(),
        selection: selection)
    case "LISTACPSSWOnly":
      return try LISTACPSSWOnly(layers: layers, parameters: weights(LISTACPSSWOnly.self))
    default:
      return try AdaLISTA(layers: layers, parameters: weights(AdaLISTA.self))
    }
  }
}
