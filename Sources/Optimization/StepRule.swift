/// How an instance's step size follows from the smoothness constants.
public enum StepRule: Sendable, Hashable, Codable {
  /// sᵢ = 1/β with β = maxᵢ βᵢ: the theorems of paper A.
  case theory
  /// sᵢ = 1/βᵢ: every instance of a stack by itself.
  case instance
  /// sᵢ = 0.9999/βᵢ: the authors' code, and every published figure.
  case reference
  /// The same given step for every instance.
  case constant(Double)

  /// The step sizes of the instances, N numbers.
  public func stepSizes<P: Problem>(for problem: P) -> [Double] {
    switch self {
    case .theory:
      [Double](repeating: 1 / problem.largestSmoothness, count: problem.instanceCount)
    case .instance: problem.smoothness.map { 1 / $0 }
    case .reference: problem.smoothness.map { 0.9999 / $0 }
    case .constant(let step): [Double](repeating: step, count: problem.instanceCount)
    }
  }

  /// How a report names the rule.
  public var name: String {
    switch self {
    case .theory: "1/β"
    case .instance: "1/βᵢ"
    case .reference: "0.9999/βᵢ"
    case .constant(let step): "\(step)"
    }
  }
}
