import Checks
import Foundation
import Testing

@Suite struct DescentTests {
  /// An iterate that is no number is a violation, not a pass.
  @Test func notANumber() throws {
    var run = try #require(DescentCheck().cleanCases.first).subject
    run.iterates[5][3] = .nan
    let result = DescentCheck().run(run)
    #expect(result.verdict == .violated)
    #expect(result.evidence.contains { $0.path == "t=5/instance=0/coordinate=3" })
  }

  /// Where the gradient is not small, P is verified to nine digits.
  @Test func detectionLimit() throws {
    let clean = try #require(DescentCheck().cleanCases.first).subject
    for size in [1e-3, 1e-6, 1e-9] {
      var run = clean
      run.scales?[0][2] *= 1 + size
      #expect(DescentCheck().run(run).verdict == .violated, "size \(size)")
    }
  }

  /// The formula for the worst quadratic against a search over all curvatures.
  @Test(arguments: [0.3, 0.9999, 1, 1.7])
  func worstQuadratic(step: Double) {
    for horizon in [1, 3, 20] {
      let run = DescentRun(
        label: "search", stepRule: "\(step)", isTheoryStep: false, coordinatesPerInstance: 1,
        smoothness: [1], stepSizes: [step], squaredDistances: [1], values: [1, 1])
      let searched = (1...100_000).map { (i: Int) -> Double in
        let curvature = Double(i) / 1e5
        let factor: Double = pow(1 - step * curvature, Double(2 * horizon))
        return curvature / 2 * factor
      }.reduce(0, max)
      let bound = GradientDescentBound.quadratic.value(run, steps: horizon)
      // The search is on a grid of 1e-5; the maximum is flat or at the end of the grid.
      #expect(searched <= bound * (1 + 1e-12) && bound <= searched * (1 + 1e-6))
      if step <= 1 {
        #expect(bound <= GradientDescentBound.smoothConvex.value(run, steps: horizon))
      }
      if step == 1 {
        let t = Double(2 * horizon)
        let classBound = GradientDescentBound.smoothConvex.value(run, steps: horizon)
        #expect(abs(bound - pow(t / (t + 1), t) * classBound) <= 1e-14 * bound)
      }
    }
  }
}
