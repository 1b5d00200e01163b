import Foundation
import OptCheck
import TestSupport
import Testing

@testable import Experiments

/// Profiles of made-up figures, worked out by hand, and of real runs.
@Suite struct ProfileTests {
  /// A rule's figures: family by family its steps to 1e-3 and to 1e-6; nil where it does not run.
  private static func record(
    _ rule: String, horizon: Int = 1000, seeds: [UInt64] = [1],
    _ times: [(Double?, Double?)?]
  ) -> GateRecord {
    let families = times.indices.map { "p\($0 + 1)" }
    var record = GateRecord(
      rule: rule, source: RuleSource(rule),
      suite: GateSuite(families: families, seeds: seeds, horizon: horizon))
    record.cells = zip(families, times).compactMap { family, pair in
      guard let pair else { return nil }
      return PaceCell(
        family: family, seed: 1, horizon: horizon,
        times: [Double](repeating: pair.0 ?? .nan, count: 6)
          + [Double](repeating: pair.1 ?? .nan, count: 6),
        means: [], spreads: [], isSure: [], gaps: [], rate: nil, slack: 0, firstNonFinite: nil,
        hash: "")
    }
    return record
  }

  /// Interpolated times; whole steps are 10, 30 and so on.
  private static let three = [
    record("A", [(9.3, 20), (30, nil), (nil, nil), (nil, nil)]),
    record("B", [(20, 40), (29.01, 60), (100, 200), (nil, nil)]),
    record("C", [(40, 80), (15, 30), (50, 50), (nil, nil)]),
  ]

