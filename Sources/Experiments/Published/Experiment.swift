import Engine
public import Foundation
public import Storage
import Synchronization

/// One piece of an experiment for a core, and what its numbers depend on.
public struct ExperimentRun: Sendable {
  /// Everything that determines the outcome, in words; runs of one id are done once.
  public var id: String
  /// About how long it takes on one core, in seconds.
  public var seconds: Double
  /// Does it.
  public var body: @Sendable (_ progress: RunProgress) throws -> [Double]

  /// Plans a run.
  public init(
    id: String, seconds: Double,
    body: @escaping @Sendable (_ progress: RunProgress) throws -> [Double]
  ) {
    self.id = id
    self.seconds = seconds
    self.body = body
  }
}

/// How close a curve has to be to the published one.
public enum Closeness: Sendable, Hashable, Codable {
  /// |ours - published| at most this.
  case absolute(Double)
  /// |ours - published| / |published| at most this.
  case relative(Double)
  /// Only shapes can be compared; the reason in words.
  case shape(String)

  /// The distance in the measure that counts.
  public func distance(_ ours: Double, _ published: Double) -> Double {
    abs(ours - published) / unit(of: published)
  }

  /// What distances from `value` are measured in.
  public func unit(of value: Double) -> Double {
    switch self {
    case .absolute: 1
    case .relative, .shape: abs(value)
    }
  }

  /// The largest distance that agrees; nil where nothing is judged.
  public var limit: Double? {
    switch self {
    case .absolute(let limit), .relative(let limit): limit
    case .shape: nil
    }
  }
}

/// A published experiment that one command runs.
public struct Experiment: Sendable {
  /// A curve that the experiment draws.
  public struct Curve: Sendable {
    /// Its words in the legend.
    public var label: String
    /// Where, increasing.
    public var x: [Double]
    /// Ids of the runs that it is made of.
    public var runs: [String]
    /// The values at `x`, from the outcomes of `runs` in their order.
    public var values: @Sendable ([[Double]]) -> [Double]
    /// The published values at `x`, NaN where there is none; nil if none were published at all.
    public var published: [Double]?
    /// What tells how far rounding moves the values; nil where nothing was asked.
    public var twins: Twins?

    /// Puts the parts together.
    public init(
      label: String, x: [Double], runs: [String],
      values: @escaping @Sendable ([[Double]]) -> [Double], published: [Double]? = nil,
      twins: Twins? = nil
    ) {
      self.label = label
      self.x = x
      self.runs = runs
      self.values = values
      self.published = published
      self.twins = twins
    }
  }

  /// Runs that differ from those of a curve by no more than rounding does.
  public struct Twins: Sendable {
    /// Ids of the runs, one for each place of the curve.
    public var runs: [String]
    /// The values at place `index`, twin by twin, from the outcome of its run; NaN for one that was not needed.
    public var values: @Sendable (_ outcome: [Double], _ index: Int) -> [Double]

    /// Puts the parts together.
    public init(
      runs: [String], values: @escaping @Sendable (_ outcome: [Double], _ index: Int) -> [Double]
    ) {
      self.runs = runs
      self.values = values
    }
  }

  /// The name that the command takes.
  public var name: String
  /// What it shows.
  public var title: String
  /// Paper and figure.
  public var source: String
  /// The equivalent command of the reference repository.
  public var referenceCommand: String
  /// What is drawn, and over what.
  public var quantity: String
  /// Over what it is drawn.
  public var abscissa: String
  /// Whether the ordinate is logarithmic.
  public var isLogarithmic: Bool
  /// How close the curves have to be.
  public var closeness: Closeness
  /// What must be known beside the curves.
  public var notes: [String]
  /// The real data that it lacks, by their name; nil if it can be run.
  public var needs: String?
  /// What its command takes beside its name, with a blank before.
  public var options: String
  /// What is computed.
  public var runs: [ExperimentRun]
  /// What is drawn.
  public var curves: [Curve]

  /// Puts the parts together.
  public init(
    name: String, title: String, source: String, referenceCommand: String, quantity: String,
    abscissa: String, isLogarithmic: Bool, closeness: Closeness, notes: [String],
    needs: String? = nil, options: String = "", runs: [ExperimentRun], curves: [Curve]
  ) {
    self.name = name
    self.title = title
    self.source = source
    self.referenceCommand = referenceCommand
    self.quantity = quantity
    self.abscissa = abscissa
    self.isLogarithmic = isLogarithmic
    self.closeness = closeness
    self.notes = notes
    self.needs = needs
    self.options = options
    self.runs = runs
    self.curves = curves
  }

