import Foundation
import OptCheck
import Testing

/// Jacobian products against differences, against each other, and against the closed form at W_L = 0.
@Suite struct JacobianTests {
  static let shapes = [[4], [2, 12], [3, 6, 5]]

  private static func problem() throws -> LeastSquares {
    try .authors(seed: 1, instances: 3, rows: 5, columns: 8, gradientForm: .residual)
  }

  private static func random(_ like: Parameters, _ rng: inout SplitMix64) -> Parameters {
    var result = like
    for i in result.tensors.indices {
      result.tensors[i].elements = rng.vector(result.tensors[i].elements.count).elements
    }
    return result
  }

  /// x_T at W + h V with the network's inputs and active units held at their values at W.
  ///
  /// Written out entry by entry; shares nothing with the rule but its weights.
  private static func frozen(
    _ rule: CoordMathDNN, _ problem: LeastSquares, _ direction: Parameters, _ h: Double,
    horizon: Int
  ) -> Vector {
    let moved = rule.parameters.moved(h, direction)
    let run = unroll(
      rule, on: problem, from: Vector(zeros: problem.dimension), horizon: horizon,
      recordingIterates: true)
    let steps = problem.spread(rule.stepRule.stepSizes(for: problem))
    func layer(_ input: [Double], _ w: Tensor) -> [Double] {
      (0..<w.shape[1]).map { k in
        input.indices.reduce(0) { $0 + input[$1] * w.elements[$1 * w.shape[1] + k] }
      }
    }
    let depth = rule.architecture.depth
    var x = run.iterates[0]
    for t in 0..<horizon {
      let base = run.iterates[t]
      let (inputs, g) = (problem.gradient(at: base), problem.gradient(at: x))
      for j in 0..<x.count {
        var (there, here) = ([inputs[j], base[j]], [inputs[j], base[j]])
        for l in 0..<depth {
          there = layer(there, rule.parameters.tensors[l])
          here = layer(here, moved.tensors[l])
          guard l + 1 < depth else { continue }
          for k in there.indices where there[k] <= 0 { (there[k], here[k]) = (0, 0) }
        }
        let scale = rule.architecture.learnsScale ? moved.tensors[depth].elements[0] : 1
        x[j] -= scale * rule.architecture.map.value(here[0]) * steps[j] * g[j]
      }
    }
    return x
  }

