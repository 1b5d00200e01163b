import Foundation
import OptCheck

/// A training loss with its gradient, as some evaluator computes it.
private struct Evaluation: Sendable {
  var loss: Double
  var gradient: Parameters

  /// Whether nothing overflowed: maps without bound let a run diverge.
  var isFinite: Bool { loss.isFinite && gradient.isFinite }

  /// The loss and the blocks of the gradient, by name.
  var blocks: [(name: String, values: [Double])] {
    [("loss", [loss])] + zip(gradient.names, gradient.tensors).map { ($0, $1.elements) }
  }
}

/// A training loss to evaluate.
private struct Training: Sendable {
  var setting: Setting
  var loss: MetaLoss

  func evaluate(_ evaluator: CoordMathDNN.Evaluator) throws -> Evaluation {
    var rule = setting.rule
    rule.evaluator = evaluator
    let objective = try rule.metaObjective(
      on: setting.problem, from: setting.start, horizon: setting.horizon, loss: loss)
    var gradient = rule.parameters.zeros
    let evaluation = objective.evaluate(rule.parameters, gradient: &gradient)
    return Evaluation(loss: evaluation.loss, gradient: gradient)
  }
}

extension Training {
  /// The relative rounding of r and of g = A x - c at x_T, where both are what is left of a difference.
  ///
  /// (2d + 3) u √(dβ) (√(dβ) |x| + |y|) bounds the error of either form of g (Higham, §3.5), and that
  /// of r times √β; four times, for two evaluators and a loss that is r squared. The worst instance
  /// counts.
  fileprivate func lastGradientError() -> Double {
    let problem = setting.problem
    let (d, b) = (problem.coordinatesPerInstance, problem.rowsPerInstance)
    guard let x = setting.run(setting.rule).iterates.last else { return .infinity }
    let g = problem.gradient(at: x)
    return (0..<problem.instanceCount).map { i in
      func part(_ v: Vector, _ length: Int) -> Double {
        Vector(Array(v.elements[(i * length)..<((i + 1) * length)])).norm
      }
      let factor = (Double(d) * problem.smoothness[i]).squareRoot()
      let scale = factor * part(x, d) + part(problem.target, b)
      return 4 * Double(2 * d + 3) * (.ulpOfOne / 2) * factor * scale / part(g, d)
    }.reduce(0, max)
  }
}

private typealias Evaluator = @Sendable (Training) throws -> Evaluation

extension SplitMix64 {
  /// A training loss that both evaluators know: L = 3, n_1 = 2.
  fileprivate mutating func training(instances: ClosedRange<Int> = 1...4) throws -> Training {
    // The angular evaluator forms its gradients from the Gram matrix.
    let setting = try setting(widths: [2, integer(1...64)], instances: instances, form: .gram)
    return Training(setting: setting, loss: choose(MetaLoss.allCases))
  }
}

private let angularIsDense = Law(
  "angular-is-dense", purpose: "the fast evaluator trains on the same loss and gradient",
  of: { try $0.evaluate(.angular) } as Evaluator,
  mutants: [
    "one unit of W_2 gets a gradient off by 1e-9": { training in
      var result = try training.evaluate(.angular)
      let block = result.gradient.tensors[1].elements
      if let j = block.indices.max(by: { abs(block[$0]) < abs(block[$1]) }) {
        result.gradient.tensors[1].elements[j] *= 1 + 1e-9
      }
      return result
    },
    "one unit of many is left out": { training in
      var off = training
      off.setting.rule.parameters.tensors[2].elements[0] = 0
      return try off.evaluate(.angular)
    },
    "another loss": { training in
      var off = training
      off.loss = training.loss == .mean ? .weightedSum : .mean
      return try off.evaluate(.angular)
    },
  ],
  cases: 2000, generate: { rng in try rng.training() },
  violation: { evaluate, training in
    let (ours, theirs) = (try evaluate(training), try training.evaluate(.dense))
    guard theirs.isFinite else { return ours.isFinite ? "finite where the dense one is not" : nil }
    // 1e-12 of the largest entry of a block, but no digits that neither evaluator has. Near a
    // minimiser the last gradient has lost some. Where a block is the remainder of a cancellation,
    // or a run amplifies (maps without bound), what counts is how far the dense evaluator moves when
    // weights and data move by a tenth of that, at least some 500 ulp.
    let relative = max(1e-12, training.lastGradientError())
    // A run that is all but at its minimiser, one in thirteen, would compare roundings.
    guard relative < 1e-10 else { return nil }
    let twins = try (1...3).map { (seed: UInt64) in
      var rng = SplitMix64(seed: seed)
      var twin = training
      let size = relative / 10
      twin.setting.problem = try training.setting.problem.perturbed(by: size, seed: rng.next())
      for i in twin.setting.rule.parameters.tensors.indices {
        for j in twin.setting.rule.parameters.tensors[i].elements.indices {
          twin.setting.rule.parameters.tensors[i].elements[j] *= 1 + size * rng.normal()
        }
      }
      return try twin.evaluate(.dense)
    }
    for (k, (our, their)) in zip(ours.blocks, theirs.blocks).enumerated() {
      func distance(_ a: [Double]) -> Double { (Vector(a) - Vector(their.values)).maxMagnitude }
      if our.values == their.values { continue }
      let allowed = max(
        relative * Vector(their.values).maxMagnitude,
        twins.map { distance($0.blocks[k].values) }.reduce(0, max))
      if let finding = excess(our.name, distance(our.values), over: allowed) { return finding }
    }
    return nil
  })

