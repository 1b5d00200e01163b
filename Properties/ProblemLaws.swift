import Foundation
import OptCheck

private typealias Model = any CertifiableProblem

/// A problem with points and directions to look at it from.
private struct View: Sendable {
  var data: ProblemData
  var x: Vector
  var y: Vector

  var bounds: RoundingBounds { RoundingBounds(data, at: x) }
}

extension SplitMix64 {
  /// A problem and two points, near each other or not.
  fileprivate mutating func view(
    _ kinds: [ProblemData.Kind] = ProblemData.Kind.allCases, sharing: Bool = true
  ) -> View {
    let data = problemData(kinds, sharing: sharing)
    let (x, step) = (point(data.dimension), vector(data.dimension))
    return View(data: data, x: x, y: x.moved(pick(2) == 0 ? 1 : 1e-2, step))
  }
}

private typealias Field = @Sendable (Model, Vector) -> Vector

private let gradient: Field = { problem, x in problem.gradient(at: x) }

/// A product with M, for mutants that put a problem together wrongly.
private func product(_ problem: Model, _ x: Vector, _ operation: Matrix.Operation = .plain)
  -> Vector
{
  problem.map.times(x, operation)
}

// MARK: Gradients

private let gradientSlopes = Law(
  "gradients-are-slopes",
  purpose: "all rules that take gradients: ⟨∇f, v⟩ is what differences of f measure, by error bars",
  of: gradient,
  mutants: [
    "the data are left out": { problem, x in
      product(problem, product(problem, x), .transposed)
    },
    "a part in 1e6 too large": { problem, x in problem.gradient(at: x).scaled(by: 1 + 1e-6) },
    "with the subgradient of the l1 term": { problem, x in
      var g = Vector(zeros: x.count)
      problem.subgradient(at: x, into: &g)
      return g
    },
    "at a point a little off": { problem, x in
      problem.gradient(at: Vector(x.elements.map { $0 + 1e-5 }))
    },
  ],
  cases: 400,
  generate: { rng -> View in
    var view = rng.view()
    // A unit direction.
    view.y = rng.vector(view.x.count)
    view.y.scale(by: 1 / view.y.norm)
    return view
  },
  violation: { gradient, view in
    let problem = try view.data.problem()
    let slope = gradient(problem, view.x)
    let found = slope.dot(view.y)
    let rounding = dotError(slope, view.y, error: view.bounds.gradient)
    func excess(_ scale: Double) -> (times: Double, estimate: Estimate, step: Double) {
      let difference = FiniteDifference(
        of: { t in
          problem.smoothValuesAndGradient(at: view.x.moved(t, view.y)).values.reduce(0, +)
        }, scale: scale)
      let estimate = difference.slope
      let distance = abs(found - estimate.value)
      return (distance / (estimate.error + rounding), estimate, difference.steps.upperBound)
    }
    // Bars miss now and then: a second ladder, on other steps, must agree.
    let first = excess(1)
    guard first.times > 1 else { return nil }
    let second = excess(first.step / 2)
    return second.times > 1 ? "⟨g, v⟩ = \(found), differences say \(second.estimate)" : nil
  })

private let gramForm = Law(
  "both-forms-of-the-gradient",
  purpose: "GradientDescent, CoordMathDNN: A x - c and Mᵀ(M x - y) differ by rounding alone",
  of: { data, x in
    var other = data
    other.kind = .gram
    return try other.problem().gradient(at: x)
  } as @Sendable (ProblemData, Vector) throws -> Vector,
  mutants: [
    "A in single precision": { data, x in
      try data.problem().gradient(at: x)
        - Vector(
          data.matrices.enumerated().flatMap { i, m in
            let single = m.gram().elements.map { Double(Float($0)) }
            let off = Matrix(rows: m.columns, columns: m.columns, elements: single)
            let part = x.instance(i, m.columns)
            return (m.gram().times(part) - off.times(part)).elements
          })
    },
    "no linear term": { data, x in
      product(try data.problem(), product(try data.problem(), x), .transposed)
    },
  ],
  cases: 600,
  generate: { rng in rng.view([.leastSquares]) },
  violation: { gram, view in
    let (a, b) = (try gram(view.data, view.x), try view.data.problem().gradient(at: view.x))
    let bars = view.bounds.gradient
    for j in 0..<a.count {
      // Each form has its own rounding.
      if let found = excess("entry \(j)", abs(a[j] - b[j]), over: 2 * bars[j]) { return found }
    }
    return nil
  })

