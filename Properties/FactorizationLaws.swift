import Foundation
import OptCheck

/// Backward stable algorithms err by a modest multiple of order x rounding x norm; LAPACK's own
/// tests of these routines accept a multiple of 50.
private func rounding(_ order: Int, _ norm: Double) -> Double {
  50 * Double(max(1, order)) * .ulpOfOne * norm
}

private func distance(_ a: Matrix, _ b: Matrix) -> Double {
  (Vector(a.elements) - Vector(b.elements)).maxMagnitude
}

/// `finding` with its numbers where `value` is above `limit` or NaN.
func excess(_ finding: String, _ value: Double, over limit: Double) -> String? {
  value <= limit ? nil : "\(finding): \(value) > \(limit)"
}

/// Any shape, columns of sizes from 1 down to 1e-6.
private func gradedMatrix(_ rng: inout SplitMix64) -> Matrix {
  var a = rng.matrix(.random(in: 1...20, using: &rng), .random(in: 1...20, using: &rng))
  let decades = 6 * rng.uniform()
  for j in 0..<a.columns {
    let size = pow(10, -decades * rng.uniform())
    for i in 0..<a.rows { a[i, j] *= size }
  }
  return a
}

private typealias Factor = @Sendable (Matrix) throws -> Matrix

private let orthonormalFactor = Law(
  "orthonormal-factor",
  purpose: "initial weights are e times an orthonormal factor, the one of Gram and Schmidt",
  of: { try $0.orthonormalFactor() } as Factor,
  mutants: [
    "signs as LAPACK leaves them": { a in
      var q = try a.orthonormalFactor()
      for i in 0..<q.rows { q[i, 0] *= -1 }
      return q
    },
    "one pass of classical Gram-Schmidt": { a in
      let tall = a.rows < a.columns ? a.transposed : a
      var columns: [Vector] = []
      for j in 0..<tall.columns {
        let original = Vector((0..<tall.rows).map { tall[$0, j] })
        var v = original
        for q in columns { v.add(-q.dot(original), q) }
        v.scale(by: 1 / v.norm)
        columns.append(v)
      }
      let rows = Matrix(
        rows: tall.columns, columns: tall.rows, elements: columns.flatMap(\.elements))
      return a.rows < a.columns ? rows : rows.transposed
    },
    "columns in reverse": { a in
      let q = try a.orthonormalFactor()
      return Matrix(rows: q.rows, columns: q.columns, elements: q.elements.reversed())
    },
  ],
  cases: 1500, generate: gradedMatrix,
  violation: { factor, a in
    // A wide matrix is the transpose of a tall one.
    let isWide = a.rows < a.columns
    let q = isWide ? try factor(a).transposed : try factor(a)
    let tall = isWide ? a.transposed : a
    let r = Matrix.product(q, .transposed, tall)
    let allowed = rounding(tall.rows, tall.frobeniusNorm)
    var below = 0.0
    var negative = 0.0
    for i in 0..<r.rows {
      negative = max(negative, -r[i, i])
      for j in 0..<i { below = max(below, abs(r[i, j])) }
    }
    return excess(
      "QᵀQ - I", distance(.product(q, .transposed, q), Matrix(identity: q.columns)),
      over: rounding(tall.rows, 1))
      ?? excess("QR - A", distance(.product(q, r), tall), over: allowed)
      ?? excess("R below its diagonal", below, over: allowed)
      ?? excess("minus the diagonal of R", negative, over: allowed)
  })

private typealias Decomposition = @Sendable (Matrix) throws -> SingularValueDecomposition

private typealias Parts = (left: Matrix, values: Vector, right: Matrix)

