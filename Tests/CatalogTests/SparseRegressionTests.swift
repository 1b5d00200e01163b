import Foundation
import OptCheck
import Testing

private let size = SparseRegressionSize(instances: 3, rows: 7, columns: 9, sparsity: 2)

/// F of instance `i` by its formula, term by term.
private func naiveValue(_ problem: some LinearModelProblem, _ i: Int, _ x: Vector) -> Double {
  let (m, weight) = (problem.map.matrix(i), (problem.regularizer as? L1Norm)?.weight ?? 0)
  var sum = 0.0
  for r in 0..<m.rows {
    let z = (0..<m.columns).reduce(0.0) { $0 + m[r, $1] * x[i * m.columns + $1] }
    let y = problem.target[i * m.rows + r]
    sum +=
      problem is LogisticL1
      ? (log(1 + exp(z)) - y * z) / Double(m.rows) : (z - y) * (z - y) / 2
  }
  return sum + (0..<m.columns).reduce(0) { $0 + weight * abs(x[i * m.columns + $1]) }
}

@Suite struct SparseRegression {
  static func problems() throws -> [any LinearModelProblem] {
    [
      try Lasso.generated(seed: 1, size: size),
      try Lasso.generated(seed: 2, size: size, weight: 0.3, isShared: true),
      try LogisticL1.generated(seed: 3, size: size),
      try LogisticL1.classes(
        seed: 4, size: ClassificationSize(classes: 3, samples: 4, features: 9), weight: 0.1),
    ]
  }

  @Test("values, gradients and curvature against the formula", arguments: 0..<4)
  func derivatives(which: Int) throws { try check(Self.problems()[which]) }

  private func check(_ problem: some LinearModelProblem) throws {
    var rng = SplitMix64(seed: 5)
    let (x, v) = (rng.vector(27), rng.vector(27))
    for (i, value) in problem.values(at: x).enumerated() {
      #expect(abs(value - naiveValue(problem, i, x)) <= 1e-14 * (1 + value))
    }
    #expect(problem.reportedScale == 1.0 / 3)
    // f is F off the kinks, and no coordinate is within h of 0.
    let h = 1e-5
    #expect(x.elements.allSatisfy { abs($0) > 1e-3 })
    let total = { (x: Vector) in (0..<3).reduce(0) { $0 + naiveValue(problem, $1, x) } }
    var s = Vector(zeros: 27)
    problem.subgradient(at: x, into: &s)
    let slope = (total(x.moved(h, v)) - total(x.moved(-h, v))) / (2 * h)
    // Rounding of F, about 1e-14 / h, and h² times a third derivative.
    #expect(abs(slope - s.dot(v)) <= 1e-8)
    var product = Vector(zeros: 27)
    problem.hessianProduct(v, at: x, into: &product)
    var change = problem.gradient(at: x.moved(h, v)) - problem.gradient(at: x.moved(-h, v))
    change.scale(by: 1 / (2 * h))
    #expect((product - change).maxMagnitude <= 1e-8)
    // Parts are the whole's instances, and report on the whole's scale.
    let part = problem.instances(1..<3)
    let tail = Vector(Array(x.elements[9...]))
    for (mine, whole) in zip(part.values(at: tail), problem.values(at: x)[1...]) {
      #expect(abs(mine - whole) <= 1e-14 * (1 + whole))
    }
    #expect(part.smoothness == Array(problem.smoothness[1...]))
    #expect(part.reportedScale == problem.reportedScale)
  }

  @Test("the Lipschitz constants, by the singular values")
  func constants() throws {
    let lasso = try Lasso.generated(seed: 1, size: size)
    let logistic = try LogisticL1.Lipschitz.allCases.map {
      try LogisticL1.generated(seed: 3, size: size, lipschitz: $0).smoothness
    }
    let matrices = try LogisticL1.generated(seed: 3, size: size).map
    for i in 0..<3 {
      let a = try #require(try lasso.map.matrix(i).singularValues().elements.first)
      #expect(abs(lasso.smoothness[i] - a * a) <= 1e-14 * a * a)
      let b = try #require(try matrices.matrix(i).singularValues().elements.first)
      for (found, expected) in zip(logistic, [b * b / 28, b, b * b / 7]) {
        #expect(abs(found[i] - expected) <= 1e-14 * expected)
      }
    }
    let shared = try Lasso.generated(seed: 2, size: size, isShared: true)
    #expect(Set(shared.smoothness).count == 1 && shared.smoothness.count == 3)
  }

