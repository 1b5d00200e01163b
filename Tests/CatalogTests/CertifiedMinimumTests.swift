import Foundation
import OptCheck
import Testing

/// Sizes that a second of FISTA solves, sparse and not.
private let size = SparseRegressionSize(instances: 4, rows: 12, columns: 20, sparsity: 4)

@Suite struct CertifiedMinima {
  /// The smallest value that FISTA sees in `steps` steps, instance by instance.
  private func fista(_ problem: some LinearModelProblem, _ steps: Int) -> [Double] {
    let run = unroll(
      FISTA(stepRule: .reference), on: problem, from: problem.start(), horizon: steps)
    return (0..<problem.instanceCount).map { i in run.values.map { $0[i] }.min() ?? .nan }
  }

  /// By how much the conditions of a minimum of F fail at the points.
  private func violation(_ problem: some LinearModelProblem, _ minima: [CertifiedMinimum]) -> Double
  {
    let weight = (problem.regularizer as? L1Norm)?.weight ?? 0
    let x = Vector(minima.flatMap(\.point.elements))
    let g = problem.gradient(at: x)
    return (0..<x.count).map { j in
      x[j] == 0 ? max(abs(g[j]) - weight, 0) : abs(g[j] + (x[j] > 0 ? weight : -weight))
    }.max() ?? 0
  }

  private func check(
    _ problem: some CertifiableProblem, fistaSteps: Int, fistaGap: Double,
    _ comment: Comment? = nil
  ) throws {
    let minima = try problem.certifiedMinima()
    #expect(minima.count == problem.instanceCount)
    let values = problem.values(at: Vector(minima.flatMap(\.point.elements)))
    for ((minimum, reached), value) in zip(zip(minima, fista(problem, fistaSteps)), values) {
      #expect(minimum.isCertified, comment)
      #expect(minimum.gap <= 1e-12 * minimum.value, comment)
      // The same sum in another order.
      #expect(abs(minimum.value - value) <= 1e-14 * (1 + value), comment)
      // A bound but for the rounding of the sums behind both numbers.
      #expect(minimum.lowerBound <= reached * (1 + 1e-15), comment)
      #expect(reached - minimum.value <= fistaGap, comment)
    }
    // Gradients here are sums of up to 20 terms of order 1.
    #expect(violation(problem, minima) <= 1e-13, comment)
  }

  @Test(
    "LASSO: between bounds that agree, at a point that meets the conditions, as FISTA finds",
    arguments: [0.5, 0.1, 0.01, 0.001])
  func lasso(weight: Double) throws {
    for seed: UInt64 in 1...3 {
      try check(
        Lasso.generated(seed: seed, size: size, weight: weight), fistaSteps: 20_000,
        fistaGap: 1e-9, "seed \(seed)")
    }
    try check(
      Lasso.generated(seed: 4, size: size, weight: weight, isShared: true), fistaSteps: 20_000,
      fistaGap: 1e-9)
  }

  @Test("logistic regression likewise", arguments: [0.2, 0.05, 0.01, 0.001])
  func logistic(weight: Double) throws {
    let size = SparseRegressionSize(instances: 3, rows: 40, columns: 6, sparsity: 3)
    for seed: UInt64 in 1...3 {
      try check(
        LogisticL1.generated(seed: seed, size: size, weight: weight), fistaSteps: 5000,
        fistaGap: 1e-9, "seed \(seed)")
    }
  }

  @Test("orthonormal columns: the soft threshold")
  func orthonormal() throws {
    var rng = SplitMix64(seed: 3)
    let q = try rng.matrix(9, 5).orthonormalFactor()
    let y = rng.vector(9)
    let minimum = try Lasso(map: .shared(q, copies: 1), target: y, weight: 0.4)
      .certifiedMinima()[0]
    let c = q.times(y, .transposed)
    for j in 0..<5 {
      let expected = max(abs(c[j]) - 0.4, 0) * (c[j] > 0 ? 1 : -1)
      #expect(abs(minimum.point[j] - expected) <= 1e-14)
    }
    #expect(minimum.isCertified)
  }

