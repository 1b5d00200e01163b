public import Engine
import Foundation
public import Optimization

/// ½ Σ aⱼ (xⱼ - cⱼ)²: the smallest problem whose descent is known in closed form.
public struct DiagonalQuadratic: TwiceDifferentiableProblem {
  public let name = "diagonal-quadratic"
  /// a, not negative, n entries.
  public let curvature: Vector
  /// c, n entries.
  public let target: Vector

  /// Creates a problem; both vectors have n entries.
  public init(curvature: Vector, target: Vector) {
    precondition(curvature.count == target.count, "\(curvature.count) and \(target.count)")
    self.curvature = curvature
    self.target = target
  }

  /// Curvatures uniform in [0.1, 1], targets standard normal.
  public init(dimension: Int, seed: UInt64) {
    var rng = SplitMix64(seed: seed)
    self.init(
      curvature: rng.vector(dimension) { 0.1 + 0.9 * $0.uniform() },
      target: rng.vector(dimension))
  }

  public var dimension: Int { curvature.count }
  public var smoothness: [Double] { [curvature.maxMagnitude] }
  public var minimumValue: Double? { 0 }

  public func values(at x: Vector) -> [Double] {
    let r = x - target
    return [(0..<dimension).reduce(0) { $0 + curvature[$1] * r[$1] * r[$1] / 2 }]
  }

  public func gradient(at x: Vector, into g: inout Vector) {
    for j in 0..<dimension { g[j] = curvature[j] * (x[j] - target[j]) }
  }

  public func hessianProduct(_ v: Vector, at x: Vector, into h: inout Vector) {
    for j in 0..<dimension { h[j] = curvature[j] * v[j] }
  }
}

/// Descent with a factor on every step, for planting faults: x ← x - (pⱼ / β) ∂ⱼf.
struct ScaledDescent: UpdateRule {
  var name = "scaled-descent"
  /// p for coordinate j at step t, counted from 1.
  var factor: @Sendable (_ t: Int, _ j: Int) -> Double = { _, _ in 1 }
  /// Whether coordinate j comes out of step t an ulp too large.
  var isOff: @Sendable (_ t: Int, _ j: Int) -> Bool = { _, _ in false }

  func initialState<P: Problem>(for problem: P) -> Int { 0 }

  func step<P: Problem>(_ x: inout Vector, _ t: inout Int, on problem: P) {
    t += 1
    let g = problem.gradient(at: x)
    let s = 1 / problem.largestSmoothness
    for j in x.elements.indices {
      x[j] -= (factor(t, j) * s) * g[j]
      if isOff(t, j) { x[j] = x[j].nextUp }
    }
  }
}

/// The training loss of a small learned rule with its gradient written by hand.
///
/// On each coordinate of a ``DiagonalQuadratic`` by itself, from 0: g = a (x - c),
/// z = Σₖ vₖ ReLU(uₖ g + wₖ x), x ← x - 2σ(z) g / β; the loss is F(x_T). The weights are `inner`,
/// the K pairs (u, w), and `outer`, v. It shares no code with any rule of the catalog.
final class ScalarRecursion: MetaObjective {
  /// What can be wrong with the gradient.
  enum Fault: Sendable, CaseIterable {
    case none, missingStep, droppedStepSize, invertedMask, wrongSign, staleIterate
  }

  private let problem: DiagonalQuadratic
  private let horizon: Int
  private let isDetached: Bool
  private let fault: Fault

  init(
    _ problem: DiagonalQuadratic, horizon: Int = 8, isDetached: Bool = true, fault: Fault = .none
  ) {
    self.problem = problem
    self.horizon = horizon
    self.isDetached = isDetached
    self.fault = fault
  }

  /// Weights of `units` hidden units; the outer ones are 0 at initialisation.
  static func parameters(units: Int, seed: UInt64, outer: Double) -> Parameters {
    var rng = SplitMix64(seed: seed)
    let inner = Tensor(rng.matrix(units, 2))
    let v = Tensor(shape: [units], elements: rng.vector(units) { outer * $0.normal() }.elements)
    return Parameters([("inner", inner), ("outer", v)])
  }

  /// One step on one coordinate.
  private struct Step {
    var x: Double
    var g: Double
    var sums: [Double]
    var p: Double
  }

