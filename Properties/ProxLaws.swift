import Foundation
import OptCheck

/// An argument of a proximal operator: argmin_u ρ ‖u‖₁ + ½ Σⱼ (uⱼ - vⱼ)² / pⱼ.
private struct ProxCase: Sendable {
  var v: Vector
  var steps: Vector
  var weight: Double

  var count: Int { v.count }

  /// θⱼ = ρ pⱼ, rounded once.
  var thresholds: [Double] { steps.elements.map { weight * $0 } }

  /// The same with another v.
  func at(_ v: Vector) -> ProxCase { ProxCase(v: v, steps: steps, weight: weight) }

  /// What rounding can move entry j of an exact prox by, in multiples of the unit roundoff: θ and
  /// |v| - θ are rounded once each, and the difference is no larger than |v|.
  func rounding(_ j: Int, operations: Int = 2) -> Double {
    Double(operations) * unitRoundoff * (abs(v[j]) + thresholds[j])
  }
}

/// u, half the distance from 1 to the next double: the relative error of one rounding.
let unitRoundoff = Double.ulpOfOne / 2

private typealias Prox = @Sendable (ProxCase) -> Vector

/// The operator on trial.
private let prox: Prox = { input in
  var x = input.v
  L1Norm(weight: input.weight).prox(&x, steps: input.steps)
  return x
}

/// An operator that treats every coordinate by itself, from v, p and ρ.
private func separable(
  _ entry: @escaping @Sendable (_ v: Double, _ p: Double, _ weight: Double) -> Double
) -> Prox {
  { input in
    Vector(input.v.elements.indices.map { entry(input.v[$0], input.steps[$0], input.weight) })
  }
}

/// The soft threshold, to be given wrong thresholds.
private func shrunk(_ v: Double, _ threshold: Double) -> Double {
  let rest = abs(v) - threshold
  return rest > 0 ? (v > 0 ? rest : -rest) : 0
}

private let hardThreshold = separable { v, p, weight in abs(v) > weight * p ? v : 0 }

extension SplitMix64 {
  /// Sizes from 1e-4 to 1e4, and entries in every position to their thresholds: far, at them, 0.
  fileprivate mutating func proxCase() -> ProxCase {
    let count = integer(1...12)
    let weight = pow(10, 4 * uniform() - 2)
    let steps = vector(count) { pow(10, 4 * $0.uniform() - 2) }
    let v = Vector(
      steps.elements.map { p in
        let sign = pick(2) == 0 ? 1.0 : -1
        switch pick(6) {
        case 0: return sign * weight * p
        case 1: return 0
        default: return sign * weight * p * pow(10, 2 * uniform() - 1)
        }
      })
    return ProxCase(v: v, steps: steps, weight: weight)
  }

  /// A power of two.
  mutating func powerOfTwo(_ exponents: ClosedRange<Int> = -30...30) -> Double {
    Double(sign: .plus, exponent: integer(exponents), significand: 1)
  }
}

// MARK: What it is

private let minimises = Law(
  "prox-minimises-its-definition",
  purpose:
    "ProximalGradient, FISTA, MomentumDescent, StructuredScheme: (v - u)/p is a subgradient at u",
  of: prox,
  mutants: [
    "the steps are left out": separable { v, _, weight in shrunk(v, weight) },
    "the steps are squared": separable { v, p, weight in shrunk(v, weight * p * p) },
    "a hard threshold": hardThreshold,
    "the threshold is a part in 1e12 too large": separable { v, p, weight in
      shrunk(v, weight * p * (1 + 1e-12))
    },
  ],
  cases: 2000,
  generate: { rng in rng.proxCase() },
  violation: { prox, input in
    let u = prox(input)
    // ρ sign u where u is not 0.
    var slope = Vector(zeros: u.count)
    L1Norm(weight: input.weight).addSubgradient(at: u, to: &slope)
    for j in 0..<u.count {
      let pull = input.v[j] - u[j]
      // Two roundings of the operator, two of the pull and of p times the slope.
      let bar = input.rounding(j, operations: 4)
      let excess = abs(pull - input.steps[j] * slope[j])
      let limit = u[j] == 0 ? input.thresholds[j] + bar : bar
      if !(excess <= limit) {
        return "v = \(input.v[j]), ρ p = \(input.thresholds[j]): u = \(u[j])"
      }
    }
    return nil
  })