private let singularValues = Law(
  "singular-values", purpose: "α₀, ranks and βᵢ come from here",
  of: { a -> Parts in
    let svd = try a.thinSVD()
    return (svd.left, svd.values, svd.rightTransposed)
  } as @Sendable (Matrix) throws -> (left: Matrix, values: Vector, right: Matrix),
  mutants: [
    "smallest first": { a in
      let svd = try a.thinSVD()
      return (svd.left, Vector(svd.values.elements.reversed()), svd.rightTransposed)
    },
    "eigenvalues of the Gram matrix: half the digits": { a in
      let svd = try a.thinSVD()
      let squares = try a.gram().symmetricEigenvalues().elements.reversed()
      let values = squares.prefix(svd.values.count).map { max(0, $0).squareRoot() }
      return (svd.left, Vector(values), svd.rightTransposed)
    },
    "a left vector is not of unit length": { a in
      let svd = try a.thinSVD()
      var left = svd.left
      for i in 0..<left.rows { left[i, 0] *= 1 + 1e-12 }
      return (left, svd.values, svd.rightTransposed)
    },
  ],
  cases: 1500, generate: gradedMatrix,
  violation: { decomposition, a in
    let (left, values, right) = try decomposition(a)
    let k = values.count
    var scaled = left
    for i in 0..<left.rows { for j in 0..<k { scaled[i, j] *= values[j] } }
    let order = max(a.rows, a.columns)
    let identity = Matrix(identity: k)
    let isSorted = zip(values.elements, values.elements.dropFirst()).allSatisfy { $0 >= $1 }
    if !isSorted || (values.elements.last ?? 0) < 0 { return "values \(values.elements)" }
    return excess(
      "U diag(s) Vᵀ - A, \(a.rows) x \(a.columns)", distance(.product(scaled, right), a),
      over: rounding(order, a.frobeniusNorm))
      ?? excess(
        "UᵀU - I", distance(.product(left, .transposed, left), identity), over: rounding(order, 1))
      ?? excess(
        "VᵀV - I", distance(.product(right, .plain, right, .transposed), identity),
        over: rounding(order, 1))
  })

private func condition(ofSymmetric m: Matrix) throws -> Double {
  let w = try m.symmetricEigenvalues().elements
  return (w.last ?? 1) / (w.first ?? 1)
}

/// A = B C exactly, with B of full column rank and C of full row rank.
private struct RankFactors {
  var b: Matrix
  var c: Matrix
  var rhs: Vector
}

private let minimumNorm = Law(
  "minimum-norm-solution", purpose: "‖X_0 - X*‖ in every bound is the distance to this point",
  of: { try $0.minimumNormSolution($1, tolerance: 1e-9) }
    as @Sendable (Matrix, Vector) throws -> Vector,
  mutants: [
    "some solution, not the shortest": { a, rhs in
      var x = try a.minimumNormSolution(rhs, tolerance: 1e-9)
      // What A does not see of the first unit vector.
      var unit = Vector(zeros: a.columns)
      unit[0] = 1
      let seen = try a.minimumNormSolution(a.times(unit), tolerance: 1e-9)
      x.add(1e-3, unit - seen)
      return x
    },
    "noise taken for a singular value": { try $0.minimumNormSolution($1, tolerance: 0) },
    "the largest singular values only": { try $0.minimumNormSolution($1, tolerance: 0.3) },
  ],
  cases: 1500,
  generate: { rng in
    let rank = Int.random(in: 1...5, using: &rng)
    let (m, n) = (
      Int.random(in: rank...(rank + 6), using: &rng), Int.random(in: rank...(rank + 6), using: &rng)
    )
    // Short numbers: their products and sums are exact.
    return RankFactors(
      b: rng.matrix(m, rank) { $0.shortDouble() }, c: rng.matrix(rank, n) { $0.shortDouble() },
      rhs: rng.vector(m) { $0.shortDouble() })
  },
  violation: { solve, input in
    // The pseudo-inverse of B C is Cᵀ (C Cᵀ)⁻¹ (BᵀB)⁻¹ Bᵀ: no SVD takes part.
    let rows = Matrix.product(input.c, .plain, input.c, .transposed)
    let columns = input.b.gram()
    let conditions = (
      try condition(ofSymmetric: rows), try condition(ofSymmetric: columns)
    )
    // Beyond that the formula itself has no digits left to compare with.
    guard conditions.0 < 1e6, conditions.1 < 1e6 else { return nil }
    let inner = try columns.cholesky().solve(input.b.times(input.rhs, .transposed))
    let expected = input.c.times(try rows.cholesky().solve(inner), .transposed)
    let x = try solve(.product(input.b, input.c), input.rhs)
    // Each Cholesky solve loses its condition number; the SVD its square root, and 1/κ of the rhs.
    let size = input.rhs.norm * (conditions.0 * conditions.1).squareRoot()
    let gains = try input.b.singularValues().elements.last ?? 1
    return excess(
      "distance from the pseudo-inverse", (x - expected).norm,
      over: 64 * .ulpOfOne
        * ((conditions.0 + conditions.1) * expected.norm + size / gains))
  })

let factorizationLaws = [orthonormalFactor, singularValues, minimumNorm]
