import Catalog
import Engine
import Foundation
import Storage

/// A rule trained on logistic regressions with an l1 term, on instances that it never saw: fresh ones, and
/// two real data sets (E5).
struct LogisticExperiments {
  /// The trained rules of the package.
  var trained: URL
  /// The real ones that there are, by name.
  var tables: [String: LogisticL1]

  /// The learned rule, as curves and claims name it.
  static let learned = "L2O-PA trained on logistic"
  /// Names of the experiments, that of the fresh instances first.
  static let names = ["logistic", "logistic-ionosphere", "logistic-spambase"]
  /// The proximal methods with either step, as claims name them.
  static let rivals = TransferExperiment.steps.map { words, _ in
    (words, ["ISTA, \(words)", "FISTA, \(words)"])
  }

  private static let stepNote =
    "Fair and published step as in the experiment transfer. The learned rules were trained with the fair one, "
    + "and take it."
  private static let trainingNote =
    "Trained on 500 problems of 64 instances, 1000 x 50, 20 nonzeros, rho = 0.1, for 100 steps in segments of 20."

  /// All of them.
  var all: [Experiment] {
    [fresh]
      + zip(Self.names.dropFirst(), ["ionosphere", "spambase"]).map { name, table in
        real(name, table, size: Self.sizes[table] ?? "")
      }
  }

  private static let sizes = ["ionosphere": "351 x 34", "spambase": "4601 x 57"]

  private func entries(
    _ instances: (LogisticL1.Lipschitz) -> GapExperiment.Instances
  ) -> [GapExperiment.Entry] {
    let methods = TransferExperiment.steps.flatMap { words, lipschitz -> [GapExperiment.Entry] in
      let instances = instances(lipschitz)
      return [
        .ista("ISTA, \(words)", on: instances), .fista("FISTA, \(words)", on: instances),
      ]
    }
    return [
      .trained("coordmathlstm-pa-logistic", in: trained, label: Self.learned),
      .trained("coordmathlstm-pa-lasso", in: trained, label: TransferExperiment.learned),
    ] + methods + [.adam, .adamHD]
  }

  private var fresh: Experiment {
    let instances = TransferExperiment.instances
    return GapExperiment(
      name: Self.names[0], title: "A rule trained on logistic regression, on fresh instances",
      source: "paper B, figure 5",
      referenceCommand: "python main.py --config configs/logistic_training.yaml "
        + "--optimizer CoordMathLSTM --p-use --a-use --test",
      notes: [
        "128 instances; the paper takes 1,024. \(Self.trainingNote)", Self.stepNote,
      ], instances: instances(.correct), horizon: 1000, secondsPerRule: 25,
      entries: entries(instances)
    ).experiment
  }

  private func real(_ name: String, _ table: String, size: String) -> Experiment {
    let problem = tables[table]
    let data = problem.map { $0.map.distinctMatrices.flatMap(\.elements) + $0.target.elements }
    func instances(_ lipschitz: LogisticL1.Lipschitz) -> GapExperiment.Instances {
      GapExperiment.Instances(
        id: "\(table) \(data.map { ResultCache.hash($0) } ?? ""), "
          + "Lipschitz constant \(lipschitz.rawValue)",
        count: 1
      ) {
        guard let problem else { preconditionFailure("an experiment that lacks its data was run") }
        return try LogisticL1(
          name: problem.name, map: problem.map, target: problem.target, weight: problem.weight,
          lipschitz: lipschitz)
      }
    }
    var experiment = GapExperiment(
      name: name, title: "A rule trained on random logistic regressions, on \(table.capitalized)",
      source: "paper B, figure \(table == "ionosphere" ? 6 : 7)",
      referenceCommand: "python main.py --config configs/logistic_testing_real.yaml "
        + "--optimizer CoordMathLSTM --p-use --a-use --test --load-mat",
      notes: ["\(size), columns standardised, rho = 0.1. \(Self.trainingNote)", Self.stepNote],
      instances: instances(.correct), horizon: 5000, secondsPerRule: 8,
      entries: entries(instances)
    ).experiment
    experiment.options = " --data DIR"
    if problem == nil { experiment.needs = table }
    return experiment
  }
}
