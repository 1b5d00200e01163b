import Engine
import Optimization

extension TrainingRecord {
  /// The premises that every claim on training shares: the step rule, the loss and the map.
  var settingPremises: [Premise] {
    [
      Premise(
        "step 1/β", met: stepRule == .theory,
        stepRule == .theory ? stepRule.name : "other step rule: \(stepRule.name)"),
      Premise("loss F(X_T)", met: loss == .last, loss.rawValue),
      Premise("P = 2σ(z)", met: map == .twiceSigmoid, map.rawValue),
    ]
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
