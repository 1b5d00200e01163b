import Foundation
import OptCheck
import Testing

/// S5, S6 and PROX on what the catalogue has.
@Suite struct SchemeTests {
  // MARK: S5

  @Test func specialCasesAgreeTo1e12() throws {
    let results = try SchemeStudy.specialCases().map(SchemeCheck().run)
    for result in results {
      let difference = try #require(result.numbers["difference"])
      #expect(result.verdict == .holds && difference <= 1e-12, "\(result)")
      // Judged where rounding cannot reach the tolerance.
      #expect(try #require(result.numbers["headroom"]) > 1, "\(result)")
    }
    for name in [
      "proximal gradient", "FISTA", "variable-metric proximal gradient", "Step-LISTA",
      "Ada-LISTA", "Nesterov", "L2O-PA", "Newton", "Newton's minimiser in one step", "L-BFGS",
    ] {
      #expect(results.count { $0.subject.hasPrefix(name + " on ") } >= 2, "\(name)")
    }
  }

  /// The same formulas, each a little off: every special case is sensitive to its parts.
  @Test func specialCasesNoticeTheirParts() throws {
    let cases = try SchemeStudy.specialCases()
    for var subject in cases {
      guard var scheme = subject.scheme as? ExplicitScheme else { continue }
      let parts = scheme.parts
      scheme.parts = { k in
        var part = parts(k)
        part.step.scale(by: 1 + 1e-6)
        return part
      }
      subject.scheme = scheme
      let result = SchemeCheck().run(subject)
      #expect(result.verdict == .violated, "\(result)")
    }
  }

  /// L-BFGS says how long its steps were: x⁺ - x is that multiple of the direction.
  @Test func lineSearchLengthsAreThoseOfTheFirstStep() throws {
    let problem = DiagonalQuadratic(dimension: 4, seed: 3)
    var x = Vector(zeros: 4)
    let g = problem.gradient(at: x)
    let rule = LBFGS()
    var state = rule.initialState(for: problem)
    rule.step(&x, &state, on: problem)
    let length = try #require(state.lengths.first)
    #expect(state.lengths.count == 1 && length > 0)
    // The first direction is -∇f/L.
    for j in 0..<4 {
      let expected = -length * g[j] / problem.largestSmoothness
      #expect(abs(x[j] - expected) <= 4 * .ulpOfOne * abs(expected))
    }
  }

  // MARK: S6

