public import Engine
import Foundation
import Optimization

extension LeastSquares {
  /// The authors' data, regenerated from their seed (NetX `qp.py`).
  ///
  /// Mᵢ has normal entries from stream `seed + 1` and columns scaled to unit 2-norm; X* is normal
  /// from stream `seed + 2`; Y = M X*. The training set of every published figure has seed 895.
  /// Draws and scaling are float32, as there; products are double.
  /// - Parameters:
  ///   - instances: N.
  ///   - rows: b, at most `columns`, or the theorem's full row rank cannot be had.
  ///   - columns: d.
  ///   - matricesFirst: whether the matrices come from stream `seed`, as with the option
  ///     `--identical-dict`, which draws them before everything else.
  /// - Throws: ``ProblemError`` for a size out of range.
  public static func authors(
    seed: UInt64, instances: Int, rows: Int, columns: Int, matricesFirst: Bool = false,
    gradientForm: GradientForm = .gram
  ) throws -> LeastSquares {
    let order = matricesFirst ? "-matrices-first" : ""
    let name = "authors-\(seed)-d\(columns)-b\(rows)-N\(instances)\(order)"
    try checkSizes(name, instances, rows, columns)
    var matrixStream = ReferenceStream(seed: matricesFirst ? seed : seed + 1)
    let draws = matrixStream.normal(count: instances * rows * columns)
    let matrices = (0..<instances).map { i in
      let start = i * rows * columns
      return unitColumnsInSingle(
        Matrix(
          rows: rows, columns: columns,
          elements: Array(draws[start..<(start + rows * columns)])))
    }
    var pointStream = ReferenceStream(seed: seed + 2)
    let point = Vector(pointStream.normal(count: instances * columns))
    return try LeastSquares(
      name: name, matrices: matrices, target: BlockDiagonal(matrices).times(point),
      generatingPoint: point, gradientForm: gradientForm)
  }

  /// The authors' data with one matrix for all instances, as their options `--identical-dict` and
  /// `--fixed-dict` draw them.
  ///
  /// `unscaled` is the matrix as it was drawn, normal from stream `seed`, b x d: `LISTACPSSWOnly` is given
  /// that one. `matrix` has its columns scaled to unit 2-norm; the rows of `targets`, N x b, are M x with
  /// normal x from stream `seed + 2`, or `pointSeed + 2`: a test has the matrix of the training, and a seed of
  /// its own.
  /// - Throws: ``ProblemError`` for a size out of range.
  public static func authorsOneMatrix(
    seed: UInt64, instances: Int, rows: Int, columns: Int, pointSeed: UInt64? = nil
  ) throws -> (unscaled: Matrix, matrix: Matrix, targets: Matrix) {
    try checkSizes(
      "authors-\(seed)-d\(columns)-b\(rows)-N\(instances)-one-matrix", instances, rows, columns)
    var matrixStream = ReferenceStream(seed: seed)
    let unscaled = Matrix(
      rows: rows, columns: columns, elements: matrixStream.normal(count: rows * columns))
    let matrix = unitColumnsInSingle(unscaled)
    var pointStream = ReferenceStream(seed: (pointSeed ?? seed) + 2)
    let points = Matrix(
      rows: instances, columns: columns,
      elements: pointStream.normal(count: instances * columns))
    return (unscaled, matrix, Matrix.product(points, .plain, matrix, .transposed))
  }

