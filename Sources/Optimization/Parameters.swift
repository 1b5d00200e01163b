public import Engine
import Foundation

/// The named weights of a learned rule, in a fixed order.
public struct Parameters: Sendable, Equatable {
  /// The names, in the order in which the rule lists them.
  public let names: [String]
  /// The weights, in the order of `names`.
  public var tensors: [Tensor]

  /// Pairs names with weights.
  public init(_ entries: [(name: String, tensor: Tensor)]) {
    names = entries.map(\.name)
    tensors = entries.map(\.tensor)
    precondition(Set(names).count == names.count, "names of weights repeat: \(names)")
  }

  /// The weight called `name`; nil if there is none.
  public subscript(name: String) -> Tensor? {
    names.firstIndex(of: name).map { tensors[$0] }
  }

  /// Weights of the same names and shapes, all zero.
  public var zeros: Parameters {
    var result = self
    for i in tensors.indices { result.tensors[i] = Tensor(zeros: tensors[i].shape) }
    return result
  }

  /// A Gaussian direction over all weights, of unit norm.
  public func unitDirection(_ rng: inout SplitMix64) -> Parameters {
    var gaussian = zeros
    for i in tensors.indices {
      for j in tensors[i].elements.indices { gaussian.tensors[i].elements[j] = rng.normal() }
    }
    return zeros.moved(1 / gaussian.norm, gaussian)
  }

  /// Number of scalars in all weights.
  public var count: Int { tensors.reduce(0) { $0 + $1.elements.count } }

  /// Whether no entry is NaN or infinite.
  public var isFinite: Bool { tensors.allSatisfy(\.isFinite) }

  /// The Euclidean norm over all entries.
  public var norm: Double {
    tensors.map { Vector($0.elements).norm }.reduce(0) { hypot($0, $1) }
  }

  /// Adds `scale * other` in place; `other` has the same shapes.
  public mutating func add(_ scale: Double, _ other: Parameters) {
    for i in tensors.indices { tensors[i].add(scale, other.tensors[i]) }
  }

  /// `self + distance * direction`.
  public func moved(_ distance: Double, _ direction: Parameters) -> Parameters {
    var result = self
    result.add(distance, direction)
    return result
  }

  /// The inner product over all entries.
  public func dot(_ other: Parameters) -> Double {
    zip(tensors, other.tensors).map { Vector($0.elements).dot(Vector($1.elements)) }
      .reduce(0, +)
  }
}
