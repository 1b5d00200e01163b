import Foundation
import OptCheck

// MARK: Two modes

private typealias Modes =
  @Sendable (Learner, Parameters) throws -> (slope: Double, gradient: Parameters)

private let modes: Modes = { learner, direction in
  (
    try learner.objective().derivative(at: learner.parameters, along: direction),
    try learner.gradient().gradient
  )
}

private let adjoint = Law(
  "forward-and-backward-agree",
  purpose: "CoordMathLSTM, RNNprop, LISTA, StepLISTA: ⟨∇loss, v⟩ is the derivative along v",
  of: modes,
  mutants: [
    "no gradient flows from step to step": { learner, direction in
      (try modes(learner, direction).slope, try learner.truncatedGradient(1).gradient)
    },
    "the largest gradient of a weight is lost": { learner, direction in
      var found = try modes(learner, direction)
      let sizes = found.gradient.tensors.map { Vector($0.elements).norm }
      if let i = sizes.indices.max(by: { sizes[$0] < sizes[$1] }) {
        found.gradient.tensors[i] = Tensor(zeros: found.gradient.tensors[i].shape)
      }
      return found
    },
    "gradients in single precision": { learner, direction in
      var found = try modes(learner, direction)
      found.gradient = found.gradient.single
      return found
    },
  ],
  cases: 150,
  generate: { rng -> (Learner, Parameters) in
    let learner = try rng.learner()
    return (learner, learner.parameters.direction(&rng))
  },
  violation: { modes, drawn in
    let (learner, direction) = drawn
    let (slope, gradient) = try modes(learner, direction)
    var terms = 0.0
    for (a, b) in zip(gradient.tensors, direction.tensors) {
      for (x, y) in zip(a.elements, b.elements) { terms += abs(x * y) }
    }
    let bar = try learner.sensitivity { [try $0.gradient().gradient.dot(direction)] }
    return excess(
      "\(learner.rule.name): |⟨∇loss, v⟩ - derivative|", abs(slope - gradient.dot(direction)),
      over: bar + Double(gradient.count) * unitRoundoff * terms)
  })

private typealias Tangent = @Sendable (Learner, Parameters) throws -> Double

private let tangents = Law(
  "derivatives-are-linear",
  purpose: "CoordMathLSTM, RNNprop, LISTA, StepLISTA: the derivative along 2ᵏ v + w adds up",
  of: { try $0.objective().derivative(at: $0.parameters, along: $1) } as Tangent,
  mutants: [
    "a difference": { learner, v in
      let objective = try learner.objective()
      func loss(_ t: Double) -> Double {
        objective.value(learner.parameters.moved(t, v)).evaluation.loss
      }
      return (loss(1e-3) - loss(-1e-3)) / 2e-3
    },
    "along a unit vector": { learner, v in
      try learner.objective().derivative(at: learner.parameters, along: v) / v.norm
    },
    "along v in single precision": { learner, v in
      try learner.objective().derivative(at: learner.parameters, along: v.single)
    },
  ],
  cases: 150,
  generate: { rng -> (Learner, Parameters, Parameters, Double) in
    let learner = try rng.learner()
    let (v, w) = (learner.parameters.direction(&rng), learner.parameters.direction(&rng))
    return (learner, v, w, rng.powerOfTwo(-3...3))
  },
  violation: { derivative, drawn in
    let (learner, v, w, c) = drawn
    let both = w.moved(c, v)
    let (a, b) = (try derivative(learner, v), try derivative(learner, w))
    let scaled = try derivative(learner, v.mapping { c * $0 })
    if scaled != c * a { return "along \(c) v: \(scaled), want \(c * a)" }
    // Rounding of the sum of directions is less than that of the twins, and so are its effects.
    let bar = try learner.sensitivity { twin in
      let objective = try twin.objective()
      return [both, v, w].map { objective.derivative(at: twin.parameters, along: $0) }
    }
    let sizes = both.norm + c * v.norm + w.norm
    let gradient = try learner.gradient().gradient.norm
    return excess(
      "\(learner.rule.name): off a sum", abs(try derivative(learner, both) - (c * a + b)),
      over: (2 + c) * bar + 4 * unitRoundoff * gradient * sizes)
  })

// MARK: What must not matter

private typealias Training = @Sendable (Learner, Int) throws -> LossSlope

