public import Engine
import Foundation
public import Optimization

/// PROX: a proximal operator is the one that its definition asks for, in any diagonal metric.
///
/// u = prox_{r,p}(v) minimises r(u) + ½ Σⱼ (uⱼ - vⱼ)² / pⱼ. At every probe (v, p) it is checked
///
/// - by the variational inequality r(z) - r(u) + Σⱼ (uⱼ - vⱼ)(zⱼ - uⱼ)/pⱼ ≥ 0 at points z of the
///   domain: images of other probes, u with entries moved, set to 0 or traded against each other;
/// - against an independent oracle, where there is one: bisection in one dimension;
/// - by firm nonexpansiveness, ‖u - u'‖² ≤ ⟨u - u', v - v'⟩ in the norm of 1/p (not the Euclidean one);
/// - by Moreau's identity v = u + p prox_{r*,1/p}(v/p), with the conjugate's operator by a formula of its
///   own;
/// - for leaving coordinates with pⱼ = 0 alone, and the others where they would be without them;
/// - and its formula on a tape against the plain operator.
///
/// A user's own `Regularizer` needs no reference: the laws that need one are left out, and the result says so.
///
/// Numbers: the worst of each law in units of its error bar, at most 1 where it holds: `optimality`,
/// `oracle`, `nonexpansive`, `moreau`, `fixed`, `tape`, `domain` (0 or infinite); `error`, the largest difference
/// from the oracle, relative to the largest entry of v; `probes`.
public struct ProxCheck: DocumentedCheck {
  /// A regularizer, and the points and metrics to try it at.
  public struct Subject: Sendable {
    /// Regularizer and metric.
    public var label: String
    /// What is checked.
    public var regularizer: any Regularizer
    /// v and p, any number.
    public var probes: [ProxProbe]
    /// What the operator is compared with; nil if nothing is known.
    public var reference: ProxReference?
    /// Whether r is a sum over coordinates, so that error bars are each coordinate's own.
    public var isSeparable: Bool

    /// Creates a subject; without `probes`, those of ``ProxProbe/standard(dimension:seed:)`` with 6 unknowns.
    public init(
      label: String? = nil, _ regularizer: any Regularizer, probes: [ProxProbe]? = nil,
      reference: ProxReference? = nil, isSeparable: Bool = false
    ) {
      self.label = label ?? regularizer.name
      self.regularizer = regularizer
      self.probes = probes ?? ProxProbe.standard(dimension: 6)
      self.reference = reference
      self.isSeparable = isSeparable
    }
  }

  public let claim = Claim(
    id: "PROX", title: "u = prox_{r,p}(v) minimises r(u) + ½ Σⱼ (uⱼ - vⱼ)² / pⱼ",
    source: "definition; Moreau 1965 in the metric of 1/p")

  public let tolerance =
    "a few roundings of the sizes that meet in an entry (of all entries where r couples them), "
    + "carried through each law"

  public let blindSpots =
    "points and metrics that were not tried; differences below the error bar; directions that leave the "
    + "domain of r, where r has no value to compare"

  /// Creates the check.
  public init() {}

  public func run(_ subject: Subject) -> CheckResult {
    precondition(!subject.probes.isEmpty, "no probe")
    var audit = ProxAudit(subject)
    audit.run()
    var result = CheckResult(
      claim: claim, subject: subject.label, verdict: .inconclusive, reason: "",
      numbers: audit.worst.mapValues(\.excess).merging(
        ["probes": Double(subject.probes.count)]
      ) { own, _ in own }, evidence: audit.evidence)
    if subject.reference != nil { result.numbers["error"] = audit.error }
    let broken = audit.worst.filter { !($0.value.excess <= 1) }.map(\.key).sorted()
    result.verdict = .decide([], broken.isEmpty ? .isTrue(slack: nil) : .isFalse)
    if let worst = result.evidence.first {
      result.reason =
        "\(broken.joined(separator: ", ")): worst \(worst.path), \(worst.actual.brief), "
        + "allowed \(worst.reference.brief) ± \(worst.allowed.brief)"
    } else {
      let laws = audit.worst.keys.sorted().joined(separator: ", ")
      result.reason =
        "\(laws) at \(subject.probes.count) probes"
        + (subject.reference == nil ? "; without oracle and conjugate" : "")
    }
    return result
  }

