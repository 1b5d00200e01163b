import Catalog
import Engine
import Foundation
import Optimization
import Storage

/// Paper B's rule in its seven variants beside two other learned rules, on fresh instances of what they
/// were trained on and on image patches (E5).
struct AblationExperiment {
  /// The trained rules of the package.
  var trained: URL
  /// Image patches; nil where no folder with real data was named.
  var patches: Lasso?

  /// How names of these experiments begin, for the claim that reads them.
  static let name = "ablation"

  /// The seven variants, by the parts that they learn.
  static let variants = ["PBA12", "PBA1", "PBA2", "PBA", "PA", "P", "A"]
  /// Learned rules that are not the paper's.
  private static let others = ["L2O-DM", "RNNprop"]

  /// Iterations of a test.
  private static let horizon = 1000
  private static let training = (problems: 500, instances: 16)
  private static let trainingNote =
    "All learned rules were trained alike, on 500 problems of 16 instances of LASSO 250 x 500, for 100 steps in "
    + "segments of 20; the paper takes 64 instances a problem. Weights that the package does not keep are "
    + "trained first."

  /// All of them: on as many instances as the paper, on fewer, and on image patches.
  var all: [Experiment] {
    [synthetic(Self.name, instances: 1024), synthetic("\(Self.name)-128", instances: 128), real]
  }

  private var weights: URL { trained.appendingPathComponent("Ablation") }

  private static func source(_ instances: Int) -> FreshProblems {
    FreshProblems(
      .lasso,
      size: SparseRegressionSize(instances: instances, rows: 250, columns: 500, sparsity: 50),
      weight: 0.1, seed: 118)
  }

  /// The learned rules, with weights that are kept or that are trained first.
  private var learned: [GapExperiment.Entry] {
    (Self.variants + Self.others).map { label in
      let name = label.lowercased()
      if TrainedRule.isThere(name, in: weights) {
        return .trained(name, in: weights, label: label)
      }
      return GapExperiment.Entry(
        label: label,
        id: "\(label) trained on \(Self.training.problems) problems of "
          + "\(Self.source(Self.training.instances).words)", trainingSeconds: 1400
      ) { try Self.trained(label, $0) }
    }
  }

  private static func trained(
    _ label: String, _ progress: (Double) throws -> Void
  ) throws -> any UpdateRule {
    func trained(_ rule: some FormulaRule, stepSize: Double) throws -> any UpdateRule {
      try source(training.instances).trained(
        rule, stepSize: stepSize, count: training.problems, progress: progress)
    }
    switch label {
    case "L2O-DM": return try trained(TrainedRule.blackbox(nil), stepSize: 1e-2)
    case "RNNprop": return try trained(TrainedRule.rnnprop(nil), stepSize: 3e-3)
    default:
      var rule = try CoordMathLSTM.variant(label, seed: 118)
      rule.stepRule = .reference
      return try trained(rule, stepSize: 1e-2)
    }
  }

  private func synthetic(_ name: String, instances: Int) -> Experiment {
    let source = Self.source(instances)
    return GapExperiment(
      name: name, title: "Seven variants of paper B's rule, on \(instances) fresh LASSO 250 x 500",
      source: "paper B, figures 1 and 3",
      referenceCommand:
        "python main.py --config configs/1_lasso_training.yaml --optimizer CoordMathLSTM "
        + "--p-use --a-use --b-use --b1-use --b2-use",
      notes: [Self.trainingNote],
      instances: GapExperiment.Instances(id: source.words, count: instances) {
        try source.test(0, instances: instances)
      },
      horizon: Self.horizon, secondsPerRule: 0.3 * Double(instances),
      entries: learned + [.ista(), .fista(), .adam, .adamHD]
    ).experiment
  }

  private var real: Experiment {
    var experiment = GapExperiment(
      name: "\(Self.name)-patches", title: "Seven variants of paper B's rule, on image patches",
      source: "paper B, figures 1 and 4",
      referenceCommand:
        "python main.py --config configs/3_lasso_testing_real.yaml --optimizer CoordMathLSTM "
        + "--p-use --a-use --b-use --b1-use --b2-use --test",
      notes: [
        Self.trainingNote,
        "Patches of 8 x 8 pixels with a learned dictionary of 64 x 128, rho = 0.5: no rule saw any of them.",
      ],
      instances: GapExperiment.Instances(
        id: "image patches " + (patches.map { ResultCache.hash($0.target.elements) } ?? ""),
        count: patches?.instanceCount ?? 0
      ) { [patches] in
        guard let patches else { preconditionFailure("an experiment that lacks its data was run") }
        return patches
      },
      horizon: Self.horizon, secondsPerRule: 75,
      entries: learned + [
        .ista(), .fista(), .adam(1e-3, 1e-4, 0.1), .adamHD(1e-2, 0.01, 0.01, kappa: 1e-8),
      ]
    ).experiment
    experiment.options = " --data DIR"
    if patches == nil { experiment.needs = "image-patches" }
    return experiment
  }
}

extension CoordMathLSTM {
  /// One of the seven variants at its first weights.
  static func variant(_ name: String, seed: UInt64) throws -> CoordMathLSTM {
    guard let architecture = RecurrentParts.Architecture.variant(name) else {
      preconditionFailure("\(name) is one of the seven")
    }
    return CoordMathLSTM(
      try RecurrentParts(architecture, parameters: architecture.initialParameters(seed: seed)),
      form: .paper, stateSeed: seed)
  }
}
