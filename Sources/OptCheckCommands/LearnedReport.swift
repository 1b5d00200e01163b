import Datasets
import Foundation
import OptCheck

/// Runs what the report on learned optimizers prints.
struct LearnedReportRun {
  /// Which parts are wanted.
  var selection: Selection
  /// The folder with real data; nil if there is none.
  var data: URL?
  /// The command, for the report.
  var command: String
  /// Instances and iterations are cut down, to see that it works.
  var isQuick: Bool
  /// Fresh instances of LASSO.
  var instances = 1024
  /// Called with what is run next.
  var progress: (String) -> Void

  private var seconds: [(stage: String, seconds: Double)] = []
  private var missing: [String: String] = [:]

  /// Plans it, and looks whether the data that it needs are there.
  ///
  /// - Throws: `DatasetError` naming what is missing.
  init(
    selection: Selection, data: URL?, command: String, isQuick: Bool,
    progress: @escaping (String) -> Void
  ) throws {
    self.selection = selection
    self.data = data
    self.command = command
    self.isQuick = isQuick
    self.progress = progress
    if let data {
      try RealData.expect(
        RealData.names.filter(wants) + (wants("network") ? [RealData.mnist] : []), in: data)
    }
  }

  /// The comparisons, in order.
  static let comparisons = ["lasso", RealData.patches, "logistic", "ionosphere", "spambase"]

  private func wants(_ part: String) -> Bool {
    selection.matches("summary") || selection.matches(part)
  }

  mutating func run() throws -> LearnedResults {
    let folder = try PackageFolder.locate().appendingPathComponent("Fixtures/Trained")
    let trained = try TrainedRule.all(in: folder)
    var comparisons: [GapComparison] = []
    for part in Self.comparisons where wants(part) {
      guard let subject = try subject(part, trained) else { continue }
      comparisons.append(try timed(subject.title) { try LearnedStudy.compare(subject) })
    }
    var study = ListaStudy()
    if isQuick {
      study = ListaStudy(
        size: SparseRegressionSize(instances: 32, rows: 10, columns: 20, sparsity: 2), layers: 3,
        trainingInstances: 64, batch: 32, epochs: 2)
    }
    var rows: [ListaStudy.Row] = []
    if wants("unfolded") { rows = try timed("LISTA and its kin") { try study.rows() } }
    let network = wants("network") ? try networkComparison() : nil
    return LearnedResults(
      command: command, trained: trained.map { ($0.name, $0.record) }, comparisons: comparisons,
      lista: rows, listaStudy: study, network: network, missing: missing, seconds: seconds)
  }

  private mutating func timed<Result>(_ stage: String, _ body: () throws -> Result) rethrows
    -> Result
  {
    progress(stage)
    let start = ContinuousClock.now
    let result = try body()
    seconds.append((stage, (ContinuousClock.now - start) / .seconds(1)))
    return result
  }

  // MARK: Comparisons

