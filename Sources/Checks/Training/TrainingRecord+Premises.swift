import Engine
import Optimization

extension TrainingRecord {
  /// The premises that every claim on training shares: the step rule, the loss and the map.
  var settingPremises: [Premise] {
    [.theoryStep(stepRule), .lastLoss(loss), .twiceSigmoid(map)]
  }

  /// A premise whose constants are not public: unknown, unless taken for granted.
  func undecidable(_ statement: String, _ evidence: String) -> Premise {
    Premise(
      statement, assumesThresholds ? .met : .unknown,
      evidence + (assumesThresholds ? "; taken for granted" : "; constants not public"))
  }

  /// The rounding to allow in a loss of size `value`.
  ///
  /// That of the unrolled steps and residuals for the P at hand. What the network makes of rounding
  /// in its inputs is another function's loss, not an error of this one.
  func rounding(at value: Double) -> Double {
    ResidualRounding.value(
      value,
      residual: ResidualRounding.run(
        dimension: unknowns, step: horizon,
        reach: (largestSmoothness * squaredDistance).squareRoot()))
  }
}

extension Premise {
  /// The steps are those that paper A's theorems are stated for.
  static func theoryStep(_ rule: StepRule) -> Premise {
    Premise(
      "step 1/β", met: rule == .theory,
      rule == .theory ? rule.name : "other step rule: \(rule.name)")
  }

  /// Training minimises the last value alone.
  static func lastLoss(_ loss: MetaLoss) -> Premise {
    Premise("loss F(X_T)", met: loss == .last, loss.rawValue)
  }

  /// The network's output is mapped into (0, 2).
  static func twiceSigmoid(_ map: OutputMap) -> Premise {
    Premise("P = 2σ(z)", met: map == .twiceSigmoid, map.rawValue)
  }
}
