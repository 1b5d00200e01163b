/// Trainings whose step sizes are off by what rounding them to single precision could be, or a little more.
///
/// What they change grows like any other rounding error: where training is calm they change nothing to speak of.
enum RoundingTwins {
  /// By which part of itself each twin's step size is off: two probes, and two more where probes part.
  static let offsets = [1e-6, -1e-6, 1e-7, -1e-7]
  /// Probes that part by more than this of their size call for the others.
  static let calm = 1e-4

  /// Twin by twin the values at all of `etas`; NaN where a twin was not needed.
  ///
  /// - Parameter train: the values at given step sizes, side by side, and the share of the work that this is.
  /// - Throws: what `train` throws.
  static func outcome(
    _ etas: [Double],
    train: (_ etas: [Double], _ share: ClosedRange<Double>) throws -> [Double]
  ) throws -> [Double] {
    func twins(_ offsets: ArraySlice<Double>, of etas: [Double]) -> [Double] {
      offsets.flatMap { offset in etas.map { $0 * (1 + offset) } }
    }
    let count = etas.count
    let probes = try train(twins(offsets[..<2], of: etas), 0...0.5)
    let wild = etas.indices.filter { i in
      !(abs(probes[i] - probes[count + i]) <= calm * abs(probes[i]))
    }
    var rest = [Double](repeating: .nan, count: (offsets.count - 2) * count)
    if !wild.isEmpty {
      let values = try train(twins(offsets[2...], of: wild.map { etas[$0] }), 0.5...1)
      for twin in 0..<(offsets.count - 2) {
        for (k, i) in wild.enumerated() { rest[twin * count + i] = values[twin * wild.count + k] }
      }
    }
    return probes + rest
  }

  /// The values of all twins of step size number `index`, from an ``outcome(_:train:)``; or of place `index`,
  /// from as many values of each twin in turn.
  static func values(_ outcome: [Double], of index: Int) -> [Double] {
    let count = outcome.count / offsets.count
    guard index < count else { return [] }
    return offsets.indices.map { outcome[$0 * count + index] }
  }
}
