import Engine
import Testing

/// A stream of uniform and roughly normal numbers of this file's own (xorshift64*).
struct AngularStream {
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
struct UnitwiseNetwork: Sendable, CustomTestStringConvertible {
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

  static let cases: [UnitwiseNetwork] = {
    var s = AngularStream(11)
    func samples(_ n: Int, _ s: inout AngularStream) -> ([Double], [Double]) {
      let u = s.normals(n).map { max(0, $0) }
      return (u, s.normals(n).map { max(0, $0) })
    }
    func random(
      _ name: String, _ h: Int, _ n: Int,
      _ change: (inout UnitwiseNetwork, inout AngularStream) -> Void
    )
      -> UnitwiseNetwork
    {
      let (u, v) = samples(n, &s)
      var result = UnitwiseNetwork(name: name, w2: s.normals(2 * h), w3: s.normals(h), u: u, v: v)
      change(&result, &s)
      return result
    }
    func lattice(_ s: inout AngularStream, _ low: Int, _ high: Int) -> Double {
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
  mutating func magnitude() { self = magnitude }
}

/// A number of 53 bits and unbounded exponent, enough to sign p u + q v.
struct Extended {
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
  init(_ value: Extended) {
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
func deviation(_ a: [Double], _ reference: [Double]) -> Double {
  var worst = 0.0
  var size = 0.0
  for (x, y) in zip(a, reference) {
    if x.isNaN || y.isNaN { return .nan }
    worst = max(worst, abs(x - y))
    size = max(size, abs(y))
  }
  return worst == 0 ? 0 : worst / size
}