  public var mutants: [Mutant<Subject>] {
    func sized(
      _ fault: String, _ make: (Double) -> PlainRegularizer
    ) -> [Mutant<Subject>] {
      [1, 1e-2, 1e-4, 1e-6].map { Mutant(fault, size: $0, make($0).subject) }
    }
    return sized("a share of the threshold is not multiplied by p") { size in
      .l1 { v, p, weight in soft(v, weight * ((1 - size) * p + size)) }
    }
      + sized("a share of the threshold is missing") { size in
        .l1 { v, p, weight in soft(v, (1 - size) * weight * p) }
      }
      + sized("clips below a positive number") { size in .orthant(bound: size) }
      + sized("entries sum to more than 1") { size in .simplex(total: 1 + size) }
      + sized("a Euclidean share in the metric") { size in .simplex(flattened: size) }
      + sized("pⱼ below a number counts as that number") { size in
        .l1 { v, p, weight in soft(v, weight * max(p, 1e-3 * size)) }
      }
      + [
        Mutant("the sign is lost", PlainRegularizer.l1 { abs(soft($0, $2 * $1)) }.subject),
        Mutant(
          "a hard threshold", PlainRegularizer.l1 { abs($0) > $1 * $2 ? $0 : 0 }.subject),
        Mutant(
          "pⱼ = 0 sends an entry to 0",
          PlainRegularizer.l1 { $1 == 0 ? 0 : soft($0, $2 * $1) }.subject),
        Mutant(
          "pⱼ = 0 divides by 0", PlainRegularizer.l1 { $1 * soft($0 / $1, $2) }.subject),
        Mutant(
          "shrinks where r = 0", size: 1e-6, PlainRegularizer.zero(factor: 1 - 1e-6).subject),
        Mutant(
          "pⱼ = 0 is not left out of the sum", PlainRegularizer.simplex(forgetsFixed: true).subject),
        Mutant(
          "a user's prox of half its weight",
          PlainRegularizer.l1 { soft($0, 0.5 * $2 * $1) }.withoutReference),
        Mutant(
          "a formula that is not the operator", size: 1e-6,
          PlainRegularizer.l1({ soft($0, $2 * $1) }, tapeError: 1e-6).subject),
      ]
  }

  public var cleanCases: [CleanCase<Subject>] {
    let own = [
      PlainRegularizer.l1 { soft($0, $2 * $1) }, .orthant(bound: 0), .simplex(), .zero(factor: 1),
    ]
    return own.map { CleanCase($0.name + " in plain loops", $0.subject) }
      + own.map { CleanCase($0.name + " without reference", $0.withoutReference) }
      + [
        CleanCase(
          "L1Norm",
          Subject(L1Norm(weight: 0.7), reference: .l1(weight: 0.7), isSeparable: true)),
        CleanCase(
          "NoRegularizer", Subject(NoRegularizer(), reference: .zero, isSeparable: true)),
      ]
  }
}

/// A point and a metric at which a proximal operator is tried.
public struct ProxProbe: Sendable, Hashable {
  /// v, n entries.
  public var point: Vector
  /// p, n entries, none negative.
  public var steps: Vector

  /// Creates a probe.
  public init(point: Vector, steps: Vector) {
    precondition(point.count == steps.count, "\(point.count) and \(steps.count) entries")
    precondition(steps.elements.allSatisfy { $0 >= 0 }, "a step is negative")
    self.point = point
    self.steps = steps
  }

  /// Probes of every kind: points of size 1e-3 to 1e3 with zeros and ties, metrics of 1, of another constant,
  /// and of entries between 0.01 and 100; several points to a metric.
  public static func standard(dimension n: Int, seed: UInt64 = 1) -> [ProxProbe] {
    var rng = SplitMix64(seed: seed)
    let metrics =
      [Vector([Double](repeating: 1, count: n)), Vector([Double](repeating: 0.3, count: n))]
      + (0..<4).map { _ in rng.vector(n) { pow(10, 4 * $0.uniform() - 2) } }
    return metrics.flatMap { p in
      (0..<8).map { i in
        let size = [1, 1, 0.1, 10, 1e-3, 1e3, 1, 1][i]
        var v = rng.vector(n).scaled(by: size)
        if i == 6 { v[0] = 0 }
        if i == 7, n > 1 { v[1] = v[0] }
        return ProxProbe(point: v, steps: p)
      }
    }
  }
}

/// What a proximal operator of the catalogue is compared with: formulas that share nothing with it.
public struct ProxReference: Sendable {
  /// prox_{r,p}(v) by bisection, n entries; p > 0.
  public var oracle: @Sendable (_ v: Vector, _ p: Vector) -> Vector
  /// prox_{r*,q}(w), the minimiser of r*(z) + ½ Σⱼ (zⱼ - wⱼ)² / qⱼ, n entries; q > 0.
  public var conjugate: @Sendable (_ w: Vector, _ q: Vector) -> Vector

