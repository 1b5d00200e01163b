import Catalog
import Checks
import Engine
import Foundation
import Optimization

/// Measures at given weights what Lemmas 4.1 and 4.2 speak of; for one thread.
struct WeightProbe {
  let setting: TrainingSetting
  let problem: LeastSquares
  private let objective: any MetaObjective
  private let rule: CoordMathDNN
  private let startResidual: Double
  private let reach: Double

  init(_ setting: TrainingSetting, on problem: LeastSquares) throws {
    self.setting = setting
    self.problem = problem
    rule = try setting.rule()
    let start = Vector(zeros: problem.dimension)
    objective = try rule.metaObjective(
      on: problem, from: start, horizon: setting.horizon, loss: .last)
    startResidual = problem.residual(at: start).norm
    let squares = try problem.squaredDistances(from: start)
    reach = (problem.largestSmoothness * squares.reduce(0, +)).squareRoot()
  }

  /// W^0.
  var initial: Parameters { rule.parameters }

  /// The weights of a run of this setting, with what each lemma needs at them.
  func gradientRecord(_ snapshots: [GradientBoundRecord.Snapshot]) -> GradientBoundRecord {
    GradientBoundRecord(
      label: setting.name, stepRule: setting.stepRule, isDetached: rule.backward == .detached,
      widths: setting.widths, unknowns: setting.columns, startResidual: startResidual,
      reach: reach, snapshots: snapshots)
  }

  func pairRecord(_ label: String, _ pairs: [WeightPair]) -> SemiSmoothnessRecord {
    SemiSmoothnessRecord(
      label: label, stepRule: setting.stepRule, widths: setting.widths,
      unknowns: setting.columns, smoothness: problem.largestSmoothness,
      effectiveSmoothness: setting.stepRule == .theory
        ? problem.largestSmoothness : problem.smoothness.reduce(.infinity, min),
      startResidual: startResidual, reach: reach, pairs: pairs)
  }

  /// W^k: gradients and norms there, and W^{k+1} as one step of plain descent makes it.
  func snapshot(
    _ step: Int, _ weights: Parameters
  ) throws -> (record: GradientBoundRecord.Snapshot, next: Parameters) {
    var gradient = weights.zeros
    let evaluation = objective.evaluate(weights, gradient: &gradient)
    let record = GradientBoundRecord.Snapshot(
      step: step, loss: evaluation.loss,
      gradientNorms: gradient.tensors.map { Vector($0.elements).norm },
      layerNorms: try weights.tensors.map(Self.spectralNorm),
      inputNorms: inputs(objective.unroll(weights)).map(\.norm))
    return (record, weights.moved(-setting.metaStepSize, gradient))
  }

  /// How far the iterates at `other` are from those at `weights`.
  func pair(
    _ path: String, index: Int, _ weights: Parameters, _ other: Parameters
  ) throws -> WeightPair {
    let (run, second) = (objective.unroll(weights), objective.unroll(other))
    return WeightPair(
      path, index: index,
      layerBounds: try zip(weights.tensors, other.tensors).map {
        max(try Self.spectralNorm($0), try Self.spectralNorm($1))
      },
      layerDistances: try zip(weights.tensors, other.moved(-1, weights).tensors).map {
        try Self.spectralNorm($1)
      },
      inputRows: inputs(run).map(\.row),
      differences: zip(run.iterates, second.iterates).dropFirst().map { ($0 - $1).norm })
  }

  /// A direction of Gaussian weights with ‖D_l‖_F = 1 in every layer.
  func direction(seed: UInt64) -> Parameters {
    var rng = SplitMix64(seed: seed)
    var result = initial.zeros
    for l in result.tensors.indices {
      let draw = rng.vector(result.tensors[l].elements.count)
      result.tensors[l].elements = draw.scaled(by: 1 / draw.norm).elements
    }
    return result
  }

  /// ‖U_t‖_F and the largest row norm of U_t, t = 1 to T.
  private func inputs(_ run: Trajectory) -> [(norm: Double, row: Double)] {
    run.iterates.dropLast().map { x in
      let g = problem.gradient(at: x)
      return (hypot(g.norm, x.norm), zip(g.elements, x.elements).map(hypot).reduce(0, max))
    }
  }

  private static func spectralNorm(_ tensor: Tensor) throws -> Double {
    max(0, try tensor.matrix.squaredSpectralNorm()).squareRoot()
  }
}

extension Parameters {
  /// The first `count` tensors multiplied by `factor`.
  func scaling(_ count: Int, by factor: Double) -> Parameters {
    var result = self
    for l in result.tensors.indices.prefix(count) {
      result.tensors[l].elements = result.tensors[l].elements.map { factor * $0 }
    }
    return result
  }
}
