import Foundation
import OptCheck

/// The data of a problem on a linear map, so that they can be changed and the problem built anew.
struct ProblemData: Sendable {
  enum Kind: CaseIterable {
    case leastSquares, gram, lasso, logistic
  }

  var kind: Kind
  /// One matrix per instance, or one for all.
  var matrices: [Matrix]
  var isShared = false
  var instances: Int
  var target: Vector
  /// ρ, 0 for least squares.
  var weight: Double

  var rows: Int { matrices[0].rows }
  var columns: Int { matrices[0].columns }
  var dimension: Int { instances * columns }
  var isSmooth: Bool { kind == .leastSquares || kind == .gram }

  var map: LinearMap {
    isShared ? .shared(matrices[0], copies: instances) : .blocks(BlockDiagonal(matrices))
  }

  func problem() throws -> any CertifiableProblem {
    switch kind {
    case .leastSquares, .gram:
      try LeastSquares(
        name: "random", matrices: matrices, target: target,
        gradientForm: kind == .gram ? .gram : .residual)
    case .lasso: try Lasso(name: "random", map: map, target: target, weight: weight)
    case .logistic: try LogisticL1(name: "random", map: map, target: target, weight: weight)
    }
  }

  /// The instances in `range` alone, from the data.
  func part(_ range: Range<Int>) -> ProblemData {
    var part = self
    if !isShared { part.matrices = Array(matrices[range]) }
    part.instances = range.count
    part.target = Vector(
      Array(target.elements[(range.lowerBound * rows)..<(range.upperBound * rows)]))
    return part
  }

  /// M and Y multiplied by `factor`; labels stay.
  func scaled(matrix factor: Double, target targetFactor: Double) -> ProblemData {
    var other = self
    for i in other.matrices.indices {
      for k in other.matrices[i].elements.indices { other.matrices[i].elements[k] *= factor }
    }
    if kind != .logistic { other.target.scale(by: targetFactor) }
    return other
  }

  /// Every entry of M, and of Y but for labels, multiplied by 1 + `size` times a normal draw.
  func perturbed(by size: Double, seed: UInt64) -> ProblemData {
    var rng = SplitMix64(seed: seed)
    var other = self
    for i in other.matrices.indices {
      for k in other.matrices[i].elements.indices {
        other.matrices[i].elements[k] *= 1 + size * rng.normal()
      }
    }
    if kind != .logistic {
      for k in 0..<target.count { other.target[k] *= 1 + size * rng.normal() }
    }
    return other
  }
}

extension SplitMix64 {
  /// Data of any kind and shape.
  mutating func problemData(
    _ kinds: [ProblemData.Kind] = ProblemData.Kind.allCases, instances: ClosedRange<Int> = 1...4,
    sharing: Bool = true
  ) -> ProblemData {
    let kind = choose(kinds)
    let (n, b, d) = (integer(instances), integer(1...8), integer(1...8))
    let isSmooth = kind == .leastSquares || kind == .gram
    let isShared = sharing && !isSmooth && pick(3) == 0
    let target =
      kind == .logistic ? vector(n * b) { $0.pick(2) == 0 ? 0 : 1 } : vector(n * b)
    return ProblemData(
      kind: kind, matrices: (0..<(isShared ? 1 : n)).map { _ in matrix(b, d) },
      isShared: isShared, instances: n, target: target,
      weight: isSmooth ? 0 : (0.02 + uniform()) * (kind == .logistic ? 0.2 : 1))
  }

  /// A point with some entries 0, where the l1 term has its kink.
  mutating func point(_ count: Int) -> Vector {
    vector(count) { $0.pick(5) == 0 ? 0 : $0.normal() }
  }
}

/// What rounding can do to the values and gradients of a problem at a point.
///
/// Every sum of n products, in any order, fused or not, is off by at most n u times the sum of the
/// magnitudes (Higham, §3.1); what follows are these bounds through the formulas of the problems.
struct RoundingBounds {
  private let data: ProblemData
  /// |M| and, for one vector, |M| |x|.
  private let magnitudes: [Matrix]
  private let x: Vector
  private let image: Vector

  init(_ data: ProblemData, at x: Vector) {
    self.data = data
    self.x = x
    magnitudes = data.matrices.map {
      Matrix(rows: $0.rows, columns: $0.columns, elements: $0.elements.map(abs))
    }
    image = Self.apply(magnitudes, data, .plain, Vector(x.elements.map(abs)))
  }

  private static func apply(
    _ matrices: [Matrix], _ data: ProblemData, _ operation: Matrix.Operation, _ v: Vector
  ) -> Vector {
    let length = v.count / data.instances
    return Vector(
      (0..<data.instances).flatMap { i in
        matrices[data.isShared ? 0 : i].times(
          Vector(Array(v.elements[(i * length)..<((i + 1) * length)])), operation
        ).elements
      })
  }

