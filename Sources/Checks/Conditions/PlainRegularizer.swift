import Engine
import Optimization

/// sign(v) max(|v| - θ, 0).
func soft(_ v: Double, _ threshold: Double) -> Double {
  let rest = abs(v) - threshold
  return rest > 0 ? (v > 0 ? rest : -rest) : 0
}

/// The operators of the catalogue in plain loops, with faults to choose from.
struct PlainRegularizer: Regularizer {
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