  @Test("the correct logistic constant bounds the curvature, and is reached at 0")
  func curvatureBound() throws {
    let problem = try LogisticL1.generated(
      seed: 7, size: SparseRegressionSize(instances: 1, rows: 20, columns: 4, sparsity: 2))
    let constant = problem.smoothness[0]
    let (_, right) = try leadingVector(problem.map.matrix(0))
    var h = Vector(zeros: 4)
    problem.hessianProduct(right, at: Vector(zeros: 4), into: &h)
    // σ'(0) = 1/4 in every row.
    #expect(abs(h.dot(right) - constant) <= 1e-14 * constant)
    var rng = SplitMix64(seed: 1)
    for _ in 0..<50 {
      let (x, v) = (rng.vector(4), rng.vector(4))
      problem.hessianProduct(v, at: x, into: &h)
      #expect(h.dot(v) <= constant * v.dot(v))
    }
  }

  private func leadingVector(_ m: Matrix) throws -> (Double, Vector) {
    let svd = try m.thinSVD()
    return (svd.values[0], Vector(Array(svd.rightTransposed.elements[..<m.columns])))
  }

  @Test("far from 0 the logistic terms neither overflow nor lose their digits")
  func saturation() throws {
    let problem = try LogisticL1(
      map: .shared(Matrix(rows: 2, columns: 1, elements: [1, 1]), copies: 1), target: [0, 1],
      weight: 0)
    // ln(1 + e^800) = 800, and ln(1 + e^-800) = 0.
    #expect(problem.values(at: [800]) == [400])
    #expect(problem.gradient(at: [800]) == [0.5])
    let single = try LogisticL1(
      map: .shared(Matrix(rows: 1, columns: 1, elements: [1]), copies: 1), target: [1], weight: 0)
    // e^-40, which 1 + e^-40 does not show.
    #expect(abs(single.values(at: [40])[0] / exp(-40) - 1) <= 1e-15)
    #expect(abs(single.gradient(at: [40])[0] / -exp(-40) - 1) <= 1e-15)
  }

  @Test("classes: every sample belongs to one, features fade, and classes differ by their means")
  func classLaws() throws {
    let size = ClassificationSize(classes: 4, samples: 400, features: 3)
    let problem = try LogisticL1.classes(seed: 5, size: size, weight: 0.1)
    #expect(problem.instanceCount == 4 && problem.map.isShared && problem.dimension == 12)
    let m = problem.map.matrix(0)
    for row in 0..<1600 {
      let own = (0..<4).filter { problem.target[$0 * 1600 + row] == 1 }
      #expect(own == [row % 4])
    }
    for j in 0..<3 {
      let scale = 1 / Double(j + 1).squareRoot()
      for k in 0..<4 {
        let own = stride(from: k, to: 1600, by: 4).map { m[$0, j] }
        let mean = own.reduce(0, +) / 400
        let deviation = (own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 399).squareRoot()
        // 400 samples tell a standard deviation to 1/√800 of it; five of those.
        #expect(abs(deviation / scale - 1) <= 5 / 800.0.squareRoot(), "seed 5, class \(k)")
      }
    }
    let means = (0..<4).map { k in
      stride(from: k, to: 1600, by: 4).reduce(0) { $0 + m[$1, 0] } / 400
    }
    // Means are normal with deviation 1, and known to 1/20 each.
    #expect(try #require(means.max()) - #require(means.min()) > 0.5, "seed 5: \(means)")
    #expect(try LogisticL1.classes(seed: 5, size: size, weight: 0.1).map == problem.map)
    #expect(try LogisticL1.classes(seed: 6, size: size, weight: 0.1).map != problem.map)
    let one = ClassificationSize(classes: 1, samples: 2, features: 3)
    #expect(throws: ProblemError.self) { try LogisticL1.classes(seed: 5, size: one, weight: 0.1) }
  }

