import Checks
import Engine

/// Runs that differ from ours by what rounding may do, where a published run is one of them.
enum RoundingTwins {
  /// By which part of itself the step size of each twin in double precision is off.
  static let offsets = [1e-6, -1e-6, 1e-7, -1e-7]
  /// The same of twins that store what they compute in single precision; the first is off by that alone.
  static let singleOffsets = [0, 1e-6, -1e-6, 1e-7]

  /// A first twin that parts from ours by more than this of its size calls for the others.
  ///
  /// Two runs say little of how far apart a third may be: the interval of Student's t is 1,103 times their parting
  /// for a curve of 20 places. Only below this can it not reach what is allowed.
  ///
  /// - Parameters:
  ///   - tolerance: the relative difference that agrees.
  ///   - places: the places of a curve, whose bands share its risk.
  static func calm(tolerance: Double, places: Int) -> Double {
    let risk = ExperimentResult.Curve.risk / Double(places)
    // s = |a - b| / √2 of two runs, and √(1 + 1/2) for a third.
    return tolerance / (StudentT.quantile(1 - risk / 2, freedom: 1) * (3.0 / 4).squareRoot())
  }

  /// The values at all of `etas`: ours, then twin by twin in single precision; NaN where a twin was not needed.
  ///
  /// - Parameters:
  ///   - calm: the parting up to which the first twin is enough, ``calm(tolerance:places:)``.
  ///   - train: the values of given trainings, side by side, and the share of the work that this is.
  /// - Throws: what `train` throws.
  static func outcome(
    _ etas: [Double], calm: Double,
    train: (_ trainings: [UnfoldedDescent.Training], _ share: ClosedRange<Double>) throws ->
      [Double]
  ) throws -> [Double] {
    func twins(_ offsets: ArraySlice<Double>, of etas: [Double]) -> [UnfoldedDescent.Training] {
      offsets.flatMap { offset in
        etas.map { .init(stepSize: $0 * (1 + offset), precision: .single) }
      }
    }
    let count = etas.count
    let first = try train(
      etas.map { .init(stepSize: $0) } + twins(singleOffsets[..<1], of: etas), 0...0.5)
    let wild = etas.indices.filter { i in
      !(abs(first[count + i] - first[i]) <= calm * abs(first[i]))
    }
    var rest = [Double](repeating: .nan, count: (singleOffsets.count - 1) * count)
    if !wild.isEmpty {
      let values = try train(twins(singleOffsets[1...], of: wild.map { etas[$0] }), 0.5...1)
      for twin in 0..<(singleOffsets.count - 1) {
        for (k, i) in wild.enumerated() { rest[twin * count + i] = values[twin * wild.count + k] }
      }
    }
    return first + rest
  }

  /// The twins at step size number `index`, from an ``outcome(_:train:)``.
  static func twins(_ outcome: [Double], of index: Int) -> [Double] {
    let count = outcome.count / (singleOffsets.count + 1)
    return values(Array(outcome.dropFirst(count)), of: index, twins: singleOffsets.count)
  }

  /// The values at place `index`, from as many values of each twin in double precision in turn.
  static func values(_ outcome: [Double], of index: Int) -> [Double] {
    values(outcome, of: index, twins: offsets.count)
  }

  private static func values(_ outcome: [Double], of index: Int, twins: Int) -> [Double] {
    let count = outcome.count / twins
    guard index < count else { return [] }
    return (0..<twins).map { outcome[$0 * count + index] }
  }
}