private let threads = Law(
  "threads-change-no-bit",
  purpose: "training CoordMathLSTM, RNNprop, LISTA, StepLISTA: same loss and gradient on all cores",
  of: { try $0.gradient(threads: $1) } as Training,
  mutants: [
    "as many groups as threads": { learner, threads in
      let n = learner.data.instances
      let d = learner.data.columns
      var sum = LossSlope(loss: 0, gradient: learner.parameters.zeros)
      for k in 0..<threads {
        let range = (k * n / threads)..<((k + 1) * n / threads)
        guard !range.isEmpty else { continue }
        var part = learner
        part.data = learner.data.part(range)
        part.start = Vector(
          Array(learner.start.elements[(range.lowerBound * d)..<(range.upperBound * d)]))
        let slope = try part.gradient(threads: 1)
        sum.loss += slope.loss
        sum.gradient.add(1, slope.gradient)
      }
      return sum
    },
    "an ulp more on several threads": { learner, threads in
      var slope = try learner.gradient(threads: threads)
      if threads > 1 { slope.loss = slope.loss.nextUp }
      return slope
    },
  ],
  cases: 25,
  generate: { rng -> (Learner, Int) in
    var data = rng.problemData([.leastSquares, .lasso], instances: 5...12, sharing: false)
    // Wide enough for several groups of 256/d instances.
    let d = rng.integer(60...80)
    data.matrices = data.matrices.map { rng.matrix($0.rows, d) }
    return (try rng.learner(data), rng.integer(2...4))
  },
  violation: { train, drawn in
    let (learner, count) = drawn
    let (one, many) = (try train(learner, 1), try train(learner, count))
    let (ours, theirs) = (one.bits, many.bits)
    let parted = ours.indices.first { ours[$0] != theirs[$0] }
    return parted.map { place in
      "\(learner.rule.name), number \(place): one thread \(Double(bitPattern: ours[place])), "
        + "\(count) threads \(Double(bitPattern: theirs[place]))"
    }
  })

private let stretches = Law(
  "recomputed-runs-have-the-same-gradient",
  purpose: "CoordMathLSTM, LISTA on long horizons: storing few states costs time, not digits",
  of: { try $0.gradient(storedSteps: $1) } as Training,
  mutants: [
    "stretches do not know of each other": { try $0.truncatedGradient($1) },
    "a gradient in single precision": { learner, stored in
      let slope = try learner.gradient(storedSteps: stored)
      return LossSlope(loss: slope.loss, gradient: slope.gradient.single)
    },
  ],
  cases: 150,
  generate: { rng -> (Learner, Int) in
    let learner = try rng.learner()
    return (learner, rng.integer(1...learner.horizon))
  },
  violation: { train, drawn in
    let (learner, stored) = drawn
    let (pieces, whole) = (try train(learner, stored), try learner.gradient())
    let bar = try learner.sensitivity { try $0.gradient().numbers }
    let distance = largestDifference(pieces.numbers, whole.numbers)
    let size = Vector(whole.numbers).maxMagnitude
    // Sums over steps are taken in another order.
    return excess(
      "\(learner.rule.name), \(stored) of \(learner.horizon) steps stored", distance,
      over: bar + Double(learner.horizon + 2) * unitRoundoff * size)
  })

private let traceless = Law(
  "runs-leave-no-trace",
  purpose:
    "CoordMathLSTM, RNNprop, LISTA: a run repeated after others on the same tapes, same bits",
  of: { learner, _ in learner } as @Sendable (Learner, Int) throws -> Learner,
  mutants: [
    "runs start where the last one ended": { learner, count in
      guard count > 0 else { return learner }
      var other = learner
      other.start = try learner.objective().value(learner.parameters).end.x
      return other
    },
    "weights drift by an ulp": { learner, count in
      var other = learner
      if count > 0 { other.rule.parameters = learner.parameters.mapping(\.nextUp) }
      return other
    },
  ],
  cases: 150,
  generate: { rng -> (Learner, Learner) in (try rng.learner(), try rng.learner()) },
  violation: { before, drawn in
    let (learner, stranger) = drawn
    func look(_ count: Int) throws -> [UInt64] {
      let learner = try before(learner, count)
      let run = try learner.objective().unroll(learner.parameters)
      return try learner.gradient().bits + run.iterates.flatMap { $0.elements.map(\.bitPattern) }
    }
    let first = try look(0)
    _ = try stranger.gradient()
    _ = try stranger.objective().unroll(stranger.parameters)
    return first == (try look(1)) ? nil : "\(learner.rule.name) after \(stranger.rule.name)"
  })

