public import Engine
public import Optimization

/// N LASSO problems side by side: Fᵢ(x) = ½ ‖Mᵢ x - yᵢ‖² + ρ ‖x‖₁.
public struct Lasso: LinearModelProblem {
  public let name: String
  public let map: LinearMap
  public let target: Vector
  public let generatingPoint: Vector?
  /// βᵢ = σ_max(Mᵢ)².
  public let smoothness: [Double]
  public let reportedScale: Double
  /// ρ.
  public let weight: Double

  public let minimumValue: Double? = nil
  public var regularizer: any Regularizer { L1Norm(weight: weight) }

  /// Creates a problem from its data.
  ///
  /// - Parameters:
  ///   - map: M, N instances of b x d.
  ///   - target: Y, N b entries.
  ///   - weight: ρ, not negative.
  ///   - generatingPoint: the point behind Y, where there is one; N d.
  /// - Throws: ``ProblemError`` for data that are not finite or do not fit.
  public init(
    name: String = "lasso", map: LinearMap, target: Vector, weight: Double,
    generatingPoint: Vector? = nil
  ) throws {
    try ProblemError.check(name, map, target, weight)
    self.init(
      name: name, map: map, target: target, weight: weight, generatingPoint: generatingPoint,
      smoothness: try map.squaredSpectralNorms(), reportedScale: 1 / Double(map.instanceCount))
  }

  private init(
    name: String, map: LinearMap, target: Vector, weight: Double, generatingPoint: Vector?,
    smoothness: [Double], reportedScale: Double
  ) {
    self.name = name
    self.map = map
    self.target = target
    self.weight = weight
    self.generatingPoint = generatingPoint
    self.smoothness = smoothness
    self.reportedScale = reportedScale
  }

  public var instanceCount: Int { map.instanceCount }
  public var dimension: Int { map.instanceCount * map.blockColumns }

  public func instances(_ range: Range<Int>) -> Lasso {
    Lasso(
      name: name, map: map.instances(range), target: target.block(range, of: map.blockRows),
      weight: weight, generatingPoint: generatingPoint?.block(range, of: map.blockColumns),
      smoothness: Array(smoothness[range]), reportedScale: reportedScale)
  }

  /// The residual M x - Y, N b entries.
  public func residual(at x: Vector) -> Vector {
    var r = map.times(x)
    for i in 0..<r.count { r[i] -= target[i] }
    return r
  }

  public func values(at x: Vector) -> [Double] {
    let r = residual(at: x)
    let (b, d, l1) = (map.blockRows, map.blockColumns, L1Norm(weight: weight))
    return (0..<instanceCount).map { i in
      var sum = 0.0
      for j in (i * b)..<((i + 1) * b) { sum += r[j] * r[j] }
      return sum / 2 + l1.value(at: x.elements[(i * d)..<((i + 1) * d)])
    }
  }

  public func gradient(at x: Vector, into g: inout Vector) {
    map.multiply(residual(at: x), .transposed, into: &g)
  }

  public func smoothValuesAndGradient(at x: Vector) -> (values: [Double], gradient: Vector) {
    let r = residual(at: x)
    let b = map.blockRows
    let values = (0..<instanceCount).map { i in
      r.elements[(i * b)..<((i + 1) * b)].reduce(0) { $0 + $1 * $1 } / 2
    }
    return (values, map.times(r, .transposed))
  }

  public func hessianProduct(_ v: Vector, at x: Vector, into h: inout Vector) {
    map.multiply(map.times(v), .transposed, into: &h)
  }
}

extension ProblemError {
  /// What every problem on a linear map wants of its data.
  static func check(
    _ name: String, _ map: LinearMap, _ target: Vector, _ weight: Double
  ) throws(ProblemError) {
    guard map.instanceCount > 0, map.blockRows > 0, map.blockColumns > 0 else {
      throw .empty(problem: name)
    }
    for (i, m) in map.distinctMatrices.enumerated() where !m.isFinite {
      throw .notFinite(problem: name, array: map.isShared ? "M" : "M[\(i)]")
    }
    let rows = map.instanceCount * map.blockRows
    guard target.count == rows else {
      throw .shape(problem: name, array: "Y", found: [target.count], expected: [rows])
    }
    guard target.isFinite else { throw .notFinite(problem: name, array: "Y") }
    guard weight.isFinite, weight >= 0 else {
      throw .weight(problem: name, name: "rho", value: weight)
    }
  }
}

extension Vector {
  /// The entries of the instances in `range`, `length` each.
  func block(_ range: Range<Int>, of length: Int) -> Vector {
    Vector(Array(elements[(range.lowerBound * length)..<(range.upperBound * length)]))
  }
}

extension LinearMap {
  /// σ_max² of every instance, N numbers: the largest eigenvalue of the smaller Gram matrix.
  func squaredSpectralNorms() throws -> [Double] {
    let norms = try Parallel.map(distinctMatrices) { try $0.squaredSpectralNorm() }
    return isShared ? [Double](repeating: norms[0], count: instanceCount) : norms
  }
}
