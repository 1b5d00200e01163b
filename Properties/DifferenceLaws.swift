import Foundation
import OptCheck

/// A value with its derivative: the truth that differences are measured against.
private struct Dual {
  var value: Double
  var slope: Double

  static func + (a: Dual, b: Dual) -> Dual {
    Dual(value: a.value + b.value, slope: a.slope + b.slope)
  }
  static func * (a: Dual, b: Dual) -> Dual {
    Dual(value: a.value * b.value, slope: a.slope * b.value + a.value * b.slope)
  }

  /// g(self), where `slope` is g'(value).
  func mapped(_ value: Double, slope: Double) -> Dual {
    Dual(value: value, slope: slope * self.slope)
  }
}

/// An analytic function, put together at random from sums, products and compositions.
private indirect enum Traced: Sendable {
  case variable
  case constant(Double)
  case sum(Traced, Traced)
  case product(Traced, Traced)
  case sine(Traced)
  case sigmoid(Traced)
  case bell(Traced)

  init(_ rng: inout SplitMix64, depth: Int) {
    guard depth > 0 else {
      self =
        rng.pick(3) == 0
        ? .constant(rng.normal()) : .product(.constant(rng.normal()), .variable)
      return
    }
    func inner(_ rng: inout SplitMix64) -> Traced { Traced(&rng, depth: depth - 1) }
    switch rng.pick(5) {
    case 0: self = .sum(inner(&rng), inner(&rng))
    case 1: self = .product(inner(&rng), inner(&rng))
    case 2: self = .sine(inner(&rng))
    case 3: self = .sigmoid(inner(&rng))
    default: self = .bell(inner(&rng))
    }
  }

  func at(_ x: Dual) -> Dual {
    switch self {
    case .variable: return x
    case .constant(let c): return Dual(value: c, slope: 0)
    case .sum(let a, let b): return a.at(x) + b.at(x)
    case .product(let a, let b): return a.at(x) * b.at(x)
    case .sine(let a):
      let inner = a.at(x)
      return inner.mapped(sin(inner.value), slope: cos(inner.value))
    case .sigmoid(let a):
      let inner = a.at(x)
      let s = 1 / (1 + exp(-inner.value))
      return inner.mapped(s, slope: s * (1 - s))
    case .bell(let a):
      let inner = a.at(x)
      let b = exp(-inner.value * inner.value)
      return inner.mapped(b, slope: -2 * inner.value * b)
    }
  }
}

private let errorBars = Law(
  "error-bars-contain-the-truth",
  purpose: "a gradient check may trust the differences' own error bar, 99 times in 100",
  of: { FiniteDifference(of: $0).slope } as @Sendable ((Double) -> Double) -> Estimate,
  mutants: [
    "bars fifty times too narrow": { f in
      var slope = FiniteDifference(of: f).slope
      slope.error /= 50
      return slope
    },
    "one central difference with the bar of rounding alone": { f in
      let h = 1e-4
      return Estimate(
        value: (f(h) - f(-h)) / (2 * h), error: .ulpOfOne * max(abs(f(h)), abs(f(-h))) / h)
    },
  ],
  cases: 4,
  generate: { rng in
    (0..<1000).map { _ in
      // A place and a scale: f(p + s t) at t = 0.
      (Traced(&rng, depth: rng.integer(1...4)), rng.normal(), pow(10, 4 * rng.uniform() - 2))
    }
  },
  violation: { estimate, functions in
    let misses = functions.count { function, place, scale in
      let truth = function.at(Dual(value: place, slope: scale)).slope
      let found = estimate { function.at(Dual(value: place + scale * $0, slope: 0)).value }
      // The derivative by rules is rounded too.
      return !(abs(found.value - truth) <= found.error + 16 * .ulpOfOne * abs(truth))
    }
    return misses * 100 <= functions.count ? nil : "\(misses) of \(functions.count) bars miss"
  })

let differenceLaws = [errorBars]
