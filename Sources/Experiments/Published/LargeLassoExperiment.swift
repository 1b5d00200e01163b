import Catalog
import Foundation

/// The rule trained on LASSO 250 x 500, on larger LASSO (E5).
struct LargeLassoExperiment {
  /// The trained rules of the package.
  var trained: URL

  /// The learned rule, as curves and claims name it.
  static let learned = "L2O-PA trained on 250 x 500"

  var experiment: Experiment {
    let source = FreshProblems(
      .lasso,
      size: SparseRegressionSize(instances: 8, rows: 1000, columns: 2000, sparsity: 200),
      weight: 0.1, seed: 118)
    return GapExperiment(
      name: "large-lasso", title: "A rule trained on LASSO 250 x 500, on LASSO 1000 x 2000",
      source: "paper B, figure 8",
      referenceCommand:
        "python main.py --config configs/2_lasso_testing.yaml --optimizer CoordMathLSTM "
        + "--input-dim 2000 --output-dim 1000 --sparsity 200 --p-use --a-use --test",
      notes: [
        "The authors' code has no script for it: size and count are ours, four times the training size and 8 instances, "
          + "with the training's share of nonzeros, rho = 0.1."
      ],
      instances: GapExperiment.Instances(id: source.words, count: source.size.instances) {
        try source.test(0, instances: source.size.instances)
      },
      horizon: 500, secondsPerRule: 40,
      entries: [
        .trained("coordmathlstm-pa-lasso", in: trained, label: Self.learned), .ista(), .fista(),
        .adam, .adamHD,
      ]
    ).experiment
  }
}
