import Foundation
import OptCheck
import Testing

/// The conditions on real rules, whose truth is known.
@Suite struct ConditionTests {
  private static func suite(_ names: [String], seed: UInt64 = 1) -> [SolvedProblem] {
    names.compactMap { name in
      try? ProblemSuite.families.first { $0.name == name }?
        .problem(ProblemFamily.Draw(seed: seed))
    }
  }

  private func verdicts(
    _ rule: some UpdateRule, _ problems: [SolvedProblem], budget: Int = 2_000_000
  ) throws -> [String: Verdict] {
    let results = try Verification(
      NativeCandidate(rule), on: problems, budget: budget, starts: 3
    ).run()
    return Dictionary(
      uniqueKeysWithValues: results.findings.map { ($0.claim.id, $0.verdict) })
  }

  private static let smooth = ["quadratic-n2-k10", "quadratic-wide", "huber", "logistic"]
  private static let all =
    smooth + ["lasso", "lasso-repeated", "non-negative", "simplex", "absolute"]

  @Test(arguments: [0.1, 1, 1.5, 1.9, 1.99]) func stepsBelowTwoOverLAreNeverViolated(factor: Double)
    throws
  {
    for seed in UInt64(1)...8 {
      let found = try verdicts(
        GradientDescent(stepRule: .instance, relaxation: factor),
        Self.suite(Self.smooth, seed: seed))
      #expect(!found.values.contains(.violated), "\(factor), seed \(seed): \(found)")
      #expect(found["FP1"] == .holds)
    }
  }

  /// What a rule declares must not hide what it remembers, or FP4, GC4 and S4 fall silent.
  @Test func declaredOraclesHideNoMemory() throws {
    struct Declared: UpdateRule {
      let base = MomentumDescent(.heavyBall, stepRule: .instance, momentum: 0.5)
      let name = "declared"
      var oracles: Set<Oracle>? { [.gradient, .prox] }
      func initialState<P: Problem>(for problem: P) -> MomentumDescent.State {
        base.initialState(for: problem)
      }
      func step<P: Problem>(
        _ x: inout Vector, _ state: inout MomentumDescent.State, on problem: P
      ) {
        base.step(&x, &state, on: problem)
      }
      func settle(_ state: inout MomentumDescent.State, at x: Vector) -> Bool {
        base.settle(&state, at: x)
      }
    }
    #expect(NativeCandidate(Declared()).remembersIterates)
    #expect(!NativeCandidate(GradientDescent()).remembersIterates)
    // What it does not show cannot be followed, and that is said.
    let results = try Verification(
      NativeCandidate(Declared()), on: Self.suite(["quadratic-n2-k10"]), budget: 200_000
    ).run()
    #expect(results.skipped.contains { $0.hasPrefix("GC4 followed x_k alone") })
    let shown = try Verification(
      NativeCandidate(Declared().base), on: Self.suite(["quadratic-n2-k10"]), budget: 200_000
    ).run()
    #expect(!shown.skipped.contains { $0.hasPrefix("GC4") })
    let found = try verdicts(Declared(), Self.suite(["quadratic-n2-k10"]))
    for id in ["FP4", "GC4", "S4"] { #expect(found[id] == .holds, "\(id)") }
  }

  /// Gradient descent that remembers what its step number says, and takes no account of it.
  private struct Remembering: UpdateRule {
    let name = "remembering"
    let memory: @Sendable (_ k: Int, _ x: Vector) -> Vector

    struct State: Sendable {
      var k = 0
      var remembered: [Vector] = []
    }

    func initialState<P: Problem>(for problem: P) -> State { State() }
    func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
      state.k += 1
      x.add(-1 / problem.largestSmoothness, problem.gradient(at: x))
      state.remembered = [memory(state.k, x)]
    }
    func settle(_ state: inout State, at x: Vector) -> Bool {
      state.remembered = [x]
      return true
    }
    func remembered(in state: State) -> [Vector] { state.remembered }
  }

