import Catalog
import Foundation

/// A rule trained on LASSO, applied to logistic regression with an l1 term (E5).
struct TransferExperiment {
  /// The trained rules of the package.
  var trained: URL

  /// Paper B's sizes; it takes 1,024 instances.
  static func instances(_ lipschitz: LogisticL1.Lipschitz) -> GapExperiment.Instances {
    let source = FreshProblems(
      .logisticL1,
      size: SparseRegressionSize(instances: 128, rows: 1000, columns: 50, sparsity: 20),
      weight: 0.1, seed: 118, lipschitz: lipschitz)
    return GapExperiment.Instances(
      id: "\(source.words), Lipschitz constant \(lipschitz.rawValue)", count: source.size.instances
    ) { try source.test(0, instances: source.size.instances) }
  }

  /// The two constants by what their curves are called.
  static let steps: [(words: String, lipschitz: LogisticL1.Lipschitz)] = [
    ("fair step", .correct), ("published step", .spectralNorm),
  ]

  /// The learned rule, as curves and claims name it.
  static let learned = "L2O-PA trained on LASSO"

  var experiment: Experiment {
    let own = Self.steps.flatMap { words, lipschitz -> [GapExperiment.Entry] in
      let instances = Self.instances(lipschitz)
      return [
        .trained(
          "coordmathlstm-pa-lasso", in: trained, label: "\(Self.learned), \(words)", on: instances),
        .ista("ISTA, \(words)", on: instances), .fista("FISTA, \(words)", on: instances),
      ]
    }
    return GapExperiment(
      name: "transfer", title: "A rule trained on LASSO, applied to logistic regression",
      source: "paper B, figure 10",
      referenceCommand:
        "python main.py --config configs/logistic_testing.yaml --optimizer CoordMathLSTM "
        + "--p-use --p-norm sigmoid --a-use --a-norm sigmoid --test --ckpt-path LASSO.pth",
      notes: [
        "128 instances; the paper takes 1,024. 1000 x 50, 20 nonzeros, rho = 0.1.",
        "Published step: 0.9999/sigma(M), as the authors' code takes the spectral norm for the Lipschitz constant. "
          + "Fair step: 0.9999 over the constant itself, sigma(M)^2/(4 b), which is a hundred times longer here. "
          + "The learned rule multiplies the same step, and is shown with both.",
      ],
      instances: Self.instances(.correct), horizon: 1000, secondsPerRule: 25,
      entries: own + [.adam, .adamHD]
    ).experiment
  }
}
