import Foundation
import OptCheck

/// A training run that may be left and taken up again.
private struct Job: Sendable {
  var setting: Setting
  var loss: MetaLoss
  var plan: MetaTraining
  /// Steps before the pause.
  var pause: Int

  func train(_ state: inout TrainingState, upTo step: Int) throws {
    // A new objective and a new memory, as after a restart.
    let objective = try setting.rule.metaObjective(
      on: setting.problem, from: setting.start, horizon: setting.horizon, loss: loss)
    var memory = MetaTraining.Memory(for: setting.rule.parameters)
    while state.losses.count < step, !state.isFinished(plan) {
      plan.advance(&state, objective, memory: &memory)
    }
  }
}

extension TrainingState {
  /// All numbers as bits, since the last loss of a run that diverged is NaN.
  fileprivate var arrays: [(name: String, bits: [UInt64])] {
    func bits(_ parameters: Parameters) -> [UInt64] {
      parameters.tensors.flatMap { $0.elements.map(\.bitPattern) }
    }
    return [
      ("losses", losses.map(\.bitPattern)), ("weights", bits(parameters)),
      ("first moments", bits(optimizer.first)), ("second moments", bits(optimizer.second)),
    ]
  }
}

private let resuming = Law(
  "resuming", purpose: "the state holds all that training needs: a pause changes no bit",
  of: { _, state in state } as @Sendable (Job, TrainingState) -> TrainingState,
  mutants: [
    "moments are forgotten": { job, state in
      var off = state
      off.optimizer = job.plan.optimizer.initialState(for: state.parameters)
      return off
    },
    "bias correction starts anew": { _, state in
      var off = state
      off.optimizer.step = 0
      return off
    },
    "the epoch starts anew": { _, state in
      var off = state
      off.losses = []
      return off
    },
    "weights in single precision": { _, state in
      var off = state
      for i in off.parameters.tensors.indices {
        off.parameters.tensors[i].elements = off.parameters.tensors[i].elements
          .map { Double(Float($0)) }
      }
      return off
    },
  ],
  cases: 400,
  generate: { rng -> Job in
    let setting = try rng.setting(form: .gram)
    let steps = rng.integer(1...6)
    let epochs = rng.integer(1...3)
    let plan = MetaTraining(
      optimizer: rng.choose([.sgd, .adam()]), stepSize: pow(10, -1 - 3 * rng.uniform()),
      schedule: rng.choose([.constant, .step(), .cosine(period: 3)]),
      clipNorm: rng.choose([nil, 1]), stepsPerEpoch: steps, epochs: epochs)
    return Job(
      setting: setting, loss: rng.choose(MetaLoss.allCases), plan: plan,
      pause: rng.integer(0...plan.stepCount))
  },
  violation: { restore, job in
    var whole = job.plan.initialState(job.setting.rule.parameters)
    var parted = whole
    try job.train(&whole, upTo: job.plan.stepCount)
    try job.train(&parted, upTo: job.pause)
    parted = restore(job, parted)
    try job.train(&parted, upTo: job.plan.stepCount)
    for ((name, a), (_, b)) in zip(parted.arrays, whole.arrays) where a != b {
      return "\(name) \(a.map(Double.init(bitPattern:))), not \(b.map(Double.init(bitPattern:)))"
    }
    let isSame = parted.optimizer.step == whole.optimizer.step && parted.stop == whole.stop
    return isSame ? nil : "stops at \(parted.stop as Any), not \(whole.stop as Any)"
  })

let trainingLaws = [resuming]
