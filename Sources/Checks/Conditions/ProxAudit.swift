import Engine
import Optimization

/// All laws at all probes.
struct ProxAudit {
  /// The worst of every law.
  private(set) var worst: [String: Evidence] = [:]
  /// What is beyond its error bar.
  private(set) var evidence: [Evidence] = []
  /// The largest difference from the oracle, relative to the largest entry of v and u.
  private(set) var error = 0.0

  private let subject: ProxCheck.Subject
  private let probes: [ProxProbe]
  private let images: [Vector]
  private static let unit = Double.ulpOfOne / 2

  init(_ subject: ProxCheck.Subject) {
    self.subject = subject
    probes = subject.probes
    images = subject.probes.map { Self.image(subject.regularizer, $0.point, $0.steps) }
  }

  mutating func run() {
    for i in probes.indices {
      let isInside = value(images[i]).isFinite
      note("domain", "probe=\(i)", isInside ? 0 : .infinity, allowed: 0)
      if isInside { variationalInequality(i) }
      references(i)
      fixedCoordinates(i)
      tape(i)
      for k in probes.indices where k > i && probes[k].steps == probes[i].steps {
        firmNonexpansiveness(i, k)
      }
    }
  }

  private static func image(_ r: any Regularizer, _ v: Vector, _ p: Vector) -> Vector {
    var u = v
    r.prox(&u, steps: p)
    return u
  }

  private func value(_ x: Vector) -> Double {
    x.isFinite ? subject.regularizer.value(at: x.elements[...]) : .nan
  }

  private mutating func note(
    _ law: String, _ place: String, _ actual: Double, reference: Double = 0, allowed: Double
  ) {
    let found = Evidence(
      "\(law)/\(place)", actual: actual, reference: reference, allowed: allowed)
    let excess = found.excess
    if excess > worst[law]?.excess ?? -1 { worst[law] = found }
    if !(excess <= 1) { evidence.append(found) }
  }

  /// What rounding can move the entries of prox(v) = u by: eight roundings of the sizes in an entry,
  /// or n + 8 of those in all entries where a sum over them decides.
  private func bars(_ v: Vector, _ u: Vector) -> [Double] {
    let sizes = v.elements.indices.map { abs(v[$0]) + abs(u[$0]) }
    if subject.isSeparable { return sizes.map { 8 * Self.unit * $0 } }
    let bar = Double(v.count + 8) * Self.unit * sizes.reduce(0, +)
    return sizes.map { _ in bar }
  }

  /// r(z) - r(u) + Σⱼ (uⱼ - vⱼ)(zⱼ - uⱼ)/pⱼ is not negative.
  private mutating func variationalInequality(_ i: Int) {
    let (v, p, u) = (probes[i].point, probes[i].steps, images[i])
    let n = u.count
    let delta = bars(v, u)
    let here = value(u)
    var slope = Vector(zeros: n)
    subject.regularizer.addSubgradient(at: u, to: &slope)
    var worst = (excess: -1.0, lhs: 0.0, bar: 0.0, place: "")
    func look(_ z: Vector, _ place: @autoclosure () -> String) {
      for j in 0..<n where p[j] == 0 && z[j] != u[j] { return }
      let there = value(z)
      guard there.isFinite else { return }
      // A point that rounding keeps off the domain pulls by this much along every entry.
      let off =
        subject.isSeparable ? 0 : 8 * Double(n) * .ulpOfOne * z.elements.reduce(0) { $0 + abs($1) }
      var (lhs, bar) = (
        there - here, Double(n + 2) * Self.unit * (abs(there) + abs(here))
      )
      for j in 0..<n where p[j] != 0 {
        let (pull, move) = ((u[j] - v[j]) / p[j], z[j] - u[j])
        lhs += pull * move
        bar += delta[j] * (abs(move) / p[j] + abs(pull) + abs(slope[j]))
        bar += Double(n + 4) * Self.unit * abs(pull * move) + off * abs(pull)
      }
      let excess = bar > 0 ? -lhs / bar : lhs < 0 ? .infinity : 0
      if excess > worst.excess || excess.isNaN { worst = (excess, lhs, bar, place()) }
    }
    for k in probes.indices where k != i && k % 5 == i % 5 {
      look(images[k], "towards probe \(k)")
      var middle = u.scaled(by: 0.5)
      middle.add(0.5, images[k])
      look(middle, "half-way to probe \(k)")
    }
    look(v, "v itself")
    let size = max(v.maxMagnitude, u.maxMagnitude)
    for j in 0..<n {
      var z = u
      z[j] = 0
      look(z, "entry \(j) set to 0")
      for h in [1, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10] {
        for sign in [1.0, -1] {
          z[j] = u[j] + sign * h * size
          look(z, "entry \(j) moved by \((sign * h * size).brief)")
        }
      }
      // What one entry gives another takes.
      for other in 0..<n where other != j && u[j] != 0 && !subject.isSeparable {
        for share in [1, 0.5, 1e-3] {
          var z = u
          z[j] -= share * u[j]
          z[other] += share * u[j]
          look(z, "\(share) of entry \(j) to entry \(other)")
        }
      }
    }
    note(
      "optimality", "probe=\(i)/\(worst.place)", min(worst.lhs, 0), allowed: worst.bar)
  }

