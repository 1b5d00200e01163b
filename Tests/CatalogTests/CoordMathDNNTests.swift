import Foundation
import OptCheck
import Testing

@Suite struct CoordMathDNNRule {
  static func problem(_ seed: UInt64 = 1) throws -> LeastSquares {
    try .authors(seed: seed, instances: 3, rows: 5, columns: 8)
  }

  /// A rule away from initialisation: a last layer that is not zero.
  static func rule(
    widths: [Int] = [2, 12], map: OutputMap = .twiceSigmoid, learnsScale: Bool = false,
    backward: CoordMathDNN.Backward = .detached, seed: UInt64 = 5
  ) throws -> CoordMathDNN {
    let architecture = CoordMathDNN.Architecture(
      widths: widths, map: map, learnsScale: learnsScale)
    var weights = try CoordMathDNN.initialParameters(architecture, .qr, scale: 1, seed: seed)
    var rng = SplitMix64(seed: seed)
    let last = architecture.depth - 1
    weights.tensors[last].elements = weights.tensors[last].elements.map { _ in
      0.3 * rng.normal()
    }
    return try CoordMathDNN(
      architecture: architecture, parameters: weights, stepRule: .reference, backward: backward)
  }

  /// Weights that are drawn after other numbers continue their stream.
  @Test func weightsAfterOtherDraws() throws {
    let architecture = CoordMathDNN.Architecture(widths: [2, 20])
    func weights(after normals: Int) throws -> Parameters {
      try CoordMathDNN.initialParameters(
        architecture, .orthogonal(.inOut), scale: 3, seed: 895, after: normals)
    }
    var stream = ReferenceStream(seed: 895)
    _ = stream.normal(count: 48)
    _ = stream.kaimingUniform(rows: 2, columns: 2)
    let factor = stream.orthogonal(rows: 2, columns: 2)
    #expect(try weights(after: 48).tensors[0].elements == factor.elements.map { 3 * $0 })
    #expect(try weights(after: 48) != weights(after: 0))
  }

  @Test("with a zero last layer it is gradient descent, bit for bit", arguments: 1...8)
  func alignment(seed: UInt64) throws {
    let problem = try Self.problem(seed)
    let architecture = CoordMathDNN.Architecture(widths: [2, 16])
    for initialization in [CoordMathDNN.Initialization.qr, .qrNonnegative, .orthogonal(.outIn)] {
      for stepRule in [StepRule.theory, .reference] {
        let rule = try CoordMathDNN(
          architecture: architecture,
          parameters: CoordMathDNN.initialParameters(
            architecture, initialization, scale: 50, seed: seed),
          stepRule: stepRule)
        let start = Vector(zeros: problem.dimension)
        let learned = unroll(
          rule, on: problem, from: start, horizon: 30, recordingIterates: true)
        let descent = unroll(
          GradientDescent(stepRule: stepRule), on: problem, from: start, horizon: 30,
          recordingIterates: true)
        #expect(learned == descent)
      }
    }
  }

  @Test("the gradient agrees with differences of the frozen piece", arguments: OutputMap.allCases)
  func gradient(map: OutputMap) throws {
    for backward in CoordMathDNN.Backward.allCases {
      for widths in [[4], [2, 12], [3, 6, 5]] {
        for loss in MetaLoss.allCases {
          let rule = try Self.rule(
            widths: widths, map: map, learnsScale: true, backward: backward)
          let problem = try Self.problem()
          var rng = SplitMix64(seed: 2)
          let objective = try rule.metaObjective(
            on: problem, from: rng.vector(problem.dimension), horizon: 6, loss: loss)
          var gradient = rule.parameters.zeros
          let value = objective.evaluate(rule.parameters, gradient: &gradient)
          let surrogate = objective.surrogate(at: rule.parameters)
          // The two may come from different evaluators: rounding of T steps lies between them.
          #expect(abs(surrogate.loss(at: rule.parameters) - value.loss) <= 1e-13 * value.loss)
          var direction = rule.parameters.zeros
          for i in direction.tensors.indices {
            direction.tensors[i].elements = direction.tensors[i].elements.map { _ in rng.normal() }
          }
          // Central differences, Richardson once: h^4 and eps / h balance near h = 1e-3.
          func central(_ h: Double) -> Double {
            (surrogate.loss(at: rule.parameters.moved(h, direction))
              - surrogate.loss(at: rule.parameters.moved(-h, direction))) / (2 * h)
          }
          let (coarse, fine) = (central(2e-4), central(1e-4))
          let slope = fine + (fine - coarse) / 3
          let bar = abs(fine - coarse) + 1e-11 * abs(value.loss) / 1e-4
          #expect(
            abs(gradient.dot(direction) - slope) <= bar,
            "\(map) \(backward) \(widths) \(loss): \(gradient.dot(direction)) vs \(slope)")
          #expect(abs(slope) > 10 * bar, "no signal")
        }
      }
    }
  }

  @Test("detached and full differ away from initialisation, and only there")
  func backwardModes() throws {
    let problem = try Self.problem()
    func gradient(_ rule: CoordMathDNN) throws -> Parameters {
      var gradient = rule.parameters.zeros
      _ = try rule.metaObjective(
        on: problem, from: Vector(zeros: problem.dimension), horizon: 8, loss: .last
      ).evaluate(rule.parameters, gradient: &gradient)
      return gradient
    }
    var detached = try Self.rule()
    var full = try Self.rule(backward: .full)
    #expect(try gradient(detached) != gradient(full))
    for i in detached.parameters.tensors[2].elements.indices {
      detached.parameters.tensors[2].elements[i] = 0
      full.parameters.tensors[2].elements[i] = 0
    }
    detached.evaluator = .dense
    let (a, b) = (try gradient(detached), try gradient(full))
    #expect(a == b)
  }

  @Test func refusals() throws {
    let architecture = CoordMathDNN.Architecture(widths: [2, 4])
    #expect(throws: RuleError.self) {
      try CoordMathDNN.initialParameters(architecture, .qr, scale: 0, seed: 1)
    }
    let weights = try CoordMathDNN.initialParameters(architecture, .qr, scale: 1, seed: 1)
    #expect(throws: RuleError.missingParameter("p_scale")) {
      try CoordMathDNN(
        architecture: CoordMathDNN.Architecture(widths: [2, 4], learnsScale: true),
        parameters: weights)
    }
    #expect(
      throws: RuleError.wrongShape(parameter: "linear.weight", found: [2, 4], expected: [2, 5])
    ) {
      try CoordMathDNN(
        architecture: CoordMathDNN.Architecture(widths: [2, 5]), parameters: weights)
    }
    var deep = try Self.rule(widths: [3, 4])
    deep.evaluator = .angular
    #expect(throws: RuleError.self) {
      try deep.metaObjective(
        on: Self.problem(), from: Vector(zeros: 24), horizon: 2, loss: .last)
    }
  }
}