  /// What curves of gaps show.
  public static let gapQuantity = "mean of (F - F*) / F*"
  /// The relative gap that certified minima vouch for: below it nothing is said.
  public static let certifiedGap = 1e-12

  /// About how long it takes on one core, in seconds.
  public var seconds: Double { runs.reduce(0) { $0 + $1.seconds } }
}

/// What an experiment yielded, with all that replays it.
public struct ExperimentResult: Sendable, Hashable, Codable {
  /// A curve beside the published one.
  public struct Curve: Sendable, Hashable, Codable {
    /// Its words in the legend.
    public var label: String
    /// Where.
    public var x: [Double]
    /// Ours; NaN where a run had ended.
    public var y: [Double]
    /// The published values; nil where none were published.
    public var published: [Double]?
    /// At each place the values of runs that differ by rounding alone; nil where there were none.
    public var twins: [[Double]]?

    /// Puts the parts together.
    public init(
      label: String, x: [Double], y: [Double], published: [Double]? = nil,
      twins: [[Double]]? = nil
    ) {
      self.label = label
      self.x = x
      self.y = y
      self.published = published
      self.twins = twins
    }

    /// Whether every published point agrees; nil where nothing is judged.
    public func agrees(_ closeness: Closeness) -> Bool? {
      agreement(closeness).map { $0 != .differs }
    }
  }

  /// Below which values say nothing; nil if all do.
  public var floor: Double? {
    quantity == Experiment.gapQuantity ? Experiment.certifiedGap : nil
  }

  /// Version of the format.
  public var schema = 1
  /// The experiment's name.
  public var name: String
  /// What it shows.
  public var title: String
  /// Paper and figure.
  public var source: String
  /// The command that makes it again.
  public var command: String
  /// The equivalent command of the reference repository.
  public var referenceCommand: String
  /// What is drawn.
  public var quantity: String
  /// Over what.
  public var abscissa: String
  /// Whether the ordinate is logarithmic.
  public var isLogarithmic: Bool
  /// How close the curves have to be.
  public var closeness: Closeness
  /// What must be known beside the curves.
  public var notes: [String]
  /// The day it was computed on, ISO 8601.
  public var date: String
  /// Seconds that its runs took, one after another, whenever they were done.
  public var seconds: Double
  /// On what and with what.
  public var machine: RunRecord
  /// The curves.
  public var curves: [Curve]

  /// Puts the parts together.
  public init(
    name: String, title: String, source: String, command: String, referenceCommand: String,
    quantity: String, abscissa: String, isLogarithmic: Bool, closeness: Closeness, notes: [String],
    date: String, seconds: Double, machine: RunRecord, curves: [Curve]
  ) {
    self.name = name
    self.title = title
    self.source = source
    self.command = command
    self.referenceCommand = referenceCommand
    self.quantity = quantity
    self.abscissa = abscissa
    self.isLogarithmic = isLogarithmic
    self.closeness = closeness
    self.notes = notes
    self.date = date
    self.seconds = seconds
    self.machine = machine
    self.curves = curves
  }
}

/// Runs experiments, several runs side by side, and keeps what is finished.
public struct ExperimentRunner: Sendable {
  /// Finished runs.
  public var cache: ResultCache
  /// Cores, for runs side by side or all for one alone.
  public var threads: Int
  /// On what and with what.
  public var machine: RunRecord
  /// The day, ISO 8601.
  public var date: String
  /// From one keeping of a run's interim state to the next.
  public var interimInterval: Duration

  /// Creates a runner.
  public init(
    cache: ResultCache, threads: Int, machine: RunRecord, date: String,
    interimInterval: Duration = .seconds(120)
  ) {
    self.cache = cache
    self.threads = threads
    self.machine = machine
    self.date = date
    self.interimInterval = interimInterval
  }

