public import Engine
import Foundation
public import Optimization

/// N logistic regressions with an l1 term:
/// Fᵢ(x) = mean over the b rows of ln(1 + e^z) - y z with z = Mᵢ x, plus ρ ‖x‖₁; labels y are 0 or 1.
public struct LogisticL1: LinearModelProblem {
  /// Which number is taken for the Lipschitz constant of the gradient.
  public enum Lipschitz: String, Sendable, Hashable, CaseIterable {
    /// σ_max(M)² / (4 b), the smallest one that always holds.
    case correct
    /// σ_max(M), neither squared nor divided: MS4L2O's. On 1000 x 50 normal data it is a hundred
    /// times too large, so proximal gradient takes a hundred times as many steps, FISTA ten times.
    case spectralNorm = "ms4l2o"
    /// ‖MᵀM / b‖, NetX's: four times too large.
    case unquartered = "netx"
  }

  public let name: String
  public let map: LinearMap
  public let target: Vector
  public let generatingPoint: Vector?
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
  ///   - target: the labels, each 0 or 1; N b entries.
  ///   - weight: ρ, not negative.
  ///   - generatingPoint: the point behind the labels, where there is one; N d.
  ///   - lipschitz: what `smoothness` holds.
  /// - Throws: ``ProblemError`` for data that are not finite, do not fit, or labels other than 0, 1.
  public init(
    name: String = "logistic-l1", map: LinearMap, target: Vector, weight: Double,
    generatingPoint: Vector? = nil, lipschitz: Lipschitz = .correct
  ) throws {
    try ProblemError.check(name, map, target, weight)
    if let i = target.elements.firstIndex(where: { $0 != 0 && $0 != 1 }) {
      throw ProblemError.label(problem: name, index: i, value: target[i])
    }
    let rows = Double(map.blockRows)
    let constants = try map.squaredSpectralNorms().map {
      switch lipschitz {
      case .correct: $0 / (4 * rows)
      case .spectralNorm: $0.squareRoot()
      case .unquartered: $0 / rows
      }
    }
    self.init(
      name: name, map: map, target: target, weight: weight, generatingPoint: generatingPoint,
      smoothness: constants, reportedScale: 1 / Double(map.instanceCount))
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

  public func instances(_ range: Range<Int>) -> LogisticL1 {
    LogisticL1(
      name: name, map: map.instances(range), target: target.block(range, of: map.blockRows),
      weight: weight, generatingPoint: generatingPoint?.block(range, of: map.blockColumns),
      smoothness: Array(smoothness[range]), reportedScale: reportedScale)
  }

  public func values(at x: Vector) -> [Double] {
    let z = map.times(x)
    let (b, d, l1) = (map.blockRows, map.blockColumns, L1Norm(weight: weight))
    return (0..<instanceCount).map { i in
      var sum = 0.0
      for j in (i * b)..<((i + 1) * b) { sum += Self.loss(z[j], label: target[j]) }
      return sum / Double(b) + l1.value(at: x.elements[(i * d)..<((i + 1) * d)])
    }
  }

  /// ln(1 + e^z) - y z for y = 0 or 1, without cancellation: ln(1 + e^∓z).
  static func loss(_ z: Double, label: Double) -> Double {
    let margin = label == 1 ? -z : z
    return max(margin, 0) + log1p(exp(-abs(margin)))
  }

  public func gradient(at x: Vector, into g: inout Vector) {
    var z = map.times(x)
    let scale = 1 / Double(map.blockRows)
    for j in 0..<z.count {
      // σ(z) - y, which for y = 1 is -σ(-z).
      z[j] = target[j] == 1 ? -scale / (1 + exp(z[j])) : scale / (1 + exp(-z[j]))
    }
    map.multiply(z, .transposed, into: &g)
  }

  public func smoothValuesAndGradient(at x: Vector) -> (values: [Double], gradient: Vector) {
    var z = map.times(x)
    let b = map.blockRows
    let scale = 1 / Double(b)
    var values = [Double](repeating: 0, count: instanceCount)
    for j in 0..<z.count {
      // ln(1 + e^m) and σ(m) share e^-|m|; m is z for label 0 and -z for label 1.
      let m = target[j] == 1 ? -z[j] : z[j]
      let e = exp(-abs(m))
      values[j / b] += scale * (max(m, 0) + log1p(e))
      let slope = scale * (m >= 0 ? 1 : e) / (1 + e)
      z[j] = target[j] == 1 ? -slope : slope
    }
    return (values, map.times(z, .transposed))
  }

  public func hessianProduct(_ v: Vector, at x: Vector, into h: inout Vector) {
    let z = map.times(x)
    var w = map.times(v)
    let scale = 1 / Double(map.blockRows)
    for j in 0..<z.count {
      let e = exp(-abs(z[j]))
      w[j] *= scale * e / ((1 + e) * (1 + e))
    }
    map.multiply(w, .transposed, into: &h)
  }
}