private typealias Expansion = @Sendable (Model, Vector) -> (values: [Double], gradient: Vector)

private let expansion = Law(
  "values-and-gradients-together",
  purpose: "FormulaRules: what a formula sees at a point is what ProximalGradient sees",
  of: { $0.smoothValuesAndGradient(at: $1) } as Expansion,
  mutants: [
    "with the l1 term": { problem, x in (problem.values(at: x), problem.gradient(at: x)) },
    "values of the mean over instances": { problem, x in
      let values = problem.smoothValues(at: x)
      return (
        values.map { _ in values.reduce(0, +) / Double(values.count) }, problem.gradient(at: x)
      )
    },
    "the gradient in single precision": { problem, x in
      (
        problem.smoothValues(at: x),
        Vector(problem.gradient(at: x).elements.map { Double(Float($0)) })
      )
    },
  ],
  cases: 800,
  generate: { rng in rng.view() },
  violation: { expand, view in
    let problem = try view.data.problem()
    let (values, g) = expand(problem, view.x)
    let whole = problem.values(at: view.x)
    let (valueBars, gradientBars) = (view.bounds.values(whole), view.bounds.gradient)
    let d = view.data.columns
    for i in values.indices {
      let l1 = problem.regularizer.value(at: view.x.instance(i, d).elements[...])
      let bar = 2 * valueBars[i] + 2 * unitRoundoff * (abs(whole[i]) + l1)
      let distance = abs(values[i] - (whole[i] - l1))
      if let found = excess("value \(i)", distance, over: bar) { return found }
    }
    let other = problem.gradient(at: view.x)
    for j in 0..<g.count {
      let distance = abs(g[j] - other[j])
      if let found = excess("slope \(j)", distance, over: 2 * gradientBars[j]) { return found }
    }
    return nil
  })

// MARK: Shape of the functions

private typealias Constants = @Sendable (Model) -> [Double]

private let lipschitz = Law(
  "smoothness-bounds-the-gradient",
  purpose: "steps of 1/β (ProximalGradient, FISTA, StepRule): ∇f is β-Lipschitz, and β no smaller",
  of: { $0.smoothness } as Constants,
  mutants: [
    "a part in 1e6 too small": { $0.smoothness.map { $0 * (1 - 1e-6) } },
    "σ, not its square": { $0.smoothness.map { $0.squareRoot() } },
    "the largest entry of MᵀM": { problem in
      problem.smoothness.indices.map { problem.map.matrix($0).gram().elements.max() ?? 0 }
    },
    "divided by the rows": { problem in
      problem.smoothness.map { $0 / Double(problem.map.blockRows) }
    },
    "of the first instance": { problem in problem.smoothness.map { _ in problem.smoothness[0] } },
  ],
  cases: 600,
  generate: { rng -> View in
    var view = rng.view()
    let d = view.data.columns
    // Along the direction in which M stretches most the bound is attained; logistic losses bend
    // most at 0.
    if rng.pick(2) == 0 {
      let steep = try (0..<view.data.instances).flatMap { i in
        try view.data.matrices[view.data.isShared ? 0 : i].thinSVD().rightTransposed.elements
          .prefix(d)
      }
      view.x = Vector(steep).scaled(by: 1e-4)
      view.y = Vector(steep).scaled(by: -1e-4)
    }
    return view
  },
  violation: { constants, view in
    let problem = try view.data.problem()
    let (d, b) = (view.data.columns, view.data.rows)
    let change = problem.gradient(at: view.x) - problem.gradient(at: view.y)
    let (near, far) = (view.bounds.gradient, RoundingBounds(view.data, at: view.y).gradient)
    for (i, beta) in constants(problem).enumerated() {
      let step = (view.x - view.y).instance(i, d).norm
      // LAPACK's σ is off by a small multiple of max(b, d) u, and so is its square.
      let relative = 16 * Double(b + d) * unitRoundoff
      let bar = near.instance(i, d).norm + far.instance(i, d).norm + relative * beta * step
      let finding = "instance \(i): |∇f(x) - ∇f(y)|, β |x - y| = \(beta * step)"
      let found = excess(finding, change.instance(i, d).norm - beta * step, over: bar)
      if let found { return found }
    }
    return nil
  })

