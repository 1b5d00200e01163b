import Foundation
import OptCheck
import Testing

/// The checks on the real rule, with faults planted in it.
enum Setting {
  /// Weights at initialisation, with a last layer drawn at size `outer`.
  static func rule(
    widths: [Int] = [2, 64], map: OutputMap = .twiceSigmoid, learnsScale: Bool = false,
    backward: CoordMathDNN.Backward = .detached, initialization: CoordMathDNN.Initialization = .qr,
    scale e: Double = 50, outer: Double, seed: UInt64 = 1
  ) throws -> CoordMathDNN {
    let architecture = CoordMathDNN.Architecture(
      widths: widths, map: map, learnsScale: learnsScale)
    var weights = try CoordMathDNN.initialParameters(
      architecture, initialization, scale: e, seed: seed)
    var rng = SplitMix64(seed: seed).derived(7)
    let last = architecture.depth - 1
    weights.tensors[last].elements = weights.tensors[last].elements.map { _ in
      outer * rng.normal()
    }
    return try CoordMathDNN(
      architecture: architecture, parameters: weights, stepRule: .reference, backward: backward,
      evaluator: .dense)
  }

  static func objective(
    _ rule: CoordMathDNN, _ problem: LeastSquares, horizon: Int = 10
  ) throws -> @Sendable () -> any MetaObjective {
    _ = try rule.metaObjective(
      on: problem, from: Vector(zeros: problem.dimension), horizon: horizon, loss: .last)
    return {
      guard
        let made = try? rule.metaObjective(
          on: problem, from: Vector(zeros: problem.dimension), horizon: horizon, loss: .last)
      else { preconditionFailure("made once already") }
      return made
    }
  }

  static func small() throws -> LeastSquares {
    try LeastSquares.authors(seed: 5, instances: 2, rows: 5, columns: 8)
  }
}

@Suite struct GradientChecks {
  let check = GradientCheck()

  func subject(
    _ rule: CoordMathDNN, _ problem: LeastSquares, block: String? = nil,
    reference: CoordMathDNN? = nil, horizon: Int = 10
  ) throws -> GradientCheck.Subject {
    GradientCheck.Subject(
      label: rule.name, parameters: rule.parameters, block: block,
      reference: try reference.map { try Setting.objective($0, problem, horizon: horizon) },
      objective: try Setting.objective(rule, problem, horizon: horizon))
  }

  /// Depth 2 to 4, both backward passes, every block, at W_L = 0 and away from it.
  @Test(
    arguments: [[16], [2, 32], [3, 8, 16]], [CoordMathDNN.Backward.detached, .full])
  func everyBlockOfEveryDepth(widths: [Int], backward: CoordMathDNN.Backward) throws {
    let problem = try Setting.small()
    for outer in [0, 1e-3] {
      let rule = try Setting.rule(
        widths: widths, learnsScale: true, backward: backward, scale: 5, outer: outer)
      let outermost = Set(["linear_p.weight", "p_scale"])
      for block in rule.parameters.names {
        let result = check.run(try subject(rule, problem, block: block))
        let isSilent = outer == 0 && !outermost.contains(block)
        #expect(result.verdict == (isSilent ? .inconclusive : .holds), "\(block): \(result)")
        if isSilent {
          #expect(result.numbers["gradientNorm"] == 0)
          #expect(result.reason.hasPrefix("signal below noise floor"))
        }
      }
      let all = check.run(try subject(rule, problem))
      #expect(all.verdict == .holds, "\(all)")
    }
  }

  @Test(arguments: OutputMap.allCases) func everyOutputMap(map: OutputMap) throws {
    let rule = try Setting.rule(map: map, scale: 2, outer: 1e-2)
    let result = check.run(try subject(rule, try Setting.small()))
    #expect(result.verdict == .holds, "\(result)")
  }

  /// Trained weights: gradients are smaller there, and inner layers have moved.
  @Test func atTrainedWeights() throws {
    let problem = try Setting.small()
    var rule = try Setting.rule(scale: 5, outer: 0)
    let plan = MetaTraining(stepSize: 1e-3, stepsPerEpoch: 200)
    var state = plan.initialState(rule.parameters)
    var memory = MetaTraining.Memory(for: rule.parameters)
    let objective = try Setting.objective(rule, problem)()
    while !state.isFinished(plan) { plan.advance(&state, objective, memory: &memory) }
    #expect(state.losses[199] < 0.999 * state.losses[0])
    rule.parameters = state.parameters
    for block in rule.parameters.names {
      let result = check.run(try subject(rule, problem, block: block))
      #expect(result.verdict == .holds, "\(block): \(result)")
    }
  }

