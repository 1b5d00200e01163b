import Engine
import Foundation
import Optimization

/// Least squares with constants known beforehand: the ground on which checks show what they catch.
///
/// Mᵢ holds the first b rows of diag(σ) H with a Householder reflection H, so βᵢ = σ_max² without any
/// factorisation. Faults can be planted in what the problem says about itself.
struct KnownLeastSquares: Problem {
  let name = "known-least-squares"
  let matrix: BlockDiagonal
  let target: Vector
  var smoothness: [Double]
  let minimumValue: Double? = 0
  /// The coordinate whose partial derivative has the wrong sign; nil for none.
  var flippedCoordinate: Int?

  /// One instance for each list of singular values, which are as many as rows, in d = `columns`.
  init(singularValues: [[Double]], columns: Int, seed: UInt64) {
    var rng = SplitMix64(seed: seed)
    matrix = BlockDiagonal(
      singularValues.map { sigma in
        let normal = rng.vector(columns)
        let square = normal.dot(normal)
        var block = Matrix(zeros: sigma.count, columns)
        for i in sigma.indices {
          for j in 0..<columns {
            block[i, j] = sigma[i] * ((i == j ? 1 : 0) - 2 * normal[i] * normal[j] / square)
          }
        }
        return block
      })
    target = matrix.times(rng.vector(matrix.columns))
    smoothness = singularValues.map { $0.reduce(0, max) }.map { $0 * $0 }
  }

  var instanceCount: Int { matrix.blocks.count }
  var dimension: Int { matrix.columns }

  func values(at x: Vector) -> [Double] {
    let residual = matrix.times(x) - target
    return (0..<instanceCount).map { i in
      let own = residual.elements[(i * matrix.blockRows)..<((i + 1) * matrix.blockRows)]
      return own.reduce(0) { $0 + $1 * $1 } / 2
    }
  }

  func gradient(at x: Vector, into g: inout Vector) {
    matrix.multiply(matrix.times(x) - target, .transposed, into: &g)
    if let flippedCoordinate { g[flippedCoordinate].negate() }
  }
}
