import Foundation
import OptCheck
import Testing

/// Σ over weights of (θ - 1)² / 2, which counts how often it was asked.
private final class Bowl: MetaObjective {
  var evaluations = 0

  func evaluate(_ parameters: Parameters, gradient: inout Parameters) -> MetaEvaluation {
    evaluations += 1
    var loss = 0.0
    for (i, tensor) in parameters.tensors.enumerated() {
      loss += (tensor.elements[0] - 1) * (tensor.elements[0] - 1) / 2
      gradient.tensors[i].elements[0] = tensor.elements[0] - 1
    }
    return MetaEvaluation(loss: loss, finalValue: loss)
  }

  func unroll(_ parameters: Parameters) -> Trajectory {
    Trajectory(values: [], iterates: [], stop: .horizonReached(0))
  }

  func surrogate(at base: Parameters) -> any SurrogateLoss { fatalError("not asked for") }
}

@Suite struct LayerWiseTraining {
  private let names = ["W", "theta.0", "theta.1", "theta.2"]

  private var weights: Parameters {
    Parameters(names.enumerated().map { ($1, Tensor(Double($0 + 2))) })
  }

  @Test("step sizes: current layer, earlier ones from stage 2 on, shared ones by depth")
  func stepSizes() {
    let plan = StagedTraining(stepSize: 1, length: .epochs(1))
    func sizes(_ layer: Int, _ stage: Int) -> [Double?] {
      plan.stepSizes(of: names, layer: layer, stage: stage)
    }
    func expect(_ found: [Double?], _ expected: [Double?]) {
      for (a, b) in zip(found, expected) {
        #expect((a == nil) == (b == nil))
        if let a, let b { #expect(abs(a - b) <= 1e-16) }
      }
    }
    expect(sizes(1, 1), [1, 1, nil, nil])
    expect(sizes(2, 1), [0.3, nil, 1, nil])
    expect(sizes(3, 1), [0.09, nil, nil, 1])
    expect(sizes(3, 2), [0.018, 0.018, 0.06, 0.2])
    expect(sizes(3, 3), [0.0018, 0.0018, 0.006, 0.02])
    #expect(StagedTraining.layer(of: "We.11") == 12)
    #expect(StagedTraining.layer(of: "W1") == nil)
    #expect(StagedTraining.layer(of: "linear.weight") == nil)
  }

  @Test("a weight without step size stays, bit for bit, under SGD and Adam")
  func untouched() {
    for optimizer in [MetaOptimizer.sgd, .adam()] {
      var (parameters, state) = (weights, optimizer.initialState(for: weights))
      var gradient = weights.zeros
      _ = Bowl().evaluate(parameters, gradient: &gradient)
      optimizer.update(
        &parameters, &state, gradient: gradient, stepSizes: [0.1, nil, 0.2, nil])
      #expect(parameters.tensors[1] == weights.tensors[1])
      #expect(parameters.tensors[3] == weights.tensors[3])
      #expect(state.first.tensors[1].elements == [0] && state.second.tensors[3].elements == [0])
      // By hand: SGD moves by η g, Adam's first step by η sign(g).
      let expected = optimizer == .sgd ? 2 - 0.1 * 1 : 2 - 0.1
      #expect(abs(parameters.tensors[0].elements[0] - expected) <= 1e-8)
      let other = optimizer == .sgd ? 4 - 0.2 * 3 : 4 - 0.2
      #expect(abs(parameters.tensors[2].elements[0] - other) <= 1e-8)
    }
  }

  @Test("every stage has a fresh Adam and the epochs that were asked for")
  func stages() throws {
    let plan = StagedTraining(stepSize: 0.1, length: .epochs(1))
    let outcome = plan.train(weights, layers: 1...2) { _ in
      StagedTraining.Layer(batches: [Bowl(), Bowl()])
    }
    #expect(outcome.epochs.map(\.layer) == [1, 1, 1, 2, 2, 2])
    #expect(outcome.epochs.map(\.stage) == [1, 2, 3, 1, 2, 3])
    #expect(outcome.epochs.allSatisfy { $0.losses.count == 2 })
    #expect(outcome.stop == .horizonReached(2))
    // Far from 1 the gradient hardly changes in two steps, so each is about η.
    let moved = 3 - outcome.parameters.tensors[1].elements[0]
    let layer1 = 2 * 0.1 * (1 + 0.2 + 0.02)
    let layer2 = 2 * 0.1 * 0.3 * (0.2 + 0.02)
    #expect(abs(moved - layer1 - layer2) <= 5e-3)
    #expect(outcome.parameters.tensors[3] == weights.tensors[3])
  }

  @Test("patience: a stage ends more than `wait` epochs after its best one, or at the limit")
  func patience() {
    var plan = StagedTraining(stepSize: 0.1, length: .patience(wait: 2, perStage: 100))
    // Improves three times in the first stage, never again.
    var script = [5.0, 4, 3].makeIterator()
    let outcome = plan.train(weights, layers: 1...1) { _ in
      StagedTraining.Layer(batches: [Bowl()]) { _ in script.next() ?? 9 }
    }
    // Best in epoch 3, over after 6; later stages start anew: best in their first, over 3 later.
    #expect(outcome.epochs.map(\.stage) == [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3])
    plan.length = .patience(wait: 50, perStage: 4)
    let bounded = plan.train(weights, layers: 1...1) { _ in
      StagedTraining.Layer(batches: [Bowl()])
    }
    // Epochs count across the stages of a layer: limits are passed at 5, 9 and 13.
    #expect(bounded.epochs.count { $0.stage == 1 } == 5)
    #expect(bounded.epochs.count == 13)
  }

  @Test("training can be stopped from outside, and stops at a loss that is not finite")
  func stopping() {
    let plan = StagedTraining(stepSize: 0.1, length: .epochs(5))
    var count = 0
    let stopped = plan.train(
      weights, layers: 1...3,
      progress: { _, _ in
        count += 1
        return count < 4
      },
      layer: { _ in StagedTraining.Layer(batches: [Bowl()]) })
    #expect(stopped.epochs.count == 4)
    var broken = weights
    broken.tensors[0].elements[0] = .infinity
    let outcome = plan.train(broken, layers: 1...1) { _ in
      StagedTraining.Layer(batches: [Bowl()])
    }
    #expect(outcome.stop == .nonFinite(step: 0) && outcome.parameters == broken)
  }
}