  /// The shipped backward pass treats network inputs as constants.
  ///
  /// Away from W_L = 0 that is another gradient; at W_L = 0 it is the same one, bit for bit.
  @Test func fullForDetachedShowsOnlyAwayFromInitialisation() throws {
    let problem = try Setting.small()
    for (outer, verdict) in [(0, Verdict.holds), (1e-4, .violated), (1e-3, .violated)] {
      for backward in [CoordMathDNN.Backward.detached, .full] {
        let mine = try Setting.rule(backward: backward, outer: outer)
        let other = try Setting.rule(
          backward: backward == .full ? .detached : .full, outer: outer)
        let result = check.run(try subject(mine, problem, reference: other))
        #expect(result.verdict == verdict, "W_L ~ \(outer), \(backward): \(result)")
      }
    }
  }

  /// Faults planted in the gradient of the real rule, down to a relative 1e-6 of one block.
  @Test func plantedFaultsAreCaught() throws {
    let problem = try Setting.small()
    let rule = try Setting.rule(scale: 5, outer: 1e-2)
    let real = try Setting.objective(rule, problem)
    typealias Fault = @Sendable (inout MetaEvaluation, inout Parameters) -> Void
    var faults: [(String, Fault)] = []
    for l in rule.parameters.names.indices {
      for size in [2, 1e-2, 1e-4, 1e-6] {
        faults.append(
          (
            "\(rule.parameters.names[l]) times 1 - \(size)",
            { _, g in
              g.tensors[l].elements = g.tensors[l].elements.map { $0 * (1 - size) }
            }
          ))
      }
    }
    faults.append(
      (
        "two rows swapped",
        { _, g in
          let count = g.tensors[1].elements.count / 2
          for j in 0..<count { g.tensors[1].elements.swapAt(j, j + count) }
        }
      ))
    faults.append(
      (
        "transposed",
        { _, g in
          g.tensors[0].elements.swapAt(1, 2)
        }
      ))
    for (name, fault) in faults {
      var caught = false
      for block in [nil] + rule.parameters.names {
        let result = check.run(
          GradientCheck.Subject(
            label: name, parameters: rule.parameters, block: block,
            objective: { FaultyObjective(real(), fault: fault) }))
        caught = caught || result.verdict == .violated
      }
      #expect(caught, "\(name) got through")
    }
  }

  /// Clean runs of many seeds, at initialisation, near it and far from it.
  @Test func noFalseAlarms() throws {
    for seed in UInt64(1)...80 {
      let problem = try LeastSquares.authors(seed: seed, instances: 1, rows: 5, columns: 8)
      for (e, outer) in [(1.0, 0.0), (50, 0), (50, 1e-5), (50, 1e-2), (5, 1)] {
        let rule = try Setting.rule(widths: [2, 16], scale: e, outer: outer, seed: seed)
        for block in [nil, "dnn.0.weight"] {
          let result = check.run(try subject(rule, problem, block: block))
          #expect(
            result.verdict == .holds || result.verdict == .inconclusive,
            "seed \(seed), e \(e), W_L \(outer): \(result)")
          if block == nil, outer < 1 { #expect(result.verdict == .holds, "\(result)") }
        }
      }
    }
  }

  /// Target G1 on a reduced grid, one Gaussian direction over all weights, against the gradient of
  /// backpropagation: no error outside its bar, twenty evaluations, bars of use.
  @Test(arguments: [64, 1024]) func errorBarsOfUnrolledModels(width: Int) throws {
    var ratios: [Double] = []
    var widths: [Double] = []
    for seed in UInt64(1)...(width == 64 ? 6 : 2) {
      let problem = try LeastSquares.authors(seed: seed, instances: 1, rows: 20, columns: 32)
      for e in [1.0, 50] {
        for outer in [0, 1e-4, 1e-3] {
          for backward in [CoordMathDNN.Backward.detached, .full] {
            let rule = try Setting.rule(
              widths: [2, width], backward: backward, scale: e, outer: outer, seed: seed)
            let objective = try Setting.objective(rule, problem, horizon: 20)()
            var gradient = rule.parameters.zeros
            _ = objective.evaluate(rule.parameters, gradient: &gradient)
            var rng = SplitMix64(seed: seed)
            var v = gradient.zeros
            for i in v.tensors.indices {
              v.tensors[i].elements = v.tensors[i].elements.map { _ in rng.normal() }
            }
            v = v.zeros.moved(1 / v.norm, v)
            let surrogate = objective.surrogate(at: rule.parameters)
            let found = FiniteDifference { surrogate.loss(at: rule.parameters.moved($0, v)) }
            let claimed = gradient.dot(v)
            let error = abs(found.slope.value - claimed)
            #expect(found.evaluations <= 20)
            #expect(
              error <= found.slope.error,
              "seed \(seed), e \(e), W_L \(outer), \(backward): \(claimed), \(found)")
            ratios.append(found.slope.error / max(error, .ulpOfOne * abs(claimed)))
            widths.append(found.slope.error / abs(claimed))
          }
        }
      }
    }
    #expect(ratios.sorted()[ratios.count / 2] <= 100)
    // Every slope is known to the 1e-6 at which the best fixed rule misses 23 of 128.
    #expect(widths.allSatisfy { $0 <= 1e-6 })
  }
}

