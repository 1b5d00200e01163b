import Engine
import Testing

/// A stream of uniform and roughly normal numbers of this file's own (xorshift64*).
private struct Stream {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x2545_F491_4F6C_DD1D | 1 }
  mutating func uniform() -> Double {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return Double((state &* 0x2545_F491_4F6C_DD1D) >> 11) * 0x1p-53
  }
  mutating func normal() -> Double {
    var sum = -6.0
    for _ in 0..<12 { sum += uniform() }
    return sum
  }
  mutating func normals(_ count: Int, scale: Double = 1) -> [Double] {
    (0..<count).map { _ in scale * normal() }
  }
}

/// A two-layer network with its samples, evaluated unit by unit as the formulas stand.
private struct Network: Sendable, CustomTestStringConvertible {
  let name: String
  var w2: [Double]
  var w3: [Double]
  var u: [Double]
  var v: [Double]
  var width: Int { w3.count }
  var testDescription: String { name }

  /// p u + q v, in extended range so that tiny and huge magnitudes keep their sign.
  func activation(_ j: Int, _ i: Int) -> Extended {
    Extended(w2[j]) * Extended(u[i]) + Extended(w2[width + j]) * Extended(v[i])
  }

  /// Outputs, sums of their terms' magnitudes, and the four blocks of gradients.
  struct Dense {
    var z: [Double]
    var mass: [Double]
    var gradient: (w2: [Double], w3: [Double], u: [Double], v: [Double])
  }

  func dense(_ zbar: [Double]) -> Dense {
    var z = [Double](repeating: 0, count: u.count)
    var mass = z
    var gradient = (
      w2: [Double](repeating: 0, count: 2 * width), w3: [Double](repeating: 0, count: width),
      u: z, v: z
    )
    for i in u.indices {
      for j in 0..<width {
        let a = activation(j, i)
        mass[i] += abs(w3[j] * Double(a))
        guard a > 0 else { continue }
        z[i] += w3[j] * Double(a)
        gradient.w3[j] += zbar[i] * Double(a)
        gradient.w2[j] += zbar[i] * w3[j] * u[i]
        gradient.w2[width + j] += zbar[i] * w3[j] * v[i]
        gradient.u[i] += zbar[i] * w3[j] * w2[j]
        gradient.v[i] += zbar[i] * w3[j] * w2[width + j]
      }
    }
    return Dense(z: z, mass: mass, gradient: gradient)
  }

