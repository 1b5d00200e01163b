import Catalog
import Engine
import Foundation
import Optimization
import Storage

/// Mean relative gaps of several rules on the same instances from 0, iteration by iteration.
struct GapExperiment {
  /// Instances with certified minima.
  struct Instances: Sendable {
    /// Everything that determines them, in words.
    var id: String
    /// N.
    var count: Int
    /// Draws them.
    var problem: @Sendable () throws -> any LinearModelProblem
  }

  /// A rule that is compared.
  struct Entry: Sendable {
    /// Its words in the legend.
    var label: String
    /// Everything that determines it, in words.
    var id: String
    /// What it runs on, with the same minima; nil for the experiment's own.
    var instances: Instances?
    /// Of the training that making it takes, on one core.
    var trainingSeconds = 0.0
    /// Makes it; is given what hears of the share done.
    var rule: @Sendable (_ progress: (Double) throws -> Void) throws -> any UpdateRule
  }

  var name: String
  var title: String
  var source: String
  var referenceCommand: String
  var notes: [String]
  var instances: Instances
  /// Iterations.
  var horizon: Int
  /// Of one rule on one core.
  var secondsPerRule: Double
  var entries: [Entry]

  /// Iterations that curves show, up to `horizon`.
  static func marks(to horizon: Int) -> [Int] {
    [
      0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 100, 150, 200, 300, 500, 700, 1000,
      1500, 2000, 3000, 5000,
    ].filter { $0 <= horizon }
  }

  /// The mean over instances of (F(x_t) - F*) / F* for t from 0 to `horizon`, on one thread; goes on where it
  /// was cut.
  ///
  /// - Parameter share: of the whole run that is done with the gaps of so much of the instances.
  /// - Throws: `RuleError` where a minimum carries no certificate; what ends the run.
  static func gaps(
    of rule: any UpdateRule, on problem: any LinearModelProblem, horizon: Int,
    _ progress: RunProgress = RunProgress(), share: (Double) -> Double = \.self
  ) throws -> [Double] {
    guard let problem = problem as? any CertifiableProblem else {
      throw RuleError.unsupported(
        setting: "problem", value: problem.name, accepted: "problems with certified minima")
    }
    let minima = try problem.certifiedMinima()
    guard minima.allSatisfy(\.isCertified) else {
      throw RuleError.unsupported(
        setting: "problem", value: problem.name, accepted: "minima with a duality gap of 1e-12")
    }
    let study = GapStudy(problem: problem, minima: minima.map(\.value), horizon: horizon)
    let ranges = study.ranges
    // Sums over the instances so far, t by t, and how many parts these are.
    var sums = [Double](repeating: 0, count: horizon + 1)
    var done = 0
    if let left = progress.interim?["sums"]?.elements, left.count == sums.count,
      let parts = progress.interim?["parts"]?.elements.first, Int(parts) <= ranges.count
    {
      (sums, done) = (left, Int(parts))
    }
    for range in ranges[done...] {
      for (t, gaps) in study.relativeGaps(of: rule, in: range).enumerated() {
        sums[t] = gaps.reduce(sums[t], +)
      }
      done += 1
      try progress(share(Double(done) / Double(ranges.count))) {
        [
          "sums": Tensor(shape: [sums.count], elements: sums),
          "parts": Tensor(shape: [1], elements: [Double(done)]),
        ]
      }
    }
    return sums.map { $0 / Double(study.minima.count) }
  }

  /// The values of a run at `marks`, NaN beyond its end.
  static func curve(
    _ label: String, _ run: ExperimentRun, at marks: [Int]
  ) -> Experiment.Curve {
    Experiment.Curve(
      label: label, x: marks.map(Double.init), runs: [run.id],
      values: { outcomes in marks.map { $0 < outcomes[0].count ? outcomes[0][$0] : .nan } })
  }

  var experiment: Experiment {
    let horizon = horizon
    let runs = entries.map { entry in
      let instances = entry.instances ?? instances
      return ExperimentRun(
        id:
          "\(entry.id), \(horizon) steps from 0, mean gap over \(instances.count) of \(instances.id)",
        seconds: entry.trainingSeconds + secondsPerRule
      ) { [secondsPerRule] progress in
        let part = entry.trainingSeconds / (entry.trainingSeconds + secondsPerRule)
        let rule = try entry.rule { try progress(part * $0) }
        return try Self.gaps(of: rule, on: instances.problem(), horizon: horizon, progress) {
          part + (1 - part) * $0
        }
      }
    }
    let marks = Self.marks(to: horizon)
    return Experiment(
      name: name, title: title, source: source, referenceCommand: referenceCommand,
      quantity: Experiment.gapQuantity, abscissa: "iteration", isLogarithmic: true,
      closeness: .shape("no curve of it was published as numbers"),
      notes: notes + [
        "Gaps are taken with respect to certified minima; below 1e-12 they say nothing."
      ], runs: runs, curves: zip(entries, runs).map { Self.curve($0.label, $1, at: marks) })
  }
}

// MARK: - Rules

extension GapExperiment.Entry {
  /// ISTA, with 0.9999 over the problem's constants as the reference code steps.
  static func ista(
    _ label: String = "ISTA", on instances: GapExperiment.Instances? = nil
  ) -> Self {
    Self(label: label, id: "ISTA", instances: instances) { _ in
      ProximalGradient(stepRule: .reference)
    }
  }

  /// FISTA, stepping as ``ista(_:on:)``.
  static func fista(
    _ label: String = "FISTA", on instances: GapExperiment.Instances? = nil
  ) -> Self {
    Self(label: label, id: "FISTA", instances: instances) { _ in FISTA(stepRule: .reference) }
  }

  /// Adam with the step and the decays that paper B gives it on synthetic problems.
  static let adam = adam(1e-2, 0.1, 0.1)

  /// Adam with a step and its decays.
  static func adam(_ step: Double, _ beta1: Double, _ beta2: Double) -> Self {
    Self(label: "Adam", id: "Adam \(words(step, beta1, beta2))") { _ in
      Adam(stepRule: .constant(step), beta1: beta1, beta2: beta2)
    }
  }

  /// AdamHD with paper B's settings on synthetic problems; every instance moves its own step.
  static let adamHD = adamHD(0.1, 0.001, 0.1, kappa: 1e-7)

  /// AdamHD with its first step, its decays, and the rate κ at which the step moves.
  static func adamHD(
    _ step: Double, _ beta1: Double, _ beta2: Double, kappa: Double
  ) -> Self {
    Self(
      label: "AdamHD", id: "AdamHD \(words(step, beta1, beta2)), kappa \(Number.short(kappa))"
    ) { _ in
      Adam(
        stepRule: .constant(step), beta1: beta1, beta2: beta2,
        hyperDescent: Adam.HyperDescent(rate: kappa))
    }
  }

  private static func words(_ numbers: Double...) -> String {
    numbers.map { Number.short($0) }.joined(separator: ", ")
  }

  /// The rule whose weights lie under `name` in `folder`, stepping as ``ista(_:on:)``.
  static func trained(
    _ name: String, in folder: URL, label: String, on instances: GapExperiment.Instances? = nil
  ) -> Self {
    Self(label: label, id: TrainedRule.words(name, in: folder), instances: instances) { _ in
      try TrainedRule.learned(name, in: folder, stepRule: .reference)
    }
  }
}