  @Test func whatIsRememberedHasToConvergeToo() throws {
    func found(_ memory: @escaping @Sendable (Int, Vector) -> Vector) throws -> [String: Verdict] {
      try verdicts(Remembering(memory: memory), Self.suite(Self.smooth))
    }
    let faithful = try found { _, x in x }
    let late = try found { k, x in x.scaled(by: 1 + 1 / Double(k * k * k)) }
    for verdicts in [faithful, late] {
      #expect(verdicts["GC1"] == .holds && verdicts["GC4"] == .holds, "\(verdicts)")
    }
    let astray: [@Sendable (Int, Vector) -> Vector] = [
      { _, x in x.scaled(by: 1.01) }, { k, x in k % 700 == 699 ? x.scaled(by: 2) : x },
      { k, x in k == 900 ? x.scaled(by: .nan) : x },
      { k, x in k == 900 ? x.scaled(by: .infinity) : x },
    ]
    for (i, memory) in astray.enumerated() {
      let verdicts = try found(memory)
      #expect(verdicts["GC1"] == .holds && verdicts["GC4"] == .violated, "\(i): \(verdicts)")
    }
  }

  /// Where nothing can be measured, nothing holds.
  @Test func aRuleThatBreaksInItsFirstStepKeepsNoFixedPoint() throws {
    let result = try Verification(
      NativeCandidate(Spoiled { k, x in if k == 1 { x[0] = .nan } }),
      on: Self.suite(["quadratic-n2-k10"]), budget: 200_000
    ).run()
    let found = Dictionary(uniqueKeysWithValues: result.findings.map { ($0.claim.id, $0.verdict) })
    #expect(found["GC1"] == .violated)
    #expect(found["FP1"] != .holds, "\(found)")
  }

  /// Gradient descent with something done to its iterates.
  private struct Spoiled: UpdateRule {
    let name = "spoiled"
    let spoil: @Sendable (_ k: Int, _ x: inout Vector) -> Void

    init(_ spoil: @escaping @Sendable (_ k: Int, _ x: inout Vector) -> Void) { self.spoil = spoil }

    func initialState<P: Problem>(for problem: P) -> Int { 0 }
    func step<P: Problem>(_ x: inout Vector, _ k: inout Int, on problem: P) {
      k += 1
      x.add(-1 / problem.largestSmoothness, problem.gradient(at: x))
      spoil(k, &x)
    }
  }

  @Test func stepsAboveTwoOverLDiverge() throws {
    let found = try verdicts(
      GradientDescent(stepRule: .instance, relaxation: 2.1), Self.suite(["quadratic-n2-k10"]))
    #expect(found["GC1"] == .violated)
    // At a minimiser the gradient is 0, whatever the step.
    #expect(found["FP1"] == .holds)
  }

  @Test func proximalRulesKeepAllConditions() throws {
    for found in [
      try verdicts(ProximalGradient(), Self.suite(Self.all)),
      try verdicts(FISTA(), Self.suite(Self.all)),
      try verdicts(
        MomentumDescent(.heavyBall, stepRule: .instance, momentum: 0.5), Self.suite(Self.all)),
    ] {
      for id in ["FP1", "FP2", "FP3", "GC1", "GC2", "GC3", "S1", "S2", "S3"] {
        #expect(found[id] == .holds, "\(id): \(String(describing: found[id]))")
      }
      #expect(!found.values.contains(.violated))
    }
  }

  @Test func aConstantStepOnSubgradientsDoesNotConverge() throws {
    let problems = Self.suite(["absolute", "lasso"])
    let adam = try verdicts(Adam(stepRule: .constant(1e-2)), problems)
    #expect(adam["GC2"] == .violated && adam["GC3"] == .violated)
    let constant = try verdicts(
      SubgradientDescent(schedule: .constant), Self.suite(["absolute"]))
    #expect(constant["GC2"] == .violated)
    let shrinking = try verdicts(
      SubgradientDescent(schedule: .inverseRoot), Self.suite(["absolute"]))
    #expect(shrinking["GC2"] != .violated)
  }

