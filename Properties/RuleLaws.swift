import Foundation
import OptCheck

/// A rule on a problem, ready to run.
struct Setting: Sendable {
  var problem: LeastSquares
  var start: Vector
  var horizon: Int
  var rule: CoordMathDNN

  /// A run with its iterates.
  func run(_ rule: any UpdateRule) -> Trajectory {
    unroll(rule, on: problem, from: start, horizon: horizon, recordingIterates: true)
  }
}

extension SplitMix64 {
  /// A number in `range`.
  mutating func integer(_ range: ClosedRange<Int>) -> Int { .random(in: range, using: &self) }

  /// One of `choices`.
  mutating func choose<T>(_ choices: [T]) -> T { choices[pick(choices.count)] }

  /// Least squares of any shape, with columns fewer or more than rows.
  mutating func leastSquares(
    instances: ClosedRange<Int> = 1...4, form: LeastSquares.GradientForm? = nil
  ) throws -> LeastSquares {
    let (n, b, d) = (integer(instances), integer(1...8), integer(1...10))
    return try LeastSquares(
      name: "random", matrices: (0..<n).map { _ in matrix(b, d) }, target: vector(n * b),
      gradientForm: form ?? choose([.gram, .residual]))
  }

  /// A learned rule away from its initialisation; P stays within reach of (0, 2) for every map.
  mutating func rule(
    widths: [Int]? = nil, map: OutputMap? = nil, learnsScale: Bool? = nil
  ) throws -> CoordMathDNN {
    let widths = widths ?? (0..<integer(1...3)).map { _ in integer(1...12) }
    let architecture = CoordMathDNN.Architecture(
      widths: widths, map: map ?? choose(OutputMap.allCases),
      learnsScale: learnsScale ?? (pick(2) == 0))
    var weights = try CoordMathDNN.initialParameters(architecture, .qr, scale: 1, seed: next())
    for i in weights.tensors.indices {
      // n_l terms of size 1 / n_l keep z of the size of the inputs.
      let size = 1 / Double(max(1, weights.tensors[i].shape.first ?? 1))
      if i < architecture.depth {
        weights.tensors[i].elements = vector(weights.tensors[i].elements.count).elements
          .map { size * $0 }
      } else {
        weights.tensors[i].elements = [0.5 + uniform()]
      }
    }
    return try CoordMathDNN(
      architecture: architecture, parameters: weights,
      stepRule: choose([.theory, .reference]))
  }

  /// A rule on a problem from a random start.
  mutating func setting(
    widths: [Int]? = nil, map: OutputMap? = nil, instances: ClosedRange<Int> = 1...4,
    form: LeastSquares.GradientForm? = nil
  ) throws -> Setting {
    let problem = try leastSquares(instances: instances, form: form)
    return Setting(
      problem: problem,
      start: pick(4) == 0
        ? Vector(zeros: problem.dimension)
        : vector(problem.dimension), horizon: integer(1...8),
      rule: try rule(widths: widths, map: map))
  }
}

/// Where two runs part bit by bit; nil if they are one.
func difference(_ ours: Trajectory, _ theirs: Trajectory) -> String? {
  guard ours.iterates.count == theirs.iterates.count else {
    return "\(ours.iterates.count) and \(theirs.iterates.count) iterates"
  }
  for (t, (a, b)) in zip(ours.iterates, theirs.iterates).enumerated() {
    for j in 0..<a.count where a[j].bitPattern != b[j].bitPattern {
      return "x_\(t)[\(j)] is \(a[j]), want \(b[j])"
    }
  }
  return nil
}

/// How far the iterates move when every entry of M and Y moves by a relative 1e-12.
///
/// Rounding does no more to a run than data off by some d ulp (Higham: products in any order are
/// those of slightly other factors), and 1e-12 is hundreds of times that; three twins, since one
/// may move along a direction that matters little.
private func sensitivity(_ setting: Setting, _ rule: any UpdateRule) throws -> Double {
  let clean = setting.run(rule).iterates
  return try (1...3).map { (seed: UInt64) in
    var twin = setting
    twin.problem = try setting.problem.perturbed(by: 1e-12, seed: seed)
    return distance(twin.run(rule).iterates, clean)
  }.reduce(0, max)
}

// MARK: The learned rule at initialisation