  static let cases: [Network] = {
    var s = Stream(11)
    func samples(_ n: Int, _ s: inout Stream) -> ([Double], [Double]) {
      let u = s.normals(n).map { max(0, $0) }
      return (u, s.normals(n).map { max(0, $0) })
    }
    func random(_ name: String, _ h: Int, _ n: Int, _ change: (inout Network, inout Stream) -> Void)
      -> Network
    {
      let (u, v) = samples(n, &s)
      var result = Network(name: name, w2: s.normals(2 * h), w3: s.normals(h), u: u, v: v)
      change(&result, &s)
      return result
    }
    func lattice(_ s: inout Stream, _ low: Int, _ high: Int) -> Double {
      (Double(low) + (s.uniform() * Double(high - low + 1))).rounded(.down)
    }
    return [
      random("random", 300, 517) { _, _ in },
      random("wide", 5000, 96) { _, _ in },
      random("one unit", 1, 64) { _, _ in },
      random("integer lattice: exact ties", 200, 400) { n, s in
        for k in n.w2.indices { n.w2[k] = lattice(&s, -4, 4) }
        for i in n.u.indices {
          n.u[i] = lattice(&s, 0, 4)
          n.v[i] = lattice(&s, 0, 4)
        }
      },
      random("axes and origin", 64, 48) { n, _ in
        for i in n.u.indices where i % 3 != 0 { n.u[i] = 0 }
        for i in n.u.indices where i % 3 != 1 { n.v[i] = 0 }
        for j in 0..<8 { n.w2[j] = 0 }
        for j in 4..<16 { n.w2[n.width + j] = 0 }
      },
      random("always active", 50, 60) { n, _ in for k in n.w2.indices { n.w2[k].magnitude() } },
      random("never active", 50, 60) { n, _ in
        for k in n.w2.indices { n.w2[k] = -n.w2[k].magnitude }
      },
      random("duplicates", 240, 200) { n, _ in
        for j in 0..<n.width {
          n.w2[j] = n.w2[j % 7]
          n.w2[n.width + j] = n.w2[n.width + j % 7]
        }
      },
      random("clustered breakpoints", 400, 400) { n, s in
        // Every fourth unit stays ordinary: without any, W_2j.h_1 is all cancellation, and no
        // double-precision reference has twelve digits.
        for j in 0..<n.width where j % 4 != 0 {
          let sign: Double = j % 8 < 4 ? 1 : -1
          n.w2[j] = sign * (1 + 1e-6 * s.uniform())
          n.w2[n.width + j] = -sign
        }
        for i in n.u.indices {
          n.u[i] = 1 + s.uniform()
          n.v[i] = n.u[i] * (1 + 1.2e-6 * s.uniform())
        }
      },
      random("large weights", 300, 200) { n, _ in
        for k in n.w2.indices { n.w2[k] *= 5000 }
      },
      random("samples of every magnitude", 100, 400) { n, s in
        for i in n.u.indices {
          n.u[i] = Double(sign: .plus, exponent: Int(2000 * s.uniform()) - 1020, significand: 1.5)
          n.v[i] = Double(sign: .plus, exponent: Int(2000 * s.uniform()) - 1060, significand: 1.25)
        }
      },
      // Both the units' and the samples' quotients leave the range of doubles.
      random("breakpoints beyond the range", 60, 200) { n, s in
        for j in 0..<n.width {
          n.w2[j] *= Double(sign: .plus, exponent: j % 2 == 0 ? -600 : 400, significand: 1)
          n.w2[n.width + j] *= Double(
            sign: .plus, exponent: j % 3 == 0 ? 480 : -640, significand: 1)
          n.w3[j] *= 0x1p-300
        }
        for i in n.u.indices {
          n.u[i] = Double(
            sign: .plus, exponent: i % 2 == 0 ? -600 : 400, significand: 1 + s.uniform())
          n.v[i] = Double(
            sign: .plus, exponent: i % 3 == 0 ? 450 : -630, significand: 1 + s.uniform())
        }
      },
    ]
  }()
}

extension Double {
  fileprivate mutating func magnitude() { self = magnitude }
}

/// A number of 53 bits and unbounded exponent, enough to sign p u + q v.
private struct Extended {
  var significand: Double
  var exponent: Int

  init(_ value: Double) { self.init(value, 0) }
  private init(_ value: Double, _ exponent: Int) {
    if value == 0 {
      significand = 0
      self.exponent = 0
    } else {
      significand = value.sign == .minus ? -value.significand : value.significand
      self.exponent = exponent + Int(value.exponent)
    }
  }
  static func * (a: Extended, b: Extended) -> Extended {
    Extended(a.significand * b.significand, a.exponent + b.exponent)
  }
  static func + (a: Extended, b: Extended) -> Extended {
    if a.significand == 0 { return b }
    if b.significand == 0 { return a }
    let top = max(a.exponent, b.exponent)
    return Extended(a.scaled(-top) + b.scaled(-top), top)
  }
  private func scaled(_ shift: Int) -> Double {
    exponent + shift < -200
      ? 0
      : Double(sign: .plus, exponent: exponent + shift, significand: 1) * significand
  }
  static func > (a: Extended, b: Double) -> Bool { a.significand > b }
}

extension Double {
  fileprivate init(_ value: Extended) {
    if value.exponent < -1070 {
      self = 0
    } else if value.exponent > 1020 {
      self = value.significand.sign == .minus ? -.infinity : .infinity
    } else {
      self = Double(sign: .plus, exponent: value.exponent, significand: 1) * value.significand
    }
  }
}

