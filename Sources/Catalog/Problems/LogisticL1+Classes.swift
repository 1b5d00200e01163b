import Engine
import Optimization

/// Sizes of a synthetic problem of classification.
public struct ClassificationSize: Sendable, Hashable, Codable {
  /// Number of classes.
  public var classes: Int
  /// Samples of one class.
  public var samples: Int
  /// d, features of a sample.
  public var features: Int

  /// Creates sizes.
  public init(classes: Int, samples: Int, features: Int) {
    self.classes = classes
    self.samples = samples
    self.features = features
  }

  func check(_ name: String) throws(ProblemError) {
    guard samples >= 1, features >= 1 else { throw .empty(problem: name) }
    guard classes >= 2 else {
      throw .size(problem: name, name: "classes", value: classes, accepted: "2 and up")
    }
  }
}

extension LogisticL1 {
  /// Each of several classes against the rest: as many instances, which share M and differ in labels.
  ///
  /// Sample by sample, row i c + k belonging to class k of c: normal around a mean of its class that
  /// is normal too, both with standard deviation 1/√j in feature j, counted from 1. So features
  /// matter less and less, as the principal components of images do.
  /// - Throws: ``ProblemError`` for a size out of range.
  public static func classes(
    seed: UInt64, size: ClassificationSize, weight: Double, lipschitz: Lipschitz = .correct
  ) throws -> LogisticL1 {
    let name = "classes-\(seed)-d\(size.features)-c\(size.classes)-n\(size.samples)"
    try size.check(name)
    let root = SplitMix64(seed: seed)
    var (meanStream, sampleStream) = (root.derived(0), root.derived(1))
    let (c, d) = (size.classes, size.features)
    let means = meanStream.normals(c * d)
    let rows = size.samples * c
    var elements = sampleStream.normals(rows * d)
    let scales = (1...d).map { 1 / Double($0).squareRoot() }
    for row in 0..<rows {
      for j in 0..<d {
        elements[row * d + j] = scales[j] * (elements[row * d + j] + means[(row % c) * d + j])
      }
    }
    let labels = (0..<c).flatMap { k in (0..<rows).map { $0 % c == k ? 1.0 : 0 } }
    return try LogisticL1(
      name: name,
      map: .shared(Matrix(rows: rows, columns: d, elements: elements), copies: c),
      target: Vector(labels), weight: weight, lipschitz: lipschitz)
  }
}