  @Test("generated data keep the laws of their source")
  func generatorLaws() throws {
    let size = SparseRegressionSize(instances: 20, rows: 30, columns: 40, sparsity: 6)
    let lasso = try Lasso.generated(seed: 11, size: size)
    let logistic = try LogisticL1.generated(seed: 11, size: size)
    for i in 0..<20 {
      let m = lasso.map.matrix(i)
      for j in 0..<40 {
        let square = (0..<30).reduce(0) { $0 + m[$1, j] * m[$1, j] }
        #expect(abs(square - 1) <= 1e-14)
      }
      for problem in [lasso, logistic] as [any LinearModelProblem] {
        let point = try #require(problem.generatingPoint)
        #expect(point.elements[(i * 40)..<((i + 1) * 40)].count { $0 != 0 } == 6)
      }
    }
    let point = try #require(lasso.generatingPoint)
    #expect(lasso.target == lasso.map.times(point))
    let z = logistic.map.times(try #require(logistic.generatingPoint))
    #expect(zip(z.elements, logistic.target.elements).allSatisfy { ($0 >= 0 ? 1 : 0) == $1 })
    // 24 000 draws: the mean is within 5 standard errors, the mean square too.
    let draws = logistic.map.distinctMatrices.flatMap(\.elements)
    #expect(abs(draws.reduce(0, +) / 24_000) <= 5 / 24_000.0.squareRoot())
    let square = draws.reduce(0) { $0 + $1 * $1 } / 24_000
    #expect(abs(square - 1) <= 5 * (2 / 24_000.0).squareRoot())
    // Every support is as likely: 120 draws among 40 places leave few of them out.
    let used = Set(point.elements.indices.filter { point[$0] != 0 }.map { $0 % 40 })
    #expect(used.count >= 30)
    #expect(try Lasso.generated(seed: 11, size: size).target == lasso.target)
    #expect(try Lasso.generated(seed: 12, size: size).target != lasso.target)
  }

  @Test("the authors' LASSO data are those of their least squares, from the same seed")
  func authorsData() throws {
    let lasso = try Lasso.authors(seed: 895, instances: 3, rows: 8, columns: 10, weight: 0.2)
    let quadratic = try LeastSquares.authors(seed: 895, instances: 3, rows: 8, columns: 10)
    #expect(lasso.map == quadratic.map && lasso.target == quadratic.target)
    let shared = try Lasso.authors(
      seed: 895, instances: 3, rows: 8, columns: 10, weight: 0.2, isShared: true)
    // One matrix is a shorter draw of the same stream: 80 entries are whole blocks of 16.
    #expect(shared.map == .shared(quadratic.map.matrix(0), copies: 3))
    #expect(shared.generatingPoint == quadratic.generatingPoint)
  }

  @Test func refusals() throws {
    let m = LinearMap.shared(Matrix(rows: 1, columns: 2, elements: [1, 2]), copies: 2)
    let bad = LinearMap.shared(Matrix(rows: 1, columns: 2, elements: [1, .infinity]), copies: 2)
    #expect(throws: ProblemError.notFinite(problem: "lasso", array: "M")) {
      try Lasso(map: bad, target: [1, 2], weight: 0.1)
    }
    #expect(throws: ProblemError.shape(problem: "lasso", array: "Y", found: [1], expected: [2])) {
      try Lasso(map: m, target: [1], weight: 0.1)
    }
    #expect(throws: ProblemError.notFinite(problem: "lasso", array: "Y")) {
      try Lasso(map: m, target: [1, .nan], weight: 0.1)
    }
    #expect(throws: ProblemError.weight(problem: "lasso", name: "rho", value: -1)) {
      try Lasso(map: m, target: [1, 2], weight: -1)
    }
    #expect(throws: ProblemError.label(problem: "logistic-l1", index: 1, value: 2)) {
      try LogisticL1(map: m, target: [1, 2], weight: 0.1)
    }
    let many = SparseRegressionSize(instances: 1, rows: 2, columns: 3, sparsity: 4)
    let error = #expect(throws: ProblemError.self) { try Lasso.generated(seed: 1, size: many) }
    #expect(error.map { "\($0)".contains("sparsity = 4; accepted: 1...3") } == true)
  }
}