  /// Ratios to 1e-3 are A: 1, 2, -, -; B: 2, 2, 2, -; C: 4, 1, 1, -.
  @Test func performanceByHand() {
    let curves = Profiles(Self.three).performance(6)
    #expect(curves.map(\.positions) == [[1, 2], [2, 2, 2], [1, 1, 4]])
    func shares(_ tau: Double) -> [Double] { curves.map { $0.share(at: tau) } }
    #expect(shares(1) == [0.25, 0, 0.5])
    #expect(shares(2.0.nextDown) == [0.25, 0, 0.5])
    #expect(shares(2) == [0.5, 0.75, 0.5])
    #expect(shares(4) == [0.5, 0.75, 0.75])
    #expect(curves.map(\.end) == [0.5, 0.75, 0.75])
    // On 1 to 16, in units of log 2: A has 4 + 3, B 3 + 3 + 3, C 4 + 4 + 2 of 4 problems times 4.
    let expected: [Double] = [7.0 / 16, 9.0 / 16, 10.0 / 16]
    for (curve, area) in zip(curves, expected) { #expect(abs(curve.area(1...16) - area) < 1e-15) }
  }

  @Test func dataAndTargetsByHand() {
    let profiles = Profiles(Self.three)
    let coarse = profiles.data(6)
    #expect(coarse.map(\.positions) == [[10, 30], [20, 30, 100], [15, 40, 50]])
    #expect(coarse.map(\.median) == [30, 30, 40])
    let fine = profiles.data(12)
    #expect(fine.map(\.positions) == [[20], [40, 60, 200], [30, 50, 80]])
    #expect(fine.map(\.median) == [nil, 60, 50])
    // Six targets as soon as 1e-3, six more as soon as 1e-6, twelve never.
    let all = profiles.targets()
    for (rule, curve) in all.enumerated() {
      #expect(curve.total == 4 * 24)
      for k in [1.0, 10, 20, 30, 60, 1000] {
        let mean = (coarse[rule].share(at: k) + fine[rule].share(at: k)) / 4
        #expect(abs(curve.share(at: k) - mean) < 1e-15, "rule \(rule) at \(k)")
      }
    }
  }

  /// The fastest everywhere is at 1 at once; who ties with it too.
  @Test func dominationAndTies() {
    let best = Self.record("best", [(5, 9), (7, 8), (1, 2), (3, 4)])
    let equal = Self.record("equal", [(4.5, 9), (6.1, 8), (0.2, 2), (2.7, 4)])
    let curves = Profiles(Self.three + [best, equal]).performance(6)
    #expect(curves[3].share(at: 1) == 1 && curves[4].share(at: 1) == 1)
    #expect(curves[0].share(at: 1) == 0 && curves[1].end == 0.75)
    // Products of what is left of 1,000 steps order the rest: C 2.8e8, B 3.5e7, A 1.7e5.
    #expect(Profiles(Self.three + [best, equal]).alike == [[3, 4], [2], [1], [0]])
  }

  /// What does not run somewhere has not failed there; what was measured for less is cut off there.
  @Test func onlySharedProblemsTakePart() {
    let narrow = Self.record("narrow", [(50, 50), nil, (60, nil), (10, 20)])
    let short = Self.record("short", horizon: 40, [(35, 40), (41, 90), (20, nil), (30, 35)])
    let profiles = Profiles([narrow, short])
    #expect(profiles.problems == ["p1#1", "p3#1", "p4#1"])
    #expect(profiles.leftOut == [Profiles.LeftOut(family: "p2", rules: ["narrow"])])
    #expect(profiles.horizon == 40)
    #expect(profiles.data(6).map(\.positions) == [[10], [20, 30, 35]])
    #expect(profiles.data(12).map(\.positions) == [[20], [35, 40]])
    let elsewhere = Self.record("elsewhere", seeds: [2], [(1, 2)])
    #expect(Profiles([narrow, elsewhere]).problems.isEmpty)
  }

  /// Never falls, continuous from the right, jumps where members are reached, ends at their share.
  @Test func sharesAreStaircases() {
    for seed in UInt64(1)...50 {
      var rng = SplitMix64(seed: seed)
      let members = (0..<(1 + Int(rng.uniform() * 30))).map { _ -> Double? in
        rng.uniform() < 0.2 ? nil : 1 + (rng.uniform() * 12).rounded()
      }
      let curve = ShareCurve(members)
      let n = Double(members.count)
      for x in stride(from: 0.5, through: 14, by: 0.25) {
        let counted = members.count { $0.map { $0 <= x } ?? false }
        #expect(curve.share(at: x) == Double(counted) / n, "seed \(seed) at \(x)")
        #expect(curve.share(at: x.nextUp) >= curve.share(at: x))
      }
      for x in curve.positions {
        let jump = curve.share(at: x) - curve.share(at: x.nextDown)
        #expect(abs(jump - Double(members.count { $0 == x }) / n) < 1e-15)
      }
      #expect(curve.share(at: .infinity) == curve.end)
      // The area against midpoints of a fine grid in log x: off by half a cell at each jump.
      let cells = 4000
      let grid = (0..<cells).map { curve.share(at: pow(8, (Double($0) + 0.5) / Double(cells))) }
      #expect(abs(curve.area(1...8) - grid.reduce(0, +) / Double(cells)) < 1 / Double(cells))
      // Its drawing has the same area.
      let (x, y) = curve.corners(1...8)
      let drawn = zip(x, x.dropFirst()).enumerated().reduce(0.0) {
        $0 + y[$1.offset] * log($1.element.1 / $1.element.0) / log(8)
      }
      #expect(abs(drawn - curve.area(1...8)) < 1e-13, "seed \(seed)")
    }
  }

  /// Steps of 1/L beat steps of half that on every eigenvector of a quadratic.
  @Test func fullStepsDominateHalfSteps() throws {
    let suite = GateSuite(
      families: ["quadratic-n10-k10", "quadratic-rotated"], seeds: [1, 2, 3], twins: 0)
    let records = try [1, 0.5].map { factor in
      try GateStudy(
        NativeCandidate(
          GradientDescent(stepRule: .instance, relaxation: factor), name: "step \(factor)"),
        on: suite, parts: [.pace]
      ).run()
    }
    let profiles = Profiles(records)
    #expect(profiles.problems.count == 6 && profiles.leftOut.isEmpty)
    for target in 1...12 {
      let curves = profiles.performance(target)
      #expect(curves[0].share(at: 1) == curves[0].end)
      #expect(curves[1].end <= curves[0].end)
    }
    #expect(profiles.ranking == [0, 1])
  }

  /// A rule that takes the LASSO alone is no rule to compare all others on.
  @Test func specialistsAreNotGeneral() throws {
    let suite = GateSuite(
      families: ["quadratic-n10-k10", "lasso"], seeds: [1], horizon: 5, twins: 0)
    let records = try ["gradient-descent", "fista", "LISTACPSSWOnly"].map {
      try GateStudy(
        CandidateCatalog.candidate($0, trained: nil), on: suite, parts: [.pace]
      ).run()
    }
    #expect(Profiles.general(records).map(\.rule) == ["gradient-descent", "fista"])
    #expect(Profiles(records).problems.isEmpty)
  }

  @Test func theReportHoldsEveryRule() throws {
    let many = (1...9).map { i in
      Self.record("rule_\(i)", [(Double(i), 2 * Double(i)), (Double(20 - i), nil), (3, 4), nil])
    }
    let context = ReportContext(
      results: ProfileRecord(
        command: "optcheck profile", specialists: ["odd"], profiles: Profiles(many)),
      record: Sample.record, plotFolder: "profiles")
    let text = Report<ProfileRecord>.profiles.markdown(context)
    for i in 1...9 { #expect(text.contains("| `rule_\(i)` |")) }
    #expect(text.contains("- `p4`: `rule_1`") && text.contains("take no part: `odd`"))
    let plots = Report<ProfileRecord>.profiles.plots(context)
    #expect(
      plots.map(\.name) == [
        "performance-1e-3", "performance-1e-6", "data-1e-3", "data-1e-6", "targets",
      ])
    for named in plots {
      #expect(text.contains("profiles/\(named.name).svg"))
      // Seven hues, then grey; names are no markup.
      #expect(Set(named.plot.series.map(\.label)).count == 8)
      #expect(named.plot.series.suffix(2).allSatisfy { $0.hue == .grey && $0.label == "others" })
      if let gnuplot = Gnuplot.find() { #expect(try gnuplot.svg(named.plot).contains("<svg")) }
    }
  }
}
