import Catalog
import Engine
import Optimization
import Storage

/// The authors' plot of training on a small network's weights, and what learning does there.
struct NetworkExperiment {
  /// Published curves, where there are any.
  var published: PublishedCurves
  /// The network on 200 images; nil if there are none.
  var network: MnistCNN?

  static let name = "cnn"

  private static let horizon = 100
  /// Training steps whose runs the plot shows.
  private static let shown = [0, 100, 200]
  /// Training steps where the gradient does reach the weights.
  private static let learned = 20
  private static let etas = [1e-6, 1e-3]
  /// A value and a gradient over 200 images.
  private static let secondsPerStep = 4e-2

  private static func rule() throws -> CoordMathDNN {
    let architecture = CoordMathDNN.Architecture(widths: [2, 20])
    return try CoordMathDNN(
      architecture: architecture,
      parameters: CoordMathDNN.initialParameters(
        architecture, .orthogonal(.inOut), scale: 100, seed: 118), stepRule: .constant(0.01))
  }

  private static func start() -> Vector {
    var stream = ReferenceStream(seed: 118)
    return MnistCNN.initialParameters(&stream)
  }

  private var words: String {
    guard let network else { return "no images" }
    let labels = network.labels.map(Double.init)
    return "\(network.images.rows) images "
      + ResultCache.hash(network.images.elements + labels)
  }

  /// The authors' training: the loss never reaches the weights, and the iterate goes on.
  private var authors: ExperimentRun {
    let network = network
    let steps = (Self.shown.last ?? 0) + 1
    return ExperimentRun(
      id:
        "TinyCNN on \(words), step 0.01, \(steps) training steps of \(Self.horizon), gradient cut",
      seconds: Self.secondsPerStep * Double(steps * Self.horizon)
    ) { progress in
      let rule = try Self.rule()
      var failure: (any Error)?
      var done = 0
      let outcome = try NetworkTraining(
        rule: rule, problem: Self.given(network), start: Self.start(), horizon: Self.horizon,
        loss: .last, plan: MetaTraining(stepSize: 1e-6, stepsPerEpoch: steps), backward: .reference
      ).run(
        curveSteps: Set(Self.shown),
        isInterrupted: {
          do {
            try progress(Double(done) / Double(steps))
            return false
          } catch {
            failure = error
            return true
          }
        }, progress: { done = $0.losses.count })
      if let failure { throw failure }
      return Self.shown.flatMap { (outcome.curves[$0] ?? []).prefix(Self.horizon) }
    }
  }

  /// Training as it is meant: from the same start each time, with the gradient.
  private func connected(_ eta: Double) -> ExperimentRun {
    let network = network
    return ExperimentRun(
      id:
        "TinyCNN on \(words), step 0.01, \(Self.learned) training steps of \(Self.horizon) from one "
        + "start, eta = \(eta)",
      seconds: 4 * Self.secondsPerStep * Double(Self.learned * Self.horizon)
    ) { progress in
      let rule = try Self.rule()
      let objective = try rule.metaObjective(
        on: Self.given(network), from: Self.start(), horizon: Self.horizon, loss: .last)
      let state = try MetaTraining(stepSize: eta, stepsPerEpoch: Self.learned)
        .train(rule.parameters, objective) {
          try progress(Double($0.losses.count) / Double(Self.learned))
        }
      return Array(objective.unroll(state.parameters).totals.prefix(Self.horizon))
    }
  }

  private static func given(_ network: MnistCNN?) throws -> MnistCNN {
    guard let network else {
      throw RuleError.unsupported(
        setting: "the problem of \(name)", value: "none", accepted: "200 images of MNIST")
    }
    return network
  }

  var experiment: Experiment {
    let x = (0..<Self.horizon).map(Double.init)
    let (authors, fair) = (authors, Self.etas.map { ($0, connected($0)) })
    let plot = published[Self.name]
    return Experiment(
      name: Self.name,
      title: "A small network on MNIST: what the iterate does, and what learning does",
      source: "paper A, plot in the repository",
      referenceCommand:
        "python main_train_nn.py --optimizer CoordMathDNN --optimizee-type MnistCNN --step-size 0.01 "
        + "--lstm-hidden-size 20 --e 100 --train-batch-size 200 --optimizer-training-steps 100 "
        + "--unroll-length 100 --global-training-steps 200 --p-use --p-norm sigmoid --loss-func last --init-lr 1e-6",
      quantity: "mean cross-entropy", abscissa: "step t", isLogarithmic: true,
      closeness: .shape("other images: the authors' are the first 200 of the training set"),
      notes: [
        "The authors' loss does not reach the weights of the rule, which stays gradient descent with step 0.01, "
          + "and the network's own weights go on from one training step to the next: \"training step 100\" shows "
          + "steps 10,000 to 10,099 of gradient descent, not what a trained rule does in 100.",
        "The fair comparison starts every run at the same weights and lets the gradient through.",
      ],
      needs: network == nil ? "mnist" : nil, options: " --data DIR",
      runs: [authors] + fair.map(\.1),
      curves: Self.shown.indices.map { i in
        Experiment.Curve(
          label: "training step \(Self.shown[i])", x: x, runs: [authors.id],
          values: { Array($0[0].dropFirst(i * Self.horizon).prefix(Self.horizon)) },
          published: plot?.curves[i].y)
      }
        + fair.map { eta, run in
          Experiment.Curve(
            label: "learned for \(Self.learned) steps, eta = \(Number.short(eta))", x: x,
            runs: [run.id], values: { $0[0] })
        })
  }
}