  @Test("J v agrees with differences of the frozen unroll", arguments: shapes)
  func differences(widths: [Int]) throws {
    let problem = try Self.problem()
    for learnsScale in [false, true] {
      let rule = try CoordMathDNNRule.rule(widths: widths, learnsScale: learnsScale)
      var rng = SplitMix64(seed: 9)
      let jacobian = UnrollJacobian(
        rule, on: problem, from: Vector(zeros: problem.dimension), horizon: 6)
      for _ in 0..<3 {
        let direction = Self.random(rule.parameters, &rng)
        let exact = jacobian.product(direction)
        func central(_ h: Double) -> Vector {
          (Self.frozen(rule, problem, direction, h, horizon: 6)
            - Self.frozen(rule, problem, direction, -h, horizon: 6)).scaled(by: 0.5 / h)
        }
        // Richardson from 1e-2 and 5e-3 leaves O(h⁴), and rounding of about 1e-15/h.
        let refined = central(5e-3).scaled(by: 4.0 / 3).moved(-1.0 / 3, central(1e-2))
        let coarse = central(1e-2).scaled(by: 4.0 / 3).moved(-1.0 / 3, central(2e-2))
        let bar = (refined - coarse).norm + 1e-12 * exact.norm
        #expect(exact.norm > 0 && bar <= 1e-4 * exact.norm)
        #expect(
          (refined - exact).norm <= bar, "\((refined - exact).norm) of \(exact.norm), bar \(bar)")
      }
    }
  }

  @Test("u·(J v) = (Jᵀ u)·v, and ∇F = Jᵀ Mᵀ r_T by both evaluators", arguments: shapes)
  func adjointAndGradient(widths: [Int]) throws {
    let problem = try Self.problem()
    var rng = SplitMix64(seed: 4)
    for evaluator in [CoordMathDNN.Evaluator.dense, .automatic] {
      var rule = try CoordMathDNNRule.rule(widths: widths, learnsScale: true)
      rule.evaluator = evaluator
      let start = rng.vector(problem.dimension)
      let jacobian = UnrollJacobian(rule, on: problem, from: start, horizon: 7)
      for _ in 0..<3 {
        let (u, v) = (rng.vector(problem.dimension), Self.random(rule.parameters, &rng))
        let image = jacobian.product(v)
        let pulled = jacobian.transposedProduct(u)
        #expect(abs(u.dot(image) - pulled.dot(v)) <= 1e-13 * u.norm * image.norm)
      }
      var gradient = rule.parameters.zeros
      _ = try rule.metaObjective(on: problem, from: start, horizon: 7, loss: .last)
        .evaluate(rule.parameters, gradient: &gradient)
      let own = jacobian.transposedProduct(problem.matrix.times(jacobian.residual, .transposed))
      #expect(own.moved(-1, gradient).norm <= 1e-12 * gradient.norm)
    }
  }

  @Test(
    "at W_L = 0: E column by column, H by products, and shorter horizons",
    arguments: [[4], [2, 12], [3, 6, 5]],
    [CoordMathDNN.Initialization.qr, .qrNonnegative])
  func initialKernel(widths: [Int], initialization: CoordMathDNN.Initialization) throws {
    let problem = try Self.problem()
    let architecture = CoordMathDNN.Architecture(widths: widths)
    let rule = try CoordMathDNN(
      architecture: architecture,
      parameters: CoordMathDNN.initialParameters(architecture, initialization, scale: 3, seed: 2),
      stepRule: .reference)
    let start = Vector(zeros: problem.dimension)
    let kernel = try InitialKernel(rule, on: problem, from: start, horizon: 6)
    let jacobian = UnrollJacobian(rule, on: problem, from: start, horizon: 6)
    let factor = kernel.factor()
    let largest = Vector(factor.elements).maxMagnitude
    #expect(largest > 0 && (kernel.residual - jacobian.residual).norm <= 1e-13)
    for k in 0..<factor.columns {
      var direction = rule.parameters.zeros
      direction.tensors[widths.count].elements[k] = 1
      let column = problem.matrix.times(jacobian.product(direction))
      for i in 0..<factor.rows { #expect(abs(column[i] - factor[i, k]) <= 1e-12 * largest) }
    }
    let h = Matrix.product(factor, .plain, factor, .transposed)
    let size = Vector(h.elements).maxMagnitude
    for k in 0..<h.rows {
      var unit = Vector(zeros: h.rows)
      unit[k] = 1
      let column = jacobian.kernelProduct(unit)
      for i in 0..<h.rows { #expect(abs(column[i] - h[i, k]) <= 1e-12 * size) }
    }
    let early = try InitialKernel(rule, on: problem, from: start, horizon: 4).factor()
    let both = kernel.factors(at: [6, 4])
    #expect(both[0] == factor && both[1] == early)
    if initialization == .qrNonnegative, widths.count > 1 {
      // No unit behind the first layer is inactive, so E = E_1 W_2 ... W_{L-1} and rank H <= n_1.
      let thin = rule.network.weights[1..<widths.count].reduce(kernel.factor(layer: 1)) {
        Matrix.product($0, $1)
      }
      #expect((Vector(thin.elements) - Vector(factor.elements)).maxMagnitude <= 1e-12 * largest)
      #expect(try factor.rank(tolerance: 1e-12) <= widths[0])
    }
  }

  @Test("products without a matrix agree with E", arguments: [StepRule.reference, .theory])
  func angularKernel(stepRule: StepRule) throws {
    for initialization in [CoordMathDNN.Initialization.orthogonal(.outIn), .qrNonnegative] {
      let problem = try LeastSquares.authors(seed: 3, instances: 4, rows: 9, columns: 12)
      let architecture = CoordMathDNN.Architecture(widths: [2, 40])
      let rule = try CoordMathDNN(
        architecture: architecture,
        parameters: CoordMathDNN.initialParameters(
          architecture, initialization, scale: 10, seed: 118),
        stepRule: stepRule)
      let kernel = try InitialKernel(
        rule, on: problem, from: Vector(zeros: problem.dimension), horizon: 15)
      let angular = try AngularKernel(kernel)
      let factor = kernel.factor()
      var rng = SplitMix64(seed: 1)
      let (r, w) = (rng.vector(36), rng.vector(40))
      let (forward, back) = (factor.times(w), factor.times(r, .transposed))
      #expect((angular.pushforward(w) - forward).norm <= 1e-13 * forward.norm * 10)
      #expect((angular.pullback(r) - back).norm <= 1e-13 * back.norm * 10)
      let whole = factor.times(back)
      #expect((angular.product(r) - whole).norm <= 1e-12 * whole.norm)
    }
  }

  @Test func refusesTrainedWeights() throws {
    let rule = try CoordMathDNNRule.rule()
    let problem = try Self.problem()
    #expect(throws: RuleError.self) {
      try InitialKernel(rule, on: problem, from: Vector(zeros: problem.dimension), horizon: 2)
    }
  }
}