private struct Oracle: Sendable {
  var values: @Sendable (Model, Vector) -> [Double] = { $0.values(at: $1) }
  var slope: Field = { problem, x in
    var v = Vector(zeros: x.count)
    problem.subgradient(at: x, into: &v)
    return v
  }
}

private let convexity = Law(
  "tangents-lie-below",
  purpose: "SubgradientDescent, all bounds on F - F*: F(y) >= F(x) + ⟨v, y - x⟩ in every instance",
  of: Oracle(),
  mutants: [
    "the gradient without the l1 term": Oracle(slope: gradient),
    "values without the l1 term": Oracle(values: { $0.smoothValues(at: $1) }),
    "twice the slope": Oracle(slope: { problem, x in
      var v = Vector(zeros: x.count)
      problem.subgradient(at: x, into: &v)
      return v.scaled(by: 2)
    }),
    "the mean for the sum": Oracle(values: { problem, x in
      problem.values(at: x).map { $0 / Double(problem.map.blockRows) }
    }),
  ],
  cases: 800,
  generate: { rng in rng.view() },
  violation: { oracle, view in
    let problem = try view.data.problem()
    let d = view.data.columns
    let (here, there) = (oracle.values(problem, view.x), oracle.values(problem, view.y))
    let v = oracle.slope(problem, view.x)
    var slopeError = view.bounds.gradient
    // The sum with ρ sign x, and the difference of the points.
    for j in 0..<v.count { slopeError[j] += 2 * unitRoundoff * (abs(v[j]) + view.data.weight) }
    let (hereBars, thereBars) = (
      view.bounds.values(here), RoundingBounds(view.data, at: view.y).values(there)
    )
    for i in here.indices {
      let (slope, step) = (v.instance(i, d), (view.y - view.x).instance(i, d))
      let bar =
        hereBars[i] + thereBars[i] + dotError(slope, step, error: slopeError.instance(i, d))
        + 4 * unitRoundoff * (abs(here[i]) + abs(there[i]))
      let above = here[i] + slope.dot(step) - there[i]
      if let found = excess("instance \(i), tangent above F", above, over: bar) { return found }
    }
    return nil
  })

// MARK: Curvature

private typealias Curvature = @Sendable (Model, Vector, Vector) -> Vector

private let curvature: Curvature = { problem, v, x in
  var h = Vector(zeros: v.count)
  problem.hessianProduct(v, at: x, into: &h)
  return h
}

private let symmetry = Law(
  "curvature-is-symmetric",
  purpose:
    "training FormulaRules: ⟨u, H v⟩ = ⟨v, H u⟩, so the pullback of ∇f may be its pushforward",
  of: curvature,
  mutants: [
    "one entry leaks into another": { problem, v, x in
      var h = curvature(problem, v, x)
      h[0] += 1e-9 * v[v.count - 1]
      return h
    },
    "rows of H scaled by place": { problem, v, x in
      var h = curvature(problem, v, x)
      for j in 0..<h.count { h[j] *= 1 + 1e-9 * Double(j) }
      return h
    },
  ],
  cases: 800,
  generate: { rng -> (View, Vector) in
    let view = rng.view()
    return (view, rng.vector(view.x.count))
  },
  violation: { product, drawn in
    let (view, u) = drawn
    let problem = try view.data.problem()
    let v = view.y
    let (hv, hu) = (product(problem, v, view.x), product(problem, u, view.x))
    let bar =
      dotError(hv, u, error: view.bounds.curvature(v))
      + dotError(hu, v, error: view.bounds.curvature(u))
    return excess("|⟨u, H v⟩ - ⟨v, H u⟩|", abs(u.dot(hv) - v.dot(hu)), over: bar)
  })

