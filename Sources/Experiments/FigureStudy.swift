import Catalog
import Engine
import Optimization

/// Runs the published training curves from the authors' seeds, and what it takes to judge them.
///
/// Every curve is run in the draw of W_2 that most published curves match, together with a probe
/// twin and with the twin that takes the theorem's own step 1/β. A curve that its probe moves gets
/// a band; one that stays off gets a run in the other draw, and the nearer draw is shown.
public struct FigureStudy: Sendable {
  /// The figures to reproduce.
  public var figures: [PublishedFigure]
  /// Training steps of every run.
  public var steps = 5000
  /// Training steps of the twins with the theorem's step 1/β; no published curve asks for more.
  public var theorySteps = 1000
  /// Weights are kept every so many steps, for the checks that follow.
  public var snapshotInterval = 500
  /// Runs side by side.
  public var threads = Parallel.coreCount

  /// A study of `figures`.
  public init(figures: [PublishedFigure]) { self.figures = figures }

  /// What the study found.
  public struct Results: Sendable {
    /// The figures, in the order asked for.
    public var figures: [FigureComparison]
    /// Every run with the reference step, once, in the order of the figures.
    public var referenceRuns: [TrainingRun]
    /// The twins of `referenceRuns` with the theorem's step 1/β.
    public var theoryRuns: [TrainingRun]
    /// Number of training runs of any kind.
    public var runCount: Int
  }

  /// One piece of work for a core.
  private struct Job: Hashable {
    var setting: TrainingSetting
    var twin: Twin?

    var cost: Double { Double(setting.steps * setting.horizon) }

    func run(_ interval: Int, _ progress: (Int) throws -> Void) throws -> TrainingRun {
      try twin.map { try $0.run(setting, progress: progress) }
        ?? TrainingRun.run(
          setting, recordingEvery: interval, measuringTravel: true, progress: progress)
    }
  }

  /// The setting of a published curve.
  public func setting(
    _ figure: PublishedFigure, _ curve: PublishedFigure.Curve
  ) -> TrainingSetting {
    var setting = TrainingSetting(
      horizon: figure.horizon, scale: curve.e, metaStepSize: curve.eta)
    setting.instances = figure.instances
    setting.rows = figure.rows
    setting.columns = figure.dimension
    setting.width = figure.width
    setting.steps = steps
    return setting
  }

  /// Runs the study.
  ///
  /// - Parameter progress: called from any thread with the share of the known work that is done.
  /// - Throws: ``ProblemError`` or ``RuleError`` for a figure that cannot be run.
  public func run(progress: @escaping @Sendable (Double) throws -> Void = { _ in }) throws
    -> Results
  {
    var settings: [TrainingSetting] = []
    for figure in figures {
      for curve in figure.curves {
        let setting = setting(figure, curve)
        if !settings.contains(setting) { settings.append(setting) }
      }
    }
    let work = Work(interval: snapshotInterval, threads: threads, progress: progress)
    let theory = settings.map { setting in
      var twin = setting.withTheoryStep
      twin.steps = min(steps, theorySteps)
      return twin
    }
    try work.perform(settings.map { Job(setting: $0) } + theory.map { Job(setting: $0) })
    try work.performProbes(settings)

    // What came out decides what else must be run: bands where the probe moved a curve, then the
    // other draw where a curve is still off, and its own probe and band where that one is shown.
    try work.performBands(settings)
    let off = allCurves.filter { compare($0, $1, work)?.agreement.isExplained == false }
    let others = unique(off.map { setting($0, $1).withOtherLayout })
    try work.perform(others.map { Job(setting: $0) })
    try work.performProbes(others)
    try work.performBands(unique(off.map { chosen($0, $1, work) }))

    let comparisons = figures.map { figure in
      FigureComparison(
        figure: figure, curves: figure.curves.compactMap { compare(figure, $0, work) })
    }
    return Results(
      figures: comparisons, referenceRuns: settings.compactMap { work[$0] },
      theoryRuns: theory.compactMap { work[$0] }, runCount: work.runs.count)
  }

  private var allCurves: [(PublishedFigure, PublishedFigure.Curve)] {
    figures.flatMap { figure in figure.curves.map { (figure, $0) } }
  }