  /// The steps on coordinate j, and x_T; `frozen` holds inputs (if detached) and sides of kinks.
  private func steps(_ j: Int, _ w: Parameters, frozen: [Step]? = nil) -> ([Step], Double) {
    let (inner, outer) = (w.tensors[0].elements, w.tensors[1].elements)
    var x = 0.0
    var steps: [Step] = []
    for t in 0..<horizon {
      let g = problem.curvature[j] * (x - problem.target[j])
      let held = isDetached ? frozen?[t] : nil
      let (inputG, inputX) = (held?.g ?? g, held?.x ?? x)
      let sums = outer.indices.map { inner[2 * $0] * inputG + inner[2 * $0 + 1] * inputX }
      let active = frozen?[t].sums ?? sums
      let z = outer.indices.reduce(0) { $0 + (active[$1] > 0 ? outer[$1] * sums[$1] : 0) }
      let p = 2 / (1 + exp(-z))
      steps.append(Step(x: x, g: g, sums: sums, p: p))
      x -= p * g / problem.largestSmoothness
    }
    return (steps, x)
  }

  private func value(_ j: Int, _ x: Double) -> Double {
    problem.curvature[j] * (x - problem.target[j]) * (x - problem.target[j]) / 2
  }

  func evaluate(_ w: Parameters, gradient: inout Parameters) -> MetaEvaluation {
    let (inner, outer) = (w.tensors[0].elements, w.tensors[1].elements)
    let beta = problem.largestSmoothness
    var (dInner, dOuter) = (inner.map { _ in 0.0 }, outer.map { _ in 0.0 })
    var loss = 0.0
    for j in 0..<problem.dimension {
      let (steps, last) = steps(j, w)
      loss += value(j, last)
      let a = problem.curvature[j]
      var delta = a * (last - problem.target[j])
      for (t, step) in steps.enumerated().reversed() {
        let pBar = -delta * step.g / (fault == .droppedStepSize ? 1 : beta)
        var zBar = pBar * step.p * (1 - step.p / 2)
        if fault == .missingStep, t == horizon / 2 { zBar = 0 }
        var inputBar = 0.0
        let x = fault == .staleIterate && t > 0 ? steps[t - 1].x : step.x
        for k in outer.indices {
          let isActive = (step.sums[k] > 0) != (fault == .invertedMask)
          guard isActive else { continue }
          dOuter[k] += zBar * step.sums[k]
          dInner[2 * k] += zBar * outer[k] * step.g
          dInner[2 * k + 1] += (fault == .wrongSign ? -1 : 1) * zBar * outer[k] * x
          inputBar += zBar * outer[k] * (inner[2 * k] * a + inner[2 * k + 1])
        }
        delta -= delta * step.p * a / beta
        if !isDetached { delta += inputBar }
      }
    }
    gradient.tensors[0].elements = dInner
    gradient.tensors[1].elements = dOuter
    return MetaEvaluation(loss: loss, finalValue: loss)
  }

  func unroll(_ w: Parameters) -> Trajectory {
    let runs = (0..<problem.dimension).map { j in
      let (steps, last) = steps(j, w)
      return steps.map(\.x) + [last]
    }
    let iterates = (0...horizon).map { t in Vector(runs.map { $0[t] }) }
    return Trajectory(
      values: iterates.map(problem.values), iterates: iterates,
      stop: .horizonReached(horizon))
  }

  func surrogate(at base: Parameters) -> any SurrogateLoss {
    Surrogate(objective: self, pieces: (0..<problem.dimension).map { steps($0, base).0 })
  }

  private struct Surrogate: SurrogateLoss {
    let objective: ScalarRecursion
    let pieces: [[Step]]

    func loss(at w: Parameters) -> Double {
      pieces.indices.reduce(0) {
        $0 + objective.value($1, objective.steps($1, w, frozen: pieces[$1]).1)
      }
    }
  }
}

/// An objective with a fault planted in what it reports.
public final class FaultyObjective: MetaObjective {
  private let base: any MetaObjective
  private let fault: (inout MetaEvaluation, inout Parameters) -> Void

  /// Wraps `base`; `fault` changes its evaluation and its gradient.
  public init(
    _ base: any MetaObjective,
    fault: @escaping (inout MetaEvaluation, inout Parameters) -> Void
  ) {
    self.base = base
    self.fault = fault
  }

  public func evaluate(_ w: Parameters, gradient: inout Parameters) -> MetaEvaluation {
    var evaluation = base.evaluate(w, gradient: &gradient)
    fault(&evaluation, &gradient)
    return evaluation
  }

  public func unroll(_ w: Parameters) -> Trajectory { base.unroll(w) }

  public func surrogate(at w: Parameters) -> any SurrogateLoss { base.surrogate(at: w) }
}

/// Gradient descent with step 1/β, for comparison with ``ScaledDescent``.
struct PlainDescent: UpdateRule {
  let name = "plain-descent"

  func initialState<P: Problem>(for problem: P) -> Double { 1 / problem.largestSmoothness }

  func step<P: Problem>(_ x: inout Vector, _ s: inout Double, on problem: P) {
    let g = problem.gradient(at: x)
    for j in x.elements.indices { x[j] -= s * g[j] }
  }
}