  /// Creates a reference.
  public init(
    oracle: @escaping @Sendable (_ v: Vector, _ p: Vector) -> Vector,
    conjugate: @escaping @Sendable (_ w: Vector, _ q: Vector) -> Vector
  ) {
    self.oracle = oracle
    self.conjugate = conjugate
  }

  /// r = ρ ‖x‖₁: the root of the subdifferential, coordinate by coordinate; r* is 0 on [-ρ, ρ], so its
  /// operator clips.
  public static func l1(weight: Double) -> ProxReference {
    ProxReference(
      oracle: { v, p in
        separable(v) { j in
          bisected(-abs(v[j]), abs(v[j])) { u in
            (u - v[j]) / p[j] + (u > 0 ? weight : u < 0 ? -weight : 0)
          } snapping: { abs(v[j]) / p[j] <= weight }
        }
      }, conjugate: { w, _ in separable(w) { min(max(w[$0], -weight), weight) } })
  }

  /// r = 0 where x ≥ 0: the root of the slope if it lies there; r* is 0 on the polar cone z ≤ 0.
  public static let nonNegative = ProxReference(
    oracle: { v, p in
      separable(v) { j in
        bisected(0, abs(v[j])) { u in (u - v[j]) / p[j] } snapping: { v[j] <= 0 }
      }
    }, conjugate: { w, _ in separable(w) { min(w[$0], 0) } })

  /// r = 0 on the unit simplex: the level τ by bisection; r* is the largest entry (its support
  /// function), whose operator cuts at the level t with Σ max(wⱼ - t, 0)/qⱼ = 1.
  public static let simplex = ProxReference(
    oracle: { v, p in
      let quotients = zip(v.elements, p.elements).map { $0 / $1 }
      let top = quotients.max() ?? 0
      let width = 1 / (p.elements.min() ?? 1)
      let tau = bisected(top - width, top) { tau in
        1 - (0..<v.count).reduce(0) { $0 + max(v[$1] - p[$1] * tau, 0) }
      }
      return separable(v) { max(v[$0] - p[$0] * tau, 0) }
    },
    conjugate: { w, q in
      let top = w.elements.max() ?? 0
      let level = bisected(top - (q.elements.max() ?? 1), top) { t in
        1 - (0..<w.count).reduce(0) { $0 + max(w[$1] - t, 0) / q[$1] }
      }
      return separable(w) { min(w[$0], level) }
    })

  /// r = 0: nothing moves; r* is 0 at 0 alone.
  public static let zero = ProxReference(
    oracle: { v, _ in v }, conjugate: { w, _ in Vector(zeros: w.count) })

  private static func separable(_ v: Vector, _ entry: (Int) -> Double) -> Vector {
    Vector(v.elements.indices.map(entry))
  }

  /// A root of an increasing function between two ends, to the last bit; 0 if it is known to be that.
  private static func bisected(
    _ low: Double, _ high: Double, _ slope: (Double) -> Double, snapping isZero: () -> Bool
  ) -> Double {
    isZero() ? 0 : bisected(low, high, slope)
  }

  private static func bisected(
    _ low: Double, _ high: Double, _ slope: (Double) -> Double
  ) -> Double {
    var (a, b) = (low, high)
    while true {
      let middle = a + (b - a) / 2
      guard middle > a, middle < b else { return abs(slope(a)) <= abs(slope(b)) ? a : b }
      if slope(middle) <= 0 { a = middle } else { b = middle }
    }
  }
}