  private func back(_ v: Vector) -> Vector { Self.apply(magnitudes, data, .transposed, v) }

  private var b: Double { Double(data.rows) }
  private var d: Double { Double(data.columns) }

  /// Of ∇f, entry by entry.
  var gradient: Vector {
    if data.kind == .logistic {
      // z is off by d u |M||x|, σ by a quarter of that and five roundings of its own.
      let weights = Vector(image.elements.map { ((d + 1) * $0 / 4 + 5 + b) * unitRoundoff / b })
      return back(weights)
    }
    // Either form sums b + d + 2 roundings of |M|ᵀ(|M||x| + |y|).
    let residual = Vector(image.elements.indices.map { image[$0] + abs(data.target[$0]) })
    return back(residual).scaled(by: (b + d + 3) * unitRoundoff)
  }

  /// Of F, instance by instance.
  func values(_ values: [Double]) -> [Double] {
    (0..<data.instances).map { i in
      var bar = 0.0
      for j in (i * data.rows)..<((i + 1) * data.rows) {
        if data.kind == .logistic {
          // The loss has slope 1 at most.
          bar += (d + 1) * unitRoundoff * image[j] / b
        } else {
          let residual = (d + 2) * unitRoundoff * (image[j] + abs(data.target[j]))
          bar += (image[j] + abs(data.target[j])) * residual
        }
      }
      // Terms are positive: sums of b and of d, and some roundings of each term.
      return bar + (b + d + 8) * unitRoundoff * abs(values[i])
    }
  }

  /// Of ∇²f v, entry by entry.
  func curvature(_ v: Vector) -> Vector {
    let moved = Self.apply(magnitudes, data, .plain, Vector(v.elements.map(abs)))
    guard data.kind == .logistic else {
      return back(moved).scaled(by: (b + d + 3) * unitRoundoff)
    }
    // Weights are 1/(4b) at most, and their logarithms have slope 1 at most in z.
    return back(
      Vector(
        moved.elements.indices.map {
          moved[$0] * (b + d + 11 + (d + 1) * image[$0]) * unitRoundoff / (4 * b)
        }))
  }
}

/// The bound on the rounding of ⟨a, b⟩ where `a` is off by `error`, entry by entry.
func dotError(_ a: Vector, _ b: Vector, error: Vector) -> Double {
  (0..<a.count).reduce(0) {
    $0 + error[$1] * abs(b[$1]) + Double(a.count + 1) * unitRoundoff * abs(a[$1] * b[$1])
  }
}

extension Vector {
  /// The entries of instance `i`, `length` each.
  func instance(_ i: Int, _ length: Int) -> Vector {
    Vector(Array(elements[(i * length)..<((i + 1) * length)]))
  }
}

typealias Model = any CertifiableProblem

/// A problem with points and directions to look at it from.
struct ProblemView: Sendable {
  var data: ProblemData
  var x: Vector
  var y: Vector

  var bounds: RoundingBounds { RoundingBounds(data, at: x) }
}

extension SplitMix64 {
  /// A problem and two points, near each other or not.
  mutating func view(
    _ kinds: [ProblemData.Kind] = ProblemData.Kind.allCases, sharing: Bool = true
  ) -> ProblemView {
    let data = problemData(kinds, sharing: sharing)
    let (x, step) = (point(data.dimension), vector(data.dimension))
    return ProblemView(data: data, x: x, y: x.moved(pick(2) == 0 ? 1 : 1e-2, step))
  }
}

/// A product with M, for mutants that put a problem together wrongly.
func product(_ problem: Model, _ x: Vector, _ operation: Matrix.Operation = .plain)
  -> Vector
{
  problem.map.times(x, operation)
}

/// ∇f, right or wrong.
typealias Field = @Sendable (Model, Vector) -> Vector

let trueGradient: Field = { problem, x in problem.gradient(at: x) }

/// Products with the Hessian, right or wrong.
typealias Curvature = @Sendable (Model, Vector, Vector) -> Vector

let trueCurvature: Curvature = { problem, v, x in
  var h = Vector(zeros: v.count)
  problem.hessianProduct(v, at: x, into: &h)
  return h
}

/// F and a subgradient, right or wrong.
struct ProblemOracle: Sendable {
  var values: @Sendable (Model, Vector) -> [Double] = { $0.values(at: $1) }
  var slope: Field = { problem, x in
    var v = Vector(zeros: x.count)
    problem.subgradient(at: x, into: &v)
    return v
  }
}
