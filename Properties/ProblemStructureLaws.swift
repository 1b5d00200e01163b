import Foundation
import OptCheck

private typealias Part = @Sendable (ProblemData, Range<Int>) throws -> Model

private let stacking = Law(
  "instances-are-a-part-of-the-whole",
  purpose: "FormulaObjective, ProximalGradient: instances taken apart have the bits of the stack",
  of: { data, range in try data.problem().instances(range) } as Part,
  mutants: [
    "the factor of reports is the part's own": { data, range in try data.part(range).problem() },
    "the data of the first instances": { data, range in
      try data.problem().instances(0..<range.count)
    },
    "half of ρ": { data, range in
      var other = data
      other.weight /= 2
      return try other.problem().instances(range)
    },
  ],
  cases: 600,
  generate: { rng -> (ProblemView, Range<Int>) in
    let view = rng.view(sharing: false)
    let n = view.data.instances
    let lower = rng.pick(n)
    return (view, lower..<rng.integer((lower + 1)...n))
  },
  violation: { part, drawn in
    let (view, range) = drawn
    let (whole, part) = (try view.data.problem(), try part(view.data, range))
    let d = view.data.columns
    func cut(_ v: Vector) -> Vector {
      Vector(Array(v.elements[(range.lowerBound * d)..<(range.upperBound * d)]))
    }
    let (x, v) = (cut(view.x), cut(view.y))
    let pairs: [(String, [Double], [Double])] = [
      ("values", part.values(at: x), Array(whole.values(at: view.x)[range])),
      ("gradient", part.gradient(at: x).elements, cut(whole.gradient(at: view.x)).elements),
      (
        "curvature", trueCurvature(part, v, x).elements,
        cut(trueCurvature(whole, view.y, view.x)).elements
      ),
      ("smoothness", part.smoothness, Array(whole.smoothness[range])),
      ("reported scale", [part.reportedScale], [whole.reportedScale]),
    ]
    for (name, ours, theirs) in pairs where ours.map(\.bitPattern) != theirs.map(\.bitPattern) {
      return "\(name) \(ours), of the whole \(theirs)"
    }
    return nil
  })

private let shared = Law(
  "a-shared-matrix-is-many-equal-ones",
  purpose: "LISTA and its relatives on one dictionary: one product for all instances, same results",
  of: { try $0.problem() } as @Sendable (ProblemData) throws -> Model,
  mutants: [
    "instances in another order": { data in
      var other = data
      let y = data.target.elements
      other.target = Vector(Array(y[data.rows...]) + Array(y[..<data.rows]))
      return try other.problem()
    },
    "the matrix in single precision": { data in
      var other = data
      for k in other.matrices[0].elements.indices {
        other.matrices[0].elements[k] = Double(Float(other.matrices[0].elements[k]))
      }
      return try other.problem()
    },
  ],
  cases: 600,
  generate: { rng -> ProblemView in
    var view = rng.view([.lasso, .logistic], sharing: false)
    view.data.matrices = [view.data.matrices[0]]
    view.data.isShared = true
    return view
  },
  violation: { make, view in
    var apart = view.data
    apart.isShared = false
    apart.matrices = Array(repeating: view.data.matrices[0], count: view.data.instances)
    let (one, many) = (try make(view.data), try apart.problem())
    let (ours, theirs) = (one.values(at: view.x), many.values(at: view.x))
    let bars = view.bounds.values(theirs)
    for i in ours.indices {
      let distance = abs(ours[i] - theirs[i])
      if let found = excess("value \(i)", distance, over: 2 * bars[i]) { return found }
    }
    let difference = one.gradient(at: view.x) - many.gradient(at: view.x)
    let gradientBars = view.bounds.gradient
    for j in 0..<difference.count {
      let found = excess("slope \(j)", abs(difference[j]), over: 2 * gradientBars[j])
      if let found { return found }
    }
    return nil
  })

// MARK: Units