private typealias Handover = @Sendable (RunState, Learner) -> RunState

private let segments = Law(
  "segments-make-a-whole-run",
  purpose: "TruncatedTraining of CoordMathLSTM, RNNprop, LISTA: segments pass on all a run needs",
  of: { state, _ in state } as Handover,
  mutants: [
    "steps are counted anew": { state, _ in
      var other = state
      other.index = 0
      return other
    },
    "what is carried is drawn anew": { state, learner in
      var other = state
      if let problem = try? learner.data.problem() {
        other.carry = learner.rule.initialCarry(for: problem, seed: learner.rule.stateSeed)
      }
      return other
    },
    "iterates in single precision": { state, _ in
      var other = state
      other.x = Vector(state.x.elements.map { Double(Float($0)) })
      return other
    },
  ],
  cases: 150,
  generate: { rng -> (Learner, Int) in
    let learner = try rng.learner()
    return (learner, rng.integer(1...learner.horizon))
  },
  violation: { handOver, drawn in
    let (learner, length) = drawn
    let whole = try learner.objective().value(learner.parameters)
    let run = try learner.objective().unroll(learner.parameters)
    var state = try learner.objective().start
    var finalValue = Double.nan
    for first in stride(from: 0, to: learner.horizon, by: length) {
      let last = min(learner.horizon, first + length)
      let objective = try learner.objective(first..<last)
      if first > 0 { objective.start = handOver(state, learner) }
      let (evaluation, end) = objective.value(learner.parameters)
      (state, finalValue) = (end, evaluation.finalValue)
      guard run.iterates.count > last else { return nil }
      if state.x != run.iterates[last] { return "\(learner.rule.name): x_\(last) is another" }
    }
    guard state == whole.end else { return "\(learner.rule.name): another state at the end" }
    let isSame = finalValue.bitPattern == whole.evaluation.finalValue.bitPattern
    return isSame ? nil : "\(finalValue), at once \(whole.evaluation.finalValue)"
  })

// MARK: Files

private typealias File = @Sendable (Parameters) throws -> Parameters

private let stored = Law(
  "a-stored-rule-is-the-rule",
  purpose: "TrainedRule, Checkpoint (CoordMathLSTM, LISTA): weights through a file run alike",
  of: { weights in
    let arrays = Dictionary(
      uniqueKeysWithValues: zip(weights.names, weights.tensors).map { ($0, $1) })
    let file = try Safetensors(decoding: Safetensors(arrays).encoded(), path: "file")
    return Parameters(
      try weights.names.map { name in
        guard let tensor = file[name] else { throw RuleError.missingParameter(name) }
        return (name, tensor)
      })
  } as File,
  mutants: [
    "single precision": { $0.single },
    "weights of equal shape change places": { weights in
      Parameters(
        zip(weights.names, weights.tensors).map { name, tensor in
          (name, weights.tensors.last { $0.shape == tensor.shape } ?? tensor)
        })
    },
    "fifteen digits": { weights in
      weights.mapping { Double(String(format: "%.14e", $0)) ?? $0 }
    },
  ],
  cases: 150,
  generate: { rng in try rng.learner() },
  violation: { roundTrip, learner in
    var other = learner
    other.rule.parameters = try roundTrip(learner.parameters)
    guard other.parameters.names == learner.parameters.names else { return "other names" }
    for (a, b) in zip(other.parameters.tensors, learner.parameters.tensors) {
      guard a.shape == b.shape else { return "shape \(a.shape), was \(b.shape)" }
      if a.elements.map(\.bitPattern) != b.elements.map(\.bitPattern) {
        return "\(learner.rule.name): weights \(a.elements), were \(b.elements)"
      }
    }
    let isSame = try other.gradient().bits == learner.gradient().bits
    return isSame ? nil : "\(learner.rule.name): equal weights, another gradient"
  })

let tapeLaws = [adjoint, tangents, threads, stretches, traceless, segments, stored]