  @Test("a weight beyond the largest correlation leaves 0")
  func allZero() throws {
    let lasso = try Lasso.generated(seed: 1, size: size, weight: 100)
    let logistic = try LogisticL1.generated(seed: 1, size: size, weight: 100)
    for minimum in try lasso.certifiedMinima() + logistic.certifiedMinima() {
      #expect(minimum.point == Vector(zeros: 20) && minimum.isCertified)
      // Bounds that agree but for the rounding of ln 2.
      #expect(minimum.gap <= 1e-15 * minimum.value)
    }
    #expect(try logistic.certifiedMinima().allSatisfy { abs($0.value - log(2)) <= 1e-15 })
  }

  @Test("repeated and zero columns: the value is that without them")
  func repeatedColumns() throws {
    let problem = try Lasso.generated(seed: 6, size: size, weight: 0.05)
    let labels = try LogisticL1.generated(seed: 6, size: size, weight: 0.05)
    for i in 0..<size.instances {
      let m = problem.map.matrix(i)
      let wide = doubled(m)
      let y = Vector(Array(problem.target.elements[(i * 12)..<((i + 1) * 12)]))
      let twice = try Lasso(map: .shared(wide, copies: 1), target: y, weight: 0.05)
        .certifiedMinima()[0]
      let once = try Lasso(map: .shared(m, copies: 1), target: y, weight: 0.05)
        .certifiedMinima()[0]
      #expect(twice.isCertified)
      #expect(abs(twice.value - once.value) <= 2e-12 * once.value)
      let z = Vector(Array(labels.target.elements[(i * 12)..<((i + 1) * 12)]))
      let two = try LogisticL1(map: .shared(wide, copies: 1), target: z, weight: 0.05)
        .certifiedMinima()[0]
      let one = try LogisticL1(map: .shared(m, copies: 1), target: z, weight: 0.05)
        .certifiedMinima()[0]
      #expect(two.isCertified)
      #expect(abs(two.value - one.value) <= 2e-12 * one.value)
    }
  }

  /// Every column twice, once negated, and one of zeros.
  private func doubled(_ m: Matrix) -> Matrix {
    var wide = Matrix(zeros: m.rows, 2 * m.columns + 1)
    for i in 0..<m.rows {
      for j in 0..<m.columns { (wide[i, j], wide[i, m.columns + j]) = (m[i, j], -m[i, j]) }
    }
    return wide
  }

  @Test("logistic regression on one column: the root of its derivative by bisection")
  func oneColumn() throws {
    let a = [0.5, -1.25, 2, 0.75, -0.5, 1]
    let y = [1.0, 0, 1, 0, 1, 1]
    let minimum = try LogisticL1(
      map: .shared(Matrix(rows: 6, columns: 1, elements: a), copies: 1), target: Vector(y),
      weight: 0.01
    ).certifiedMinima()[0]
    var (low, high) = (0.0, 50.0)
    for _ in 0..<200 {
      let x = (low + high) / 2
      let slope = zip(a, y).reduce(0) { $0 + $1.0 * (1 / (1 + exp(-$1.0 * x)) - $1.1) } / 6 + 0.01
      if slope > 0 { high = x } else { low = x }
    }
    // A root of a derivative known to 1e-16, whose slope is about 0.1.
    #expect(abs(minimum.point[0] - low) <= 1e-14 * 10)
    #expect(minimum.isCertified)
  }

  @Test("without a weight: a minimum for mixed labels, the infimum for separable ones")
  func noWeight() throws {
    let size = SparseRegressionSize(instances: 2, rows: 60, columns: 4, sparsity: 4)
    let separable = try LogisticL1.generated(seed: 2, size: size, weight: 0)
    for minimum in try separable.certifiedMinima() {
      #expect(minimum.lowerBound == 0 && minimum.value <= 1e-15)
    }
    let flipped = Vector(
      separable.target.elements.enumerated().map { $0 % 5 == 0 ? 1 - $1 : $1 })
    let mixed = try LogisticL1(map: separable.map, target: flipped, weight: 0)
    let minima = try mixed.certifiedMinima()
    #expect(minima.allSatisfy { $0.isCertified && $0.gap <= 1e-12 * $0.value })
    #expect(violation(mixed, minima) <= 1e-15)
    let lasso = try Lasso.generated(seed: 2, size: size, weight: 0)
    #expect(try lasso.certifiedMinima().allSatisfy { $0.isCertified && $0.value <= 1e-28 })
  }

