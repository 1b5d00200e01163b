import Engine
import Testing

/// A problem, weights and the recursion written out densely with its adjoint.
private struct Unrolled {
  let d: Int
  let count: Int
  let horizon: Int
  let width: Int
  let map: OutputMap
  let batch: LeastSquaresBatch
  let grams: [Matrix]
  let steps: [Double]
  let start: Vector
  var weights: AngularUnroll.Weights
  let lossWeights: [Double]

  init(
    d: Int, m: Int, count: Int, horizon: Int, width: Int, map: OutputMap, seed: UInt64,
    last: Bool = false
  ) {
    var s = AngularStream(seed)
    self.d = d
    self.count = count
    self.horizon = horizon
    self.width = width
    self.map = map
    let matrices = (0..<count).map { _ in
      Matrix(rows: m, columns: d, elements: s.normals(m * d, scale: 1 / Double(m).squareRoot()))
    }
    batch = LeastSquaresBatch(
      matrices: matrices, targets: (0..<count).map { _ in Vector(s.normals(m)) })
    grams = matrices.map { Matrix.product($0, .transposed, $0) }
    // below 1/beta, since beta <= trace
    steps = grams.map { a in 1 / (0..<d).reduce(0.1) { $0 + a[$1, $1] } * Double(d) / 4 }
    start = Vector(s.normals(count * d))
    weights = .init(
      w1: s.normals(4), w2: s.normals(2 * width),
      w3: s.normals(width, scale: 0.3 / Double(width)), scale: 0.9)
    lossWeights = (1...horizon).map { last ? ($0 == horizon ? 1 : 0) : Double($0) }
  }

  func unroll(threads: Int = 1, recordsOutputs: Bool = false) -> AngularUnroll {
    AngularUnroll(
      problem: batch, stepSizes: steps, start: start, horizon: horizon, width: width, map: map,
      threads: threads, recordsOutputs: recordsOutputs)
  }

  /// q = (g, x) per step, instance and coordinate.
  typealias Inputs = [[(g: Double, x: Double)]]

  /// The recursion; with `frozen`, the network sees those inputs instead of its own.
  func forward(_ w: AngularUnroll.Weights, frozen: Inputs? = nil) -> (
    loss: Double, inputs: Inputs, factors: [[Double]], slopes: [[Double]], last: Vector
  ) {
    var x = start.elements
    var loss = 0.0
    var inputs: Inputs = []
    var factors: [[Double]] = []
    var slopes: [[Double]] = []
    for t in 0..<horizon {
      let g = gradients(x)
      inputs.append(zip(g, x).map { ($0, $1) })
      let q = frozen?[t] ?? inputs[t]
      let z = q.map { output(w, $0.g, $0.x).z }
      var values = z
      var derivatives = z
      map.evaluate(z, values: &values, derivatives: &derivatives)
      factors.append(values)
      slopes.append(derivatives)
      for k in x.indices { x[k] -= values[k] * w.scale * steps[k / d] * g[k] }
      for i in 0..<count {
        let r = batch.matrices[i].times(Vector(Array(x[i * d..<(i + 1) * d]))) - batch.targets[i]
        loss += lossWeights[t] * r.dot(r) / 2
      }
    }
    return (loss, inputs, factors, slopes, Vector(x))
  }

  func gradients(_ x: [Double]) -> [Double] {
    (0..<count).flatMap { i in
      let part = Vector(Array(x[i * d..<(i + 1) * d]))
      return batch.matrices[i].times(batch.matrices[i].times(part) - batch.targets[i], .transposed)
        .elements
    }
  }

  func output(_ w: AngularUnroll.Weights, _ g: Double, _ x: Double) -> (
    z: Double, u: Double, v: Double
  ) {
    let u = max(0, g * w.w1[0] + x * w.w1[2])
    let v = max(0, g * w.w1[1] + x * w.w1[3])
    var z = 0.0
    for j in 0..<width { z += w.w3[j] * max(0, u * w.w2[j] + v * w.w2[width + j]) }
    return (z, u, v)
  }

