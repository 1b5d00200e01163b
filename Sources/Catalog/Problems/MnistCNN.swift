public import Engine
public import Optimization

/// The mean cross-entropy of a small convolutional network on given images, over its weights.
///
/// conv 3 x 3 (1 to 2 channels), ReLU, max pool 2, conv 3 x 3 (2 to 3), ReLU, max pool 2, linear
/// 147 to 10: one instance of 1557 unknowns in PyTorch's order (NetX `cnn.py`). Not convex, not
/// everywhere differentiable: at kinks, derivatives are PyTorch's (ReLU'(0) = 0, first largest).
public struct MnistCNN: TwiceDifferentiableProblem {
  public let name = "mnist-cnn"
  /// The images, n x 784, as the network sees them; see ``normalized(_:)``.
  public let images: Matrix
  /// The digits, each in 0...9; n.
  public let labels: [Int]

  public var dimension: Int { Weights.count }
  /// 1, as the reference code has it: the gradient has no finite Lipschitz constant, so no theorem
  /// that needs one says anything here, and 0.9999/1 is merely the step of that code.
  public let smoothness: [Double] = [1]
  public let minimumValue: Double? = nil

  /// Creates the problem of fitting `labels` to `images`.
  ///
  /// - Throws: ``ProblemError`` for data that are not finite, do not fit, or labels past 9.
  public init(images: Matrix, labels: [Int]) throws {
    guard images.rows > 0 else { throw ProblemError.empty(problem: name) }
    guard images.columns == ImageSize.input.pixels else {
      throw ProblemError.shape(
        problem: name, array: "images", found: [images.rows, images.columns],
        expected: [images.rows, ImageSize.input.pixels])
    }
    guard images.isFinite else { throw ProblemError.notFinite(problem: name, array: "images") }
    guard labels.count == images.rows else {
      throw ProblemError.shape(
        problem: name, array: "labels", found: [labels.count], expected: [images.rows])
    }
    for (i, label) in labels.enumerated() where !(0...9).contains(label) {
      throw ProblemError.size(
        problem: name, name: "label \(i)", value: label, accepted: "0...9")
    }
    self.images = images
    self.labels = labels
  }

  /// Grey values from 0 to 1, standardised as the reference code does: (v - 0.1307)/0.3081.
  public static func normalized(_ grey: Matrix) -> Matrix {
    Matrix(
      rows: grey.rows, columns: grey.columns, elements: grey.elements.map { ($0 - 0.1307) / 0.3081 }
    )
  }

  /// Weights as PyTorch draws them: uniform on ±1/√(inputs of a unit), weights before biases.
  public static func initialParameters(_ stream: inout ReferenceStream) -> Vector {
    Vector(
      Weights.layers.flatMap { layer -> [Double] in
        let bound = Float(1 / Double(layer.inputs).squareRoot())
        return stream.uniform(from: -bound, to: bound, count: layer.inputs * layer.units)
          + stream.uniform(from: -bound, to: bound, count: layer.units)
      })
  }

  public func values(at x: Vector) -> [Double] {
    let weights = Weights(x)
    return [sum { Activations(images: $0.images, weights).loss($0.labels) } / Double(labels.count)]
  }

  public func gradient(at x: Vector, into g: inout Vector) {
    let weights = Weights(x)
    g = total { Activations(images: $0.images, weights).gradient($0.labels, weights) }
  }

  public func hessianProduct(_ v: Vector, at x: Vector, into h: inout Vector) {
    let (weights, direction) = (Weights(x), Weights(v))
    h = total {
      Activations(images: $0.images, weights).hessianProduct($0.labels, weights, direction)
    }
  }

  private struct Batch: Sendable {
    var images: Matrix
    var labels: ArraySlice<Int>
  }

  /// Images go through in groups that fit a cache; groups go to cores and are added in order.
  private static let groupSize = 32

  private var batches: [Batch] {
    stride(from: 0, to: labels.count, by: Self.groupSize).map { start in
      let end = min(start + Self.groupSize, labels.count)
      let k = images.columns
      return Batch(
        images: Matrix(
          rows: end - start, columns: k, elements: Array(images.elements[(start * k)..<(end * k)])),
        labels: labels[start..<end])
    }
  }

  private func sum(_ body: @Sendable (Batch) -> Double) -> Double {
    onAllBatches(body).reduce(0, +)
  }

  private func onAllBatches<R: Sendable>(_ body: @Sendable (Batch) -> R) -> [R] {
    // The map throws only what `body` does, and it does not.
    (try? Parallel.map(batches, body)) ?? []
  }

  /// The mean over all images of what `body` adds up over a batch.
  private func total(_ body: @Sendable (Batch) -> Weights) -> Vector {
    var sum = Vector(zeros: dimension)
    for part in onAllBatches(body) { sum.add(1 / Double(labels.count), part.flattened) }
    return sum
  }
}

extension MnistCNN {
  /// Height and width of an image.
  struct ImageSize: Sendable {
    var side: Int
    var pixels: Int { side * side }

    static let input = ImageSize(side: 28)
    static let pooled = ImageSize(side: 14)
    static let output = ImageSize(side: 7)
  }

  /// The network's weights, or anything of their shape.
  struct Weights: Sendable {
    /// Inputs and units of the layers in PyTorch's order.
    static let layers = [(inputs: 9, units: 2), (inputs: 18, units: 3), (inputs: 147, units: 10)]
    static let count = layers.reduce(0) { $0 + ($1.inputs + 1) * $1.units }

    /// One row per unit.
    var matrices: [Matrix]
    /// One entry per unit.
    var biases: [Vector]

    init(matrices: [Matrix], biases: [Vector]) {
      self.matrices = matrices
      self.biases = biases
    }

    init(_ flat: Vector) {
      precondition(flat.count == Self.count, "\(flat.count) weights, want \(Self.count)")
      var (matrices, biases, at) = ([Matrix](), [Vector](), 0)
      for layer in Self.layers {
        let k = layer.inputs * layer.units
        matrices.append(
          Matrix(
            rows: layer.units, columns: layer.inputs, elements: Array(flat.elements[at..<(at + k)]))
        )
        biases.append(Vector(Array(flat.elements[(at + k)..<(at + k + layer.units)])))
        at += k + layer.units
      }
      self.init(matrices: matrices, biases: biases)
    }

    var flattened: Vector {
      Vector(zip(matrices, biases).flatMap { $0.elements + $1.elements })
    }
  }
}