private let startsAsGradientDescent = Law(
  "starts-as-gradient-descent",
  purpose: "I1: with W_L = 0 every published curve starts at gradient descent, bit for bit",
  of: { $0 } as @Sendable (CoordMathDNN) -> CoordMathDNN,
  mutants: [
    "W_L is small instead of 0": { rule in
      var off = rule
      let last = rule.architecture.depth - 1
      for j in off.parameters.tensors[last].elements.indices {
        off.parameters.tensors[last].elements[j] = 1e-9
      }
      return off
    },
    "the scale is an ulp above 1": { rule in
      var off = rule
      off.scale = 1.0.nextUp
      if let i = off.parameters.names.firstIndex(of: "p_scale") {
        off.parameters.tensors[i] = Tensor(1.0.nextUp)
      }
      return off
    },
    "another step rule": { rule in
      var off = rule
      off.stepRule = rule.stepRule == .theory ? .reference : .theory
      return off
    },
  ],
  cases: 1000,
  generate: { rng -> Setting in
    // Maps with value 1 at 0.
    var setting = try rng.setting(map: rng.choose([.twiceSigmoid, .exp]))
    let kinds: [CoordMathDNN.Initialization] = [
      .qr, .qrNonnegative, .orthogonal(.inOut), .orthogonal(.outIn),
    ]
    setting.rule.parameters = try CoordMathDNN.initialParameters(
      setting.rule.architecture, rng.choose(kinds), scale: 1 + 99 * rng.uniform(),
      seed: UInt64(rng.pick(1000)))
    setting.rule.stepRule = rng.choose([.theory, .reference, .constant(0.1 * rng.uniform())])
    return setting
  },
  violation: { change, setting in
    difference(
      setting.run(change(setting.rule)),
      setting.run(GradientDescent(stepRule: setting.rule.stepRule)))
  })

private typealias Weights =
  @Sendable (
    CoordMathDNN.Architecture, CoordMathDNN.Initialization, Double, UInt64
  ) throws -> Parameters

private let homogeneity = Law(
  "homogeneous-in-scale", purpose: "I3: α₀ grows as e^(L-1), which is what lets theorems choose e",
  of: { try CoordMathDNN.initialParameters($0, $1, scale: $2, seed: $3) } as Weights,
  mutants: [
    "the first layer is not scaled": { architecture, kind, e, seed in
      var weights = try CoordMathDNN.initialParameters(architecture, kind, scale: e, seed: seed)
      for i in weights.tensors[0].elements.indices { weights.tensors[0].elements[i] /= e }
      return weights
    },
    "something is added": { architecture, kind, e, seed in
      var weights = try CoordMathDNN.initialParameters(architecture, kind, scale: e, seed: seed)
      for i in weights.tensors[0].elements.indices { weights.tensors[0].elements[i] += 1e-12 }
      return weights
    },
    "the draw depends on e": { architecture, kind, e, seed in
      try CoordMathDNN.initialParameters(
        architecture, kind, scale: e, seed: seed + UInt64(e.exponent))
    },
  ],
  cases: 1000,
  generate: { rng -> (Setting, Vector, Int, UInt64) in
    let setting = try rng.setting(map: .twiceSigmoid)
    return (
      setting, rng.vector(setting.problem.dimension), rng.integer(1...20), UInt64(rng.pick(1000))
    )
  },
  violation: { weights, input in
    let (setting, x, exponent, seed) = input
    let g = setting.problem.gradient(at: x)
    let architecture = setting.rule.architecture
    func hidden(_ e: Double) throws -> Matrix {
      try CoordMathDNN(
        architecture: architecture, parameters: try weights(architecture, .qr, e, seed)
      ).network.lastHidden(gradient: g, x: x)
    }
    let (unit, scaled) = (
      try hidden(1), try hidden(Double(sign: .plus, exponent: exponent, significand: 1))
    )
    let factor = Double(
      sign: .plus, exponent: exponent * (architecture.depth - 1), significand: 1)
    for (a, b) in zip(scaled.elements, unit.elements) where a != factor * b {
      return "e = 2^\(exponent), L = \(architecture.depth): \(a), want \(factor * b)"
    }
    return nil
  })

// MARK: Descent

