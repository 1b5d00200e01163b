/// The values along a run of gradient descent, and what bounds on them need.
public struct DescentRun: Sendable, Hashable, Codable {
  /// Problem and setting.
  public var label: String
  /// How the step sizes were chosen, in the words of a report.
  public var stepRule: String
  /// Whether the steps are those of paper A's theorems, sᵢ = 1/β.
  public var isTheoryStep: Bool
  /// Whether every instance is quadratic.
  public var isQuadratic: Bool
  /// d, the number of unknowns of one instance; sets how much rounding to expect.
  public var coordinatesPerInstance: Int
  /// βᵢ, N numbers.
  public var smoothness: [Double]
  /// sᵢ, N numbers.
  public var stepSizes: [Double]
  /// ‖X_0,i - X*_i‖² with X* the minimiser closest to X_0, N numbers.
  public var squaredDistances: [Double]
  /// F(X_t) less the minimum, summed over instances, t from 0 to T.
  public var values: [Double]

  /// Describes a run.
  public init(
    label: String, stepRule: String, isTheoryStep: Bool, isQuadratic: Bool = true,
    coordinatesPerInstance: Int, smoothness: [Double], stepSizes: [Double],
    squaredDistances: [Double], values: [Double]
  ) {
    precondition(
      smoothness.count == stepSizes.count && smoothness.count == squaredDistances.count,
      "\(smoothness.count) instances, \(stepSizes.count) steps, \(squaredDistances.count) radii")
    precondition(values.count >= 2, "a run has at least one step")
    self.label = label
    self.stepRule = stepRule
    self.isTheoryStep = isTheoryStep
    self.isQuadratic = isQuadratic
    self.coordinatesPerInstance = coordinatesPerInstance
    self.smoothness = smoothness
    self.stepSizes = stepSizes
    self.squaredDistances = squaredDistances
    self.values = values
  }

  /// T, the number of steps.
  public var horizon: Int { values.count - 1 }

  /// β = maxᵢ βᵢ.
  public var largestSmoothness: Double { smoothness.reduce(0, max) }

  /// Σᵢ βᵢ ‖X_0,i - X*_i‖², in units of F.
  public var weightedDistance: Double {
    zip(smoothness, squaredDistances).map { $0 * $1 }.reduce(0, +)
  }
}
