import Engine
import Foundation

// Images are stored pixel by pixel: a row per (image, y, x), a column per channel. A convolution is
// then one product of the patches (a row per pixel) with the weights.

extension MnistCNN {
  /// What the network computes for some images, kept for the derivatives.
  struct Activations {
    /// Patches and choices of the two convolutional layers.
    private let patches: [Matrix]
    private let pools: [MaxPool]
    /// The linear layer's inputs, n x 147.
    private let features: Matrix
    /// Its outputs, n x 10.
    private let logits: Matrix

    init(images: Matrix, _ weights: Weights) {
      let pixels = Matrix(rows: images.elements.count, columns: 1, elements: images.elements)
      let first = Self.patches(of: pixels, MnistCNN.ImageSize.input)
      let a = Self.affine(first, weights, layer: 0)
      let pool1 = MaxPool(a, MnistCNN.ImageSize.input)
      let second = Self.patches(of: pool1.gather(a), MnistCNN.ImageSize.pooled)
      let b = Self.affine(second, weights, layer: 1)
      let pool2 = MaxPool(b, MnistCNN.ImageSize.pooled)
      patches = [first, second]
      pools = [pool1, pool2]
      features = Self.channelsFirst(pool2.gather(b))
      logits = Self.affine(features, weights, layer: 2)
    }

    /// The sum of the cross-entropies: ln Σ e^z - z_label.
    func loss(_ labels: ArraySlice<Int>) -> Double {
      var sum = 0.0
      for (i, label) in labels.enumerated() {
        let z = logits.elements[(i * 10)..<((i + 1) * 10)]
        let largest = z.max() ?? 0
        sum += largest - logits[i, label] + log(z.reduce(0) { $0 + exp($1 - largest) })
      }
      return sum
    }

    /// The derivative of ``loss(_:)`` by the weights.
    func gradient(_ labels: ArraySlice<Int>, _ weights: Weights) -> Weights {
      backward(errors(labels), weights)
    }

    /// The derivative of ``gradient(_:_:)`` as the weights move along `v`: forward through every step
    /// of the forward and the backward pass, whose choices at kinks stay.
    func hessianProduct(_ labels: ArraySlice<Int>, _ weights: Weights, _ v: Weights) -> Weights {
      let firstDot = Self.affine(patches[0], v, layer: 0)
      let secondDot = Self.patches(of: pools[0].gather(firstDot), MnistCNN.ImageSize.pooled)
      let bDot =
        Self.affine(patches[1], v, layer: 1)
        + .product(
          secondDot, .plain, weights.matrices[1], .transposed)
      let featuresDot = Self.channelsFirst(pools[1].gather(bDot))
      let logitsDot =
        Self.affine(features, v, layer: 2)
        + .product(
          featuresDot, .plain, weights.matrices[2], .transposed)

      // The errors are p - 1_label; p moves by (diag p - p pᵀ) times the logits' motion.
      let p = probabilities
      var errorsDot = logitsDot
      for i in 0..<p.rows {
        let mean = (0..<10).reduce(0) { $0 + p[i, $1] * logitsDot[i, $1] }
        for k in 0..<10 { errorsDot[i, k] = p[i, k] * (logitsDot[i, k] - mean) }
      }

      let e = backwardErrors(errors(labels), weights)
      let featureErrorsDot = Self.pixelsFirst(
        .product(errorsDot, weights.matrices[2]) + .product(e.logits, v.matrices[2]))
      let secondErrorsDot = pools[1].scatter(featureErrorsDot)
      let patchErrorsDot =
        Matrix.product(secondErrorsDot, weights.matrices[1]) + .product(e.second, v.matrices[1])
      let firstErrorsDot = pools[0].scatter(
        Self.image(of: patchErrorsDot, MnistCNN.ImageSize.pooled))
      return Weights(
        matrices: [
          .product(firstErrorsDot, .transposed, patches[0]),
          .product(secondErrorsDot, .transposed, patches[1])
            + .product(e.second, .transposed, secondDot),
          .product(errorsDot, .transposed, features) + .product(e.logits, .transposed, featuresDot),
        ],
        biases: [firstErrorsDot, secondErrorsDot, errorsDot].map(\.columnSums))
    }

    private var probabilities: Matrix {
      var p = logits
      for i in 0..<p.rows {
        let z = logits.elements[(i * 10)..<((i + 1) * 10)]
        let largest = z.max() ?? 0
        let total = z.reduce(0) { $0 + exp($1 - largest) }
        for k in 0..<10 { p[i, k] = exp(p[i, k] - largest) / total }
      }
      return p
    }

    /// The loss by the logits, p - 1_label.
    private func errors(_ labels: ArraySlice<Int>) -> Matrix {
      var e = probabilities
      for (i, label) in labels.enumerated() { e[i, label] -= 1 }
      return e
    }

    /// The loss by the outputs of the three layers, before ReLU.
    private func backwardErrors(
      _ errors: Matrix, _ weights: Weights
    ) -> (first: Matrix, second: Matrix, logits: Matrix) {
      let second = pools[1].scatter(
        Self.pixelsFirst(.product(errors, weights.matrices[2])))
      let first = pools[0].scatter(
        Self.image(of: .product(second, weights.matrices[1]), MnistCNN.ImageSize.pooled))
      return (first, second, errors)
    }