  private mutating func subject(
    _ part: String, _ trained: [TrainedRule]
  ) throws -> LearnedStudy.Case? {
    func rules(_ names: [(String, String)]) -> [(label: String, rule: any UpdateRule)] {
      names.compactMap { name, label in
        trained.first { $0.name == name }.map { (label, $0.rule as any UpdateRule) }
      }
    }
    let pa = ("coordmathlstm-pa-lasso", "L2O-PA, trained on LASSO")
    let logistic = ("coordmathlstm-pa-logistic", "L2O-PA, trained on logistic")
    let learned = ["lasso", RealData.patches].contains(part) ? rules([pa]) : rules([logistic, pa])
    guard !learned.isEmpty, part != "logistic" || learned.count == 2 else {
      missing[part] = "Fixtures/Trained holds no such weights"
      return nil
    }
    switch part {
    case "lasso":
      let size = SparseRegressionSize(
        instances: isQuick ? 8 : instances, rows: 250, columns: 500, sparsity: 50)
      let source = FreshProblems(.lasso, size: size, weight: 0.1, seed: 118)
      let problem = try source.test(0, instances: size.instances)
      return LearnedStudy.Case(
        id: part, title: "LASSO, \(size.instances) fresh instances",
        setting:
          "LASSO 250 x 500, 50 nonzeros, ρ = 0.1, seed 118 + 777: the family it was trained on, "
          + "instances it never saw.", problem: try certifiable(problem), learned: learned,
        adam: Adam(stepRule: .constant(1e-2), beta1: 0.1, beta2: 0.1),
        horizon: isQuick ? 50 : 200)
    case RealData.patches:
      guard let problem = try realProblem(part) else { return nil }
      return LearnedStudy.Case(
        id: part, title: "Image patches, \(problem.instanceCount) instances",
        setting:
          "LASSO on 8 x 8 image patches with a learned 64 x 128 dictionary, ρ = 0.5; the rule was "
          + "trained on random data of another size.", problem: problem, learned: learned,
        adam: Adam(stepRule: .constant(1e-3), beta1: 1e-4, beta2: 0.1),
        horizon: isQuick ? 50 : 1000)
    case "logistic":
      let size = SparseRegressionSize(
        instances: isQuick ? 8 : instances, rows: 1000, columns: 50, sparsity: 20)
      let source = FreshProblems(.logisticL1, size: size, weight: 0.1, seed: 118)
      return logisticCase(
        part, title: "Logistic regression, \(size.instances) fresh instances",
        setting:
          "Logistic regression with an l1 term, 1000 x 50, 20 nonzeros, ρ = 0.1, seed 118 + 777: the "
          + "family that the first rule was trained on, instances it never saw.",
        try certifiable(source.test(0, instances: size.instances)), learned)
    default:
      guard let problem = try realProblem(part) else { return nil }
      return logisticCase(
        part, title: part.capitalized,
        setting:
          "Logistic regression with an l1 term, ρ = 0.1, \(problem.map.blockRows) samples of "
          + "\(problem.map.blockColumns) features, columns standardised.", problem, learned)
    }
  }

  private func logisticCase(
    _ part: String, title: String, setting: String, _ problem: any CertifiableProblem,
    _ learned: [(label: String, rule: any UpdateRule)]
  ) -> LearnedStudy.Case {
    var others: [(label: String, rule: any UpdateRule)] = []
    if let logistic = problem as? LogisticL1 {
      // MS4L2O takes 0.9999 over the spectral norm for its step; see LogisticL1.Lipschitz. The norms of
      // instances drawn alike are alike, so one step serves them all.
      let norm = (logistic.largestSmoothness * 4 * Double(logistic.map.blockRows)).squareRoot()
      others = [("FISTA with the published step", FISTA(stepRule: .constant(0.9999 / norm)))]
    }
    return LearnedStudy.Case(
      id: part, title: title,
      setting: setting
        + " FISTA steps with the correct constant σ²/(4m); the published comparison takes σ instead, and "
        + "so far smaller steps.",
      problem: problem, learned: learned,
      adam: Adam(stepRule: .constant(1e-2), beta1: 0.1, beta2: 0.1),
      horizon: isQuick ? 50 : 1000, others: others)
  }

  private func certifiable(_ problem: any LinearModelProblem) throws -> any CertifiableProblem {
    guard let problem = problem as? any CertifiableProblem else {
      throw UsageError("\(problem.name): its minimum cannot be certified")
    }
    return problem
  }

  /// The real data of `part`; nil, with the reason noted, if they are not there.
  private mutating func realProblem(_ part: String) throws -> (any CertifiableProblem)? {
    guard let data else {
      missing[part] = "no folder with data was given (--data)"
      return nil
    }
    return try RealData.problem(part, from: data)
  }

  // MARK: Network

  private mutating func networkComparison() throws -> NetworkComparison? {
    guard let data else {
      missing["network"] = "no folder with data was given (--data)"
      return nil
    }
    let problem = try RealData.mnist(from: data, count: isQuick ? 20 : 200)
    var stream = ReferenceStream(seed: 118)
    let start = MnistCNN.initialParameters(&stream)
    let horizon = isQuick ? 10 : 100
    return try timed("Training on a network's weights") {
      try LearnedStudy.network(
        problem, start: start, horizon: horizon, steps: 3, width: 20, scale: 100,
        metaStepSize: 1e-6, seed: 118)
    }
  }
}