  /// The draw that comes closer: most points within reach, then the smallest largest difference.
  private func chosen(
    _ figure: PublishedFigure, _ curve: PublishedFigure.Curve, _ work: Work
  ) -> TrainingSetting {
    let first = setting(figure, curve)
    guard let run = work[first], let other = work[first.withOtherLayout] else { return first }
    func reach(_ run: TrainingRun) -> (Int, Double) {
      let differences = CurveComparison.differences(run, curve.k, curve.ratio)
      return (
        differences.count { !($0 <= CurveComparison.tolerance) }, differences.max() ?? .infinity
      )
    }
    return reach(other) < reach(run) ? first.withOtherLayout : first
  }

  private func compare(
    _ figure: PublishedFigure, _ curve: PublishedFigure.Curve, _ work: Work
  ) -> CurveComparison? {
    let chosen = chosen(figure, curve, work)
    guard let run = work[chosen] else { return nil }
    let other = work[chosen.withOtherLayout]
    return CurveComparison(
      label: figure.label(of: curve), steps: curve.k, published: curve.ratio, run: run,
      probeDeviation: work.probeDeviation(chosen), band: work.band(chosen),
      otherDraw: other.map {
        (
          $0.setting.layout,
          CurveComparison.differences($0, curve.k, curve.ratio).max() ?? .nan
        )
      })
  }

  /// The runs so far, by what was run.
  private final class Work {
    let interval: Int
    let threads: Int
    let progress: @Sendable (Double) throws -> Void
    private(set) var runs: [Job: TrainingRun] = [:]
    /// The settings of short probes, by the setting of the run.
    private var shortened: [TrainingSetting: TrainingSetting] = [:]

    init(interval: Int, threads: Int, progress: @escaping @Sendable (Double) throws -> Void) {
      self.interval = interval
      self.threads = threads
      self.progress = progress
    }

    subscript(setting: TrainingSetting) -> TrainingRun? { runs[Job(setting: setting)] }

    /// Does what has not been done yet, the longest first.
    func perform(_ jobs: [Job]) throws {
      var fresh: [Job] = []
      for job in jobs where runs[job] == nil && !fresh.contains(job) { fresh.append(job) }
      fresh.sort { $0.cost > $1.cost }
      let meter = ProgressMeter(total: fresh.map(\.cost).reduce(0, +), report: progress)
      let interval = interval
      let results = try Parallel.map(fresh, threads: threads) { job in
        try job.run(interval) { try meter.add(Double($0 * job.setting.horizon)) }
      }
      for (job, run) in zip(fresh, results) { runs[job] = run }
    }

    /// The probes of finished runs.
    ///
    /// A run whose loss falls at every step gets a short one: descent that never overshoots does
    /// not amplify, and what it does to rounding shows early. All others are probed to the end.
    func performProbes(_ settings: [TrainingSetting]) throws {
      try perform(
        settings.map { setting in
          var probed = setting
          if self[setting]?.isDescending == true {
            probed.steps = min(setting.steps, Twin.shortProbe)
            shortened[setting] = probed
          }
          return Job(setting: probed, twin: .probe)
        })
    }

    /// All twins of those settings that their probe moved.
    func performBands(_ settings: [TrainingSetting]) throws {
      try perform(
        settings.filter { probeDeviation($0) > CurveComparison.sensitivity }.flatMap { setting in
          Twin.all.map { Job(setting: setting, twin: $0) }
        })
    }

    func probeDeviation(_ setting: TrainingSetting) -> Double {
      let probed = shortened[setting] ?? setting
      guard let run = self[setting], let probe = runs[Job(setting: probed, twin: .probe)]
      else { return .nan }
      return zip(run.ratios, probe.ratios).map { abs($0 - $1) }.max() ?? .nan
    }

    /// The band, if its twins were run.
    func band(_ setting: TrainingSetting) -> Band? {
      let twins = Twin.all.compactMap { runs[Job(setting: setting, twin: $0)] }
      guard twins.count == Twin.all.count, let run = self[setting] else { return nil }
      return Band([run] + twins)
    }
  }
}

extension TrainingSetting {
  /// The same with the step 1/β of the theorems.
  public var withTheoryStep: TrainingSetting {
    var result = self
    result.stepRule = .theory
    return result
  }

  /// The same with the other draw of W_2.
  public var withOtherLayout: TrainingSetting {
    var result = self
    result.layout = layout == .inOut ? .outIn : .inOut
    return result
  }
}