/// All laws at all probes.
private struct ProxAudit {
  /// The worst of every law.
  private(set) var worst: [String: Evidence] = [:]
  /// What is beyond its error bar.
  private(set) var evidence: [Evidence] = []
  /// The largest difference from the oracle, relative to the largest entry of v.
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
      let off = subject.isSeparable ? 0 : 8 * Double(n) * .ulpOfOne * z.elements.reduce(0) { $0 + abs($1) }
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
    let size = max(v.maxMagnitude, u.maxMagnitude)
    for j in 0..<n {
      var z = u
      z[j] = 0
      look(z, "entry \(j) set to 0")
      for h in [1, 1e-2, 1e-4, 1e-6] {
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
    let size = max(v.maxMagnitude, .leastNormalMagnitude)
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

/// sign(v) max(|v| - θ, 0).
private func soft(_ v: Double, _ threshold: Double) -> Double {
  let rest = abs(v) - threshold
  return rest > 0 ? (v > 0 ? rest : -rest) : 0
}

/// The operators of the catalogue in plain loops, with faults to choose from.
private struct PlainRegularizer: Regularizer {
  let name: String
  let reference: ProxReference
  var isSeparable = true
  /// ρ where r is ρ ‖x‖₁.
  var weight = 0.0
  let domain: @Sendable (ArraySlice<Double>) -> Bool
  let apply: @Sendable (_ v: [Double], _ p: [Double]) -> [Double]
  /// The relative error of the formula on a tape.
  var tapeError = 0.0

  static func l1(
    _ entry: @escaping @Sendable (_ v: Double, _ p: Double, _ weight: Double) -> Double,
    tapeError: Double = 0
  ) -> PlainRegularizer {
    PlainRegularizer(
      name: "l1", reference: .l1(weight: 0.7), weight: 0.7, domain: { _ in true },
      apply: { v, p in zip(v, p).map { entry($0, $1, 0.7) } }, tapeError: tapeError)
  }

  static func orthant(bound: Double) -> PlainRegularizer {
    PlainRegularizer(
      name: "non-negative", reference: .nonNegative, domain: { $0.allSatisfy { $0 >= 0 } },
      apply: { v, _ in v.map { max($0, bound) } })
  }

  static func zero(factor: Double) -> PlainRegularizer {
    PlainRegularizer(
      name: "none", reference: .zero, domain: { _ in true },
      apply: { v, _ in v.map { factor * $0 } })
  }

  /// Entries that sum to `total`, in a metric of which a share is made constant.
  static func simplex(
    total: Double = 1, flattened share: Double = 0, forgetsFixed: Bool = false
  ) -> PlainRegularizer {
    PlainRegularizer(
      name: "simplex", reference: .simplex, isSeparable: false,
      domain: { x in
        let slack = 8 * Double(x.count) * Double.ulpOfOne
        return x.allSatisfy { $0 >= -slack } && abs(x.reduce(0, +) - 1) <= slack
      },
      apply: { v, p in
        let free = p.indices.filter { p[$0] != 0 }
        guard !free.isEmpty else { return v }
        let mean = free.reduce(0) { $0 + p[$1] } / Double(free.count)
        let steps = p.map { $0 == 0 ? 0 : (1 - share) * $0 + share * mean }
        let kept = p.indices.filter { p[$0] == 0 }.reduce(0) { $0 + v[$1] }
        return onSimplex(v, steps, free, total: total - (forgetsFixed ? 0 : kept))
      })
  }

  /// The entries in `free` cut at a level, so that they sum to `total`; the others stay.
  private static func onSimplex(
    _ v: [Double], _ p: [Double], _ free: [Int], total: Double
  ) -> [Double] {
    func cut(_ tau: Double) -> [Double] {
      var u = v
      for j in free { u[j] = max(v[j] - p[j] * tau, 0) }
      return u
    }
    func sum(_ u: [Double]) -> Double { free.reduce(0) { $0 + u[$1] } }
    let top = free.map { v[$0] / p[$0] }.max() ?? 0
    var (low, high) = (top - total / (free.map { p[$0] }.min() ?? 1), top)
    while case let middle = low + (high - low) / 2, middle > low, middle < high {
      if sum(cut(middle)) >= total { low = middle } else { high = middle }
    }
    var u = cut(low)
    // What rounding of large entries left over.
    let face = free.filter { u[$0] > 0 }
    let rest = (sum(u) - total) / max(face.reduce(0) { $0 + p[$1] }, .leastNormalMagnitude)
    for j in face { u[j] = max(u[j] - p[j] * rest, 0) }
    return u
  }

  var subject: ProxCheck.Subject {
    ProxCheck.Subject(
      label: name, self, reference: reference, isSeparable: isSeparable)
  }

  var withoutReference: ProxCheck.Subject {
    ProxCheck.Subject(label: name + ", a user's", self, isSeparable: isSeparable)
  }

  func value(at x: ArraySlice<Double>) -> Double {
    domain(x) ? weight * x.reduce(0) { $0 + abs($1) } : .infinity
  }

  func addSubgradient(at x: Vector, to g: inout Vector) {
    for j in 0..<x.count where x[j] != 0 { g[j] += x[j] > 0 ? weight : -weight }
  }

  func prox(_ x: inout Vector, steps: Vector) {
    x = Vector(apply(x.elements, steps.elements))
  }

  func value(of x: Traced) -> Traced { x.constant(value(at: x.vector.elements[...])) }
  func subgradient(of x: Traced) -> Traced { weight * x.sign }
  func prox(of x: Traced, steps: Traced) -> Traced {
    let u = apply(x.vector.elements, steps.vector.elements)
    return x.constant(
      Matrix(rows: x.rows, columns: x.columns, elements: u.map { (1 + tapeError) * $0 }))
  }
}