  @Test("least squares: out of reach, within reach, and of deficient rank")
  func leastSquares() throws {
    // The mean of 0 and 2 is 1 away from both.
    let column = Matrix(rows: 2, columns: 1, elements: [1, 1])
    let simple = try LeastSquares(matrices: [column], target: [0, 2]).certifiedMinima()[0]
    #expect(abs(simple.value - 1) <= 1e-15 && abs(simple.point[0] - 1) <= 1e-15)
    #expect(simple.isCertified && simple.gap <= 1e-15)
    let authors = try LeastSquares.authors(seed: 895, instances: 2, rows: 25, columns: 32)
    for minimum in try authors.certifiedMinima() {
      #expect(minimum.value <= 1e-26 && minimum.lowerBound == 0 && minimum.isCertified)
    }
    let deficient = try LeastSquares.generated(
      seed: 4, instances: 2, rows: 6, columns: 9, rank: 3)
    var rng = SplitMix64(seed: 1)
    let problem = try LeastSquares(matrices: deficient.matrix.blocks, target: rng.vector(12))
    let minima = try problem.certifiedMinima()
    for (i, minimum) in minima.enumerated() {
      #expect(minimum.isCertified && minimum.value > 0.01)
      let y = Vector(Array(problem.target.elements[(i * 6)..<((i + 1) * 6)]))
      let x = try problem.matrix.blocks[i].minimumNormSolution(y)
      #expect((minimum.point - x).maxMagnitude <= 1e-13)
    }
    #expect(violation(problem, minima) <= 1e-14)
  }

  @Test("every shape, scale and degree of dependence is certified", arguments: 0..<4)
  func anyData(style: Int) throws {
    var rng = SplitMix64(seed: UInt64(40 + style))
    for trial in 0..<40 {
      let (b, d) = (Int.random(in: 1...30, using: &rng), Int.random(in: 1...40, using: &rng))
      let m = matrix(style, b, d, &rng)
      let (y, labels) = (rng.vector(b), rng.vector(b) { Double($0.next() & 1) })
      let map = LinearMap.shared(m, copies: 1)
      for part in [1e-3, 0.1, 0.7] {
        let weight = part * m.times(y, .transposed).maxMagnitude
        let lasso = try Lasso(map: map, target: y, weight: weight).certifiedMinima()[0]
        let logistic = try LogisticL1(map: map, target: labels, weight: weight / Double(b))
          .certifiedMinima()[0]
        let comment: Comment = "trial \(trial), \(b) x \(d), \(part) of the largest weight"
        #expect(lasso.isCertified && logistic.isCertified, comment)
      }
    }
  }

  /// Small integers, full of ties; columns that differ by 1e-7; scales from 1e-3 to 1e3; plain.
  private func matrix(_ style: Int, _ b: Int, _ d: Int, _ rng: inout SplitMix64) -> Matrix {
    if style == 0 { return rng.matrix(b, d) { Double(Int.random(in: -1...1, using: &$0)) } }
    var m = rng.matrix(b, d)
    for i in 0..<b {
      for j in 0..<d {
        if style == 1, j > 0 { m[i, j] = m[i, 0] + 1e-7 * m[i, j] }
        if style == 2 { m[i, j] *= pow(10, Double(j % 7) - 3) }
      }
    }
    return m
  }

  @Test("the same bytes on every run, in any order of the instances")
  func deterministic() throws {
    let problem = try Lasso.generated(seed: 9, size: size)
    let minima = try problem.certifiedMinima()
    #expect(try problem.certifiedMinima() == minima)
    #expect(try problem.instances(2..<4).certifiedMinima() == Array(minima[2...]))
  }
}