  /// Runs all of `experiments`; runs that several of them share are done once.
  ///
  /// - Parameter progress: told the share of the work, by its planned cost; may throw to end it, and
  ///   what is finished is kept.
  /// - Throws: what a run throws, `StorageError`, or what `progress` threw.
  public func run(
    _ experiments: [Experiment],
    progress: @escaping @Sendable (Double) throws -> Void = { _ in }
  ) throws -> [ExperimentResult] {
    var unique: [String: ExperimentRun] = [:]
    for run in experiments.flatMap(\.runs) { unique[run.id] = run }
    // The longest first, so that no core waits long for the other; by name among equals.
    let plan = unique.values.sorted { ($1.seconds, $0.id) < ($0.seconds, $1.id) }
    let total = max(1e-9, plan.reduce(0) { $0 + $1.seconds })
    let done = Mutex(0.0)
    let outcomes = try Parallel.map(plan, threads: threads) { run -> Kept in
      let share = Mutex(0.0)
      return try outcome(of: run, threads: max(1, threads / plan.count)) { next in
        let step = share.withLock { share in
          defer { share = next }
          return next - share
        }
        let all = done.withLock {
          $0 += step * run.seconds
          return $0 / total
        }
        try progress(min(1, all))
      }
    }
    let found = Dictionary(uniqueKeysWithValues: zip(plan.map(\.id), outcomes))
    return experiments.map { result($0, found) }
  }

  /// A finished run.
  private struct Kept: Codable {
    var values: [Double]
    var seconds: Double
  }

  /// The outcome of `run`, as it was kept, or computed from where it was left.
  private func outcome(
    of run: ExperimentRun, threads: Int, tell: @escaping (Double) throws -> Void
  ) throws -> Kept {
    if let kept: Kept = cache.value(for: run.id) {
      try tell(1)
      return kept
    }
    let clock = StopClock(before: cache.interim(for: run.id))
    let values = try run.body(
      RunProgress(
        interim: clock.interim, threads: threads, interval: interimInterval, tell: tell,
        keep: { try cache.keepInterim(clock.stamped($0), for: run.id) }))
    let outcome = Kept(values: values, seconds: clock.seconds)
    try cache.keep(outcome, for: run.id)
    cache.removeInterim(for: run.id)
    try tell(1)
    return outcome
  }

  /// The time that a run takes, with what it took before it was cut.
  private struct StopClock {
    private static let name = "optcheck.seconds"
    private let start = ContinuousClock.now
    private let before: Double
    /// What the run itself had left.
    let interim: [String: Tensor]?

    init(before arrays: [String: Tensor]?) {
      before = arrays?[Self.name]?.elements.first ?? 0
      interim = arrays.map { $0.filter { $0.key != Self.name } }
    }

    var seconds: Double { before + (ContinuousClock.now - start) / .seconds(1) }

    func stamped(_ arrays: [String: Tensor]) -> [String: Tensor] {
      arrays.merging([Self.name: Tensor(shape: [1], elements: [seconds])]) { $1 }
    }
  }

  private func result(
    _ experiment: Experiment, _ outcomes: [String: Kept]
  ) -> ExperimentResult {
    let ids = Set(experiment.runs.map(\.id)).sorted()
    let seconds = ids.reduce(0) { $0 + (outcomes[$1]?.seconds ?? 0) }
    return ExperimentResult(
      name: experiment.name, title: experiment.title, source: experiment.source,
      command: "optcheck experiment \(experiment.name)\(experiment.options)",
      referenceCommand: experiment.referenceCommand, quantity: experiment.quantity,
      abscissa: experiment.abscissa, isLogarithmic: experiment.isLogarithmic,
      closeness: experiment.closeness, notes: experiment.notes, date: date,
      seconds: seconds.rounded(.up), machine: machine,
      curves: experiment.curves.map { curve in
        .init(
          label: curve.label, x: curve.x,
          y: curve.values(curve.runs.map { outcomes[$0]?.values ?? [] }),
          published: curve.published,
          twins: curve.twins.map { twins in
            twins.runs.enumerated().map { twins.values(outcomes[$1]?.values ?? [], $0) }
          })
      })
  }
}

extension ExperimentResult {
  /// Results that are kept in a folder, of the experiments `known`, in their order.
  ///
  /// Numbers are those of the file; what must be known beside them may have been learned since, so title and
  /// notes are those of the experiment.
  ///
  /// - Throws: `StorageError` naming a file that cannot be read, or the key at fault in it.
  public static func kept(in folder: URL, of known: [Experiment]) throws -> [ExperimentResult] {
    try known.compactMap { experiment in
      let file = folder.appendingPathComponent("\(experiment.name).json")
      guard FileManager.default.fileExists(atPath: file.path) else { return nil }
      var result = try JSONFile.read(ExperimentResult.self, from: file)
      (result.title, result.notes) = (experiment.title, experiment.notes)
      return result
    }
  }
}