@Suite struct InitializationChecks {
  @Test(arguments: [[16], [2, 64], [3, 8, 16]]) func alignment(widths: [Int]) throws {
    let problem = try Setting.small()
    for stepRule in [StepRule.theory, .reference] {
      for outer in [0, 1e-3] {
        var rule = try Setting.rule(widths: widths, outer: outer)
        rule.stepRule = stepRule
        let result = AlignmentCheck().run(
          .init(
            label: rule.name, rule: rule, reference: GradientDescent(stepRule: stepRule),
            problem: problem, start: Vector(zeros: problem.dimension), horizon: 50,
            premise: Premise("W_L = 0", met: outer == 0, "max \(outer)")))
        #expect(result.verdict == (outer == 0 ? .holds : .premiseFails), "\(result)")
      }
    }
    let rule = try Setting.rule(widths: widths, outer: 1e-12)
    let result = AlignmentCheck().run(
      .init(
        label: rule.name, rule: rule, reference: GradientDescent(stepRule: .reference),
        problem: problem, start: Vector(zeros: problem.dimension), horizon: 50,
        premise: Premise("W_L = 0", met: true, "a lie")))
    #expect(result.verdict == .violated, "\(result)")
  }

  @Test(arguments: [[2, 512], [3, 8, 16], [128, 64]]) func orthonormalFactors(
    widths: [Int]
  ) throws {
    for initialization: CoordMathDNN.Initialization in [
      .qr, .qrNonnegative, .orthogonal(.inOut), .orthogonal(.outIn),
    ] {
      let rule = try Setting.rule(
        widths: widths, initialization: initialization, outer: 0, seed: 118)
      let weights = rule.parameters.tensors.dropLast().map(\.matrix)
      var rng = SplitMix64(seed: 118)
      let draws = weights.map { rng.matrix($0.rows, $0.columns) }
      let result = OrthonormalFactorsCheck().run(
        .init(
          label: initialization.name, weights: weights, scale: 50,
          isNonNegative: initialization == .qrNonnegative,
          draws: initialization == .qr ? draws : nil))
      #expect(result.verdict == .holds, "\(result)")
    }
  }

  @Test(arguments: [2.0, 64, 50, 3]) func homogeneity(e: Double) throws {
    let problem = try Setting.small()
    for widths in [[16], [2, 64], [3, 8, 16]] {
      func lastHidden(_ e: Double) throws -> (Matrix, Matrix) {
        let rule = try Setting.rule(widths: widths, scale: e, outer: 0)
        let x = try #require(
          unroll(
            rule, on: problem, from: Vector(zeros: problem.dimension), horizon: 10,
            recordingIterates: true
          ).iterates.last)
        let g = problem.gradient(at: x)
        var magnitudes = CoordinatewiseNetwork.features(gradient: g, x: x)
        magnitudes.elements = magnitudes.elements.map(abs)
        for weight in rule.network.weights.dropLast() {
          let size = Matrix(
            rows: weight.rows, columns: weight.columns, elements: weight.elements.map(abs))
          magnitudes = Matrix.product(magnitudes, .plain, size)
        }
        return (rule.network.lastHidden(gradient: g, x: x), magnitudes)
      }
      let (unit, magnitudes) = try lastHidden(1)
      let result = HomogeneityCheck().run(
        .init(
          label: "e = \(e)", scaled: try lastHidden(e).0, unit: unit, scale: e,
          depth: widths.count + 1, magnitudes: magnitudes))
      #expect(result.verdict == .holds, "\(result)")
    }
  }

  /// The expected finding: the published architecture has dead coordinates, and non-negative
  /// weights leave rank n_1.
  @Test func publishedArchitectureLacksRank() throws {
    let problem = try Setting.small()
    for (initialization, largestRank) in [
      (CoordMathDNN.Initialization.qrNonnegative, 2.0), (.orthogonal(.inOut), 16),
    ] {
      let rule = try Setting.rule(
        widths: [2, 64], initialization: initialization, outer: 0, seed: 118)
      let x = Vector(zeros: problem.dimension)
      let g = rule.network.lastHidden(gradient: problem.gradient(at: x), x: x)
      let result = FullRankCheck().run(.init(label: initialization.name, activations: g))
      #expect(result.verdict == .violated, "\(result)")
      #expect(try #require(result.numbers["rank"]) <= largestRank)
    }
  }
}
