import Foundation
import OptCheck
import Testing

/// S1 to S4: what grows without bound where no iterate shows it, and what may grow all the same.
@Suite struct StructureTests {
  /// Rule by rule, the checks that call it: the structure of a step is the only thing that is wrong.
  @Test(arguments: [
    (
      "the preconditioner grows where no gradient is seen",
      [
        "gradient-descent": ["S1"], "proximal-gradient": ["S1"], "heavy-ball": ["S1", "S4"],
        "nesterov": ["S1", "S4"], "fista": ["S1", "S4"],
      ]
    ),
    (
      "the preconditioner grows where the threshold alone acts",
      [
        "proximal-gradient": ["S3"], "heavy-ball": ["S3", "S4"], "nesterov": ["S3", "S4"],
        "fista": ["S3", "S4"],
      ]
    ),
    (
      "the proximal step grows without bound",
      [
        "proximal-gradient": ["S2"], "heavy-ball": ["S2", "S4"], "nesterov": ["S2", "S4"],
        "fista": ["S2", "S4"],
      ]
    ),
    (
      "the momentum grows where nothing moves",
      [
        "gradient-descent": ["S4"], "proximal-gradient": ["S4"], "heavy-ball": ["S4"],
        "nesterov": ["S4"], "fista": ["S4"],
      ]
    ),
  ])
  func growthIsSeenByTheStructureAlone(fault: String, expected: [String: [String]]) throws {
    let units = try PowerStudy(faults: [fault]).run().faults
    #expect(Set(units.map(\.rule)) == Set(expected.keys))
    for unit in units {
      #expect(unit.caughtBy == expected[unit.rule], "\(unit.rule), k^\(unit.size)")
    }
  }

  /// Faults in code that runs for one kind of problem, and in what is remembered: each has a check that
  /// sees it where the others cannot.
  @Test(arguments: [
    ("a coordinate stands still on problems without a smooth part", "GC2", "GC4"),
    ("a coordinate stands still on problems with both parts", "GC3", "GC4"),
    ("0/0 where the first step is none, on problems without a smooth part", "FP2", "FP4"),
    ("0/0 where the first step is none, on problems with both parts", "FP3", "FP4"),
  ])
  func oneKindOfProblemHasItsOwnCheck(fault: String, check: String, withMemory: String) throws {
    let units = try PowerStudy(faults: [fault]).run().faults
    #expect(units.count == 4)
    for unit in units {
      let expected = unit.rule == "proximal-gradient" ? [check] : [check, withMemory]
      #expect(unit.caughtBy == expected, "\(unit.rule)")
    }
  }

  @Test func whatIsRememberedHasItsOwnChecks() throws {
    let off = try PowerStudy(faults: ["what is remembered is off"]).run().faults
    #expect(off.count == 10)
    #expect(off.allSatisfy { $0.caughtBy.contains("FP4") })
    #expect(
      off.first { $0.rule == "gradient-descent" && $0.size == 1e-10 }?.caughtBy == ["FP4"])
    let unused = try PowerStudy(faults: ["what is remembered is off, and unused"]).run().faults
    #expect(unused.count == 5)
    for unit in unused { #expect(unit.caughtBy == ["GC4"], "\(unit.rule)") }
  }

  /// The problems of these faults are sound, and a rule without fault keeps every condition there.
  @Test(arguments: UInt64(1)...4) func aSoundRuleHoldsWhereNoGradientIsSeen(seed: UInt64) throws {
    for family in [ProblemFamily.unseenLeastSquares, .unseenLasso] {
      let problem = try family.problem(ProblemFamily.Draw(seed: seed))
      let objective = ObjectiveCheck().run(ObjectiveCheck.Subject(problem, seed: seed))
      #expect(objective.verdict == .holds, "\(objective)")
      for finding in try findings(FISTA(), [problem]) {
        #expect(
          finding.verdict == .holds || finding.verdict == .notApplicable,
          "\(finding.claim.id), seed \(seed): \(finding.reason)")
      }
    }
  }

  /// Rules whose steps change along the run, on problems where they have hundreds of steps to do so.
  @Test func stepsThatStayBoundedAreNotCalledUnbounded() throws {
    let problems = try ["quadratic-n2-k1e4", "quadratic-n10-k10", "logistic", "lasso", "absolute"]
      .map { name in
        try #require(ProblemSuite.families.first { $0.name == name }).problem()
      }
    func expect(_ rule: some UpdateRule, _ verdicts: [String: Verdict]) throws {
      for finding in try findings(rule, problems) where finding.claim.id.hasPrefix("S") {
        #expect(
          finding.verdict == verdicts[finding.claim.id, default: .notApplicable],
          "\(rule.name), \(finding.claim.id): \(finding.reason)")
        #expect(finding.trials.allSatisfy { !$0.result.reason.contains("grows") }, "\(rule.name)")
      }
    }
    let every: [String: Verdict] = ["S1": .holds, "S2": .holds, "S3": .holds]
    let withMemory = every.merging(["S4": .holds]) { $1 }
    try expect(ProximalGradient(), every)
    try expect(FISTA(), withMemory)
    try expect(
      MomentumDescent(.heavyBall, stepRule: .instance, momentum: 0.9), withMemory)
    try expect(LBFGS(memory: 5), ["S1": .holds, "S4": .holds])
  }

  /// FISTA steps by 1/L from z alone, which x does not move: P = I/L, and the response is -I.
  @Test func numbersAreThoseOfTheRule() throws {
    let problem = try ProblemFamily.unseenLeastSquares.problem()
    let finding = try #require(
      try findings(FISTA(), [problem]).first { $0.claim.id == "S4" })
    let numbers = try #require(finding.trials.first).result.numbers
    let n = Double(problem.problem.dimension)
    // Early differences are good to 1e-9; late ones carry 4 eps |x| over steps of 1e-3 ‖∇f‖, that is
    // 1e-3 where the gradient is down to 1e-9.
    let norm = try #require(numbers["norm"]) / n.squareRoot()
    #expect(norm > 1 - 1e-9 && norm < 1 + 1e-3, "\(norm)")
    #expect(abs(try #require(numbers["memory"]) / n.squareRoot() - 1) < 1e-9)
    #expect(abs(try #require(numbers["growth"]) - 1) < 1e-3)
  }

  private func findings(
    _ rule: some UpdateRule, _ problems: [SolvedProblem]
  ) throws -> [Verification.Finding] {
    try Verification(NativeCandidate(rule), on: problems, budget: 2_000_000, starts: 2).run()
      .findings
  }
}
