import Catalog
import Engine

/// How far a training curve moves when its data move by a rounding error.
///
/// Training a network through a long unroll can be chaotic; two correct programs then part ways,
/// and only the band that twins of a run fill can be compared.
public struct Band: Sendable, Hashable {
  /// Relative sizes of the perturbations of M and Y.
  public static let sizes = [1e-7, 1e-6]
  /// Twins per size.
  public static let seedCount = 8
  /// A point k is compared with the twins' values over k - window to k + window.
  public static let window = 300

  /// The lowest ratio of any twin, per training step.
  public var low: [Double]
  /// The highest ratio of any twin, per training step.
  public var high: [Double]

  /// A band with known edges, one value per training step.
  public init(low: [Double], high: [Double]) {
    precondition(low.count == high.count, "\(low.count) low values, \(high.count) high ones")
    self.low = low
    self.high = high
  }

  /// The band of a run and its twins, widened by the window along k.
  public init(_ runs: [TrainingRun]) {
    let curves = runs.map(\.ratios)
    let count = curves.map(\.count).min() ?? 0
    let lowest = (0..<count).map { k in curves.map { $0[k] }.min() ?? .nan }
    let highest = (0..<count).map { k in curves.map { $0[k] }.max() ?? .nan }
    func around(_ k: Int) -> Range<Int> {
      max(0, k - Self.window)..<min(count, k + Self.window + 1)
    }
    low = (0..<count).map { lowest[around($0)].min() ?? .nan }
    high = (0..<count).map { highest[around($0)].max() ?? .nan }
  }

  /// Whether `value` lies in the band at training step `k`.
  public func contains(_ value: Double, at k: Int) -> Bool {
    k < low.count && low[k] <= value && value <= high[k]
  }

  /// The width of the band at training step `k`.
  public func width(at k: Int) -> Double { k < low.count ? high[k] - low[k] : .nan }
}

/// A twin of a training run: the same setting on data perturbed by rounding-size changes.
public struct Twin: Sendable, Hashable {
  /// Relative size of the perturbation.
  public var size: Double
  /// Seed of the perturbation.
  public var seed: UInt64

  /// The one twin that every curve gets, to find out whether it needs a band.
  public static let probe = Twin(size: 1e-6, seed: 1)

  /// Training steps of the probe of a run whose loss falls at every step.
  public static let shortProbe = 1000

  /// All twins of a band, the probe among them.
  public static let all = Band.sizes.flatMap { size in
    (1...UInt64(Band.seedCount)).map { Twin(size: size, seed: $0) }
  }

  /// Trains the twin of `setting`.
  ///
  /// - Throws: as ``TrainingRun/run(_:on:recordingEvery:measuringTravel:progress:)``.
  public func run(
    _ setting: TrainingSetting, progress: (Int) throws -> Void = { _ in }
  ) throws -> TrainingRun {
    try .run(
      setting, on: setting.problem().perturbed(by: size, seed: seed), progress: progress)
  }
}