private let curvatureSlopes = Law(
  "curvature-is-the-slope-of-gradients",
  purpose: "training FormulaRules: ⟨u, H v⟩ is what differences of ⟨u, ∇f⟩ measure, by error bars",
  of: curvature,
  mutants: [
    "H at 0": { problem, v, _ in curvature(problem, v, Vector(zeros: v.count)) },
    "half of H": { problem, v, x in curvature(problem, v, x).scaled(by: 0.5) },
    "MᵀM whatever the loss": { problem, v, _ in product(problem, product(problem, v), .transposed)
    },
  ],
  cases: 400,
  generate: { rng -> (View, Vector) in
    var view = rng.view()
    view.y = rng.vector(view.x.count)
    view.y.scale(by: 1 / view.y.norm)
    return (view, rng.vector(view.x.count))
  },
  violation: { product, drawn in
    let (view, u) = drawn
    let problem = try view.data.problem()
    let h = product(problem, view.y, view.x)
    let (found, rounding) = (u.dot(h), dotError(h, u, error: view.bounds.curvature(view.y)))
    func miss(_ scale: Double) -> (times: Double, estimate: Estimate, step: Double) {
      let difference = FiniteDifference(
        of: { u.dot(problem.gradient(at: view.x.moved($0, view.y))) }, scale: scale)
      let distance = abs(found - difference.slope.value)
      return (
        distance / (difference.slope.error + rounding), difference.slope,
        difference.steps.upperBound
      )
    }
    let first = miss(1)
    guard first.times > 1 else { return nil }
    let second = miss(first.step / 2)
    return second.times > 1 ? "⟨u, H v⟩ = \(found), differences say \(second.estimate)" : nil
  })

// MARK: Stacks

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
  generate: { rng -> (View, Range<Int>) in
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
        "curvature", curvature(part, v, x).elements,
        cut(curvature(whole, view.y, view.x)).elements
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
  generate: { rng -> View in
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
  of: Oracle(),
  mutants: [
    "a margin of 1e-12": Oracle(values: { $0.values(at: $1).map { $0 + 1e-12 } }),
    "residuals are held within 1": Oracle(values: { problem, x in
      let r = product(problem, x)
      let b = problem.map.blockRows
      return (0..<problem.instanceCount).map { i in
        ((i * b)..<((i + 1) * b)).reduce(0) { sum, j in
          let size = abs(r[j] - problem.target[j])
          return sum + (size < 1 ? size * size / 2 : size - 0.5)
        }
      }
    }),
    "slopes are clipped": Oracle(slope: { problem, x in
      Vector(problem.gradient(at: x).elements.map { min(1, max(-1, $0)) })
    }),
  ],
  cases: 800,
  generate: { rng -> (View, Double) in
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
  of: Oracle(),
  mutants: [
    "a ridge": Oracle(values: { problem, x in
      problem.values(at: x).map { $0 + 1e-9 * x.dot(x) }
    }),
    "a ridge's slope": Oracle(slope: { problem, x in
      var v = Vector(zeros: x.count)
      problem.subgradient(at: x, into: &v)
      v.add(1e-9, x)
      return v
    }),
  ],
  cases: 800,
  generate: { rng -> (View, Double) in (rng.view(), rng.powerOfTwo()) },
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

let problemLaws = [
  gradientSlopes, gramForm, expansion, lipschitz, convexity, symmetry, curvatureSlopes, stacking,
  shared, dataUnits, unknownUnits, nothingIsLower, minimaStay,
]