/// The largest difference relative to the largest entry of the reference.
private func deviation(_ a: [Double], _ reference: [Double]) -> Double {
  var worst = 0.0
  var size = 0.0
  for (x, y) in zip(a, reference) {
    if x.isNaN || y.isNaN { return .nan }
    worst = max(worst, abs(x - y))
    size = max(size, abs(y))
  }
  return worst == 0 ? 0 : worst / size
}

@Suite("Angular network")
struct AngularNetworkTests {
  // Bounds of issue 2: 1e-12, four orders above the rounding of 5000-term sums (1e-16 sqrt H to
  // 1e-16 H), and far below any misplaced unit.
  @Test("agrees with the sum over units", arguments: Network.cases)
  private func agreement(_ n: Network) throws {
    var s = Stream(5)
    let zbar = s.normals(n.u.count)
    let network = AngularNetwork(width: n.width)
    network.setWeights(w2: n.w2, w3: n.w3)
    let dense = n.dense(zbar)
    let (z, mass, want) = (dense.z, dense.mass, dense.gradient)
    let got = network.outputs(u: n.u, v: n.v)
    for i in z.indices where mass[i].isFinite {
      #expect(abs(got[i] - z[i]) <= 1e-12 * mass[i], "sample \(i): \(n.u[i]), \(n.v[i])")
    }
    let gradient = network.gradient(u: n.u, v: n.v, zbar: zbar)
    guard mass.allSatisfy(\.isFinite) else { return }
    #expect(deviation(gradient.w2, want.w2) <= 1e-12)
    #expect(deviation(gradient.w3, want.w3) <= 1e-12)
    #expect(deviation(gradient.u, want.u) <= 1e-12)
    #expect(deviation(gradient.v, want.v) <= 1e-12)
    // With cotangents 1 no unit's dW2 cancels, so that each entry shows its own active set.
    let ones = [Double](repeating: 1, count: n.u.count)
    let sums = network.gradient(u: n.u, v: n.v, zbar: ones).w2
    for (got, want) in zip(sums, n.dense(ones).gradient.w2) {
      #expect(abs(got - want) <= 1e-12 * abs(want))
    }
  }

  @Test("the origin gives exactly zero, whatever the weights")
  func origin() {
    let network = AngularNetwork(width: 3)
    network.setWeights(w2: [1e300, -1e300, .infinity, 2, 3, 4], w3: [1, 2, 3])
    let z = network.outputs(u: [0, 1, 0], v: [0, 1, 0])
    #expect(z[0] == 0 && z[2] == 0)
    #expect(z[1].isNaN)
  }

  @Test("a sample on a unit's ray passes nothing to it: ReLU'(0) = 0")
  func tie() {
    let network = AngularNetwork(width: 2)
    network.setWeights(w2: [3, 1, -1, 1], w3: [5, 7])  // units 3u - v and u + v
    let gradient = network.gradient(u: [0.1], v: [0.1 * 3], zbar: [1])
    // 3 * 0.1 rounds; the key 0.30000000000000004 / 0.1 is 3.0000000000000004 > 3 or exactly 3,
    // and on neither is 3u - v > 0.
    #expect(gradient.w3[0] == 0 && gradient.w2[0] == 0 && gradient.w2[2] == 0)
    #expect(gradient.u[0] == 7 && gradient.v[0] == 7)
  }

  @Test("samples that are not finite come out as NaN and harm no other")
  func notFinite() {
    let n = Network.cases[0]
    let network = AngularNetwork(width: n.width)
    network.setWeights(w2: n.w2, w3: n.w3)
    let clean = network.outputs(u: [1, 2], v: [3, 1])
    let z = network.outputs(u: [1, .nan, .infinity, 2], v: [3, 1, .infinity, 1])
    #expect(z[0] == clean[0] && z[3] == clean[1] && z[1].isNaN && !z[2].isFinite)
  }
}