  /// Oracle and Moreau's identity.
  private mutating func references(_ i: Int) {
    let (v, p, u) = (probes[i].point, probes[i].steps, images[i])
    guard let reference = subject.reference, p.elements.allSatisfy({ $0 > 0 }) else { return }
    let delta = bars(v, u)
    let expected = reference.oracle(v, p)
    let size = max(v.maxMagnitude, u.maxMagnitude, .leastNormalMagnitude)
    for j in 0..<u.count {
      note(
        "oracle", "probe=\(i)/coordinate=\(j)", u[j], reference: expected[j],
        allowed: 2 * delta[j])
      error = max(error, abs(u[j] - expected[j]) / size)
    }
    var (w, q) = (v, p)
    for j in 0..<v.count {
      w[j] = v[j] / p[j]
      q[j] = 1 / p[j]
    }
    let dual = reference.conjugate(w, q)
    for j in 0..<u.count {
      note(
        "moreau", "probe=\(i)/coordinate=\(j)", u[j] + p[j] * dual[j], reference: v[j],
        allowed: 2 * delta[j])
    }
  }

  /// With some entries of v replaced by those of u and their p by 0, u is still the minimiser.
  private mutating func fixedCoordinates(_ i: Int) {
    let (v, p, u) = (probes[i].point, probes[i].steps, images[i])
    let delta = bars(v, u)
    let n = u.count
    for fixed in [[0], [n - 1], Array(stride(from: 0, to: n, by: 2)), Array(0..<n)] {
      var (point, steps) = (v, p)
      for j in fixed {
        point[j] = u[j]
        steps[j] = 0
      }
      let again = Self.image(subject.regularizer, point, steps)
      for j in 0..<n {
        note(
          "fixed", "probe=\(i)/p=0 on \(fixed.count)/coordinate=\(j)", again[j],
          reference: u[j], allowed: fixed.contains(j) ? .leastNonzeroMagnitude : 2 * delta[j])
      }
    }
  }

  /// The formula on a tape is the operator.
  private mutating func tape(_ i: Int) {
    let (v, p, u) = (probes[i].point, probes[i].steps, images[i])
    let delta = bars(v, u)
    let regularizer = subject.regularizer
    let traced = TapePool.withTape(recording: false) { tape in
      func row(_ x: Vector) -> Matrix {
        Matrix(rows: 1, columns: x.count, elements: x.elements)
      }
      return regularizer.prox(of: tape.constant(row(v)), steps: tape.constant(row(p))).vector
    }
    for j in 0..<u.count {
      note(
        "tape", "probe=\(i)/coordinate=\(j)", traced[j], reference: u[j], allowed: 2 * delta[j])
    }
  }

  /// ‖u - u'‖² - ⟨u - u', v - v'⟩ in the norm of 1/p is not positive.
  private mutating func firmNonexpansiveness(_ i: Int, _ k: Int) {
    let p = probes[i].steps
    let (a, b) = (bars(probes[i].point, images[i]), bars(probes[k].point, images[k]))
    var (excess, bar) = (0.0, 0.0)
    for j in 0..<p.count where p[j] != 0 {
      let near = images[i][j] - images[k][j]
      let far = probes[i].point[j] - probes[k].point[j]
      let error = a[j] + b[j]
      excess += near * (near - far) / p[j]
      bar += (abs(near) + abs(near - far) + error) * error / p[j]
      bar += Double(p.count + 3) * Self.unit * abs(near * (near - far)) / p[j]
    }
    note("nonexpansive", "probes=\(i),\(k)", max(excess, 0), allowed: bar)
  }
}