  /// The detached adjoint, spec §2.6, unit by unit.
  func gradient(_ w: AngularUnroll.Weights) -> AngularUnroll.Gradient {
    let run = forward(w)
    var result = AngularUnroll.Gradient(width: width)
    var delta = gradients(run.last.elements).map { $0 * lossWeights[horizon - 1] }
    for t in (0..<horizon).reversed() {
      var weighted = delta
      for k in delta.indices {
        let (g, x) = run.inputs[t][k]
        let (_, u, v) = output(w, g, x)
        let pbar = -steps[k / d] * delta[k] * g
        result.scale += pbar * run.factors[t][k]
        let zbar = pbar * w.scale * run.slopes[t][k]
        var ubar = 0.0
        var vbar = 0.0
        for j in 0..<width {
          let a = u * w.w2[j] + v * w.w2[width + j]
          guard a > 0 else { continue }
          result.w3[j] += zbar * a
          result.w2[j] += zbar * w.w3[j] * u
          result.w2[width + j] += zbar * w.w3[j] * v
          ubar += zbar * w.w3[j] * w.w2[j]
          vbar += zbar * w.w3[j] * w.w2[width + j]
        }
        if u > 0 {
          result.w1[0] += g * ubar
          result.w1[2] += x * ubar
        }
        if v > 0 {
          result.w1[1] += g * vbar
          result.w1[3] += x * vbar
        }
        weighted[k] *= run.factors[t][k] * w.scale
      }
      for i in 0..<count {
        let product = grams[i].times(Vector(Array(weighted[i * d..<(i + 1) * d])))
        for k in 0..<d {
          delta[i * d + k] -= steps[i] * product[k]
          if t > 0 { delta[i * d + k] += lossWeights[t - 1] * run.inputs[t][i * d + k].g }
        }
      }
    }
    return result
  }
}

@Suite("Fused unroll")
struct AngularUnrollTests {
  // Orders below, at and above the dense kernel's, whole vectors and not; all maps.
  private static let cases: [(d: Int, width: Int, map: OutputMap)] = [
    (5, 16, .twiceSigmoid), (32, 64, .twiceSigmoid), (71, 40, .twiceSigmoid),
    (80, 9, .twiceSigmoid), (12, 30, .exp), (12, 30, .softplus), (12, 30, .identity),
    (12, 30, .gaussian),
  ]

  // 1e-12 per block is the bound; the recursion contracts, so that rounding of size 1e-16
  // times T d stays two orders below it.
  @Test("agrees with the recursion written out", arguments: cases)
  func agreement(_ c: (d: Int, width: Int, map: OutputMap)) throws {
    let p = Unrolled(
      d: c.d, m: c.d - 1, count: 12, horizon: 6, width: c.width, map: c.map, seed: 7)
    let unroll = p.unroll(recordsOutputs: true)
    var gradient = AngularUnroll.Gradient(width: c.width)
    let loss = unroll.evaluate(p.weights, lossWeights: p.lossWeights, gradient: &gradient)
    let run = p.forward(p.weights)
    #expect(abs(loss - run.loss) <= 1e-12 * run.loss)
    #expect(deviation(unroll.iterate(at: p.horizon).elements, run.last.elements) <= 1e-12)
    let z = try #require(unroll.output(at: 3))
    let want = run.inputs[3].map { p.output(p.weights, $0.g, $0.x).z }
    #expect(deviation(z.elements, want) <= 1e-12)
    let reference = p.gradient(p.weights)
    #expect(deviation(gradient.w1, reference.w1) <= 1e-12)
    #expect(deviation(gradient.w2, reference.w2) <= 1e-12)
    #expect(deviation(gradient.w3, reference.w3) <= 1e-12)
    #expect(abs(gradient.scale - reference.scale) <= 1e-12 * abs(reference.scale))
  }

