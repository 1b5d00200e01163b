import ArgumentParser
import Datasets
import Foundation
import History
import OptCheck
import Synchronization

/// `optcheck experiment`.
struct ExperimentCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "experiment",
    abstract: "Runs a published experiment and compares its curves with the published ones.",
    discussion: """
      Writes NAME.json with every curve, its distance from the published one, and what replays it. Finished \
      runs are kept, and long trainings keep where they stand, so that an experiment that was interrupted \
      goes on there with the same bits, and so that experiments share what they have in common; another \
      build starts anew.

      Examples:
        optcheck experiment --list
        optcheck experiment figure-4b --out Fixtures/Results
        optcheck experiment cnn --data ~/mnist
      """)

  @Argument(help: ArgumentHelp("Names or patterns of --list.", valueName: "name"))
  var names: [String] = []

  @Flag(help: "What there is, with the time it takes on one core and the authors' own command.")
  var list = false

  @Option(help: ArgumentHelp("Folder for the results.", valueName: "dir"))
  var out = "Reports/experiments"

  @Option(
    help: ArgumentHelp("Folder with real data, for experiments that need it.", valueName: "dir"))
  var data: String?

  @Option(
    help: ArgumentHelp(
      "Folder for finished runs; default: a folder of the user's caches.", valueName: "dir"))
  var cache: String?

  @Option(help: ArgumentHelp("Cores: runs side by side, or all for one alone.", valueName: "n"))
  var threads = Parallel.coreCount

  @OptionGroup var history: HistoryOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let console = Console(common)
    guard threads >= 1 else { throw UsageError("--threads \(threads); accepted: 1 and up") }
    let folder = data.map { URL(fileURLWithPath: $0, isDirectory: true) }
    let known = try Self.known(data: folder)
    if list { return Self.show(known, console) }
    let chosen = known.filter { experiment in
      names.contains { Selection([$0]).matches(experiment.name) }
    }
    for name in names where !known.contains(where: { Selection([name]).matches($0.name) }) {
      throw UsageError(
        "no experiment is called '\(name)'; accepted: "
          + known.map(\.name).joined(separator: ", "))
    }
    guard !chosen.isEmpty else { throw UsageError("name an experiment, or ask for --list") }
    for experiment in chosen {
      guard let needs = experiment.needs else { continue }
      if let folder { try RealData.expect([needs], in: folder) }
      throw UsageError(
        "'\(experiment.name)' needs the data \(needs): name their folder with --data DIR")
    }
    try history.recorded("experiment", threads: threads, console) { record in
      try run(chosen, console, into: &record)
    }
  }

  private func run(
    _ chosen: [Experiment], _ console: Console, into history: inout HistoryRecord
  ) throws {
    let folder = URL(fileURLWithPath: out, isDirectory: true)
    try OutputFolder.expectWritable(folder)
    let interruption = Interruption()
    let results = try Self.run(
      chosen, cache: cache, threads: threads, interruption, console)
    try OutputFolder.make(folder)
    for result in results {
      history.note(result)
      try JSONFile.write(result, to: folder.appendingPathComponent("\(result.name).json"))
    }
    console.result(results) { results in
      results.map { Self.summary($0, folder) }.joined(separator: "\n")
    }
  }

  /// Runs experiments with a bar; an interruption ends them at the next opportunity.
  static func run(
    _ experiments: [Experiment], cache: String?, threads: Int, _ interruption: Interruption,
    _ console: Console
  ) throws -> [ExperimentResult] {
    let runner = ExperimentRunner(
      cache: try Self.cache(cache), threads: threads, machine: .current, date: today)
    let bar = Mutex(ProgressBar("experiments", total: 1000, on: console))
    defer { bar.withLock { $0.finish() } }
    do {
      return try runner.run(experiments) { share in
        if interruption.isRequested { throw CancellationError() }
        bar.withLock { $0.update(Int(share * 1000), "") }
      }
    } catch is CancellationError { throw Finding(status: .interrupted) }
  }

  /// Every experiment, with what the package holds for it, and what is there of real data in `data`.
  static func known(data: URL? = nil) throws -> [Experiment] {
    let fixtures = try PackageFolder.locate().appendingPathComponent("Fixtures")
    if let data, !FileManager.default.fileExists(atPath: data.path) {
      throw DatasetError.unreadable(path: data.path, reason: "no such folder")
    }
    func real<Problem>(_ name: String, _ read: (URL) throws -> Problem) throws -> Problem? {
      guard let data, RealData.has(name, in: data) else { return nil }
      return try read(data)
    }
    return allExperiments(
      try .load(from: fixtures.appendingPathComponent("Published")),
      trained: fixtures.appendingPathComponent("Trained"),
      network: try real(RealData.mnist) { try RealData.mnist(from: $0, count: 200) },
      patches: try real(RealData.patches) { try RealData.imagePatches(from: $0) },
      tables: [
        "ionosphere": try real("ionosphere") { try RealData.ionosphere(from: $0) },
        "spambase": try real("spambase") { try RealData.spambase(from: $0) },
      ].compactMapValues(\.self))
  }

  /// The cache in `folder`, the user's own if that is nil.
  ///
  /// - Throws: `StorageError.unwritable`, before the first part has been computed in vain.
  static func cache(_ folder: String?) throws -> ResultCache {
    let place = folder.map { URL(fileURLWithPath: $0, isDirectory: true) } ?? defaultCache
    if let place { try OutputFolder.expectWritable(place) }
    return ResultCache(folder: place, program: program)
  }

  private static var defaultCache: URL? {
    FileManager.default.urls(for: .cachesDirectory, in: .userDomainMask).first?
      .appendingPathComponent("optcheck")
  }

  /// What determines a result beside its settings: this very executable, and the library it calls.
  private static var program: String {
    let bytes = Bundle.main.executableURL.flatMap {
      try? Data(contentsOf: $0, options: .mappedIfSafe)
    }
    let hash = ResultCache.hash(bytes ?? Data())
    return "\(hash) \(BLAS.coreName) \(BLAS.configuration)"
  }

  static var today: String {
    Date.now.formatted(.iso8601.year().month().day())
  }

  private struct Entry: Encodable {
    var name: String
    var title: String
    var source: String
    var seconds: Double
    var curves: Int
    var published: Int
    var referenceCommand: String
  }

  private static func show(_ known: [Experiment], _ console: Console) {
    let entries = known.map { experiment in
      Entry(
        name: experiment.name, title: experiment.title, source: experiment.source,
        seconds: experiment.seconds.rounded(), curves: experiment.curves.count,
        published: experiment.curves.count { $0.published != nil },
        referenceCommand: experiment.referenceCommand)
    }
    console.result(entries) { entries in
      let width = entries.map(\.name.count).max() ?? 0
      return entries.map { entry in
        let name = entry.name.padding(toLength: width, withPad: " ", startingAt: 0)
        return
          "\(name)  about \(ProgressBar.clock(entry.seconds)) on one core; \(entry.curves) "
          + "\(entry.curves == 1 ? "curve" : "curves"), \(entry.published) published\n"
          + String(repeating: " ", count: width + 2) + "\(entry.title) (\(entry.source))\n"
          + String(repeating: " ", count: width + 2) + entry.referenceCommand
      }.joined(separator: "\n")
    }
  }

  private static func summary(_ result: ExperimentResult, _ folder: URL) -> String {
    let width = result.curves.map(\.label.count).max() ?? 0
    let rows = result.curves.map { curve in
      let label = curve.label.padding(toLength: width, withPad: " ", startingAt: 0)
      guard let worst = curve.worst(result.closeness) else { return "  \(label)  not published" }
      let words: String =
        switch curve.agreement(result.closeness) {
        case .within: "within: at most"
        case .insideBand: "in the band of its twins: at most"
        case .differs: "differs:"
        case nil: "shape only: at most"
        }
      return "  \(label)  \(words) \(Number.significant(worst.distance, digits: 2)) off, "
        + "at \(Number.short(worst.x))"
    }
    return
      ([result.title] + rows
      + [folder.appendingPathComponent("\(result.name).json").path]).joined(separator: "\n")
  }
}
