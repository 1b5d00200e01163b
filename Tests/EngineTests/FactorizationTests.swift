import Engine
import Foundation
import Testing

/// Tolerances: backward stable algorithms err by a modest multiple of (order) x (unit round-off) x
/// (norm); `slack` is that multiple, the same everywhere.
private let slack = 4.0

private func rounding(_ order: Int, _ norm: Double) -> Double {
  slack * Double(order) * .ulpOfOne * norm
}

private func product(_ a: Matrix, _ b: Matrix) -> Matrix { .product(a, .plain, b, .plain) }

/// The largest entry of |a - b|.
private func distance(_ a: Matrix, _ b: Matrix) -> Double {
  (Vector(a.elements) - Vector(b.elements)).maxMagnitude
}

private func diagonal(_ values: Vector) -> Matrix {
  var d = Matrix(zeros: values.count, values.count)
  for i in 0..<values.count { d[i, i] = values[i] }
  return d
}

/// Second differences with zero ends; eigenvalues 2 - 2 cos(k pi / (n + 1)), k = 1...n.
private func secondDifferences(_ n: Int) -> Matrix {
  var a = Matrix(zeros: n, n)
  for i in 0..<n {
    a[i, i] = 2
    if i > 0 { (a[i, i - 1], a[i - 1, i]) = (-1, -1) }
  }
  return a
}

private func secondDifferenceEigenvalues(_ n: Int) -> [Double] {
  (1...n).map { 2 - 2 * cos(Double($0) * .pi / Double(n + 1)) }
}

/// Largest over smallest singular value, by which an error in A is multiplied on its way into Q.
private func condition(_ a: Matrix) throws -> Double {
  let s = try a.singularValues().elements
  return (s.first ?? 1) / (s.last ?? 1)
}

/// Columns orthonormalised one after the other, twice, without LAPACK.
private func gramSchmidt(_ a: Matrix) -> Matrix {
  var columns: [Vector] = []
  let transposed = a.transposed
  for j in 0..<a.columns {
    var v = Vector((0..<a.rows).map { transposed[j, $0] })
    for _ in 0..<2 { for q in columns { v.add(-q.dot(v), q) } }
    v.scale(by: 1 / v.norm)
    columns.append(v)
  }
  return Matrix(rows: a.columns, columns: a.rows, elements: columns.flatMap(\.elements)).transposed
}

@Suite struct FactorizationTests {
  static let shapes = [(1, 1), (2, 2), (7, 3), (3, 7), (40, 40), (33, 1), (1, 9)]

  @Test(arguments: [(1, 1), (5, 5), (9, 4), (60, 2), (4, 0)])
  func thinQRIsGramSchmidt(rows: Int, columns: Int) throws {
    var rng = SplitMix64(seed: 11)
    let a = rng.matrix(rows, columns)
    let qr = try a.thinQR()
    #expect(distance(qr.q, gramSchmidt(a)) <= rounding(rows, try condition(a)))
    #expect(distance(product(qr.q, qr.r), a) <= rounding(rows, a.frobeniusNorm))
    for i in 0..<columns {
      #expect(qr.r[i, i] > 0)
      for j in 0..<i { #expect(qr.r[i, j] == 0) }
    }
  }

  @Test func orthonormalFactorOfAWideMatrixHasOrthonormalRows() throws {
    var rng = SplitMix64(seed: 12)
    let a = rng.matrix(3, 50)
    let q = try a.orthonormalFactor()
    #expect(distance(.product(q, .plain, q, .transposed), Matrix(identity: 3)) <= rounding(50, 1))
    #expect(distance(q, gramSchmidt(a.transposed).transposed) <= rounding(50, try condition(a)))
  }

  @Test(arguments: shapes)
  func thinSVDRebuildsTheMatrix(rows: Int, columns: Int) throws {
    var rng = SplitMix64(seed: 13)
    let a = rng.matrix(rows, columns)
    let k = min(rows, columns)
    let svd = try a.thinSVD()
    let rebuilt = product(product(svd.left, diagonal(svd.values)), svd.rightTransposed)
    let order = max(rows, columns)
    #expect(distance(rebuilt, a) <= rounding(order, a.frobeniusNorm))
    let unit = Matrix(identity: k)
    #expect(distance(svd.left.gram(), unit) <= rounding(order, 1))
    #expect(
      distance(.product(svd.rightTransposed, .plain, svd.rightTransposed, .transposed), unit)
        <= rounding(order, 1))
    #expect(svd.values.elements == svd.values.elements.sorted(by: >))
    #expect((svd.values - (try a.singularValues())).maxMagnitude <= rounding(order, svd.values[0]))
    #expect(try a.spectralNorm() == a.singularValues()[0])
  }

  @Test func singularValuesAreThoseOfTheDifferenceMatrix() throws {
    let n = 50
    let values = try secondDifferences(n).singularValues()
    let exact = Vector(secondDifferenceEigenvalues(n).sorted(by: >))
    #expect((values - exact).maxMagnitude <= rounding(n, 4))
  }

