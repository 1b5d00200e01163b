public import Engine
public import Optimization

/// A run of x_t = x_{t-1} - S P_t ∇f(x_{t-1}), as its maker describes it.
///
/// P_t is diagonal and S = diag(sᵢ I). The description is what ``DescentCheck`` verifies.
public struct ScaledGradientRun: Sendable {
  /// Rule, problem and setting.
  public var label: String
  /// What the run minimises; values as half a squared residual are the sharpest.
  public var problem: any Problem
  /// sᵢ, N numbers.
  public var stepSizes: [Double]
  /// X_0 to X_T, n entries each.
  public var iterates: [Vector]
  /// The diagonals of P_1 to P_T, n entries each; nil if the rule does not tell: they are then read
  /// off the steps.
  public var scales: [Vector]?

  /// Describes a run.
  public init(
    label: String, problem: any Problem, stepSizes: [Double], iterates: [Vector],
    scales: [Vector]? = nil
  ) {
    precondition(
      stepSizes.count == problem.instanceCount,
      "\(stepSizes.count) step sizes for \(problem.instanceCount) instances")
    precondition(
      !iterates.isEmpty && iterates.allSatisfy { $0.count == problem.dimension },
      "iterates do not have \(problem.dimension) entries")
    if let scales {
      precondition(
        scales.count == iterates.count - 1
          && scales.allSatisfy { $0.count == problem.dimension },
        "\(scales.count) scales for \(iterates.count - 1) steps")
    }
    self.label = label
    self.problem = problem
    self.stepSizes = stepSizes
    self.iterates = iterates
    self.scales = scales
  }

  /// Runs x - S P ∇f for `horizon` steps with the scales that `scale` gives for step t from 1 to T.
  init(
    _ label: String, on problem: any Problem, stepSizes: [Double], from start: Vector,
    horizon: Int, scale: (_ t: Int) -> Vector
  ) {
    var iterates = [start]
    let scales = (1...horizon).map(scale)
    let d = problem.coordinatesPerInstance
    for p in scales {
      var x = iterates[iterates.count - 1]
      let g = problem.gradient(at: x)
      for j in x.elements.indices { x[j] -= stepSizes[j / d] * p[j] * g[j] }
      iterates.append(x)
    }
    self.init(
      label: label, problem: problem, stepSizes: stepSizes, iterates: iterates, scales: scales)
  }
}
