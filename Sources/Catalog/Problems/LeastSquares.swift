public import Engine
public import Optimization

/// N linear least squares problems side by side: fᵢ(x) = ½ ‖Mᵢ x - yᵢ‖².
///
/// The setting of paper A (its quadratic family) with Mᵢ of b rows and d columns; the reference
/// code calls it `QuadraticUnconstrained`.
public struct LeastSquares: LinearModelProblem {
  /// How gradients are formed.
  public enum GradientForm: Sendable, Hashable {
    /// A x - c with A = MᵀM and c = Mᵀy: half the memory traffic, for training.
    case gram
    /// Mᵀ(M x - y): accurate near the optimum, where the Gram form squares the condition number.
    case residual
  }

  public let name: String
  /// M, block diagonal, Nb x Nd.
  public let matrix: BlockDiagonal
  /// Y, the right-hand sides one after another, Nb.
  public let target: Vector
  /// A point whose image is Y, where one is known; Nd.
  public let generatingPoint: Vector?
  /// The same data with A = MᵀM and c = Mᵀy, packed for training.
  public let batch: LeastSquaresBatch
  public let smoothness: [Double]
  public let minimumValue: Double?
  /// How gradients are formed.
  public var gradientForm: GradientForm

  /// Creates a problem from its data.
  ///
  /// - Parameters:
  ///   - matrices: Mᵢ, N of them, each b x d.
  ///   - target: Y, Nb entries.
  ///   - generatingPoint: X* with M X* = Y, if known; the minimum is then 0.
  /// - Throws: ``ProblemError`` for data that are not finite or do not fit.
  public init(
    name: String = "least-squares", matrices: [Matrix], target: Vector,
    generatingPoint: Vector? = nil, gradientForm: GradientForm = .gram
  ) throws {
    guard let first = matrices.first, first.rows > 0, first.columns > 0 else {
      throw ProblemError.empty(problem: name)
    }
    for (i, m) in matrices.enumerated() {
      guard m.rows == first.rows, m.columns == first.columns else {
        throw ProblemError.shape(
          problem: name, array: "M[\(i)]", found: [m.rows, m.columns],
          expected: [first.rows, first.columns])
      }
      guard m.isFinite else { throw ProblemError.notFinite(problem: name, array: "M[\(i)]") }
    }
    guard target.count == matrices.count * first.rows else {
      throw ProblemError.shape(
        problem: name, array: "Y", found: [target.count],
        expected: [matrices.count * first.rows])
    }
    guard target.isFinite else { throw ProblemError.notFinite(problem: name, array: "Y") }
    self.name = name
    self.matrix = BlockDiagonal(matrices)
    self.target = target
    self.generatingPoint = generatingPoint
    self.gradientForm = gradientForm
    smoothness = try matrices.map {
      let norm = try $0.spectralNorm()
      return norm * norm
    }
    minimumValue = generatingPoint == nil && first.rows > first.columns ? nil : 0
    let b = first.rows
    batch = LeastSquaresBatch(
      matrices: matrices,
      targets: matrices.indices.map { Vector(Array(target.elements[($0 * b)..<(($0 + 1) * b)])) })
  }

  public var map: LinearMap { .blocks(matrix) }

  public var instanceCount: Int { matrix.blocks.count }
  public var dimension: Int { matrix.columns }
  /// b, the rows of one instance.
  public var rowsPerInstance: Int { matrix.blockRows }

  public func instances(_ range: Range<Int>) -> LeastSquares { LeastSquares(self, range) }

  /// The instances of `whole` in `range`, whose constants need no second computation.
  private init(_ whole: LeastSquares, _ range: Range<Int>) {
    let (b, d) = (whole.rowsPerInstance, whole.coordinatesPerInstance)
    name = whole.name
    matrix = BlockDiagonal(Array(whole.matrix.blocks[range]))
    target = whole.target.block(range, of: b)
    generatingPoint = whole.generatingPoint?.block(range, of: d)
    gradientForm = whole.gradientForm
    smoothness = Array(whole.smoothness[range])
    minimumValue = whole.minimumValue
    batch = LeastSquaresBatch(
      matrices: matrix.blocks,
      targets: range.map { whole.target.block($0..<($0 + 1), of: b) })
  }

  /// The residual M x - Y, Nb entries.
  public func residual(at x: Vector) -> Vector { matrix.times(x) - target }

  public func values(at x: Vector) -> [Double] {
    let r = residual(at: x)
    let b = rowsPerInstance
    return (0..<instanceCount).map { i in
      var sum = 0.0
      for j in (i * b)..<((i + 1) * b) { sum += r[j] * r[j] }
      return sum / 2
    }
  }

  public func gradient(at x: Vector, into g: inout Vector) {
    switch gradientForm {
    case .gram: batch.gradient(at: x, into: &g)
    case .residual: matrix.multiply(residual(at: x), .transposed, into: &g)
    }
  }

  public func hessianProduct(_ v: Vector, at x: Vector, into h: inout Vector) {
    switch gradientForm {
    case .gram: batch.product(v, into: &h)
    case .residual: matrix.multiply(matrix.times(v), .transposed, into: &h)
    }
  }
}

/// What is wrong with the data of a problem.
public enum ProblemError: Error, Sendable, Equatable, CustomStringConvertible {
  /// There is no instance, no row or no column.
  case empty(problem: String)
  /// An array has the wrong shape.
  case shape(problem: String, array: String, found: [Int], expected: [Int])
  /// An array holds NaN or infinity.
  case notFinite(problem: String, array: String)
  /// A size is out of range.
  case size(problem: String, name: String, value: Int, accepted: String)
  /// A weight is negative or not finite.
  case weight(problem: String, name: String, value: Double)
  /// A label is neither 0 nor 1.
  case label(problem: String, index: Int, value: Double)

  /// One line that names the culprit and what is accepted.
  public var description: String {
    switch self {
    case .empty(let problem): "problem '\(problem)' has no instance, row or column"
    case .shape(let problem, let array, let found, let expected):
      "problem '\(problem)': \(array) has shape \(found), expected \(expected)"
    case .notFinite(let problem, let array):
      "problem '\(problem)': \(array) holds NaN or infinity; all entries must be finite"
    case .size(let problem, let name, let value, let accepted):
      "problem '\(problem)': \(name) = \(value); accepted: \(accepted)"
    case .weight(let problem, let name, let value):
      "problem '\(problem)': \(name) = \(value); accepted: finite numbers from 0"
    case .label(let problem, let index, let value):
      "problem '\(problem)': label \(index) is \(value); accepted: 0, 1"
    }
  }
}
