public import Checks

/// What ``BoundStudy`` found.
public struct BoundResults: Sendable, Hashable, Codable {
  /// A training run that bounds are held against.
  public struct Run: Sendable, Hashable, Codable {
    /// Its words in tables.
    public var label: String
    /// What was trained.
    public var setting: TrainingSetting
  }

  /// The slack of one bound along one training run.
  public struct Curve: Sendable, Hashable, Codable {
    /// Claim id.
    public var claim: String
    /// The run.
    public var run: String
    /// Which part of the claim, as `layer 2`; empty for all of it.
    public var part: String
    /// Training steps k.
    public var steps: [Int]
    /// Slack in decades at each k; for T3 on the rates.
    public var slack: [Double]
    /// Where it is least.
    public var sharpest: String
  }

  /// Random pairs of weights at one distance.
  public struct PairRow: Sendable, Hashable, Codable {
    /// The run.
    public var run: String
    /// k of the weights around which the pairs lie.
    public var step: Int
    /// ‖W_l - W'_l‖_F of every layer.
    public var distance: Double
    /// log10 ‖X_T(W) - X_T(W')‖, the largest of the pairs.
    public var log10Measured: Double
    /// log10 of its bound.
    public var log10Limit: Double
    /// The least slack in decades at T.
    public var slack: Double
  }

  /// How bound and measured difference grow with e and t.
  public struct GrowthRow: Sendable, Hashable, Codable {
    /// The setting.
    public var run: String
    /// n_1 to n_{L-1}.
    public var widths: [Int]
    /// L.
    public var depth: Int
    /// T.
    public var horizon: Int
    /// How many layers e multiplies.
    public var scaledLayers: Int
    /// The scales e.
    public var scales: [Double]
    /// log10 of the bound at T, mean over pairs, for each scale.
    public var log10Limits: [Double]
    /// log10 of what was measured.
    public var log10Measured: [Double]
    /// The numbers of ``GrowthCheck``.
    public var numbers: [String: Double]
  }

  /// Lemmas 5.1 to 5.4 at one T and L, constants taken as 1.
  public struct ScaleRow: Sendable, Hashable, Codable {
    /// T.
    public var horizon: Int
    /// L.
    public var depth: Int
    /// The exponents of T, in the order of the lemmas; NaN-free: nil where nothing is said.
    public var exponents: [Double?]
    /// log10 of the least scales.
    public var log10Scales: [Double?]
    /// The lemma that asks for the most.
    public var strictest: String
  }

  /// The ladder of bounds on gradient descent at one T.
  public struct LadderRow: Sendable, Hashable, Codable {
    /// The run.
    public var run: String
    /// T.
    public var horizon: Int
    /// F(X_T).
    public var value: Double
    /// Decades between rung and value, by ``DescentRung``'s raw value; absent where it does not hold.
    public var slacks: [String: Double]
  }

  /// Nothing.
  public static let empty = BoundResults(
    runs: [], curves: [], pairs: [], growth: [], scales: [], ladder: [], checks: [])

  /// The training runs.
  public var runs: [Run]
  /// Slacks along training.
  public var curves: [Curve]
  /// Random pairs.
  public var pairs: [PairRow]
  /// Growth of Lemma 4.2.
  public var growth: [GrowthRow]
  /// Lemmas 5.1 to 5.4.
  public var scales: [ScaleRow]
  /// Bounds on gradient descent.
  public var ladder: [LadderRow]
  /// Every verdict.
  public var checks: [CheckResult]
}
