import Catalog
import Engine
import Foundation
import Optimization

/// Ada-LISTA, the baseline of paper B that is made of layers, on fresh instances of what it was trained on
/// (E5).
struct AdaptiveLISTAExperiment {
  /// The trained rules of the package.
  var trained: URL

  /// How its curves are named, for the claim that reads them.
  static let name = "ada-lista"
  static let learned = "L2O-PA"
  static let rival = "Ada-LISTA"
  /// Its layers, as in the paper.
  static let layers = 10

  private static let (trainingInstances, batch, epochs, stepSize) = (512, 64, 20, 2e-3)

  private static func source(_ instances: Int) -> FreshProblems {
    FreshProblems(
      .lasso,
      size: SparseRegressionSize(instances: instances, rows: 250, columns: 500, sparsity: 50),
      weight: 0.1, seed: 118)
  }

  /// Trained layer by layer towards certified minima.
  private static func rule(_ progress: (Double) throws -> Void) throws -> any UpdateRule {
    let source = source(batch)
    var targets: [String: Vector] = [:]
    let batches = try (0..<(trainingInstances / batch)).map { k -> Lasso in
      guard let problem = try source.training(k) as? Lasso else {
        preconditionFailure("the family is LASSO")
      }
      targets[problem.name] = Vector(try problem.certifiedMinima().flatMap(\.point.elements))
      return problem
    }
    precondition(targets.count == batches.count, "problems have names of their own")
    var rule = try AdaLISTA(
      layers: layers, parameters: AdaLISTA.initialParameters(for: batches[0], layers: layers))
    let plan = StagedTraining(stepSize: stepSize, length: .epochs(epochs), seed: 118)
    // A layer is trained with all before it, so that the work grows as its square.
    let work = Double(layers * (layers + 1) * plan.stageFactors.count * epochs) / 2
    var done = 0.0
    for layer in 1...layers {
      var failure: (any Error)?
      let outcome = try plan.train(
        rule.parameters, layers: layer...layer,
        progress: { epoch, _ in
          done += Double(epoch.layer)
          do { try progress(done / work) } catch { failure = error }
          return failure == nil
        },
        layer: { try rule.training(of: $0, on: batches) { targets[$0.name] } })
      if let failure { throw failure }
      rule.parameters = outcome.parameters
    }
    return rule
  }

  var experiment: Experiment {
    let source = Self.source(128)
    return GapExperiment(
      name: Self.name, title: "Ada-LISTA on fresh LASSO 250 x 500",
      source: "paper B, figure 3",
      referenceCommand: "python main_unroll.py --config configs/1_lasso_training.yaml "
        + "--optimizer AdaLISTA --layers 10 --init-lr 2e-3",
      notes: [
        "Trained on \(Self.trainingInstances) instances in batches of \(Self.batch) towards their certified minima, "
          + "\(Self.epochs) epochs in each of three stages of a layer. The paper takes 32,000, targets after 5,000 "
          + "steps of FISTA, and as many epochs as validation asks for: this Ada-LISTA is a weaker one.",
        "Beyond its \(Self.layers) layers the last one goes on.",
      ],
      instances: GapExperiment.Instances(id: source.words, count: 128) {
        try source.test(0, instances: 128)
      }, horizon: 100, secondsPerRule: 10,
      entries: [
        GapExperiment.Entry(
          label: Self.rival,
          id: "AdaLISTA of \(Self.layers) layers trained on \(Self.trainingInstances) instances of "
            + "\(Self.source(Self.batch).words), \(Self.epochs) epochs a stage, eta \(Self.stepSize)",
          trainingSeconds: 1800
        ) { try Self.rule($0) },
        .trained("coordmathlstm-pa-lasso", in: trained, label: Self.learned), .ista(), .fista(),
        .adam, .adamHD,
      ]
    ).experiment
  }
}
