import Catalog
import Checks
import Engine
import Foundation
import Optimization
import Storage

/// The losses of a short training of a rule's weights, from where they are.
///
/// Adam with η = 1e-3 on the mean of F(x_t) - F* over 20 unrolled steps, in units of F(x_0) - F*.
public struct TrainingCell: Sendable, Hashable, Codable {
  /// The family.
  public var family: String
  /// Of data and start.
  public var seed: UInt64
  /// The loss at every training step, before its update.
  public var losses: [Double]
  /// The standard deviation of the logarithm of each loss over the run and its twins, whose weights
  /// are rounded in another way.
  public var spreads: [Double]
  /// Of the bits of all losses.
  public var hash: String

  /// Family and seed.
  public var key: String { "\(family)#\(seed)" }

  static let steps = 24
  static let horizon = 20

  /// The cells of `rule`: a smooth problem, and a composite one where it can be trained there.
  static func all(
    of rule: any LearnedUpdateRule, seeds: [UInt64], twins: Int
  ) throws -> [TrainingCell] {
    let families = ProblemSuite.families.filter { DerivativeStudy.families.contains($0.name) }
    return try families.flatMap { family in
      try seeds.prefix(2).compactMap { seed in
        try TrainingCell(rule, family, seed: seed, twins: twins)
      }
    }
  }

  /// One cell; nil where the rule cannot be trained on the family.
  private init?(
    _ rule: any LearnedUpdateRule, _ family: ProblemFamily, seed: UInt64, twins: Int
  ) throws {
    let solved = try family.problem(ProblemFamily.Draw(seed: seed))
    guard rule.objection(to: solved.problem) == nil,
      let problem = solved.problem as? any TwiceDifferentiableProblem
    else { return nil }
    let start = Trial(NativeCandidate(GradientDescent()), on: solved, seed: seed)
      .start(0, around: solved.minimisers[0])
    let excess = problem.value(at: start) - solved.minimumValue
    func objective<P: TwiceDifferentiableProblem>(_ problem: P) -> (any MetaObjective)? {
      try? rule.metaObjective(on: problem, from: start, horizon: Self.horizon, loss: .mean)
    }
    guard excess > 0, let trained = objective(problem) else { return nil }
    func losses(_ salt: UInt64?) -> [Double] {
      Self.losses(of: trained, from: rule.parameters.rounded(salt))
        .map { ($0 - solved.minimumValue) / excess }
    }
    let own = losses(nil)
    let others = (0..<twins).map { losses(SplitMix64(seed: 19).derived($0).state) }
    self.family = family.name
    self.seed = seed
    self.losses = own
    spreads = own.indices.map { k in
      PaceCell.deviation(([own] + others).map { $0.count > k ? log(abs($0[k])) : .infinity })
    }
    hash = GapCourse(gaps: own).hash
  }

  private static func losses(
    of objective: any MetaObjective, from parameters: Parameters
  ) -> [Double] {
    MetaTraining(optimizer: .adam(), stepSize: 1e-3, stepsPerEpoch: steps)
      .train(parameters, objective).losses
  }
}

extension Parameters {
  /// The weights, moved by two units in the last place; as they are without a salt.
  fileprivate func rounded(_ salt: UInt64?) -> Parameters {
    guard let salt else { return self }
    var moved = self
    var rng = SplitMix64(seed: salt)
    for i in moved.tensors.indices {
      for j in moved.tensors[i].elements.indices {
        moved.tensors[i].elements[j] *= 1 + 2 * Double.ulpOfOne * (2 * rng.uniform() - 1)
      }
    }
    return moved
  }
}