private typealias Slope = @Sendable (L1Norm, Vector) -> Vector

private let supports = Law(
  "l1-subgradients-support-the-norm",
  purpose: "SubgradientDescent, Adam, Shampoo: r(y) >= r(x) + ⟨v, y - x⟩, and v = 0 where x is",
  of: { r, x in
    var v = Vector(zeros: x.count)
    r.addSubgradient(at: x, to: &v)
    return v
  } as Slope,
  mutants: [
    "twice ρ": { r, x in
      Vector(x.elements.map { $0 == 0 ? 0 : 2 * ($0 > 0 ? r.weight : -r.weight) })
    },
    "the gradient of half the square": { r, x in x.scaled(by: r.weight) },
    "ρ at 0": { r, x in Vector(x.elements.map { $0 < 0 ? -r.weight : r.weight }) },
  ],
  cases: 1500,
  generate: { rng -> (L1Norm, Vector, Vector) in
    let input = rng.proxCase()
    return (L1Norm(weight: input.weight), input.v, input.at(rng.vector(input.count)).v)
  },
  violation: { slope, input in
    let (r, x, y) = input
    let v = slope(r, x)
    for j in 0..<x.count where x[j] == 0 && v[j] != 0 { return "v = \(v[j]) where x is 0" }
    let (rx, ry) = (r.value(at: x.elements[...]), r.value(at: y.elements[...]))
    let rise = (0..<x.count).reduce(0) { $0 + v[$1] * (y[$1] - x[$1]) }
    // Sums of n terms no larger than those of the norms, each with two more roundings.
    let bar = Double(x.count + 3) * unitRoundoff * 2 * (rx + ry)
    return excess("r(x) + ⟨v, y - x⟩ - r(y)", rx + rise - ry, over: bar)
  })

private let firmlyNonexpansive = Law(
  "prox-is-firmly-nonexpansive",
  purpose:
    "ProximalGradient, FISTA: |u - w|² <= ⟨u - w, v - z⟩ in the norm of 1/p",
  of: prox,
  mutants: [
    "a hard threshold": hardThreshold,
    "the reflection, which is only nonexpansive": { input in
      let u = prox(input)
      return Vector(u.elements.indices.map { 2 * u[$0] - input.v[$0] })
    },
    "away from 0 instead of towards it": separable { v, p, weight in
      v == 0 ? 0 : v > 0 ? v + weight * p : v - weight * p
    },
  ],
  cases: 2000,
  generate: { rng -> (ProxCase, ProxCase) in
    let input = rng.proxCase()
    // Neighbours and strangers.
    let distance = pow(10, 4 * rng.uniform() - 3)
    let other = Vector(
      (0..<input.count).map { input.v[$0] + distance * rng.normal() * input.thresholds[$0] })
    return (input, input.at(other))
  },
  violation: { prox, pair in
    let (a, b) = pair
    let (u, w) = (prox(a), prox(b))
    var (missing, bar) = (0.0, 0.0)
    for j in 0..<u.count {
      let (near, far) = (u[j] - w[j], a.v[j] - b.v[j])
      let p = a.steps[j]
      missing += near * (near - far) / p
      // Errors of both operators and of both differences; a product moves by each of them.
      let error = a.rounding(j, operations: 4) + b.rounding(j, operations: 4)
      let size = abs(near) + abs(near - far)
      bar += (size + error) * error / p
      bar += Double(u.count + 3) * unitRoundoff * abs(near * (near - far)) / p
    }
    return excess("|u - w|² - ⟨u - w, v - z⟩", missing, over: bar)
  })

