public import Catalog
import Engine
public import Optimization

/// Problems drawn anew for every training step, as paper B trains, from one seed.
///
/// The reference code draws training problems from an unseeded stream and derives the seeds of
/// validation (`seed + 77`) and of test batch i (`seed + 777 (i + 1)`); so do we, but for the
/// training problems, which come from the seed too.
public struct FreshProblems: Sendable, Hashable {
  /// What is drawn.
  public enum Family: String, Sendable, Hashable, CaseIterable {
    /// LASSO.
    case lasso = "LASSO"
    /// Logistic regression with an l1 term.
    case logisticL1 = "LogisticL1"
  }

  /// What is drawn.
  public var family: Family
  /// Sizes of a minibatch.
  public var size: SparseRegressionSize
  /// ρ.
  public var weight: Double
  /// The seed of everything.
  public var seed: UInt64
  /// What is taken for the Lipschitz constant of logistic problems.
  public var lipschitz: LogisticL1.Lipschitz

  /// Creates a source of problems.
  public init(
    _ family: Family, size: SparseRegressionSize, weight: Double, seed: UInt64,
    lipschitz: LogisticL1.Lipschitz = .correct
  ) {
    self.family = family
    self.size = size
    self.weight = weight
    self.seed = seed
    self.lipschitz = lipschitz
  }

  /// All that determines the problems, but for ``lipschitz``, in words.
  public var words: String {
    "\(family.rawValue) \(size.rows) x \(size.columns), \(size.sparsity) nonzeros, rho = \(weight), "
      + "\(size.instances) instances, seed \(seed)"
  }

  /// Training problem number k, from 0.
  ///
  /// - Throws: `ProblemError` for a size out of range.
  public func training(_ k: Int) throws -> any LinearModelProblem {
    try problem(SplitMix64(seed: seed).derived(k).state, size.instances)
  }

  /// The problem for validation, with `instances` instances.
  ///
  /// - Throws: `ProblemError` for a size out of range.
  public func validation(instances: Int) throws -> any LinearModelProblem {
    try problem(seed &+ 77, instances)
  }

  /// Test batch number i, from 0, with `instances` instances.
  ///
  /// - Throws: `ProblemError` for a size out of range.
  public func test(_ i: Int, instances: Int) throws -> any LinearModelProblem {
    try problem(seed &+ 777 &* UInt64(i + 1), instances)
  }

  private func problem(_ seed: UInt64, _ instances: Int) throws -> any LinearModelProblem {
    var size = size
    size.instances = instances
    switch family {
    case .lasso: return try Lasso.generated(seed: seed, size: size, weight: weight)
    case .logisticL1:
      return try LogisticL1.generated(
        seed: seed, size: size, weight: weight, lipschitz: lipschitz)
    }
  }
}
