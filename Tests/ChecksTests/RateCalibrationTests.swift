import Checks
import Foundation
import OptCheck
import Testing

@Suite struct RateCalibrationTests {
  /// Every closed form to 1e-6 of 1 - rate.
  @Test func closedForms() throws {
    let rates = try ClosedFormRates.measured()
    #expect(rates.count >= 20)
    for rate in rates { #expect(rate.isMatched, "\(rate)") }
  }

  /// Without noise intervals contain the rate, are narrow, and names are right.
  @Test func withoutNoise() throws {
    let settings = RateCalibration.all.filter { $0.sigma == 0 }
    for cell in try RateCalibration(series: 50, settings: settings).run() {
      #expect(cell.meetsExactness && cell.meetsNaming, "\(cell)")
    }
  }

  /// The same bytes for any number of threads.
  @Test func threads() throws {
    let settings = RateCalibration.all.filter {
      $0.sigma == 0.3 && $0.phi == 0.5 && $0.count == 200
    }
    func run(_ threads: Int) throws -> [RateCell] {
      try RateCalibration(series: 20, threads: threads, settings: settings).run()
    }
    #expect(try run(1) == run(3))
  }

  /// Coverage rests on as many series where most cannot be told from a plainer shape.
  @Test func coverageRestsOnSeriesThatCanBeSeen() throws {
    let settings = RateCalibration.all.filter {
      $0.sigma == 0.3 && $0.phi == 0.9 && $0.count == 200
    }
    for cell in try RateCalibration(series: 10, settings: settings).run() {
      #expect(cell.series == 10 && cell.names.values.reduce(0, +) == 10)
      let phases: [SyntheticCourse: Int] = [.sublinear: 0, .none: 0, .twoPhase: 2]
      let perSeries = phases[cell.setting.course] ?? 1
      let isRated = SyntheticCourse.rated.contains(cell.setting.course)
      #expect(cell.seen == (isRated ? 10 : 10 - cell.unresolved), "\(cell)")
      #expect(cell.counted == perSeries * cell.seen, "\(cell)")
    }
  }

  /// Each phase has its rate.
  @Test func phases() throws {
    var rng = SplitMix64(seed: 12)
    let values = (0...400).map { k in
      exp(-0.05 * Double(min(k, 150)) - 0.004 * Double(max(k - 150, 0)) + 0.01 * rng.normal())
    }
    let analysis = RateAnalysis(values)
    #expect(analysis.regime == .twoPhase)
    try #require(analysis.phases.count == 2)
    for (phase, truth) in zip(analysis.phases, [0.05, 0.004]) {
      #expect(abs(phase.decay - truth) <= 2 * (phase.upper - phase.lower))
      #expect(phase.upper - phase.lower < 0.1 * truth)
    }
    #expect(abs(analysis.phases[0].end - 150) <= 2)
  }

  /// A first phase of a few steps keeps its slope.
  @Test(arguments: [5.0, 7, 9, 12])
  func shortPhases(corner: Double) throws {
    for seed in 1...5 as ClosedRange<UInt64> {
      var rng = SplitMix64(seed: seed)
      let values = (0...200).map { k in
        exp(-0.5 * min(Double(k), corner) - 0.01 * max(Double(k) - corner, 0) + 0.02 * rng.normal())
      }
      let phases = RateAnalysis(values).phases
      try #require(phases.count == 2)
      for (phase, truth) in zip(phases, [0.5, 0.01]) {
        let width = phase.upper - phase.lower
        #expect(phase.lower - width / 2 < truth && truth < phase.upper + width / 2, "\(phase)")
        #expect(width < 0.1 * truth, "\(phase)")
      }
    }
  }

  /// What is said of two phases turns round with time, and shifts with any line that is added.
  @Test func phasesTurnAndShift() throws {
    var rng = SplitMix64(seed: 3)
    var e = 0.3 * rng.normal()
    let logs = (0..<200).map { k in
      e = 0.5 * e + 0.75.squareRoot() * 0.3 * rng.normal()
      return -0.004 * Double(min(k, 90)) - 0.03 * Double(max(k - 90, 0)) + e
    }
    func phases(_ logs: [Double]) throws -> [RateEstimate] {
      let phases = RateAnalysis(logs.map { exp($0) }).phases
      try #require(phases.count == 2)
      return phases
    }
    let own = try phases(logs)
    let turned = try phases(logs.reversed())
    let shifted = try phases(logs.indices.map { logs[$0] - 0.01 * Double($0) })
    for i in 0..<2 {
      let width = own[i].upper - own[i].lower
      #expect(width > 0.0005)
      // The descent to the best corner ends once a step gains less than 1e-6.
      #expect(abs(own[i].lower + turned[1 - i].upper) < 0.01 * width, "\(own) \(turned)")
      #expect(abs(own[i].upper + turned[1 - i].lower) < 0.01 * width, "\(own) \(turned)")
      #expect(abs(own[i].lower + 0.01 - shifted[i].lower) < 0.01 * width, "\(own) \(shifted)")
      #expect(abs(own[i].upper + 0.01 - shifted[i].upper) < 0.01 * width, "\(own) \(shifted)")
    }
  }

  /// A corner whose place is hardly known makes slopes less certain than linearised least squares has it.
  @Test func anUncertainCornerWidensIntervals() {
    let (corner, first, second, sigma) = (100.0, 0.01, 0.017, 0.2)
    // [JᵀJ | 1] by Gauss and Jordan; J by level, corner and both slopes.
    var rows = (0..<4).map { i in (0..<8).map { $0 == i + 4 ? 1.0 : 0 } }
    for k in (0..<200).map(Double.init) {
      let j = [1, k > corner ? second - first : 0, min(k, corner), max(k - corner, 0)]
      for a in 0..<4 { for b in 0..<4 { rows[a][b] += j[a] * j[b] } }
    }
    for pivot in 0..<4 {
      rows[pivot] = rows[pivot].map { $0 / rows[pivot][pivot] }
      for i in 0..<4 where i != pivot {
        let factor = rows[i][pivot]
        rows[i] = zip(rows[i], rows[pivot]).map { $0 - factor * $1 }
      }
    }
    let linearised = [2, 3].map { 2 * 1.96 * sigma * rows[$0][$0 + 4].squareRoot() }
    var ratios: [Double] = []
    for seed in 0..<20 {
      var rng = SplitMix64(seed: UInt64(seed))
      let values = (0..<200).map { k in
        let (before, after) = (min(Double(k), corner), max(Double(k) - corner, 0))
        return exp(-first * before - second * after + sigma * rng.normal())
      }
      let phases = RateAnalysis(values).phases
      guard phases.count == 2 else { continue }
      ratios += zip(phases, linearised).map { ($0.upper - $0.lower) / $1 }
    }
    let mean = ratios.reduce(0, +) / Double(ratios.count)
    #expect(ratios.count >= 30 && mean > 1.05 && mean < 1.4, "\(mean) of \(ratios)")
  }
}