private let additivity = Law(
  "adds-over-instances", purpose: "a batch is the sum of its instances: none sees another",
  of: { $0 } as @Sendable (StepRule) -> StepRule,
  mutants: [
    "steps that depend on the other instances": { _ in .theory },
    "steps of every instance's own, a part in 1e4 off": { _ in .reference },
  ],
  cases: 600,
  generate: { rng -> (Training, CoordMathDNN.Evaluator) in
    var training = try rng.training(instances: 2...5)
    training.setting.rule.stepRule = .constant(
      (0.2 + 0.8 * rng.uniform()) / training.setting.problem.largestSmoothness)
    return (training, rng.choose([.dense, .angular]))
  },
  violation: { change, input in
    let (training, evaluator) = input
    let setting = training.setting
    let (problem, d, b) = (
      setting.problem, setting.problem.coordinatesPerInstance, setting.problem.rowsPerInstance
    )
    var whole = training
    whole.setting.rule.stepRule = change(setting.rule.stepRule)
    let parts = try (0..<problem.instanceCount).map { i in
      var part = training
      part.setting.problem = try LeastSquares(
        matrices: [problem.matrix.blocks[i]],
        target: Vector(Array(problem.target.elements[(i * b)..<((i + 1) * b)])))
      part.setting.start = Vector(Array(setting.start.elements[(i * d)..<((i + 1) * d)]))
      return try part.evaluate(evaluator)
    }
    let total = try whole.evaluate(evaluator)
    guard parts.allSatisfy(\.isFinite) else {
      return total.isFinite ? "finite, its parts not" : nil
    }
    for (k, block) in total.blocks.enumerated() {
      let sum = parts.dropFirst().reduce(Vector(parts[0].blocks[k].values)) {
        $0.moved(1, Vector($1.blocks[k].values))
      }
      // The instances' own blocks are sums too, of N d T terms: 1e-11 of their sizes together.
      let mass = parts.reduce(0) { $0 + Vector($1.blocks[k].values).maxMagnitude }
      if let finding = excess(
        block.name, (Vector(block.values) - sum).maxMagnitude, over: 1e-11 * mass)
      {
        return finding
      }
    }
    return nil
  })

// MARK: The engine's own interface

private struct EngineRun: Sendable {
  var batch: LeastSquaresBatch
  var steps: [Double]
  var start: Vector
  var horizon: Int
  var weights: AngularUnroll.Weights
  var map: OutputMap
  var lossWeights: [Double]

  func unroll(threads: Int, recordsOutputs: Bool = false) -> AngularUnroll {
    AngularUnroll(
      problem: batch, stepSizes: steps, start: start, horizon: horizon,
      width: weights.w3.count, map: map, threads: threads, recordsOutputs: recordsOutputs)
  }

  func evaluate(threads: Int) -> (loss: Double, gradient: AngularUnroll.Gradient) {
    var gradient = AngularUnroll.Gradient(width: weights.w3.count)
    let loss = unroll(threads: threads).evaluate(
      weights, lossWeights: lossWeights, gradient: &gradient)
    return (loss, gradient)
  }
}

extension SplitMix64 {
  fileprivate mutating func engineRun(instances: ClosedRange<Int>) throws -> EngineRun {
    let training = try training(instances: instances)
    let (setting, rule) = (training.setting, training.setting.rule)
    let blocks = rule.parameters.tensors.map(\.elements)
    return EngineRun(
      batch: setting.problem.batch, steps: rule.stepRule.stepSizes(for: setting.problem),
      start: setting.start, horizon: setting.horizon,
      weights: AngularUnroll.Weights(
        w1: blocks[0], w2: blocks[1], w3: blocks[2], scale: rule.outputScale(rule.parameters)),
      map: rule.architecture.map, lossWeights: training.loss.weights(horizon: setting.horizon))
  }
}

extension AngularUnroll.Gradient {
  /// All entries as bits: a run that diverged leaves NaN.
  fileprivate var bits: [UInt64] { (w1 + w2 + w3 + [scale]).map(\.bitPattern) }
}

