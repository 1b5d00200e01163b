import Foundation
import OptCheck
import Testing

/// The problems that rules are judged on must themselves be beyond doubt.
@Suite struct SuiteTests {
  private static let all: [SolvedProblem] = (try? ProblemSuite.standard()) ?? []

  @Test func everyFamilyIsSolvedAtEveryScaleAndSeed() throws {
    #expect(Self.all.count == 45)
    for seed in UInt64(2)...12 {
      for family in ProblemSuite.families {
        let solved = try family.problem(
          ProblemFamily.Draw(seed: seed, scale: seed % 2 == 0 ? 1 : 1e3))
        #expect(solved.residual <= 1e-13 * max(solved.length, 1e-3), "\(solved.name)")
      }
    }
  }

  /// The check that users run on their own problems says so too: four seeds, no false alarm.
  @Test(arguments: all.indices) func theProblemsAreWhatTheySay(_ i: Int) {
    for seed in UInt64(1)...4 {
      let result = ObjectiveCheck().run(ObjectiveCheck.Subject(Self.all[i], seed: seed))
      let isSmooth = Self.all[i].kind != .nonsmooth
      #expect(result.verdict == (isSmooth ? .holds : .notApplicable), "\(result)")
    }
  }

  /// Independent of the way the minimisers were found: no point near or far has a lower value.
  @Test(arguments: all.indices) func nothingIsLowerThanTheMinimum(_ i: Int) {
    let solved = Self.all[i]
    var rng = SplitMix64(seed: 3)
    let scale = abs(solved.minimumValue) + solved.smoothness * solved.length * solved.length
    for x in solved.minimisers {
      let value = solved.problem.value(at: x)
      #expect(abs(value - solved.minimumValue) <= 1e-12 * scale, "\(solved.name)")
      for size in [1e-6, 1e-3, 1, 10] {
        for _ in 0..<20 {
          var y = x.moved(size * solved.length, rng.vector(x.count))
          if solved.kind == .constrained {
            solved.problem.regularizer.prox(&y, steps: Vector(y.elements.map { _ in 1 }))
          }
          #expect(
            solved.problem.value(at: y) >= solved.minimumValue - 1e-13 * scale, "\(solved.name)")
        }
      }
    }
  }

  @Test(arguments: all.indices) func projectionsAreNearest(_ i: Int) throws {
    let solved = Self.all[i]
    let projection = try #require(solved.projection)
    var rng = SplitMix64(seed: 4)
    for _ in 0..<20 {
      let x = rng.vector(solved.problem.dimension).scaled(by: 3 * solved.length)
      let nearest = projection(x)
      #expect(
        abs(solved.problem.value(at: nearest) - solved.minimumValue)
          <= 1e-11 * (abs(solved.minimumValue) + solved.smoothness * solved.length * solved.length))
      for other in solved.minimisers {
        #expect((x - nearest).norm <= (x - other).norm * (1 + 1e-12), "\(solved.name)")
      }
    }
  }

  /// The gradient by differences, f being analytic on the segment for all but Huber's kinks.
  @Test(arguments: all.indices) func gradientsAreThoseOfTheValues(_ i: Int) {
    let solved = Self.all[i]
    guard solved.kind == .smooth, !solved.name.hasPrefix("huber") else { return }
    var rng = SplitMix64(seed: 5)
    let x = solved.minimisers[0].moved(solved.length, rng.vector(solved.problem.dimension))
    let v = rng.vector(x.count)
    let slope = FiniteDifference(
      of: { solved.problem.value(at: x.moved($0, v)) }, scale: solved.length
    ).slope
    #expect(
      abs(solved.problem.gradient(at: x).dot(v) - slope.value) <= slope.error, "\(solved.name)")
  }

  /// LASSO here and LASSO there share no code.
  @Test func agreesWithTheLargeProblems() throws {
    let solved = try #require(Self.all.first { $0.name == "lasso" })
    let small = try #require(solved.problem as? Regression)
    let large = try Lasso(
      map: .shared(small.matrix, copies: 1), target: small.target,
      weight: small.regularizer.l1Weight)
    let minimum = try large.certifiedMinima()[0]
    #expect(minimum.isCertified)
    #expect((minimum.point - solved.minimisers[0]).norm <= 1e-10 * solved.length)
    #expect(abs(minimum.value - solved.minimumValue) <= 1e-12 * minimum.value)
  }

  /// Simplex: the root search against bisection.
  @Test func simplexProxSumsToOne() {
    var rng = SplitMix64(seed: 6)
    for _ in 0..<200 {
      let n = 1 + Int(rng.next() % 6)
      let v = rng.vector(n).scaled(by: 3)
      let p = rng.vector(n) { 0.1 + 2 * $0.uniform() }
      var x = v
      Simplex(size: n).prox(&x, steps: p)
      var (low, high) = (-100.0, 100.0)
      for _ in 0..<200 {
        let middle = (low + high) / 2
        let sum = (0..<n).reduce(0) { $0 + max(v[$1] - p[$1] * middle, 0) }
        if sum > 1 { low = middle } else { high = middle }
      }
      for j in 0..<n { #expect(abs(x[j] - max(v[j] - p[j] * low, 0)) <= 1e-12) }
    }
  }
}
