import Engine
import Foundation
import Testing

/// The method of Lanczos against LAPACK on matrices of known spectrum.
@Suite struct LanczosTests {
  /// Q diag(`values`) Qᵀ with a random orthogonal Q.
  private static func matrix(_ values: [Double], seed: UInt64) throws -> Matrix {
    var rng = SplitMix64(seed: seed)
    let n = values.count
    let q = try rng.matrix(n, n).orthonormalFactor()
    var scaled = q
    for i in 0..<n {
      for j in 0..<n { scaled[i, j] *= values[j] }
    }
    return Matrix.product(scaled, .plain, q, .transposed)
  }

  private static func run(_ a: Matrix, steps: Int, seed: UInt64 = 3) throws -> Lanczos {
    var rng = SplitMix64(seed: seed)
    return try Lanczos(start: rng.vector(a.rows), steps: steps) { a.times($0) }
  }

  /// Eigenvalues spread over decades, clustered, alternating in sign, and with ghosts to be feared.
  static let spectra: [[Double]] = [
    indices.map { pow(0.7, $0) },
    indices.map { (k: Double) -> Double in k < 20 ? 1 + 1e-6 * k : 0.01 * k },
    indices.map { (k: Double) -> Double in pow(-1, k) * (k + 1) },
    indices.map { (k: Double) -> Double in k == 0 ? 1e6 : 1 + k / 60 },
  ]

  private static let indices = (0..<60).map(Double.init)

  @Test("all of a spectrum in n steps", arguments: spectra.indices, [UInt64(1), 2])
  func wholeSpectrum(_ index: Int, seed: UInt64) throws {
    let a = try Self.matrix(Self.spectra[index], seed: seed)
    let exact = Array(try a.symmetricEigenvalues().elements.reversed())
    let found = try Self.run(a, steps: 60)
    #expect(found.isInvariant)
    let norm = try a.spectralNorm()
    // Backward stable: 60 steps, each off by a few units in the last place of ‖A‖.
    let allowed = 4 * 60 * .ulpOfOne * norm
    if found.values.count == 60 {
      for k in 0..<60 { #expect(abs(found.values[k] - exact[k]) <= allowed, "eigenvalue \(k)") }
    }
    // Orthonormal to rounding however far it went: no ghosts.
    let gram = Matrix.product(found.basis, .plain, found.basis, .transposed)
    for i in 0..<gram.rows {
      for j in 0..<gram.rows { #expect(abs(gram[i, j] - (i == j ? 1 : 0)) <= 1e-14) }
    }
  }

  @Test("every half-width holds an eigenvalue, every step", arguments: spectra.indices)
  func errorBars(_ index: Int) throws {
    let a = try Self.matrix(Self.spectra[index], seed: 7)
    let exact = try a.symmetricEigenvalues().elements
    for steps in [1, 2, 5, 12, 30] {
      let found = try Self.run(a, steps: steps)
      for (value, error) in zip(found.values, found.errors) {
        let nearest = exact.map { abs($0 - value) }.min() ?? .infinity
        #expect(nearest <= error, "\(steps) steps: \(value) ± \(error), nearest \(nearest)")
      }
    }
  }

  @Test("rank-deficient: stops right after the rank", arguments: [1, 2, 5, 17])
  func rankDeficient(rank: Int) throws {
    let values = (0..<50).map { $0 < rank ? 1 + Double($0) : 0 }
    let found = try Self.run(Self.matrix(values, seed: 11), steps: 50)
    // The rounded matrix has a cluster about 0 in place of zeros, which may show more than once.
    #expect(found.isInvariant && (rank + 1...rank + 3).contains(found.values.count))
    #expect(found.values.count { abs($0) > 50 * .ulpOfOne * found.values[0] } == rank)
  }

  /// A start has one component in every eigenspace, so a multiple eigenvalue shows once.
  @Test func multipleEigenvalues() throws {
    let values = (0..<40).map { $0 < 10 ? 3.0 : $0 < 25 ? 2 : 1 }
    let found = try Self.run(Self.matrix(values, seed: 13), steps: 40)
    #expect(found.isInvariant && found.values.count == 3)
    for (value, exact) in zip(found.values, [3.0, 2, 1]) { #expect(abs(value - exact) <= 1e-13) }
    #expect(abs(found.startWeights.reduce(0, +) - found.startNorm * found.startNorm) <= 1e-11)
  }

  /// f(A) b for a polynomial of degree below m is exact.
  @Test func functions() throws {
    let a = try Self.matrix(Self.spectra[0], seed: 5)
    var rng = SplitMix64(seed: 6)
    let b = rng.vector(60)
    let found = try Lanczos(start: b, steps: 8) { a.times($0) }
    var exact = b
    for _ in 0..<7 { exact = exact.moved(-0.3, a.times(exact)) }
    let moved = found.applying { pow(1 - 0.3 * $0, 7) }
    #expect((moved - exact).norm <= 1e-13 * b.norm)
  }

  /// Second differences: eigenvalues 2 - 2 cos(kπ/(n + 1)), eigenvectors sines.
  @Test func tridiagonal() throws {
    let n = 25
    let eigen = try Lanczos.tridiagonalEigen(
      [Double](repeating: 2, count: n), [Double](repeating: -1, count: n - 1))
    for k in 0..<n {
      let exact = 2 - 2 * cos(Double(k + 1) * .pi / Double(n + 1))
      #expect(abs(eigen.values[k] - exact) <= 4 * Double(n) * .ulpOfOne * 4)
    }
    #expect(abs(abs(eigen.vectors[0, 0] / eigen.vectors[1, 0]) - 1 / (2 * cos(.pi / 26))) <= 1e-12)
  }

  @Test func refusesWhatIsNotFinite() throws {
    #expect(throws: EngineError.self) { try Lanczos(start: Vector(zeros: 3), steps: 2) { $0 } }
    #expect(throws: EngineError.self) {
      try Lanczos(start: [1, 2, 3], steps: 2) { $0.scaled(by: .nan) }
    }
  }
}