  @Test func bothSidesOfThePropositions() {
    let results = SchemeStudy.subgradientSteps().map(SubgradientStepCheck().run)
    for result in results {
      let isCovered = result.verdict == .holds
      // The propositions say nothing about steps that sum up short of the minimiser.
      #expect(
        isCovered || (result.verdict == .premiseFails && result.reason.contains("not covered")),
        "\(result)")
    }
    func those(_ words: String) -> Int {
      results.count { $0.verdict == .holds && $0.reason.contains(words) }
    }
    #expect(those("iterates stay") >= 6)
    #expect(those("iterates vanish") >= 6)
    #expect(results.contains { $0.verdict == .premiseFails })
  }

  /// On |x| constant steps end at d and p - d in turn, d = |x_0| mod p, half a step on average.
  @Test func constantStepsEndAtHalfAStep() throws {
    let (p, start) = (0.1, 0.7312)
    let result = SubgradientStepCheck().run(
      SubgradientStepCheck.Subject(
        label: "constant", matrix: Matrix(identity: 1), steps: { _ in p }, starts: [[start]]))
    let d = start.truncatingRemainder(dividingBy: p)
    // 2¹⁴ steps of one rounding each.
    let bar = 0x1p14 * .ulpOfOne
    #expect(abs(try #require(result.numbers["meanDistance"]) - p / 2) <= bar)
    #expect(
      abs(try #require(result.numbers["distance"]) * start - max(d, p - d)) <= bar)
    #expect(result.verdict == .holds)
  }

  // MARK: PROX

  /// What the definition alone shows, without oracle and conjugate.
  @Test func mutantsAreCaughtWithoutReference() {
    for mutant in ProxCheck().mutants {
      var subject = mutant.subject
      subject.reference = nil
      let result = ProxCheck().run(subject)
      #expect(result.verdict == .violated, "\(mutant.fault), size \(mutant.size): \(result)")
    }
  }

  @Test func theCatalogueOfProximalOperatorsHolds() {
    let results = SchemeStudy.proximalOperators().map(ProxCheck().run)
    #expect(results.count == 12)
    for result in results {
      #expect(result.verdict == .holds, "\(result)")
      for law in ["optimality", "oracle", "nonexpansive", "moreau", "fixed", "tape"] {
        #expect((result.numbers[law] ?? .infinity) <= 1, "\(law): \(result)")
      }
    }
  }

  /// Every face tried: the best feasible point of all is the projection.
  @Test func simplexAgreesWithAllFaces() throws {
    var rng = SplitMix64(seed: 8)
    for _ in 0..<200 {
      let n = 4
      let v = rng.vector(n)
      let p = rng.vector(n) { pow(10, 2 * $0.uniform() - 1) }
      func cost(_ u: [Double]) -> Double {
        (0..<n).reduce(0) { $0 + (u[$1] - v[$1]) * (u[$1] - v[$1]) / (2 * p[$1]) }
      }
      var best: [Double] = []
      for face in 1..<(1 << n) {
        let those = (0..<n).filter { face >> $0 & 1 == 1 }
        let tau =
          (those.reduce(0) { $0 + v[$1] } - 1) / those.reduce(0) { $0 + p[$1] }
        let u = (0..<n).map { those.contains($0) ? v[$0] - p[$0] * tau : 0 }
        guard u.allSatisfy({ $0 >= 0 }) else { continue }
        if best.isEmpty || cost(u) < cost(best) { best = u }
      }
      var u = v
      Simplex(size: n).prox(&u, steps: p)
      // τ is a quotient of sums of four entries of size 4 at most.
      for j in 0..<n { #expect(abs(u[j] - best[j]) <= 64 * .ulpOfOne) }
    }
  }

  /// Kept entries count towards the sum, and large points still end on the simplex.
  @Test func simplexKeepsWhatHasNoStep() {
    let simplex = Simplex(size: 3)
    var x: Vector = [0.25, 3, 1]
    simplex.prox(&x, steps: [0, 1, 1])
    #expect(x == [0.25, 0.75, 0])
    var y: Vector = [0.25, 0.5, 0.25]
    simplex.prox(&y, steps: [0, 0, 0])
    #expect(y == [0.25, 0.5, 0.25])
    var far: Vector = [1000.1, 999.7, 1000.3]
    simplex.prox(&far, steps: [1, 1, 1])
    #expect(simplex.value(at: far.elements[...]) == 0, "\(far.elements.reduce(0, +) - 1)")
  }

  /// A user's regularizer, of which nothing is known but itself.
  private struct Box: Regularizer {
    let name = "box"
    var upper = 1.0
    func value(at x: ArraySlice<Double>) -> Double {
      x.allSatisfy { $0 >= 0 && $0 <= 1 } ? 0 : .infinity
    }
    func addSubgradient(at x: Vector, to g: inout Vector) {}
    func prox(_ x: inout Vector, steps: Vector) {
      for j in 0..<x.count { x[j] = min(max(x[j], 0), upper) }
    }
    func value(of x: Traced) -> Traced { x.constant(Matrix(zeros: x.rows, 1)) }
    func subgradient(of x: Traced) -> Traced { x.constant(Matrix(zeros: x.rows, x.columns)) }
    func prox(of x: Traced, steps: Traced) -> Traced {
      let ones = x.constant(
        Matrix(
          rows: x.rows, columns: x.columns,
          elements: [Double](repeating: upper, count: x.rows * x.columns)))
      return x.relu - (x.relu - ones).relu
    }
  }

  @Test func aUsersRegularizerNeedsNoReference() {
    let check = ProxCheck()
    #expect(check.run(.init(Box(), isSeparable: true)).verdict == .holds)
    #expect(check.run(.init(Box(upper: 1 - 1e-6), isSeparable: true)).verdict == .violated)
    #expect(check.run(.init(Box(upper: 1 + 1e-6))).verdict == .violated)
  }
}