/// How a run goes wrong, if it does: the step sizes it takes, and what is done to its iterates.
private struct Descent: Sendable {
  var step: @Sendable (LeastSquares) -> StepRule = { _ in .theory }
  var spoil: @Sendable (inout [Vector]) -> Void = { _ in }
}

private let descent = Law(
  "certified-descent",
  purpose: "D1: with P in (0, 2) and s <= 1/β no weights can make a step climb",
  of: Descent(),
  mutants: [
    "steps of 2.5/β": Descent(step: { .constant(2.5 / $0.largestSmoothness) }),
    "steps 1% above 1/β": Descent(step: { .constant(1.01 / $0.largestSmoothness) }),
    "one coordinate of one iterate is off by 1e-6": Descent(spoil: { iterates in
      let t = iterates.count / 2
      iterates[t][0] += 1e-6 * (1 + abs(iterates[t][0]))
    }),
    "an iterate is repeated": Descent(spoil: { $0[1] = $0[0] }),
  ],
  cases: 600,
  generate: { rng -> Setting in
    var setting = try rng.setting(map: .twiceSigmoid)
    setting.horizon += 1
    if setting.rule.architecture.learnsScale {
      setting.rule.parameters.tensors[setting.rule.architecture.depth] = Tensor(rng.uniform())
    }
    // Any weights: tiny, moderate, or so large that P is 0 or 2.
    let size = pow(10, 4 * rng.uniform() - 1)
    for i in setting.rule.parameters.tensors.indices.prefix(setting.rule.architecture.depth) {
      for j in setting.rule.parameters.tensors[i].elements.indices {
        setting.rule.parameters.tensors[i].elements[j] *= size
      }
    }
    return setting
  },
  violation: { subject, setting in
    var setting = setting
    setting.rule.stepRule = subject.step(setting.problem)
    var iterates = setting.run(setting.rule).iterates
    let scales = iterates.dropLast().map { x in
      let z = setting.rule.network.output(gradient: setting.problem.gradient(at: x), x: x)
      let factor = setting.rule.outputScale(setting.rule.parameters)
      return Vector(z.elements.map { factor * OutputMap.twiceSigmoid.value($0) })
    }
    subject.spoil(&iterates)
    let result = DescentCheck().run(
      ScaledGradientRun(
        label: "random", problem: setting.problem,
        stepSizes: setting.rule.stepRule.stepSizes(for: setting.problem), iterates: iterates,
        scales: scales))
    return result.verdict == .holds ? nil : "\(result)"
  })

// MARK: Symmetries

/// The inner order of coordinates or rows must not matter; `transform` changes a problem.
private struct Permuted: Sendable {
  var setting: Setting
  /// The old coordinate at each new place, within an instance.
  var order: [Int]

  func moved(_ x: Vector) -> Vector {
    let d = order.count
    return Vector(
      (0..<x.count).map { x[$0 / d * d + order[$0 % d]] })
  }
}

/// Gradient descent one coordinate after the other: not the same in another order.
private struct CyclicDescent: UpdateRule {
  let name = "cyclic-descent"

  func initialState<P: Problem>(for problem: P) -> [Double] {
    problem.spread(problem.smoothness.map { 1 / $0 }).elements
  }

  func step<P: Problem>(_ x: inout Vector, _ steps: inout [Double], on problem: P) {
    for j in 0..<x.count { x[j] -= steps[j] * problem.gradient(at: x)[j] }
  }
}

private let coordinatesAreAlike = Law(
  "coordinates-are-alike",
  purpose: "one network serves all coordinates: permuted unknowns give permuted iterates",
  of: { $0.rule } as @Sendable (Setting) -> any UpdateRule,
  mutants: [
    "one coordinate after the other": { _ in CyclicDescent() },
    "a step that depends on the place": { PlaceDescent(base: $0.rule.stepRule) },
  ],
  cases: 600,
  generate: { rng -> Permuted in
    let setting = try rng.setting()
    return Permuted(
      setting: setting,
      order: Array(0..<setting.problem.coordinatesPerInstance).shuffled(using: &rng))
  },
  violation: { rule, input in
    let problem = input.setting.problem
    var other = input.setting
    other.start = input.moved(input.setting.start)
    other.problem = try LeastSquares(
      matrices: problem.matrix.blocks.map { m in
        var permuted = m
        for i in 0..<m.rows { for j in 0..<m.columns { permuted[i, j] = m[i, input.order[j]] } }
        return permuted
      }, target: problem.target, gradientForm: problem.gradientForm)
    let rule = rule(input.setting)
    return excess(
      "distance of iterates",
      distance(other.run(rule).iterates, input.setting.run(rule).iterates.map(input.moved)),
      over: try sensitivity(input.setting, rule))
  })