    private func backward(_ errors: Matrix, _ weights: Weights) -> Weights {
      let e = backwardErrors(errors, weights)
      return Weights(
        matrices: [
          .product(e.first, .transposed, patches[0]), .product(e.second, .transposed, patches[1]),
          .product(e.logits, .transposed, features),
        ],
        biases: [e.first, e.second, e.logits].map(\.columnSums))
    }

    /// inputs · Wᵀ + bias, a row per row of `inputs`.
    private static func affine(_ inputs: Matrix, _ weights: Weights, layer: Int) -> Matrix {
      var y = Matrix.product(inputs, .plain, weights.matrices[layer], .transposed)
      let bias = weights.biases[layer]
      for i in 0..<y.rows {
        for k in 0..<y.columns { y.elements[i * y.columns + k] += bias[k] }
      }
      return y
    }
  }

}

// MARK: Rearrangements

extension MnistCNN.Activations {
  /// The 3 x 3 surroundings of every pixel, zero outside: a column per (channel, dy, dx).
  private static func patches(of pixels: Matrix, _ size: MnistCNN.ImageSize) -> Matrix {
    var result = Matrix(zeros: pixels.rows, 9 * pixels.columns)
    eachNeighbour(rows: pixels.rows, size) { pixel, tap, neighbour in
      for c in 0..<pixels.columns {
        result.elements[pixel * result.columns + 9 * c + tap] =
          pixels.elements[neighbour * pixels.columns + c]
      }
    }
    return result
  }

  /// The transpose of ``patches(of:_:)``: every entry is added to the pixel that it came from.
  private static func image(of patches: Matrix, _ size: MnistCNN.ImageSize) -> Matrix {
    var result = Matrix(zeros: patches.rows, patches.columns / 9)
    eachNeighbour(rows: patches.rows, size) { pixel, tap, neighbour in
      for c in 0..<result.columns {
        result.elements[neighbour * result.columns + c] +=
          patches.elements[pixel * patches.columns + 9 * c + tap]
      }
    }
    return result
  }

  private static func eachNeighbour(
    rows: Int, _ size: MnistCNN.ImageSize,
    _ body: (_ pixel: Int, _ tap: Int, _ neighbour: Int) -> Void
  ) {
    let side = size.side
    for pixel in 0..<rows {
      let (y, x) = (pixel % size.pixels / side, pixel % side)
      for dy in -1...1 where (0..<side).contains(y + dy) {
        for dx in -1...1 where (0..<side).contains(x + dx) {
          body(pixel, 3 * (dy + 1) + dx + 1, pixel + dy * side + dx)
        }
      }
    }
  }

  /// A row per image, in PyTorch's order (channel, pixel).
  private static func channelsFirst(_ pixels: Matrix) -> Matrix {
    let (k, channels) = (MnistCNN.ImageSize.output.pixels, pixels.columns)
    var result = Matrix(zeros: pixels.rows / k, k * channels)
    for row in 0..<pixels.rows {
      for c in 0..<channels { result[row / k, c * k + row % k] = pixels[row, c] }
    }
    return result
  }

  /// Undoes ``channelsFirst(_:)``.
  private static func pixelsFirst(_ images: Matrix) -> Matrix {
    let k = MnistCNN.ImageSize.output.pixels
    let channels = images.columns / k
    var result = Matrix(zeros: images.rows * k, channels)
    for row in 0..<result.rows {
      for c in 0..<channels { result[row, c] = images[row / k, c * k + row % k] }
    }
    return result
  }
}

/// ReLU and the largest of every 2 x 2 square, as a choice of entries.
private struct MaxPool {
  /// For every output entry the input entry that it copies; nil where ReLU gives 0.
  private let sources: [Int?]
  private let inputRows: Int
  private let channels: Int

  /// The first largest entries of `a`, in reading order.
  init(_ a: Matrix, _ size: MnistCNN.ImageSize) {
    let (side, half, channels) = (size.side, size.side / 2, a.columns)
    let images = a.rows / size.pixels
    var sources = [Int?](repeating: nil, count: images * half * half * channels)
    for output in 0..<(images * half * half) {
      let (image, y, x) = (output / (half * half), output / half % half, output % half)
      let corner = image * size.pixels + 2 * y * side + 2 * x
      for c in 0..<channels {
        var best = 0.0
        for row in [corner, corner + 1, corner + side, corner + side + 1] {
          let value = a.elements[row * channels + c]
          // NaN is passed on, so that weights that left the finite numbers are seen.
          if value > best || value.isNaN {
            best = value
            sources[output * channels + c] = row * channels + c
          }
        }
      }
    }
    self.sources = sources
    self.channels = channels
    inputRows = a.rows
  }

  /// The chosen entries of `a`.
  func gather(_ a: Matrix) -> Matrix {
    Matrix(
      rows: sources.count / channels, columns: channels,
      elements: sources.map { $0.map { a.elements[$0] } ?? 0 })
  }

  /// The transpose of ``gather(_:)``.
  func scatter(_ y: Matrix) -> Matrix {
    var a = Matrix(zeros: inputRows, channels)
    for (i, source) in sources.enumerated() {
      if let source { a.elements[source] += y.elements[i] }
    }
    return a
  }
}

extension Matrix {
  fileprivate static func + (a: Matrix, b: Matrix) -> Matrix {
    Matrix(
      rows: a.rows, columns: a.columns, elements: zip(a.elements, b.elements).map { $0 + $1 })
  }

  fileprivate var columnSums: Vector {
    var sums = Vector(zeros: columns)
    for i in 0..<rows {
      for k in 0..<columns { sums[k] += elements[i * columns + k] }
    }
    return sums
  }
}
