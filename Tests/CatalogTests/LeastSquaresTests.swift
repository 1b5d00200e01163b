import Foundation
import OptCheck
import TestSupport
import Testing

@Suite struct LeastSquaresProblems {
  @Test("gradient descent from the authors' seed gives the authors' values")
  func authorsDescent() throws {
    let values = try PublishedValues.load(from: Fixtures.published)
    let problem = try LeastSquares.authors(seed: 895, instances: 32, rows: 25, columns: 32)
    for row in ConstantSteps.descentValues(problem, published: values) {
      // Printed to 6 to 8 digits.
      #expect(
        abs(row.value - row.published) <= 2e-6 * row.published,
        "T = \(row.horizon): \(row.value), printed \(row.published)")
    }
  }

  /// Matrices drawn first come from the stream that the seed before gives them, points from their own.
  @Test func matricesFirst() throws {
    func problem(_ seed: UInt64, first: Bool) throws -> LeastSquares {
      try LeastSquares.authors(
        seed: seed, instances: 3, rows: 4, columns: 6, matricesFirst: first)
    }
    let first = try problem(895, first: true)
    #expect(try first.matrix == problem(894, first: false).matrix)
    #expect(try first.generatingPoint == problem(895, first: false).generatingPoint)
    #expect(try first.matrix != problem(895, first: false).matrix)
    #expect(first.name != (try problem(895, first: false).name))
  }

  @Test("over-relaxed gradient descent as tabulated")
  func constantSteps() throws {
    let values = try PublishedValues.load(from: Fixtures.published)
    let problem = try LeastSquares.authors(seed: 895, instances: 32, rows: 25, columns: 32)
    for row in ConstantSteps.rows(
      problem, horizons: [5, 10, 20, 30, 50, 100], published: values, learned: [])
    {
      let published = try #require(row.published)
      // Tabulated to four digits, or three decimals where negative.
      #expect(abs(row.ratio - published) <= 6e-4, "p = \(row.factor), T = \(row.horizon)")
      #expect(row.bestLearned == nil)
    }
  }

  @Test("a generated problem has the constants that were asked for", arguments: 1...5)
  func generatedConstants(seed: UInt64) throws {
    let problem = try LeastSquares.generated(
      seed: seed, instances: 3, rows: 4, columns: 7, rank: 3, smoothness: 5, curvature: 0.02)
    for (block, smoothness) in zip(problem.matrix.blocks, problem.smoothness) {
      #expect(abs(smoothness - 5) <= 5 * 64 * .ulpOfOne)
      let eigen = try block.gram().symmetricEigenvalues().elements
      #expect(eigen.count { $0 > 1e-12 } == 3)
      let smallest = try #require(eigen.first { $0 > 1e-12 })
      // An eigenvalue is good to eps times the largest.
      #expect(abs(smallest - 0.02) <= 5 * 64 * .ulpOfOne)
    }
    let point = try #require(problem.generatingPoint)
    // ||M x - y|| of the point that made y is rounding alone.
    #expect(problem.value(at: point) <= 1e-25)
  }

  @Test("the Gram and the residual gradient agree, and with differences of the value")
  func gradients() throws {
    var problem = try LeastSquares.generated(seed: 3, instances: 2, rows: 3, columns: 5)
    var rng = SplitMix64(seed: 8)
    let x = rng.vector(10)
    let direction = rng.vector(10)
    let gram = problem.gradient(at: x)
    problem.gradientForm = .residual
    let residual = problem.gradient(at: x)
    #expect((gram - residual).maxMagnitude <= 1e-13)
    // f is quadratic: the central difference is exact but for rounding.
    let h = 0x1p-4
    let slope =
      (problem.value(at: x.moved(h, direction)) - problem.value(at: x.moved(-h, direction)))
      / (2 * h)
    #expect(abs(slope - residual.dot(direction)) <= 1e-12)
    var product = Vector(zeros: 10)
    problem.hessianProduct(direction, at: x, into: &product)
    let change = problem.gradient(at: x.moved(1, direction)) - residual
    #expect((product - change).maxMagnitude <= 1e-12)
  }

  @Test("a twin differs by the size asked for")
  func perturbation() throws {
    let problem = try LeastSquares.authors(seed: 895, instances: 2, rows: 5, columns: 8)
    let twin = try problem.perturbed(by: 1e-6, seed: 4)
    let changes = zip(problem.target.elements, twin.target.elements).map { abs($1 / $0 - 1) }
    #expect(changes.allSatisfy { $0 > 0 && $0 < 1e-5 })
    #expect(try problem.perturbed(by: 1e-6, seed: 4).target == twin.target)
    #expect(try problem.perturbed(by: 1e-6, seed: 5).target != twin.target)
  }

  /// One instance whose matrix is drawn first has the matrix and the target of one that shares its matrix;
  /// 16 unknowns make an instance's draws the same however many follow.
  @Test func oneMatrixIsTheFirstOfThoseDrawnFirst() throws {
    let one = try LeastSquares.authors(
      seed: 895, instances: 1, rows: 5, columns: 16, matricesFirst: true)
    let shared = try LeastSquares.authorsOneMatrix(seed: 895, instances: 3, rows: 5, columns: 16)
    #expect(shared.matrix == one.matrix.blocks[0])
    #expect(shared.targets.rows == 3 && shared.targets.columns == 5)
    for (ours, theirs) in zip(shared.targets.elements, one.target.elements) {
      // A product of 16 terms, in another order.
      #expect(abs(ours - theirs) <= 1e-14 * 16)
    }
    // Scaled columns of what was drawn.
    for j in 0..<16 {
      let norm = (0..<5).reduce(0) { $0 + shared.unscaled[$1, j] * shared.unscaled[$1, j] }
      #expect(abs(shared.unscaled[0, j] / norm.squareRoot() - shared.matrix[0, j]) <= 1e-6)
    }
  }

  @Test func refusals() throws {
    let bad = Matrix(rows: 1, columns: 2, elements: [1, .nan])
    #expect(throws: ProblemError.notFinite(problem: "p", array: "M[0]")) {
      try LeastSquares(name: "p", matrices: [bad], target: [1])
    }
    #expect(throws: ProblemError.shape(problem: "p", array: "Y", found: [2], expected: [1])) {
      try LeastSquares(
        name: "p", matrices: [Matrix(rows: 1, columns: 2, elements: [1, 2])], target: [1, 2])
    }
    let error = #expect(throws: ProblemError.self) {
      try LeastSquares.authors(seed: 1, instances: 1, rows: 5, columns: 4)
    }
    #expect(error.map { "\($0)".contains("b") && "\($0)".contains("1...4") } == true)
  }
}