  /// Problems of our own with stated constants.
  ///
  /// Mᵢ = Uᵢ diag(σ) Vᵢᵀ with random orthonormal Uᵢ and Vᵢ; the squares of σ are spaced
  /// logarithmically from `smoothness` (β) down to `curvature` (β₀), `rank` of them. All instances
  /// have the same β. X* is standard normal, Y = M X*.
  /// - Throws: ``ProblemError`` for a size out of range.
  public static func generated(
    seed: UInt64, instances: Int = 1, rows: Int, columns: Int, rank: Int? = nil,
    smoothness: Double = 1, curvature: Double = 0.1, gradientForm: GradientForm = .gram
  ) throws -> LeastSquares {
    let name = "generated-\(seed)-d\(columns)-b\(rows)-N\(instances)"
    guard instances >= 1, rows >= 1, columns >= 1 else {
      throw ProblemError.empty(problem: name)
    }
    let largest = min(rows, columns)
    let rank = rank ?? largest
    guard (1...largest).contains(rank) else {
      throw ProblemError.size(problem: name, name: "rank", value: rank, accepted: "1...\(largest)")
    }
    precondition(0 < curvature && curvature <= smoothness, "0 < \(curvature) <= \(smoothness)")
    var rng = SplitMix64(seed: seed)
    let values = (0..<rank).map { j -> Double in
      let part = rank == 1 ? 0 : Double(j) / Double(rank - 1)
      return (smoothness * pow(curvature / smoothness, part)).squareRoot()
    }
    var matrices: [Matrix] = []
    for _ in 0..<instances {
      var left = try rng.matrix(rows, rank).orthonormalFactor()
      let right = try rng.matrix(columns, rank).orthonormalFactor()
      for i in 0..<rows {
        for j in 0..<rank { left[i, j] *= values[j] }
      }
      matrices.append(Matrix.product(left, .plain, right, .transposed))
    }
    let point = rng.vector(instances * columns)
    return try LeastSquares(
      name: name, matrices: matrices, target: BlockDiagonal(matrices).times(point),
      generatingPoint: point, gradientForm: gradientForm)
  }

  /// Copies with every entry of M and Y multiplied by 1 + `size` times a normal draw.
  ///
  /// Twins of a run: what differs between them is what rounding of the data can do.
  public func perturbed(by size: Double, seed: UInt64) throws -> LeastSquares {
    var rng = SplitMix64(seed: seed)
    let matrices = matrix.blocks.map { block in
      Matrix(
        rows: block.rows, columns: block.columns,
        elements: block.elements.map { $0 * (1 + size * rng.normal()) })
    }
    let target = Vector(target.elements.map { $0 * (1 + size * rng.normal()) })
    return try LeastSquares(
      name: name, matrices: matrices, target: target, gradientForm: gradientForm)
  }

  /// The same matrices with Y, and so X*, multiplied by `factor`.
  public func scalingTarget(by factor: Double) throws -> LeastSquares {
    try LeastSquares(
      name: name, matrices: matrix.blocks,
      target: Vector(target.elements.map { factor * $0 }),
      generatingPoint: generatingPoint.map { Vector($0.elements.map { factor * $0 }) },
      gradientForm: gradientForm)
  }

  /// β₀ = minᵢ σ_min(Mᵢ)², the smallest eigenvalue of M Mᵀ; 0 if some Mᵢ lacks full row rank.
  public func smallestCurvature() throws -> Double {
    guard rowsPerInstance <= coordinatesPerInstance else { return 0 }
    return try matrix.blocks.map { try $0.singularValues().elements.last ?? 0 }
      .map { $0 * $0 }.min() ?? 0
  }

  private static func checkSizes(
    _ name: String, _ instances: Int, _ rows: Int, _ columns: Int
  ) throws {
    guard instances >= 1, rows >= 1, columns >= 1 else {
      throw ProblemError.empty(problem: name)
    }
    guard rows <= columns else {
      throw ProblemError.size(
        problem: name, name: "output-dim (b)", value: rows,
        accepted: "1...\(columns), since full row rank needs b <= d")
    }
  }

  /// Columns divided by their 2-norms, every intermediate a float32.
  static func unitColumnsInSingle(_ matrix: Matrix) -> Matrix {
    var result = matrix
    for j in 0..<matrix.columns {
      var sum: Float = 0
      for i in 0..<matrix.rows {
        let entry = Float(matrix[i, j])
        sum += entry * entry
      }
      let norm = sum.squareRoot()
      for i in 0..<matrix.rows { result[i, j] = Double(Float(matrix[i, j]) / norm) }
    }
    return result
  }
}