private let moreau = Law(
  "prox-and-conjugate-add-up",
  purpose:
    "ProximalGradient, FISTA and dual bounds: v = prox(v) + p · projection of v/p to [-ρ, ρ]",
  of: prox,
  mutants: [
    "a hard threshold": hardThreshold,
    "the steps enter by their inverses": separable { v, p, weight in shrunk(v, weight / p) },
    "only half of ρ": separable { v, p, weight in shrunk(v, weight / 2 * p) },
    "negative entries are cut off": separable { v, p, weight in max(v - weight * p, 0) },
  ],
  cases: 2000,
  generate: { rng in rng.proxCase() },
  violation: { prox, input in
    let u = prox(input)
    for j in 0..<u.count {
      let p = input.steps[j]
      let dual = min(input.weight, max(-input.weight, input.v[j] / p))
      // Two roundings of the operator, two of p · dual, two of the sums.
      let bar = input.rounding(j, operations: 6)
      let rest = abs(input.v[j] - u[j] - p * dual)
      if !(rest <= bar) { return "v = \(input.v[j]), p = \(p): \(rest) is left over" }
    }
    return nil
  })

private let withoutWeight = Law(
  "prox-of-nothing",
  purpose: "ProximalGradient with ρ = 0 is GradientDescent: the prox changes no bit but that of -0",
  of: prox,
  mutants: [
    "single precision": { Vector(prox($0).elements.map { Double(Float($0)) }) },
    "crumbs are swept up": { Vector(prox($0).elements.map { abs($0) < 1e-3 ? 0 : $0 }) },
    "a ridge of 1e-15": separable { v, p, _ in v / (1 + 1e-15 * p) },
  ],
  cases: 1000,
  generate: { rng -> ProxCase in
    var input = rng.proxCase()
    input.weight = 0
    return input
  },
  violation: { prox, input in
    let u = prox(input)
    // As numbers: -0 comes back as 0.
    return zip(u.elements, input.v.elements).first { $0 != $1 }.map { "\($1) becomes \($0)" }
  })

// MARK: Symmetries

private struct SignedOrder: Sendable {
  var order: [Int]
  var signs: [Double]

  func moved(_ x: Vector) -> Vector { Vector(order.indices.map { signs[$0] * x[order[$0]] }) }
}

private let coordinateSymmetry = Law(
  "prox-knows-no-coordinates",
  purpose: "ProximalGradient, FISTA, LISTA: order and signs of coordinates pass through the prox",
  of: prox,
  mutants: [
    "negative entries are cut off": separable { v, p, weight in max(v - weight * p, 0) },
    "one step for all": { input in
      Vector(input.v.elements.map { shrunk($0, input.weight * input.steps[0]) })
    },
    "the last coordinate is left alone": { input in
      var u = prox(input)
      u[u.count - 1] = input.v[u.count - 1]
      return u
    },
  ],
  cases: 1000,
  generate: { rng -> (ProxCase, SignedOrder) in
    let input = rng.proxCase()
    let order = Array(0..<input.count).shuffled(using: &rng)
    return (input, SignedOrder(order: order, signs: order.map { _ in rng.choose([1, -1]) }))
  },
  violation: { prox, pair in
    let (input, change) = pair
    let moved = ProxCase(
      v: change.moved(input.v), steps: Vector(change.order.map { input.steps[$0] }),
      weight: input.weight)
    let (first, second) = (prox(moved), change.moved(prox(input)))
    return zip(first.elements, second.elements).first { $0 != $1 }.map { "\($0), want \($1)" }
  })

