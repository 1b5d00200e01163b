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
}
