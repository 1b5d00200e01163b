import Engine
import Testing

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
      var s = AngularStream(3)
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
