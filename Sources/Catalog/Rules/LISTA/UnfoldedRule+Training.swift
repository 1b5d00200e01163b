public import Engine
public import Optimization

/// At which step of the rule a validation run starts in layer-wise training.
public enum ValidationStart: String, Sendable, Hashable, CaseIterable {
  /// At the first layer, as the training run does.
  case first
  /// Both reference scripts validate without resetting the rule: after a run of l layers the next
  /// step is that of layer l + 1, so what decides when a stage ends is a run through layers that are
  /// not trained yet.
  case reference

  /// The first step when `layer`, from 1, is trained.
  public func step(layer: Int) -> Int { self == .reference ? layer : 0 }
}

extension UnfoldedRule {
  /// What layer-wise training of `layer`, from 1, is given: runs of that many layers.
  ///
  /// - Parameters:
  ///   - batches: problems, each a batch.
  ///   - starts: x_0 of every batch; nil for 0.
  ///   - validation: a problem whose reported objective decides when a stage ends; nil for none.
  ///   - validationStart: where validation runs start.
  ///   - target: the point that a batch is drawn to; where it is nil, the objective is minimised.
  /// - Throws: ``RuleError`` when the weights do not fit a problem.
  public func training<P: TwiceDifferentiableProblem>(
    of layer: Int, on batches: [P], from starts: [Vector]? = nil, validation: P? = nil,
    validationStart: ValidationStart = .first, target: (P) -> Vector? = { _ in nil }
  ) throws(RuleError) -> StagedTraining.Layer {
    let last = UnrollLoss.objective(MetaLoss.last.weights(horizon: layer))
    var objectives: [any MetaObjective] = []
    for (i, problem) in batches.enumerated() {
      objectives.append(
        try objective(
          on: problem, from: starts?[i] ?? Vector(zeros: problem.dimension), horizon: layer,
          loss: target(problem).map { .distance(to: $0) } ?? last))
    }
    guard let validation else { return StagedTraining.Layer(batches: objectives) }
    let held = try objective(
      on: validation, from: Vector(zeros: validation.dimension), horizon: layer, loss: last)
    held.start.index = validationStart.step(layer: layer)
    return StagedTraining.Layer(batches: objectives) { held.value($0).evaluation.loss }
  }
}
