import Catalog
import Storage

/// Whether LISTA-CPSS keeps the conditions of its own convergence theorem (E7).
struct ConsistencyExperiment {
  /// How names of its curves begin, for the claim that reads them.
  static let falsePositives = "false positives"
  static let diagonal = "diagonal off 1"
  static let coherence = "coherence ratio"
  /// What follows for curves after training.
  static let trained = ", trained"

  private let study = ListaStudy()

  var experiment: Experiment {
    let study = study
    let runs = ListaStudy.Measure.allCases.map { measure in
      let id =
        "LISTACPSS consistency, trained on \(measure.rawValue), LASSO \(study.size.rows) x "
        + "\(study.size.columns), \(study.layers) layers, \(study.epochs) epochs, seed \(study.seed)"
      return ExperimentRun(id: id, seconds: 30) { _ in
        let (before, after) = try study.consistency(measure)
        return [before, after].flatMap { $0.falsePositives + $0.diagonal + $0.coherence }
      }
    }
    let layers = study.layers
    let x = (1...layers).map(Double.init)
    func curve(_ label: String, _ run: ExperimentRun, _ place: Int) -> Experiment.Curve {
      Experiment.Curve(
        label: label, x: x, runs: [run.id],
        values: { Array($0[0].dropFirst(place * layers).prefix(layers)) })
    }
    return Experiment(
      name: "sign-consistency",
      title: "How often LISTA-CPSS violates the conditions of its own theorem",
      source: "paper A, figures 3a and 3b",
      referenceCommand:
        "python main_unroll_listas.py --optimizer LISTACPSS --layers 16 --test --debug",
      quantity: "per cent, and a ratio", abscissa: "layer", isLogarithmic: false,
      closeness: .shape("the authors' data for it are not in their code any more"),
      notes: [
        "False positives: entries that are 0 in the point behind the data and not in x_t. Diagonal: entries of "
          + "We M off 1 by more than 1 %. Coherence: max |We M| off the diagonal over that of MᵀM, a ratio.",
        "Training starts at ISTA's matrices, where the diagonal is 1/L and not 1.",
      ],
      runs: runs,
      curves: [
        curve("\(Self.falsePositives), before", runs[0], 0),
        curve("\(Self.falsePositives)\(Self.trained) on F", runs[0], 3),
        curve("\(Self.falsePositives)\(Self.trained) on NMSE", runs[1], 3),
        curve("\(Self.diagonal), before", runs[0], 1),
        curve("\(Self.diagonal)\(Self.trained) on F", runs[0], 4),
        curve("\(Self.diagonal)\(Self.trained) on NMSE", runs[1], 4),
        curve("\(Self.coherence), before", runs[0], 2),
        curve("\(Self.coherence)\(Self.trained) on NMSE", runs[1], 5),
      ])
  }
}
