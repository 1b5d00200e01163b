import Foundation
import OptCheck

/// Runs what the ledger of claims prints; finished parts are kept.
struct LedgerRun {
  /// The package, for fixtures.
  var package: URL
  /// Which sections are wanted.
  var selection: Selection
  /// The folder with real data; nil if there is none.
  var data: URL?
  /// Cores.
  var threads: Int
  /// Finished parts.
  var cache: ResultCache
  /// Whether somebody asked for the end.
  var interruption: Interruption
  var console: Console
  /// The command, for the report.
  var command: String
  /// What is said of trained rules.
  private var learned: LearnedReportRun

  /// Plans it, and looks whether the data that it needs are there.
  ///
  /// - Throws: `DatasetError` naming what is missing.
  init(
    package: URL, selection: Selection, data: URL?, threads: Int, cache: ResultCache,
    interruption: Interruption, console: Console
  ) throws {
    let given = data == nil ? "" : " --data DIR"
    self.package = package
    self.selection = selection
    self.data = data
    self.threads = threads
    self.cache = cache
    self.interruption = interruption
    self.console = console
    command = "optcheck report --all" + given
    learned = try LearnedReportRun(
      selection: Selection(LearnedReportRun.comparisons), data: data,
      command: "optcheck report learned-optimizers" + given, isQuick: false
    ) { _ in }
    learned.instances = 128
  }

  /// Experiments that are computed for the report; all others come from Fixtures/Results.
  private static let computed = ["e100-T100-512x400", "figure-4a", "figure-4b", "rows-20"]

  /// The rules whose conditions the ledger shows.
  private static let rules = [
    "gradient-descent", "fista", "adam", "CoordMathDNN", "CoordMathDNN@coordmathdnn-quadratic",
    "CoordBlackboxLSTM@coordblackboxlstm-lasso-small", "RNNprop@rnnprop-lasso-small",
    "CoordMathLSTM@coordmathlstm-pa-lasso", "CoordMathLSTM@coordmathlstm-pba12-lasso-small",
  ]

  func results(
    progress report: @escaping @Sendable (String, Double) -> Void
  ) throws -> TheoryResults {
    let interruption = interruption
    let progress: @Sendable (String, Double) throws -> Void = { stage, share in
      if interruption.isRequested { throw Finding(status: .interrupted) }
      report(stage, share)
    }
    let published = package.appendingPathComponent("Fixtures/Published")
    var convergence = ConvergenceStudy(
      figures: try PublishedFigures.load(from: published).figures,
      values: try PublishedValues.load(from: published), command: command)
    convergence.figures.threads = threads
    if !wants("figures", "yardsticks", "theorem-4-3", "widths", "reproducibility") {
      convergence.parts = []
    }
    let runs = try convergence.run(progress: progress)
    let computed = try computedExperiments(progress)
    let bounds =
      wants("bounds")
      ? try kept("bounds") { try BoundStudy(threads: threads).run { try progress("bounds", $0) } }
      : .empty
    let kernel =
      wants("tangent-kernel")
      ? try kept("tangent kernel") {
        try TangentKernelStudy(threads: threads).run { try progress("kernel, \($0)", $1) }
      } : TangentKernelResults()
    let conditions = wants("conditions") ? try conditions(progress) : []
    return TheoryResults(
      command: command, convergence: runs, computed: computed,
      stored: try storedExperiments(),
      yardsticks: wants("yardsticks") ? try yardsticks(runs, computed) : [], kernel: kernel,
      bounds: bounds, conditions: conditions, schemes: try SchemeStudy.run().all,
      learned: wants("learned") ? try trainedRules() : nil)
  }

  /// Whether one of `sections` is wanted, or one that draws on everything.
  private func wants(_ sections: String...) -> Bool {
    (sections + ["summary", "ledger", "verdicts"]).contains(where: selection.matches)
  }

  private func trainedRules() throws -> LearnedResults {
    console.note("trained rules ...")
    var learned = learned
    return try learned.run()
  }

  /// The value under `name`, computed where it was not kept.
  private func kept<Value: Codable>(_ name: String, _ compute: () throws -> Value) throws -> Value {
    if let value: Value = cache.value(for: name) { return value }
    let value = try compute()
    try cache.keep(value, for: name)
    return value
  }

  // MARK: Experiments

  private func computedExperiments(
    _ progress: @escaping @Sendable (String, Double) throws -> Void
  ) throws -> [ExperimentResult] {
    let known = try ExperimentCommand.known()
    let chosen = known.filter {
      Self.computed.contains($0.name)
        && (wants("experiments", "yardsticks") || selection.matches($0.name))
    }
    return try ExperimentRunner(
      cache: cache, threads: threads, machine: .current, date: ExperimentCommand.today
    ).run(chosen) { try progress("experiments", $0) }
  }

  /// Results in Fixtures/Results but for those that are computed, in the order of the list.
  private func storedExperiments() throws -> [ExperimentResult] {
    try ExperimentResult.kept(
      in: package.appendingPathComponent("Fixtures/Results"), of: try ExperimentCommand.known()
    ).filter { !Self.computed.contains($0.name) }
  }

  // MARK: Yardsticks

  private func yardsticks(
    _ runs: ConvergenceResults, _ experiments: [ExperimentResult]
  ) throws -> [TheoryResults.YardstickTable] {
    var best: [Int: Double] = [:]
    for run in runs.figures.flatMap(\.curves).map(\.run) {
      let ratio = run.ratios.filter(\.isFinite).max() ?? 0
      best[run.setting.horizon] = max(best[run.setting.horizon] ?? 0, ratio)
    }
    let large = experiments.first { $0.name == "e100-T100-512x400" }?.curves.flatMap(\.y).filter(
      \.isFinite)
    return try [
      (TrainingSetting(horizon: 1, scale: 1, metaStepSize: 1), best),
      (TrainingSetting.large(horizon: 1, scale: 1), large?.max().map { [100: $0] } ?? [:]),
    ].map { setting, best in
      TheoryResults.YardstickTable(
        setting, rows: try Yardsticks.rows(setting.problem(), horizons: [20, 100]),
        bestLearned: best)
    }
  }

  // MARK: Paper B

  private func conditions(
    _ progress: (String, Double) throws -> Void
  ) throws -> [TheoryResults.Condition] {
    let trained = package.appendingPathComponent("Fixtures/Trained")
    var found: [TheoryResults.Condition] = []
    for (i, name) in Self.rules.enumerated() {
      try progress("conditions", Double(i) / Double(Self.rules.count))
      found += try kept("conditions of \(name)") {
        try TheoryResults.conditions(of: name, trained: trained)
      }
    }
    try progress("conditions", 1)
    return found
  }
}