  @Test("the gradient is that of the loss with the network's inputs frozen")
  func finiteDifferences() {
    let p = Unrolled(d: 6, m: 5, count: 3, horizon: 5, width: 8, map: .twiceSigmoid, seed: 21)
    var gradient = AngularUnroll.Gradient(width: 8)
    let loss = p.unroll().evaluate(p.weights, lossWeights: p.lossWeights, gradient: &gradient)
    let inputs = p.forward(p.weights).inputs
    // Central differences err by h^2 F'''/6 + eps F / h: with h = eps^(1/3) = 6e-6 about 1e-10 F,
    // here with a factor 100 for the sums inside F and third derivatives above F.
    let h = 6e-6
    func check(_ path: WritableKeyPath<AngularUnroll.Weights, Double>, _ want: Double) {
      var up = p.weights
      var down = p.weights
      up[keyPath: path] += h
      down[keyPath: path] -= h
      let slope =
        (p.forward(up, frozen: inputs).loss - p.forward(down, frozen: inputs).loss) / (2 * h)
      #expect(abs(slope - want) <= 1e-8 * loss, "\(slope) and \(want)")
    }
    for k in 0..<4 { check(\.w1[k], gradient.w1[k]) }
    for k in 0..<16 { check(\.w2[k], gradient.w2[k]) }
    for k in 0..<8 { check(\.w3[k], gradient.w3[k]) }
    check(\.scale, gradient.scale)
  }

  @Test("no bit depends on the number of threads", arguments: [2, 3, 8])
  func threads(_ threads: Int) {
    let p = Unrolled(d: 33, m: 20, count: 23, horizon: 9, width: 100, map: .twiceSigmoid, seed: 2)
    var one = AngularUnroll.Gradient(width: 100)
    var many = one
    let a = p.unroll().evaluate(p.weights, lossWeights: p.lossWeights, gradient: &one)
    let unroll = p.unroll(threads: threads)
    for _ in 0..<3 {
      let b = unroll.evaluate(p.weights, lossWeights: p.lossWeights, gradient: &many)
      #expect(a == b && one == many)
    }
  }

  @Test("w3 = 0 is gradient descent, bit for bit", arguments: [7, 32, 70])
  func gradientDescent(_ d: Int) {
    var p = Unrolled(
      d: d, m: 5, count: 3, horizon: 12, width: 20, map: .twiceSigmoid, seed: 4, last: true)
    p.weights.w3 = [Double](repeating: 0, count: 20)
    p.weights.scale = 1
    let unroll = p.unroll()
    var gradient = AngularUnroll.Gradient(width: 20)
    let loss = unroll.evaluate(p.weights, lossWeights: p.lossWeights, gradient: &gradient)
    var x = (0..<3).map { i in Vector(Array(p.start.elements[i * d..<(i + 1) * d])) }
    for t in 0...12 {
      #expect(unroll.iterate(at: t).elements == x.flatMap(\.elements), "step \(t)")
      for i in 0..<3 {
        let g = p.batch.gradient(of: i, at: x[i])
        for k in 0..<d {
          let move = p.steps[i] * g[k]
          x[i][k] = x[i][k] - move
        }
      }
    }
    #expect(p.unroll().evaluateWithoutNetwork(lossWeights: p.lossWeights) == loss)
    #expect(gradient.w1 == [0, 0, 0, 0] && gradient.w2.allSatisfy { $0 == 0 })
    #expect(gradient.w3.contains { $0 != 0 })
  }

  @Test("weights that are not finite make the loss NaN")
  func notFinite() {
    var p = Unrolled(d: 6, m: 5, count: 3, horizon: 5, width: 8, map: .twiceSigmoid, seed: 21)
    let good = p.weights
    let unroll = p.unroll()
    let loss = unroll.evaluate(good, lossWeights: p.lossWeights)
    for path in [\AngularUnroll.Weights.w1[0], \.w2[3], \.w3[2], \.scale] {
      p.weights = good
      p.weights[keyPath: path] = .nan
      #expect(unroll.evaluate(p.weights, lossWeights: p.lossWeights).isNaN)
    }
    #expect(unroll.evaluate(good, lossWeights: p.lossWeights) == loss)
  }

  @Test("the packed product is the matrix's", arguments: [1, 7, 8, 31, 64, 65, 100, 128])
  func gram(_ d: Int) {
    var s = AngularStream(UInt64(d))
    let m = Matrix(rows: d + 1, columns: d, elements: s.normals((d + 1) * d))
    let a = Matrix.product(m, .transposed, m)
    let x = Vector(s.normals(d))
    let c = Vector(s.normals(d))
    let want = a.times(x) - c
    let got = GramOperator(a).gradient(at: x, linear: c)
    // two orders of summation: d eps sum |a_ij x_j| each
    let bound = 2 * Double(d + 1) * .ulpOfOne * (a.frobeniusNorm * x.norm + c.norm)
    #expect((got - want).maxMagnitude <= bound)
  }
}
