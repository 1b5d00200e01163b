import Checks
import Storage

/// E5 where a rule was trained for other problems (E5t), fewer steps (E5h) or other sizes (E5s), on logistic
/// problems (E5l), against Ada-LISTA (E5u); and what its parts do (E5a).
///
/// A rule is ahead at an iteration if its mean gap is below that of each rival. A gap of at most 1e-12 is
/// as good as none, since certificates vouch for no more: where a rival's is that small too the claim holds
/// vacuously. A rival whose gap is not a number has diverged.
extension ExperimentClaims {
  private static let certified = Experiment.certifiedGap

  /// The claims of `experiments`; those that were not run are left out.
  static func gaps(_ experiments: [ExperimentResult]) -> [CheckResult] {
    experiments.flatMap { experiment -> [CheckResult?] in
      switch experiment.name {
      case "transfer": TransferExperiment.steps.map { transfer(experiment, $0.words) }
      case "long-horizon": [longHorizon(experiment)]
      case "large-lasso": [largeLasso(experiment)]
      case AdaptiveLISTAExperiment.name: unfolded(experiment)
      case let name where LogisticExperiments.names.contains(name): logistic(experiment)
      case let name where name.hasPrefix(AblationExperiment.name): [ablation(experiment)]
      default: []
      }
    }.compactMap(\.self)
  }

  /// With one step, against proximal methods with the same.
  private static func transfer(_ experiment: ExperimentResult, _ words: String) -> CheckResult? {
    ahead(
      experiment, "\(TransferExperiment.learned), \(words)",
      of: ["ISTA, \(words)", "FISTA, \(words)", "Adam", "AdamHD"], at: 100, id: "E5t",
      "a rule trained on LASSO is ahead on logistic problems", subject: "1000 x 50, \(words)")
  }

  /// Against all that have the fair step or none, and against proximal methods with the published one.
  private static func logistic(_ experiment: ExperimentResult) -> [CheckResult?] {
    LogisticExperiments.rivals.map { words, rivals in
      ahead(
        experiment, LogisticExperiments.learned, of: rivals + ["Adam", "AdamHD"], at: 100,
        id: "E5l",
        "a rule trained on logistic regression is ahead on such problems, real ones too",
        subject: "\(experiment.name), rivals with the \(words)")
    }
  }

  /// After as many steps as Ada-LISTA has layers, and when the rule's own training ended.
  private static func unfolded(_ experiment: ExperimentResult) -> [CheckResult?] {
    [Double(AdaptiveLISTAExperiment.layers), 100].map { mark in
      ahead(
        experiment, AdaptiveLISTAExperiment.learned, of: [AdaptiveLISTAExperiment.rival], at: mark,
        id: "E5u", "L2O-PA is ahead of Ada-LISTA on LASSO",
        subject: "250 x 500, iteration \(Int(mark))")
    }
  }

  private static func longHorizon(_ experiment: ExperimentResult) -> CheckResult? {
    ahead(
      experiment, LongHorizonExperiment.learned, of: ["ISTA", "FISTA", "Adam", "AdamHD"],
      at: 5000, id: "E5h", "a rule trained for 100 steps is ahead after 5,000",
      subject: "ten classes, a synthetic stand-in for CIFAR-10, fair step")
  }

  private static func largeLasso(_ experiment: ExperimentResult) -> CheckResult? {
    ahead(
      experiment, LargeLassoExperiment.learned, of: ["ISTA", "FISTA", "Adam", "AdamHD"], at: 100,
      id: "E5s", "a rule trained on LASSO 250 x 500 is ahead on larger LASSO",
      subject: "LASSO 1000 x 2000")
  }

  private static func ablation(_ experiment: ExperimentResult) -> CheckResult? {
    ahead(
      experiment, "PA", of: ["P", "A"], at: 100, id: "E5a",
      "preconditioner and acceleration both matter: PA is ahead of P alone and of A alone",
      subject: experiment.title)
  }

  /// Whether the curve `learned` is ahead of `rivals` at iteration `mark`; nil where one of them was not looked at.
  private static func ahead(
    _ experiment: ExperimentResult, _ learned: String, of rivals: [String], at mark: Double,
    id: String, _ title: String, subject: String
  ) -> CheckResult? {
    func gap(_ label: String) -> Double? {
      experiment.curves.first { $0.label == label }.flatMap { curve in
        curve.x.firstIndex(of: mark).map { curve.y[$0] }
      }
    }
    let theirs = rivals.compactMap { label in gap(label).map { (label, $0) } }
    guard let ours = gap(learned), theirs.count == rivals.count else { return nil }
    let failures = theirs.filter { _, gap in
      !(ours <= certified || ours < gap || !ours.isNaN && gap.isNaN)
    }
    var check = result(
      id, title, experiment.source, subject: subject,
      reason: "mean gap at iteration \(Int(mark)): learned \(brief(ours)), "
        + theirs.map { "\($0.0) \(brief($0.1))" }.joined(separator: ", "),
      failures: failures.map { Evidence($0.0, actual: ours, reference: $0.1, allowed: 0) },
      numbers: ["learned": ours, "best": theirs.map(\.1).filter { !$0.isNaN }.min() ?? .nan],
      replay: experiment.command)
    if failures.isEmpty, theirs.contains(where: { $0.1 <= certified }) {
      (check.verdict, check.qualifier) = (.holdsVacuously, nil)
    }
    return check
  }
}
