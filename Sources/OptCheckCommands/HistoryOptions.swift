import ArgumentParser
import Foundation
import History
import OptCheck

/// Whether and where runs are kept; options of every command whose results are worth following.
struct HistoryOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "SQLite file of runs; default: $OPTCHECK_HISTORY, else .optcheck/history.sqlite beside the nearest "
        + "Package.swift.",
      valueName: "file"))
  var history: String?

  @Flag(help: "Do not keep this run.")
  var noHistory = false

  func validate() throws {
    if noHistory, history != nil {
      throw ValidationError("--history and --no-history exclude each other")
    }
  }

  /// A file of runs.
  struct Place: Sendable, Hashable {
    var file: URL
    /// Whether the user named it: then it is an error if it cannot be used, and else a warning.
    var isNamed: Bool
  }

  /// The file; nil where none is wanted, and outside of packages where none is named.
  var place: Place? {
    if noHistory { return nil }
    let environment = ProcessInfo.processInfo.environment["OPTCHECK_HISTORY"] ?? ""
    if let named = history ?? (environment.isEmpty ? nil : environment) {
      return Place(file: URL(fileURLWithPath: named), isNamed: true)
    }
    return Self.package.map {
      Place(file: $0.appendingPathComponent(".optcheck/history.sqlite"), isNamed: false)
    }
  }

  /// The nearest folder with a Package.swift, upwards from the current one.
  private static var package: URL? {
    let here = FileManager.default.currentDirectoryPath
    return PackageFolder.nearest(to: URL(fileURLWithPath: here, isDirectory: true)) { folder in
      let manifest = folder.appendingPathComponent("Package.swift")
      return FileManager.default.fileExists(atPath: manifest.path)
    }
  }

  /// Runs `body` and keeps what it adds to the record: also where it ends with a verdict, an interruption or an
  /// error of ours; not where the input was refused, since then nothing ran.
  ///
  ///     try history.recorded("verify", seed: seed, console) { record in ... }
  ///
  /// - Throws: what `body` throws; `StorageError` where a file that the user named cannot be used, before
  ///   anything runs if that can be known.
  func recorded(
    _ command: String, seed: UInt64? = nil, threads: Int = Parallel.coreCount,
    settings: [String: String] = [:], _ console: Console,
    _ body: (inout HistoryRecord) throws -> Void
  ) throws {
    let place = place
    if let place, place.isNamed { try Self.examine(place.file) }
    var record = HistoryRecord(
      command: command, settings: settings, seed: seed, threads: threads)
    let (date, start) = (Date.now, ContinuousClock.now)
    let outcome = Result { try body(&record) }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    var status = ExitStatus.done
    if case .failure(let error) = outcome { status = ExitStatus(of: error) }
    if let place, status != .usage {
      let circumstances = RunCircumstances(
        started: date, arguments: Array(CommandLine.arguments.dropFirst()), machine: .current,
        seconds: seconds, exitStatus: status.rawValue)
      try Self.keep(record, circumstances, in: place, console)
    }
    try outcome.get()
  }

  /// Refuses a file that cannot be a history, without making one.
  private static func examine(_ file: URL) throws {
    if FileManager.default.fileExists(atPath: file.path) {
      _ = try RunHistory(reading: file)
    } else if !FileManager.default.isWritableFile(atPath: file.deletingLastPathComponent().path) {
      throw StorageError.unwritable(
        path: file.path, reason: "its folder is not there, or not writable")
    }
  }

  private static func keep(
    _ record: HistoryRecord, _ circumstances: RunCircumstances, in place: Place,
    _ console: Console
  ) throws {
    do {
      if !place.isNamed {
        try? FileManager.default.createDirectory(
          at: place.file.deletingLastPathComponent(), withIntermediateDirectories: true)
      }
      let number = try RunHistory(writing: place.file).add(record, under: circumstances)
      console.note("history: run \(number), \(place.file.relativePath)")
    } catch {
      if place.isNamed { throw error }
      Console.complain("warning: this run is not in the history: \(error)")
    }
  }
}