private let dataUnits = Law(
  "values-know-no-units",
  purpose:
    "all rules on LeastSquares and Lasso: (2ᵏM, 2ᵏY, 4ᵏρ) has 4ᵏ times the values and slopes",
  of: ProblemOracle(),
  mutants: [
    "a margin of 1e-12": ProblemOracle(values: { $0.values(at: $1).map { $0 + 1e-12 } }),
    "residuals are held within 1": ProblemOracle(values: { problem, x in
      let r = product(problem, x)
      let b = problem.map.blockRows
      return (0..<problem.instanceCount).map { i in
        ((i * b)..<((i + 1) * b)).reduce(0) { sum, j in
          let size = abs(r[j] - problem.target[j])
          return sum + (size < 1 ? size * size / 2 : size - 0.5)
        }
      }
    }),
    "slopes are clipped": ProblemOracle(slope: { problem, x in
      Vector(problem.gradient(at: x).elements.map { min(1, max(-1, $0)) })
    }),
  ],
  cases: 800,
  generate: { rng -> (ProblemView, Double) in
    (rng.view([.leastSquares, .gram, .lasso]), rng.powerOfTwo())
  },
  violation: { oracle, drawn in
    let (view, c) = drawn
    var data = view.data.scaled(matrix: c, target: c)
    data.weight *= c * c
    let (ours, theirs) = (try data.problem(), try view.data.problem())
    let pairs = [
      (oracle.values(ours, view.x), oracle.values(theirs, view.x)),
      (oracle.slope(ours, view.x).elements, oracle.slope(theirs, view.x).elements),
    ]
    for (scaled, plain) in pairs {
      for (a, b) in zip(scaled, plain) where a != c * c * b { return "\(a), want \(c * c * b)" }
    }
    return nil
  })

private let unknownUnits = Law(
  "unknowns-know-no-units",
  purpose: "all rules: F with 2ᵏM and 2ᵏρ at x/2ᵏ is F at x, and its slopes 2ᵏ times as large",
  of: ProblemOracle(),
  mutants: [
    "a ridge": ProblemOracle(values: { problem, x in
      problem.values(at: x).map { $0 + 1e-9 * x.dot(x) }
    }),
    "a ridge's slope": ProblemOracle(slope: { problem, x in
      var v = Vector(zeros: x.count)
      problem.subgradient(at: x, into: &v)
      v.add(1e-9, x)
      return v
    }),
  ],
  cases: 800,
  generate: { rng -> (ProblemView, Double) in (rng.view(), rng.powerOfTwo()) },
  violation: { oracle, drawn in
    let (view, c) = drawn
    var data = view.data.scaled(matrix: c, target: 1)
    data.weight *= c
    let (ours, theirs) = (try data.problem(), try view.data.problem())
    let x = view.x.scaled(by: 1 / c)
    if oracle.values(ours, x) != oracle.values(theirs, view.x) {
      return "\(oracle.values(ours, x)), want \(oracle.values(theirs, view.x))"
    }
    let (scaled, plain) = (oracle.slope(ours, x), oracle.slope(theirs, view.x))
    for j in 0..<scaled.count where scaled[j] != c * plain[j] {
      return "slope \(j) is \(scaled[j]), want \(c * plain[j])"
    }
    return nil
  })

// MARK: Minima

/// What is claimed of a minimum.
private struct Claimed: Sendable {
  var value: Double
  var lowerBound: Double
  var point: Vector
  var isCertified: Bool

  init(_ minimum: CertifiedMinimum) {
    value = minimum.value
    lowerBound = minimum.lowerBound
    point = minimum.point
    isCertified = minimum.isCertified
  }
}

private typealias Minima = @Sendable (ProblemData) throws -> [Claimed]

private let minima: Minima = { try $0.problem().certifiedMinima().map(Claimed.init) }