  @Test func conditionsThatAreNotAboutTheRuleSaySo() throws {
    let results = try Verification(
      NativeCandidate(GradientDescent()), on: Self.suite(Self.all), budget: 400_000, starts: 1
    ).run()
    let off = results.findings.filter { $0.verdict == .notApplicable }.map(\.claim.id)
    #expect(off == ["FP2", "FP3", "FP4", "GC2", "GC3", "GC4", "S2", "S3", "S4"])
    #expect(results.findings.allSatisfy { !$0.reason.isEmpty })
  }

  /// Its own soft threshold, though it says that it asks for one: nothing holds of calls never made.
  private struct OwnThreshold: UpdateRule {
    let name = "own-threshold"
    let oracles: Set<Oracle>? = [.gradient, .prox]

    func initialState<P: Problem>(for problem: P) -> Double { 1 / problem.largestSmoothness }

    func step<P: Problem>(_ x: inout Vector, _ size: inout Double, on problem: P) {
      x.add(-size, problem.gradient(at: x))
      let threshold = size * problem.regularizer.l1Weight
      for j in 0..<x.count { x[j] -= min(max(x[j], -threshold), threshold) }
    }
  }

  @Test func callsThatAreNeverMadeAreNotTakenApart() throws {
    let found = try verdicts(OwnThreshold(), Self.suite(["quadratic-n2-k10", "lasso", "absolute"]))
    #expect(found["FP3"] == .holds && found["GC3"] == .holds && found["S1"] == .holds)
    #expect(found["S2"] == .notApplicable && found["S3"] == .notApplicable)
    #expect(found["D1P"] == .holds)
  }

  /// Same seed, same verdicts and numbers, whatever the number of threads.
  @Test func threadsChangeNothing() throws {
    let runs = try [1, 2, 5].map { threads in
      try Verification(
        NativeCandidate(FISTA()), on: Self.suite(["quadratic-n2-k10", "lasso", "huber"]),
        budget: 400_000, starts: 2, threads: threads
      ).run()
    }
    #expect(runs[0] == runs[1] && runs[0] == runs[2])
  }

  /// The gradient check of trained rules goes with the verification of a learned rule.
  @Test func derivativesOfALearnedRuleAreChecked() throws {
    let network = RecurrentNetwork(hidden: 4)
    let architecture = try #require(RecurrentParts.Architecture.variant("PA", network: network))
    let rule = CoordMathLSTM(
      try RecurrentParts(architecture, parameters: architecture.initialParameters(seed: 3)))
    let results = try DerivativeStudy(rule, horizon: 8).run(
      on: Self.suite(["quadratic-rotated", "lasso"]))
    #expect(results.verdict == .holds, "\(results.reason)")
    #expect(results.ladders.count == 4)
  }

  @Test func counterexamplesAreSmall() throws {
    let falsifier = Falsifier(
      NativeCandidate(GradientDescent(stepRule: .instance, relaxation: 2.1)),
      against: ConvergenceCheck(.smooth), budget: 400_000)
    let found = try #require(try falsifier.search())
    #expect(found.start.count == 1)
    #expect(found == (try falsifier.search()))
    let clean = Falsifier(
      NativeCandidate(GradientDescent(stepRule: .instance)),
      against: ConvergenceCheck(.smooth), families: [ProblemSuite.families[0]], budget: 200_000)
    #expect(try clean.search() == nil)
  }

  /// One unit in a hundred of the power study.
  @Test func aSampleOfPlantedFaultsIsCaught() throws {
    let results = try PowerStudy(thinning: 100, cleanSeeds: 2).run()
    #expect(!results.faults.isEmpty)
    for unit in results.faults where unit.size >= 1e-2 {
      #expect(!unit.caughtBy.isEmpty, "\(unit.rule), \(unit.fault), \(unit.size)")
    }
    #expect(results.clean.allSatisfy { $0.alarms.isEmpty })
  }
}
