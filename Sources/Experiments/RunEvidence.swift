public import Catalog
import Checks
public import Engine
import Foundation
public import Optimization
import Storage

/// What the theory says about a training run before it starts: the constants of its premises.
///
/// At initialisation P = 1 and no iterate depends on the scale e, so the hidden features are those
/// along gradient descent, and their singular values scale with e^(L-1) (claim I3, itself checked).
public struct InitialFeatures: Sendable {
  /// G_{L-1,T} at scale 1, Nd coordinates by n_{L-1} units.
  public var activations: Matrix
  /// Its singular values, largest first.
  public var singularValues: [Double]
  /// Share of coordinates whose features are all zero.
  public var deadFraction: Double

  /// Its rank, up to max(n, Nd) 2^-52 of the largest singular value.
  public var rank: Int {
    let threshold =
      Double(max(activations.rows, activations.columns)) * .ulpOfOne * (singularValues.first ?? 0)
    return singularValues.count { $0 > threshold }
  }

  /// The smallest singular value over the Nd columns of G; 0 where there are fewer units.
  public var alpha: Double {
    activations.columns < activations.rows ? 0 : singularValues.last ?? 0
  }

  /// Measures the features of `setting` on `problem`.
  ///
  /// - Throws: ``RuleError``, or ``EngineError`` if the decomposition does not converge.
  public init(_ setting: TrainingSetting, on problem: LeastSquares) throws {
    var unit = setting
    unit.scale = 1
    let x = Self.lastInput(setting, on: problem)
    let activations = try unit.rule().network.lastHidden(
      gradient: problem.gradient(at: x), x: x)
    self.activations = activations
    singularValues = try activations.singularValues().elements
    let width = activations.columns
    let dead = (0..<activations.rows).count { row in
      activations.elements[(row * width)..<((row + 1) * width)].allSatisfy { $0 == 0 }
    }
    deadFraction = Double(dead) / Double(activations.rows)
  }

  /// X_{T-1} of gradient descent, where the network is asked for the last time.
  static func lastInput(_ setting: TrainingSetting, on problem: LeastSquares) -> Vector {
    let run = unroll(
      GradientDescent(stepRule: setting.stepRule), on: problem,
      from: Vector(zeros: problem.dimension), horizon: setting.horizon - 1,
      recordingIterates: true)
    return run.iterates[run.iterates.count - 1]
  }
}

extension TrainingRun {
  /// Everything that the checks of training need to know about this run.
  ///
  /// - Throws: ``RuleError``, ``ProblemError`` or ``EngineError``.
  public func record(
    _ features: InitialFeatures, on problem: LeastSquares
  ) throws -> TrainingRecord {
    let start = Vector(zeros: problem.dimension)
    let rule = try setting.rule()
    let factor = pow(setting.scale, Double(setting.widths.count))
    let residual = problem.residual(at: start)
    return TrainingRecord(
      label: setting.name, stepRule: setting.stepRule, unknowns: setting.columns,
      rows: setting.rows, instances: setting.instances, horizon: setting.horizon,
      widths: setting.widths, scale: setting.scale, stepSize: setting.metaStepSize,
      smoothness: problem.smoothness, smallestCurvature: try problem.smallestCurvature(),
      startNorm: 0, startResidual: residual.norm,
      squaredDistance: try problem.squaredDistances(from: start).reduce(0, +),
      smallestSingularValue: factor * features.alpha,
      largestSingularValue: factor * (features.singularValues.first ?? 0), rank: features.rank,
      deadFraction: features.deadFraction,
      layerNorms: try rule.network.weights.map { try $0.spectralNorm() }, travelled: travel,
      losses: losses, gradientDescentValue: losses[0], firstDecrease: try firstDecrease(problem),
      stop: stop)
  }

  /// F(W^0) - F(W^1) as ½ (r - r')·(r + r'): the difference of losses is rounding below 1e-15.
  private func firstDecrease(_ problem: LeastSquares) throws -> Double? {
    guard let next = secondWeights else { return nil }
    let rule = try setting.rule()
    let objective = try rule.metaObjective(
      on: problem, from: Vector(zeros: problem.dimension), horizon: setting.horizon, loss: .last)
    guard let before = objective.unroll(rule.parameters).iterates.last,
      let after = objective.unroll(next).iterates.last
    else { return nil }
    let (r, s) = (problem.residual(at: before), problem.residual(at: after))
    return (r - s).dot(r.moved(1, s)) / 2
  }
}

extension LeastSquares {
  /// ‖x - X*ᵢ‖² per instance, X* the minimiser closest to `x`: x + M⁺(y - M x).
  ///
  /// - Throws: ``EngineError`` if a decomposition does not converge.
  public func squaredDistances(from x: Vector) throws -> [Double] {
    let r = residual(at: x)
    let b = rowsPerInstance
    return try matrix.blocks.enumerated().map { i, block in
      let part = Vector(Array(r.elements[(i * b)..<((i + 1) * b)]))
      let move = try block.minimumNormSolution(part)
      return move.dot(move)
    }
  }
}

/// A rule that replays recorded iterates, so that what an engine computed can be checked as a rule.
struct RecordedRule: UpdateRule {
  let name = "recorded"
  let iterates: [Vector]

  func initialState<P: Problem>(for problem: P) -> Int { 0 }

  func step<P: Problem>(_ x: inout Vector, _ state: inout Int, on problem: P) {
    state += 1
    x = iterates[state]
  }
}