private let nothingIsLower = Law(
  "nothing-is-below-a-certified-minimum",
  purpose: "gaps of all rules on Lasso and LogisticL1: certified, reached, and below F everywhere",
  of: minima,
  mutants: [
    "a part in 1e9 too high": { data in
      try minima(data).map { minimum in
        var off = minimum
        off.lowerBound *= 1 + 1e-9
        off.value *= 1 + 1e-9
        return off
      }
    },
    "of twice the weight": { data in
      var other = data
      other.weight *= 2
      return try minima(other)
    },
    "the minimiser of another instance": { data in
      let all = try minima(data)
      return all.indices.map { i in
        var off = all[i]
        off.point = all[(i + 1) % all.count].point
        return off
      }
    },
  ],
  cases: 300,
  generate: { rng -> (ProblemData, [Vector]) in
    let data = rng.problemData()
    return (data, (0..<6).map { _ in rng.point(data.dimension) })
  },
  violation: { minima, drawn in
    let (data, directions) = drawn
    let (problem, found) = (try data.problem(), try minima(data))
    let point = Vector(found.flatMap(\.point.elements))
    let reached = problem.values(at: point)
    let bars = RoundingBounds(data, at: point).values(reached)
    for (i, minimum) in found.enumerated() {
      // Least squares whose residual is tiny beside Y go without now and then, and say so: their
      // gap is a difference of numbers of the size of |y|².
      guard minimum.isCertified || data.isSmooth else { return "no certificate: \(minimum)" }
      let distance = abs(reached[i] - minimum.value)
      let found = excess(
        "instance \(i): F at the point, off the value", distance, over: 2 * bars[i])
      if let found { return found }
    }
    for (k, direction) in directions.enumerated() {
      // From a distance of 1 to one of 1e-5.
      let x = point.moved(pow(10, -Double(k)), direction)
      let values = problem.values(at: x)
      let bars = RoundingBounds(data, at: x).values(values)
      for (i, minimum) in found.enumerated() {
        // The bound is a sum of the same size as F, and rounded as F is.
        let below = minimum.lowerBound - values[i]
        if let found = excess("instance \(i): F below the bound", below, over: 2 * bars[i]) {
          return found
        }
      }
    }
    return nil
  })

private let minimaStay = Law(
  "certified-minima-are-fixed-points",
  purpose:
    "ProximalGradient, FISTA, StructuredScheme: a step from a certified minimiser stays there",
  of: minima,
  mutants: [
    "the minimiser without the l1 term": { data in
      var other = data
      other.weight = data.isSmooth ? data.weight : 1e-9
      return try minima(other)
    },
    "off by 1e-5": { data in
      try minima(data).map { minimum in
        var off = minimum
        off.point[0] += 1e-5 * (1 + abs(off.point[0]))
        return off
      }
    },
    "the start": { data in
      try minima(data).map { minimum in
        var off = minimum
        off.point = Vector(zeros: minimum.point.count)
        return off
      }
    },
  ],
  cases: 300,
  generate: { rng in rng.problemData() },
  violation: { minima, data in
    let (problem, found) = (try data.problem(), try minima(data))
    let point = Vector(found.flatMap(\.point.elements))
    var x = point
    let rule = ProximalGradient()
    var state = rule.initialState(for: problem)
    rule.step(&x, &state, on: problem)
    let bounds = RoundingBounds(data, at: point)
    let (valueBars, gradientBars) = (bounds.values(problem.values(at: point)), bounds.gradient)
    let g = problem.gradient(at: point)
    let d = data.columns
    for (i, minimum) in found.enumerated() {
      let beta = problem.smoothness[i]
      // A step of 1/β takes β/2 |x - x⁺|² off F, which is no further above its minimum than the gap.
      let gap = max(0, minimum.value - minimum.lowerBound) + 2 * valueBars[i]
      let rounding = (0..<d).map { j in
        let k = i * d + j
        let size = abs(point[k]) + (abs(g[k]) + data.weight) / beta
        return gradientBars[k] / beta + 6 * unitRoundoff * size
      }
      let limit = (2 * gap / beta).squareRoot() + Vector(rounding).norm
      let moved = (x - point).instance(i, d).norm
      if let found = excess("instance \(i) moves by", moved, over: limit) { return found }
    }
    return nil
  })

/// Laws of stacks, units and minima.
let problemStructureLaws = [
  stacking, shared, dataUnits, unknownUnits, nothingIsLower, minimaStay,
]
