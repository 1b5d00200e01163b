public import Engine
public import Optimization

/// A learned rule that unfolds an iteration into layers: step t is layer t, with weights of its own
/// or weights that all layers have in common.
///
/// A weight that layers share goes by its plain name (`We`), separate ones by name and layer
/// (`We.0`, `We.1`, ...), as in PyTorch's parameter lists. Steps beyond the last layer repeat it.
public protocol UnfoldedRule: FormulaRule {
  /// The weights that a layer has, in the order in which they are listed.
  static var layerWeights: [LayerWeight] { get }
  /// T, the number of layers.
  var layers: Int { get }
  /// Tests whether the rule can run on `problem`.
  ///
  /// - Throws: ``RuleError`` naming the problem, or the first weight that does not fit.
  func validate(on problem: any Problem) throws(RuleError)
}

/// A weight of a layer: its name, and its shape in terms of the dictionary's, b x d.
public struct LayerWeight: Sendable, Hashable {
  /// What the length along an axis is.
  public enum Side: Sendable, Hashable {
    /// 1.
    case one
    /// b.
    case rows
    /// d.
    case columns
  }

  /// The plain name.
  public var name: String
  /// The length along each axis; none for a number.
  public var sides: [Side]

  /// Creates a description.
  public init(_ name: String, _ sides: Side...) {
    self.name = name
    self.sides = sides
  }

  /// The shape for dictionaries of `rows` x `columns`.
  public func shape(rows: Int, columns: Int) -> [Int] {
    sides.map {
      switch $0 {
      case .one: 1
      case .rows: rows
      case .columns: columns
      }
    }
  }
}

/// How the layer counter of a rule behaves from one unrolled run to the next.
public enum LayerCounter: String, Sendable, Hashable, CaseIterable {
  /// Every run starts at the first layer.
  case fresh
  /// NetX-lab's `LISTA`: `reset_state` forgets the counter, so from the second run on every step
  /// uses the last layer and the others are no longer trained. No effect where layers share all.
  case reference

  /// The step at which run number `run`, from 0, of a rule with `layers` layers starts.
  public func firstStep(run: Int, layers: Int) -> Int {
    self == .reference && run > 0 ? layers : 0
  }
}

extension UnfoldedRule {
  /// A layer sees the dictionary and the data; that it has a threshold makes it a proximal step.
  public var oracles: Set<Oracle>? { [.data, .prox] }

  /// What validation says.
  public func objection(to problem: any Problem) -> String? {
    do {
      try validate(on: problem)
      _ = try Self.model(problem)
      return problem.regularizer is L1Norm ? nil : "the rule is for l1 problems"
    } catch { return "\(error)" }
  }

  /// Its layers.
  public var trainedHorizon: Int? { layers }

  /// The weights in the order of ``layerWeights``, none missing and none to spare.
  ///
  /// - Throws: ``RuleError`` naming the weight that is missing, unknown or of the wrong rank.
  static func arranged(
    _ parameters: Parameters, layers: Int
  ) throws(RuleError) -> Parameters {
    guard layers >= 1 else {
      throw .unsupported(setting: "layers", value: "\(layers)", accepted: "numbers >= 1")
    }
    var entries: [(name: String, tensor: Tensor)] = []
    for weight in layerWeights {
      let names =
        parameters[weight.name] != nil
        ? [weight.name] : (0..<layers).map { "\(weight.name).\($0)" }
      for name in names {
        guard let tensor = parameters[name] else { throw .missingParameter(name) }
        guard tensor.shape.count == weight.sides.count else {
          throw .wrongShape(
            parameter: name, found: tensor.shape, expected: weight.shape(rows: -1, columns: -1))
        }
        entries.append((name, tensor))
      }
    }
    let known = Set(entries.map(\.name))
    if let stranger = parameters.names.first(where: { !known.contains($0) }) {
      throw .unsupported(
        setting: "weights", value: "'\(stranger)'",
        accepted: "\(layerWeights.map(\.name).joined(separator: ", ")) of \(layers) layers")
    }
    return Parameters(entries)
  }

  /// A problem fits if it has a linear map of the weights' shape; weights that are numbers always do.
  public func validate(on problem: any Problem) throws(RuleError) {
    guard Self.layerWeights.contains(where: { !$0.sides.isEmpty }) else { return }
    let model = try Self.model(problem)
    let (b, d) = (model.map.blockRows, model.map.blockColumns)
    for (name, tensor) in zip(parameters.names, parameters.tensors) {
      guard let weight = Self.layerWeights.first(where: { $0.name == name.withoutLayer }) else {
        continue
      }
      let expected = weight.shape(rows: b, columns: d)
      guard tensor.shape == expected else {
        throw .wrongShape(parameter: name, found: tensor.shape, expected: expected)
      }
    }
  }

  /// `problem` with its linear map.
  ///
  /// - Throws: ``RuleError`` if it has none.
  static func model(_ problem: any Problem) throws(RuleError) -> any LinearModelProblem {
    guard let model = problem as? any LinearModelProblem else {
      throw .unsupported(
        setting: "the problem of \(Self.self)", value: problem.name,
        accepted: "problems with a linear map, such as LASSO")
    }
    return model
  }

  /// The training loss of `horizon` steps from `start` (n entries), along the run or at a target.
  ///
  /// - Throws: ``RuleError`` when the weights do not fit the problem.
  public func objective<P: TwiceDifferentiableProblem>(
    on problem: P, from start: Vector, horizon: Int, loss: UnrollLoss
  ) throws(RuleError) -> FormulaObjective<Self> {
    try validate(on: problem)
    return FormulaObjective(self, on: problem, from: start, horizon: horizon, loss: loss)
  }

  public func metaObjective<P: TwiceDifferentiableProblem>(
    on problem: P, from start: Vector, horizon: Int, loss: MetaLoss
  ) throws(RuleError) -> any MetaObjective {
    try objective(
      on: problem, from: start, horizon: horizon,
      loss: .objective(loss.weights(horizon: horizon)))
  }

  /// The layer of a step.
  func layer(_ context: FormulaContext) -> Int { min(context.index, layers - 1) }

  /// The weight called `name` at a step.
  func weight(_ name: String, _ context: FormulaContext) -> Traced {
    context.has(name) ? context[name] : context["\(name).\(layer(context))"]
  }
}

extension String {
  /// `We` of `We.3`.
  fileprivate var withoutLayer: String {
    guard let dot = lastIndex(of: "."), Int(self[index(after: dot)...]) != nil else { return self }
    return String(self[..<dot])
  }
}

extension FormulaContext {
  /// The map of the problem; the problem must have passed ``UnfoldedRule/validate(on:)``.
  var model: any LinearModelProblem {
    guard let model = problem.problem as? any LinearModelProblem else {
      preconditionFailure("'\(problem.problem.name)' has no linear map")
    }
    return model
  }

  /// Y, N x b, on the tape of `x`.
  func target(like x: Traced) -> Traced {
    let model = model
    return x.constant(
      Matrix(
        rows: model.instanceCount, columns: model.map.blockRows, elements: model.target.elements))
  }

  /// Y - M x, N x b.
  func residual(at x: Traced) -> Traced {
    target(like: x) - x.mapped(by: model.map)
  }
}