private let threadsDoNotShow = Law(
  "threads-do-not-show", purpose: "a result is the same on every machine, however many cores",
  of: { $0.evaluate(threads: $1) }
    as @Sendable (EngineRun, Int) -> (loss: Double, gradient: AngularUnroll.Gradient),
  mutants: [
    "every thread sums its own share": { run, threads in
      // The instances dealt out to the threads as equal runs of neighbours.
      let (count, d) = (run.batch.count, run.batch.dimension)
      let shares = min(threads, count)
      var sum = (loss: 0.0, gradient: AngularUnroll.Gradient(width: run.weights.w3.count))
      for k in 0..<shares {
        let own = (k * count / shares)..<((k + 1) * count / shares)
        var part = run
        part.batch = LeastSquaresBatch(
          matrices: Array(run.batch.matrices[own]), targets: Array(run.batch.targets[own]))
        part.steps = Array(run.steps[own])
        part.start = Vector(
          Array(run.start.elements[(own.lowerBound * d)..<(own.upperBound * d)]))
        let share = part.evaluate(threads: 1)
        sum.loss += share.loss
        for j in sum.gradient.w2.indices { sum.gradient.w2[j] += share.gradient.w2[j] }
        for j in sum.gradient.w3.indices { sum.gradient.w3[j] += share.gradient.w3[j] }
        for j in sum.gradient.w1.indices { sum.gradient.w1[j] += share.gradient.w1[j] }
        sum.gradient.scale += share.gradient.scale
      }
      return sum
    }
  ],
  cases: 600, generate: { rng in try rng.engineRun(instances: 1...24) },
  violation: { evaluate, run in
    let one = evaluate(run, 1)
    for threads in 2...3 {
      let many = evaluate(run, threads)
      if many.loss.bitPattern != one.loss.bitPattern {
        return "loss \(many.loss) on \(threads), \(one.loss) on 1"
      }
      if many.gradient.bits != one.gradient.bits { return "gradients differ on \(threads) threads" }
    }
    return nil
  })

private let angularOutputs = Law(
  "angular-outputs", purpose: "each network output is the dense sum over units, term by term",
  of: { $0 } as @Sendable (AngularUnroll.Weights) -> AngularUnroll.Weights,
  mutants: [
    "one unit's weight is off by 1e-9": { weights in
      var off = weights
      off.w3[0] *= 1 + 1e-9
      return off
    },
    "one unit sits on the wrong side": { weights in
      var off = weights
      off.w2[0] *= -1
      off.w2[weights.w3.count] *= -1
      return off
    },
  ],
  cases: 1200, generate: { rng in try rng.engineRun(instances: 1...4) },
  violation: { change, run in
    let engine = run.unroll(threads: 1, recordsOutputs: true)
    var changed = run
    changed.weights = change(run.weights)
    _ = engine.evaluate(changed.weights, lossWeights: run.lossWeights)
    let (w1, w2, w3) = (run.weights.w1, run.weights.w2, run.weights.w3)
    let width = w3.count
    for t in 0..<run.horizon {
      guard let z = engine.output(at: t) else { return "no outputs recorded" }
      let (g, x) = (engine.gradient(at: t), engine.iterate(at: t))
      // Beyond that a sum of products overflows; such a run is over.
      guard max(g.maxMagnitude, x.maxMagnitude) < 1e150 else { return nil }
      for i in 0..<z.count {
        let h = (0..<2).map { max(0, g[i] * w1[$0] + x[i] * w1[2 + $0]) }
        // h_1 itself is a rounded sum of two products, on which 2 ulp are lost before any unit.
        let blur = (0..<2).map { 2 * .ulpOfOne * (abs(g[i] * w1[$0]) + abs(x[i] * w1[2 + $0])) }
        var (sum, allowed) = (0.0, 0.0)
        for j in 0..<width {
          let a = w2[j] * h[0] + w2[width + j] * h[1]
          sum += w3[j] * max(0, a)
          allowed +=
            abs(w3[j])
            * (1e-12 * abs(a) + abs(w2[j]) * blur[0] + abs(w2[width + j]) * blur[1])
        }
        // The weighted terms may cancel within a unit as well: W_2j.h_1 is a rounded sum too.
        for j in 0..<width {
          allowed += 2 * .ulpOfOne * abs(w3[j]) * (abs(w2[j]) * h[0] + abs(w2[width + j]) * h[1])
        }
        if let finding = excess("z at t = \(t), coordinate \(i)", abs(z[i] - sum), over: allowed) {
          return finding
        }
      }
    }
    return nil
  })

let evaluatorLaws = [angularIsDense, angularOutputs, additivity, threadsDoNotShow]
