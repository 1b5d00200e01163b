import Engine
import Foundation
import Optimization

extension DiagonalQuadratic {
  /// The problem beside its minimiser, which is its target.
  var solved: SolvedProblem {
    let target = target
    var flat = Vector(zeros: dimension)
    flat[curvature.elements.enumerated().min { $0.1 < $1.1 }?.0 ?? 0] = 1
    return SolvedProblem(
      name: name, problem: self, kind: .smooth, minimumValue: 0, minimisers: [target],
      projection: { _ in target }, residual: 0, certificate: "closed form",
      hardDirections: [flat], gradientDominance: curvature.elements.min())
  }
}

extension DiagonalQuadratic {
  /// Three unknowns, the last of which no gradient ever sees: a line of minimisers.
  static let unseen: SolvedProblem = {
    let target: Vector = [2, -1, 0]
    var result = DiagonalQuadratic(curvature: [1, 0.02, 0], target: target).solved
    result.minimisers.append([2, -1, 3])
    result.projection = { [target[0], target[1], $0[2]] }
    result.hardDirections = [[0, 1, 0]]
    result.gradientDominance = 0.02
    return result
  }()
}

/// ½ Σ aⱼ (xⱼ - cⱼ)² + ρ ‖x‖₁, solved in closed form: xⱼ = soft(cⱼ, ρ / aⱼ).
struct SmallComposite: Problem {
  let name: String
  let base: DiagonalQuadratic
  let weight: Double
  /// Whether f = 0; the curvature then only sets the steps.
  let isImplicit: Bool

  var dimension: Int { base.dimension }
  var smoothness: [Double] { base.smoothness }
  let minimumValue: Double? = nil
  var regularizer: any Regularizer { L1Norm(weight: weight) }

  func values(at x: Vector) -> [Double] {
    let l1 = regularizer.value(at: x.elements[...])
    return [(isImplicit ? 0 : base.value(at: x)) + l1]
  }

  func gradient(at x: Vector, into g: inout Vector) {
    if isImplicit {
      for j in 0..<g.count { g[j] = 0 }
    } else {
      base.gradient(at: x, into: &g)
    }
  }

  var solved: SolvedProblem {
    var point = Vector(zeros: dimension)
    if !isImplicit {
      for j in 0..<dimension {
        let rest = abs(base.target[j]) - weight / base.curvature[j]
        point[j] = rest > 0 ? (base.target[j] > 0 ? rest : -rest) : 0
      }
    }
    let minimiser = point
    var result = SolvedProblem(
      name: name, problem: self, kind: isImplicit ? .implicit : .composite,
      minimumValue: value(at: minimiser), minimisers: [minimiser],
      projection: { _ in minimiser }, residual: 0, certificate: "closed form")
    result.residual = result.stationarity(at: minimiser)
    return result
  }

  static let composite = SmallComposite(
    name: "small-composite",
    base: DiagonalQuadratic(curvature: [1, 0.3, 0.5], target: [2, -0.4, 1]), weight: 0.2,
    isImplicit: false
  ).solved

  /// The last unknown is seen by the threshold alone.
  static let unseen = SmallComposite(
    name: "small-unseen",
    base: DiagonalQuadratic(curvature: [1, 0.3, 0], target: [2, -0.4, 0]), weight: 0.2,
    isImplicit: false
  ).solved

  static let implicit = SmallComposite(
    name: "small-implicit", base: DiagonalQuadratic(curvature: [1, 1], target: [0, 0]),
    weight: 0.05, isImplicit: true
  ).solved
}

/// Gradient descent with step 1/β whose iterates are spoiled afterwards; k counts from 1.
struct SpoiledDescent: UpdateRule {
  let name: String
  let spoil: @Sendable (inout Vector, Int) -> Void

  func initialState<P: Problem>(for problem: P) -> Int { 0 }

  func step<P: Problem>(_ x: inout Vector, _ k: inout Int, on problem: P) {
    k += 1
    x.add(-1 / problem.largestSmoothness, problem.gradient(at: x))
    spoil(&x, k)
  }
}

/// Proximal gradient with faults to choose from.
struct ProximalStep: UpdateRule {
  var name: String
  /// Of the gradient step, in units of 1/L.
  var step = 1.0
  /// Of the threshold, in units of the step; 0 leaves the proximal operator out.
  var scale = 1.0
  /// Added to every coordinate.
  var bias = 0.0
  /// Added to every coordinate before the proximal operator.
  var shift = 0.0
  /// Whether steps fall like 1/k².
  var summable = false
  /// The factor on step k, from 1, of coordinate j.
  var stretch: @Sendable (_ k: Int, _ j: Int) -> Double = { _, _ in 1 }
  /// Whether the rule says that it remembers the iterate before.
  var remembers = false

  func initialState<P: Problem>(for problem: P) -> Int { 0 }

  func step<P: Problem>(_ x: inout Vector, _ k: inout Int, on problem: P) {
    k += 1
    let s = step / problem.largestSmoothness / (summable ? Double(k * k) : 1)
    let lengths = Vector((0..<x.count).map { s * stretch(k, $0) })
    let g = problem.gradient(at: x)
    for j in 0..<x.count { x[j] += shift - lengths[j] * g[j] }
    let steps = scale == 0 ? lengths : lengths.scaled(by: scale)
    if scale == 0 {
      var unused = x
      problem.regularizer.prox(&unused, steps: steps)
    } else {
      problem.regularizer.prox(&x, steps: steps)
    }
    for j in 0..<x.count { x[j] += bias }
  }

  func settle(_ state: inout Int, at x: Vector) -> Bool { remembers }
}

/// Gradient descent with step 1/β and momentum a_k in the last coordinate; k counts from 1.
struct SwingingDescent: UpdateRule {
  let name: String
  /// What is added to the last coordinate of the iterate that is remembered.
  var offset = 0.0
  var momentum: @Sendable (_ k: Int) -> Double = { _ in 0 }

  struct State: Sendable {
    var k = 0
    var previous: Vector?
  }

  func initialState<P: Problem>(for problem: P) -> State { State() }

  func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    state.k += 1
    let (old, last) = (x, x.count - 1)
    x.add(-1 / problem.largestSmoothness, problem.gradient(at: x))
    x[last] += momentum(state.k) * (old[last] - (state.previous ?? old)[last])
    state.previous = old
    state.previous?[last] += offset
  }

  func settle(_ state: inout State, at x: Vector) -> Bool {
    state.previous = x
    return true
  }

  func remembered(in state: State) -> [Vector] { state.previous.map { [$0] } ?? [] }
}
