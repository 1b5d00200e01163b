import Foundation
import OptCheck

// MARK: Gradients

private let gradientSlopes = Law(
  "gradients-are-slopes",
  purpose: "all rules that take gradients: ⟨∇f, v⟩ is what differences of f measure, by error bars",
  of: trueGradient,
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
  generate: { rng -> ProblemView in
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
  generate: { rng -> ProblemView in
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

private let convexity = Law(
  "tangents-lie-below",
  purpose: "SubgradientDescent, all bounds on F - F*: F(y) >= F(x) + ⟨v, y - x⟩ in every instance",
  of: ProblemOracle(),
  mutants: [
    "the gradient without the l1 term": ProblemOracle(slope: trueGradient),
    "values without the l1 term": ProblemOracle(values: { $0.smoothValues(at: $1) }),
    "twice the slope": ProblemOracle(slope: { problem, x in
      var v = Vector(zeros: x.count)
      problem.subgradient(at: x, into: &v)
      return v.scaled(by: 2)
    }),
    "the mean for the sum": ProblemOracle(values: { problem, x in
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

private let symmetry = Law(
  "curvature-is-symmetric",
  purpose:
    "training FormulaRules: ⟨u, H v⟩ = ⟨v, H u⟩, so the pullback of ∇f may be its pushforward",
  of: trueCurvature,
  mutants: [
    "one entry leaks into another": { problem, v, x in
      var h = trueCurvature(problem, v, x)
      h[0] += 1e-9 * v[v.count - 1]
      return h
    },
    "rows of H scaled by place": { problem, v, x in
      var h = trueCurvature(problem, v, x)
      for j in 0..<h.count { h[j] *= 1 + 1e-9 * Double(j) }
      return h
    },
  ],
  cases: 800,
  generate: { rng -> (ProblemView, Vector) in
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
  of: trueCurvature,
  mutants: [
    "H at 0": { problem, v, _ in trueCurvature(problem, v, Vector(zeros: v.count)) },
    "half of H": { problem, v, x in trueCurvature(problem, v, x).scaled(by: 0.5) },
    "MᵀM whatever the loss": { problem, v, _ in product(problem, product(problem, v), .transposed)
    },
  ],
  cases: 400,
  generate: { rng -> (ProblemView, Vector) in
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

let problemLaws = [
  gradientSlopes, gramForm, expansion, lipschitz, convexity, symmetry, curvatureSlopes,
]