  @Test func eigenvaluesAreThoseOfTheDifferenceMatrix() throws {
    let n = 50
    let a = secondDifferences(n)
    let exact = Vector(secondDifferenceEigenvalues(n))
    #expect((try a.symmetricEigenvalues() - exact).maxMagnitude <= rounding(n, 4))
    let eigen = try a.symmetricEigen()
    #expect((eigen.values - exact).maxMagnitude <= rounding(n, 4))
    let v = eigen.vectors
    #expect(
      distance(product(a, v), product(v, diagonal(eigen.values))) <= rounding(n, 4))
    #expect(distance(v.gram(), Matrix(identity: n)) <= rounding(n, 1))
  }

  @Test func symmetricRoutinesReadTheLowerTriangleOnly() throws {
    var a = secondDifferences(6)
    let values = try a.symmetricEigenvalues()
    let factor = try a.cholesky()
    for i in 0..<6 { for j in (i + 1)..<max(i + 1, 6) { a[i, j] = 1e6 } }
    #expect(try a.symmetricEigenvalues() == values)
    #expect(try a.cholesky() == factor)
  }

  /// min(i, j), counted from 1, is L L^T with ones on and below the diagonal: all exact.
  @Test func choleskyOfTheBrownianMatrixIsOnes() throws {
    let n = 20
    var a = Matrix(zeros: n, n)
    var ones = Matrix(zeros: n, n)
    for i in 0..<n {
      for j in 0..<n {
        a[i, j] = Double(min(i, j) + 1)
        ones[i, j] = j <= i ? 1 : 0
      }
    }
    let factor = try a.cholesky()
    #expect(factor.lower == ones)
    let x = Vector((0..<n).map { Double($0 * $0 % 7 - 3) })
    #expect(factor.solve(a.times(x)) == x)
    let several = Matrix(rows: n, columns: 2, elements: x.elements.flatMap { [$0, -2 * $0] })
    #expect(factor.solve(product(a, several)) == several)
  }

  @Test func choleskyNamesTheMinorAtFault() {
    var a = Matrix(identity: 5)
    a[3, 3] = -1
    #expect(throws: EngineError.notPositiveDefinite(leadingMinor: 4)) { try a.cholesky() }
  }

  @Test func gramIsExactlySymmetric() {
    var rng = SplitMix64(seed: 14)
    // Short entries: all sums are exact, in any order.
    let a = rng.matrix(30, 12) { $0.shortDouble() }
    #expect(a.gram() == product(a.transposed, a))
    #expect(a.gram() == a.gram().transposed)
  }

  /// Full row rank: x = A^T (A A^T)^-1 b, by Cholesky.
  @Test func minimumNormSolutionOfAWideSystem() throws {
    var rng = SplitMix64(seed: 15)
    let a = rng.matrix(10, 25)
    let b = rng.vector(10)
    let multipliers = try a.transposed.gram().cholesky().solve(b)
    let expected = a.times(multipliers, .transposed)
    let x = try a.minimumNormSolution(b)
    // The second way squares the condition number.
    let squared = try condition(a) * condition(a)
    #expect((x - expected).maxMagnitude <= rounding(25, squared * x.norm))
  }

  /// Rank 2 of 6 x 4: the residual is normal to the range and x lies in the row space.
  @Test func minimumNormSolutionOfARankDeficientSystem() throws {
    var rng = SplitMix64(seed: 16)
    let left = rng.matrix(6, 2)
    let right = rng.matrix(2, 4)
    let a = product(left, right)
    let b = rng.vector(6)
    #expect(try a.rank() == 2)
    let x = try a.minimumNormSolution(b)
    let s = try a.singularValues()
    let scale = s[0] / s[1]
    let normal = a.times(a.times(x) - b, .transposed)
    #expect(normal.maxMagnitude <= rounding(6, s[0] * scale * b.norm))
    let rowBasis = try right.orthonormalFactor()
    let inRows = rowBasis.times(rowBasis.times(x), .transposed)
    #expect((inRows - x).maxMagnitude <= rounding(6, scale * x.norm))
  }

  @Test func rankFollowsItsTolerance() throws {
    let a = diagonal([1, 1e-3, 1e-9, 1e-17, 0])
    #expect(try a.rank() == 3)
    #expect(try a.rank(tolerance: 1e-6) == 2)
    #expect(try Matrix(zeros: 4, 3).rank() == 0)
    #expect(try Matrix(zeros: 0, 3).spectralNorm() == 0)
    let cut = try a.minimumNormSolution([1, 1, 1, 1, 1], tolerance: 1e-6)
    #expect(cut == [1, 1000, 0, 0, 0])
  }

  @Test(arguments: [Double.nan, .infinity])
  func refusesWhatIsNotFinite(value: Double) {
    var a = Matrix(identity: 3)
    a[2, 1] = value
    let error = EngineError.notFinite(what: "matrix of 3 x 3")
    #expect(throws: error) { try a.thinQR() }
    #expect(throws: error) { try a.orthonormalFactor() }
    #expect(throws: error) { try a.singularValues() }
    #expect(throws: error) { try a.thinSVD() }
    #expect(throws: error) { try a.symmetricEigen() }
    #expect(throws: error) { try a.cholesky() }
    #expect(throws: EngineError.notFinite(what: "right-hand side")) {
      try Matrix(identity: 3).minimumNormSolution([0, value, 0])
    }
  }
}