private let units = Law(
  "prox-knows-no-units",
  purpose: "ProximalGradient, FISTA: prox with c ρ of c v is c prox of v; bit for bit for c = 2ᵏ",
  of: prox,
  mutants: [
    "ε in the threshold": separable { v, p, weight in shrunk(v, weight * p + 1e-12) },
    "crumbs are swept up": { Vector(prox($0).elements.map { abs($0) < 1e-3 ? 0 : $0 }) },
    "ρ enters by its root": separable { v, p, weight in shrunk(v, weight.squareRoot() * p) },
  ],
  cases: 1000,
  generate: { rng -> (ProxCase, Double, Bool) in
    (rng.proxCase(), rng.powerOfTwo(), rng.pick(2) == 0)
  },
  violation: { prox, drawn in
    let (input, c, inSteps) = drawn
    var scaled = input.at(input.v.scaled(by: c))
    // The factor on the threshold may come with ρ or with p.
    if inSteps { scaled.steps.scale(by: c) } else { scaled.weight *= c }
    let (found, expected) = (prox(scaled), prox(input).scaled(by: c))
    return zip(found.elements, expected.elements).first { $0 != $1 }
      .map { "c = \(c): \($0), want \($1)" }
  })

// MARK: On a tape

/// An argument for several instances, with steps that stretch in one of four ways.
private struct TracedCase: Sendable {
  var x: Matrix
  var steps: Matrix
  var weight: Double

  /// The step of every entry.
  var spread: Vector {
    Vector(
      x.elements.indices.map { k in
        let (i, j) = (k / x.columns, k % x.columns)
        return steps[steps.rows == 1 ? 0 : i, steps.columns == 1 ? 0 : j]
      })
  }
}

private typealias TracedProx = @Sendable (TracedCase) -> [Double]

private func onTape(
  _ formula: @escaping @Sendable (Traced, Traced, Double) -> Traced
) -> TracedProx {
  { input in
    TapePool.withTape { tape in
      formula(tape.variable(input.x), tape.constant(input.steps), input.weight).value.elements
    }
  }
}

private let tracedProx = Law(
  "prox-on-a-tape",
  purpose: "StructuredScheme, StepLISTA: the formula's prox is ProximalGradient's, bit for bit",
  of: onTape { x, steps, weight in L1Norm(weight: weight).prox(of: x, steps: steps) },
  mutants: [
    "the quotient form x max(1 - θ/|x|, 0)": onTape { x, steps, weight in
      let size = x.magnitude + 1e-300
      let ones = x.constant(
        Matrix(
          rows: x.rows, columns: x.columns, elements: x.value.elements.map { _ in 1 }))
      return x * (ones - (ones * (weight * steps)) / size).relu
    },
    "one step for all": onTape { x, steps, weight in
      x.softThreshold(x.constant(weight * steps.value.elements[0]))
    },
    "the threshold is an ulp too large": onTape { x, steps, weight in
      L1Norm(weight: weight.nextUp).prox(of: x, steps: steps)
    },
  ],
  cases: 1000,
  generate: { rng -> TracedCase in
    let (n, d) = (rng.integer(1...4), rng.integer(1...6))
    let steps = rng.matrix(rng.choose([1, n]), rng.choose([1, d])) { pow(10, $0.uniform()) }
    var input = TracedCase(x: rng.matrix(n, d), steps: steps, weight: rng.uniform())
    // Some entries at their thresholds.
    let spread = input.spread
    for k in input.x.elements.indices where rng.pick(4) == 0 {
      input.x.elements[k] = rng.choose([1, -1]) * (input.weight * spread[k])
    }
    return input
  },
  violation: { traced, input in
    var plain = Vector(input.x.elements)
    L1Norm(weight: input.weight).prox(&plain, steps: input.spread)
    // As numbers: the formula keeps the sign of a zero.
    return zip(traced(input), plain.elements).first { !($0 == $1) }
      .map { "\($0) on a tape, \($1) plain" }
  })

let proxLaws = [
  minimises, supports, firmlyNonexpansive, moreau, withoutWeight, coordinateSymmetry, units,
  tracedProx,
]
