public import Engine
import Foundation

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

  /// Probes of every kind, several points to a metric.
  ///
  /// Points of size 1e-3 to 1e3, with zeros, ties and a large offset along p; metrics of 1, of another
  /// constant, and of entries between 0.01 and 100.
  public static func standard(dimension n: Int, seed: UInt64 = 1) -> [ProxProbe] {
    var rng = SplitMix64(seed: seed)
    let metrics =
      [Vector([Double](repeating: 1, count: n)), Vector([Double](repeating: 0.3, count: n))]
      + (0..<4).map { _ in rng.vector(n) { pow(10, 4 * $0.uniform() - 2) } }
    return metrics.flatMap { p in
      (0..<9).map { i in
        let size = [1, 1, 0.1, 10, 1e-3, 1e3, 1, 1, 0.1][i]
        var v = rng.vector(n).scaled(by: size)
        if i == 6 { v[0] = 0 }
        if i == 7, n > 1 { v[1] = v[0] }
        // Far along p, where a constraint on a sum has much to take away and many entries stay.
        if i == 8 { v.add(1e3, p) }
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
          } snapping: {
            abs(v[j]) / p[j] <= weight
          }
        }
      }, conjugate: { w, _ in separable(w) { min(max(w[$0], -weight), weight) } })
  }

  /// r = 0 where x ≥ 0: the root of the slope if it lies there; r* is 0 on the polar cone z ≤ 0.
  public static let nonNegative = ProxReference(
    oracle: { v, p in
      separable(v) { j in
        bisected(0, abs(v[j])) { u in
          (u - v[j]) / p[j]
        } snapping: {
          v[j] <= 0
        }
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
