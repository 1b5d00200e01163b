import Engine
import Testing

@Suite("Angular network")
struct AngularNetworkTests {
  // Bounds of issue 2: 1e-12, four orders above the rounding of 5000-term sums (1e-16 sqrt H to
  // 1e-16 H), and far below any misplaced unit.
  @Test("agrees with the sum over units", arguments: UnitwiseNetwork.cases)
  private func agreement(_ n: UnitwiseNetwork) throws {
    var s = AngularStream(5)
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
    let n = UnitwiseNetwork.cases[0]
    let network = AngularNetwork(width: n.width)
    network.setWeights(w2: n.w2, w3: n.w3)
    let clean = network.outputs(u: [1, 2], v: [3, 1])
    let z = network.outputs(u: [1, .nan, .infinity, 2], v: [3, 1, .infinity, 1])
    #expect(z[0] == clean[0] && z[3] == clean[1] && z[1].isNaN && !z[2].isFinite)
  }
}