/// Gradient descent whose step grows by a part in 1e9 from each coordinate to the next.
private struct PlaceDescent: UpdateRule {
  let name = "place-descent"
  var base: StepRule

  func initialState<P: Problem>(for problem: P) -> [Double] {
    problem.spread(base.stepSizes(for: problem)).elements
  }

  func step<P: Problem>(_ x: inout Vector, _ steps: inout [Double], on problem: P) {
    let g = problem.gradient(at: x)
    for j in 0..<x.count { x[j] -= steps[j] * (1 + 1e-9 * Double(j)) * g[j] }
  }
}

private let rowsMayRotate = Law(
  "rows-may-rotate", purpose: "f sees M and y only through lengths: QM and Qy give the same run",
  of: { q, m in .product(q, m) } as @Sendable (Matrix, Matrix) -> Matrix,
  mutants: [
    "Q is not quite orthogonal": { q, m in
      var off = Matrix.product(q, m)
      for j in 0..<m.columns { off[0, j] *= 1 + 1e-8 }
      return off
    },
    "Qᵀ for M and Q for y": { q, m in
      m.columns == 1 ? .product(q, m) : .product(q, .transposed, m)
    },
  ],
  cases: 600,
  generate: { rng -> (Setting, Matrix) in
    let setting = try rng.setting()
    let b = setting.problem.rowsPerInstance
    return (setting, try rng.matrix(b, b).orthonormalFactor())
  },
  violation: { rotate, input in
    let (setting, q) = input
    let problem = setting.problem
    let b = problem.rowsPerInstance
    var other = setting
    let target = (0..<problem.instanceCount).flatMap { i in
      q.times(Vector(Array(problem.target.elements[(i * b)..<((i + 1) * b)]))).elements
    }
    other.problem = try LeastSquares(
      matrices: problem.matrix.blocks.map { rotate(q, $0) }, target: Vector(target),
      gradientForm: problem.gradientForm)
    return excess(
      "distance of iterates",
      distance(other.run(setting.rule).iterates, setting.run(setting.rule).iterates),
      over: try sensitivity(setting, setting.rule))
  })

private let linearInTarget = Law(
  "linear-in-target",
  purpose: "gradient descent from 0 scales with y, so relative curves do not depend on units",
  of: { GradientDescent(stepRule: $0) } as @Sendable (StepRule) -> any UpdateRule,
  mutants: [
    "a clipped gradient": { ClippedDescent(base: $0) }
  ],
  cases: 1000,
  generate: { rng -> (LeastSquares, Int, StepRule) in
    (try rng.leastSquares(), rng.integer(-20...20), rng.choose([.theory, .reference]))
  },
  violation: { rule, input in
    let (problem, exponent, steps) = input
    let c = Double(sign: .plus, exponent: exponent, significand: 1)
    func run(_ problem: LeastSquares) -> Trajectory {
      unroll(
        rule(steps), on: problem, from: Vector(zeros: problem.dimension), horizon: 10,
        recordingIterates: true)
    }
    var expected = run(problem)
    for t in expected.iterates.indices { expected.iterates[t].scale(by: c) }
    return difference(run(try problem.scalingTarget(by: c)), expected)
  })

/// Gradient descent with entries of the gradient held within [-1, 1].
private struct ClippedDescent: UpdateRule {
  let name = "clipped-descent"
  var base: StepRule

  func initialState<P: Problem>(for problem: P) -> [Double] {
    problem.spread(base.stepSizes(for: problem)).elements
  }

  func step<P: Problem>(_ x: inout Vector, _ steps: inout [Double], on problem: P) {
    let g = problem.gradient(at: x)
    for j in 0..<x.count { x[j] -= steps[j] * min(1, max(-1, g[j])) }
  }
}

let ruleLaws = [
  startsAsGradientDescent, homogeneity, descent, coordinatesAreAlike, rowsMayRotate, linearInTarget,
]
