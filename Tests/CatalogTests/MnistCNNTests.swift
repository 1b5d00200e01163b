import Foundation
import OptCheck
import Testing

/// The network by plain loops in PyTorch's layout, without matrices: an oracle for values.
private func naiveLoss(_ x: Vector, _ images: Matrix, _ labels: [Int]) -> Double {
  /// Convolution, ReLU and pooling of `channels` planes of `side` x `side`.
  func layer(_ input: [[Double]], side: Int, weights: [Double], biases: [Double]) -> [[Double]] {
    let k = input.count
    return biases.indices.map { o in
      func output(_ y: Int, _ x: Int) -> Double {
        var sum = biases[o]
        for c in 0..<k {
          for (dy, dx) in (0..<9).map({ ($0 / 3 - 1, $0 % 3 - 1) }) {
            guard y + dy >= 0, y + dy < side, x + dx >= 0, x + dx < side else { continue }
            sum +=
              weights[((o * k + c) * 3 + dy + 1) * 3 + dx + 1] * input[c][(y + dy) * side + x + dx]
          }
        }
        return max(sum, 0)
      }
      let half = side / 2
      return (0..<(half * half)).map { p in
        let (y, x) = (2 * (p / half), 2 * (p % half))
        return max(output(y, x), output(y, x + 1), output(y + 1, x), output(y + 1, x + 1))
      }
    }
  }
  var at = 0
  func take(_ count: Int) -> [Double] {
    at += count
    return Array(x.elements[(at - count)..<at])
  }
  let (w1, b1, w2, b2) = (take(18), take(2), take(54), take(3))
  let (w3, b3) = (take(1470), take(10))
  let losses = labels.indices.map { i -> Double in
    let image = Array(images.elements[(i * 784)..<((i + 1) * 784)])
    let a = layer([image], side: 28, weights: w1, biases: b1)
    let b = layer(a, side: 14, weights: w2, biases: b2).flatMap { $0 }
    var z = b3
    for k in 0..<10 {
      for l in 0..<147 { z[k] += w3[147 * k + l] * b[l] }
    }
    let total = z.map { exp($0) }.reduce(0, +)
    return log(total) - z[labels[i]]
  }
  return losses.reduce(0, +) / Double(labels.count)
}

@Suite struct MnistCNNProblems {
  /// Noise in place of digits; more images than one group holds.
  private func sample() throws -> (MnistCNN, Vector) {
    var rng = SplitMix64(seed: 5)
    let images = rng.matrix(40, 784)
    let labels = (0..<40).map { _ in Int.random(in: 0...9, using: &rng) }
    var stream = ReferenceStream(seed: 118)
    return (
      try MnistCNN(images: images, labels: labels), MnistCNN.initialParameters(&stream)
    )
  }

  @Test("the loss is that of plain loops")
  func values() throws {
    let (problem, x) = try sample()
    #expect(problem.dimension == 1557 && x.count == 1557)
    let naive = naiveLoss(x, problem.images, problem.labels)
    // Sums of at most 147 products and 40 losses near ln 10, in another order.
    #expect(abs(problem.value(at: x) - naive) <= 1e-13)
  }

  @Test("the gradient is the slope of the loss, in every coordinate's layer")
  func gradient() throws {
    let (problem, x) = try sample()
    let g = problem.gradient(at: x)
    // One coordinate or more of each weight and bias.
    for j in [0, 17, 18, 19, 20, 45, 73, 74, 76, 77, 500, 1546, 1547, 1556] {
      var e = Vector(zeros: 1557)
      e[j] = 1
      let h = 1e-6
      let slope = (problem.value(at: x.moved(h, e)) - problem.value(at: x.moved(-h, e))) / (2 * h)
      // Rounding of the loss, 4e-16 / h; truncation, h² times a third derivative of order 1; and
      // a pixel or two of 31360 that change sides at a kink within h, 1e-6 each.
      #expect(abs(slope - g[j]) <= 2e-8, "coordinate \(j): \(slope), gradient \(g[j])")
    }
  }

  @Test("the Hessian's products are differences of the gradient, and symmetric")
  func hessian() throws {
    let (problem, x) = try sample()
    var rng = SplitMix64(seed: 6)
    let (u, v) = (rng.vector(1557), rng.vector(1557))
    var (hu, hv) = (Vector(zeros: 1557), Vector(zeros: 1557))
    problem.hessianProduct(u, at: x, into: &hu)
    problem.hessianProduct(v, at: x, into: &hv)
    #expect(abs(hu.dot(v) - hv.dot(u)) <= 1e-12 * abs(hu.dot(v)))
    // So short a step that no kink is crossed: the gradient is then smooth along it.
    let h = 1e-8
    var difference = problem.gradient(at: x.moved(h, v)) - problem.gradient(at: x.moved(-h, v))
    difference.scale(by: 1 / (2 * h))
    // Rounding of the gradient, 1e-16 / h times its size.
    #expect((difference - hv).maxMagnitude <= 1e-6 * hv.maxMagnitude)
  }

  @Test("PyTorch's initial weights: the bounds of each layer, reached and kept")
  func initialWeights() throws {
    let (_, x) = try sample()
    var at = 0
    for (count, inputs) in [(18, 9), (2, 9), (54, 18), (3, 18), (1470, 147), (10, 147)] {
      let bound = 1 / Double(inputs).squareRoot()
      let largest = Vector(Array(x.elements[at..<(at + count)])).maxMagnitude
      // The bound is rounded to float32.
      #expect(largest <= bound * (1 + 1e-7))
      if count > 10 { #expect(largest > 0.7 * bound) }
      at += count
    }
    // The first draw of the stream is the first weight.
    var stream = ReferenceStream(seed: 118)
    let first = Double(stream.uniform()) * (2.0 / 3) - 1.0 / 3
    #expect(abs(x[0] - first) <= 1e-7)
  }

  @Test("descent lowers the loss")
  func descent() throws {
    let (problem, x) = try sample()
    let run = unroll(GradientDescent(stepRule: .constant(0.05)), on: problem, from: x, horizon: 20)
    #expect(run.totals[20] < run.totals[0])
  }

  @Test func refusals() {
    let images = Matrix(zeros: 2, 784)
    #expect(throws: ProblemError.empty(problem: "mnist-cnn")) {
      try MnistCNN(images: Matrix(zeros: 0, 784), labels: [])
    }
    #expect(
      throws: ProblemError.shape(
        problem: "mnist-cnn", array: "images", found: [2, 783], expected: [2, 784])
    ) { try MnistCNN(images: Matrix(zeros: 2, 783), labels: [0, 1]) }
    #expect(throws: ProblemError.self) { try MnistCNN(images: images, labels: [0]) }
    let error = #expect(throws: ProblemError.self) {
      try MnistCNN(images: images, labels: [0, 10])
    }
    #expect(error.map { "\($0)".contains("label 1 = 10") && "\($0)".contains("0...9") } == true)
    var bad = images
    bad[1, 3] = .nan
    #expect(throws: ProblemError.notFinite(problem: "mnist-cnn", array: "images")) {
      try MnistCNN(images: bad, labels: [0, 1])
    }
  }
}