@Suite("Output maps")
struct OutputMapTests {
  private func evaluate(_ map: OutputMap, _ z: [Double]) -> (values: [Double], slopes: [Double]) {
    var values = z
    var slopes = z
    map.evaluate(z, values: &values, derivatives: &slopes)
    return (values, slopes)
  }

  @Test("2 sigmoid is 1 at 0, 2 and 0 at its ends, and never NaN")
  func sigmoidEnds() {
    let (p, d) = evaluate(.twiceSigmoid, [0, -0.0, 37.5, 800, .infinity, -800, -.infinity, .nan])
    #expect(p[0..<7] == [1, 1, 2, 2, 2, 0, 0])
    #expect(d[0] == 0.5 && d[3] == 0 && d[5] == 0)
    #expect(p[7].isNaN)
  }

  @Test("values within 4 ulp of extended precision", arguments: OutputMap.allCases)
  func accuracy(_ map: OutputMap) {
    #if arch(x86_64)
      var s = Stream(3)
      let z = (0..<2000).map { _ in 60 * (s.uniform() - 0.5) } + [1e-9, -1e-9, 700, -700]
      let (p, d) = evaluate(map, z)
      for (i, zi) in z.enumerated() {
        let (value, slope) = reference(map, Float80(zi))
        // Gaussian: 2 - 2 e^(-z^2) is good to an ulp of 2 absolutely, and z^2 is rounded before
        // it is exponentiated, which its own size multiplies.
        // Sigmoid and softplus take e^-|z| for 0 beyond 460, where it is below 1e-199.
        let vanished = abs(zi) > 460 && (map == .twiceSigmoid || map == .softplus) ? 2e-199 : 0
        let floor = map == .gaussian ? 4 * 0x1p-52 : vanished
        let slack = map == .gaussian ? 4 + zi * zi : 4
        #expect(abs(Float80(p[i]) - value) <= Float80(slack * value.ulp64 + floor), "at \(zi)")
        #expect(
          abs(Float80(d[i]) - slope) <= Float80(slack * slope.ulp64 + vanished), "slope at \(zi)")
      }
    #endif
  }

  #if arch(x86_64)
    /// e^x by repeated squaring of a Taylor polynomial, in 64-bit significands.
    private func exponential(_ x: Float80) -> Float80 {
      if x < 0 { return 1 / exponential(-x) }
      var r = x
      var halvings = 0
      while abs(r) > 0.5 {
        r /= 2
        halvings += 1
      }
      var term: Float80 = 1
      var sum: Float80 = 0  // e^r - 1, so that squaring keeps the small part's digits
      for k in 1...25 {
        term *= r / Float80(k)
        sum += term
      }
      for _ in 0..<halvings { sum = sum * (2 + sum) }
      return 1 + sum
    }

    private func reference(_ map: OutputMap, _ z: Float80) -> (value: Float80, slope: Float80) {
      switch map {
      case .exp: return (exponential(z), exponential(z))
      case .identity: return (z, 1)
      case .gaussian: return (2 - 2 * exponential(-z * z), 4 * z * exponential(-z * z))
      case .twiceSigmoid:
        let e = exponential(-z)
        return (2 / (1 + e), 2 * e / ((1 + e) * (1 + e)))
      case .softplus:
        let e = exponential(-abs(z))
        // ln(1 + e) = 2 artanh(e / (2 + e))
        let s = e / (2 + e)
        var power = s
        var sum: Float80 = 0
        for k in stride(from: 1, to: 61, by: 2) {
          sum += power / Float80(k)
          power *= s * s
        }
        return (max(z, 0) + 2 * sum, 1 / (1 + exponential(-z)))
      }
    }
  #endif
}

#if arch(x86_64)
  extension Float80 {
    /// The spacing of doubles at this value.
    fileprivate var ulp64: Double { Double(self).ulp }
  }
#endif

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
    var s = Stream(seed)
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
    var s = Stream(UInt64(d))
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
