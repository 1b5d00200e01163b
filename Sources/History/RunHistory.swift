import Checks
import Experiments
public import Foundation
import GRDB
public import Storage

/// A file of runs, in SQLite; several processes may write to one at the same time.
public struct RunHistory: Sendable {
  /// Where it is.
  public let file: URL
  private let queue: DatabaseQueue

  /// How long a writer waits for others.
  ///
  /// Each holds the file for milliseconds, so that whoever waits longer waits for a process that hangs.
  private static let patience = Duration.seconds(60)

  /// Opens the history at `file` for writing; makes it where there is none, in a folder that exists.
  ///
  /// - Throws: `StorageError.unwritable` where SQLite cannot work there, `StorageError.malformed` where
  ///   the file is damaged or something else.
  public init(writing file: URL) throws(StorageError) {
    self.file = file
    queue = try Self.guarded(file, orThrow: StorageError.unwritable) {
      try Self.patiently {
        let queue = try DatabaseQueue(path: file.path, configuration: Self.configuration)
        try Self.examine(queue, file)
        try queue.writeWithoutTransaction { db in
          // Readers and one writer do not wait for each other. GRDB's own switch would create and drop a
          // table, which collides with other writers.
          try db.execute(sql: "PRAGMA journal_mode = WAL")
          // What is committed is in the system's hands, so a kill loses none of it at any setting; with
          // FULL it is on the disk, and a power cut loses none either. One commit a run can afford it.
          try db.execute(sql: "PRAGMA synchronous = FULL")
        }
        try Self.migrate(queue)
        return queue
      }
    }
  }

  /// Opens the history at `file`, which must be there, for reading.
  ///
  /// - Throws: `StorageError.unreadable`, or `StorageError.malformed` where the file is damaged or
  ///   something else.
  public init(reading file: URL) throws(StorageError) {
    self.file = file
    guard FileManager.default.fileExists(atPath: file.path) else {
      throw .unreadable(path: file.path, reason: "there is no such file")
    }
    queue = try Self.guarded(file, orThrow: StorageError.unreadable) {
      try Self.patiently {
        let queue = try DatabaseQueue(path: file.path, configuration: Self.configuration)
        try Self.examine(queue, file)
        return queue
      }
    }
  }

  /// Adds a run, whole or not at all.
  ///
  /// - Returns: its number.
  /// - Throws: `StorageError.unwritable`, and `StorageError.malformed` where the file turns out to be
  ///   damaged.
  @discardableResult
  public func add(
    _ record: HistoryRecord, under circumstances: RunCircumstances
  ) throws(StorageError) -> Int64 {
    try Self.guarded(file, orThrow: StorageError.unwritable) {
      try queue.write { try RunRows.insert(record, circumstances, $0) }
    }
  }

  // MARK: Opening

  private static var configuration: Configuration {
    var configuration = Configuration()
    configuration.busyMode = .timeout(patience / .seconds(1))
    return configuration
  }

  /// Refuses what is not a history of this version or an older one.
  private static func examine(_ queue: DatabaseQueue, _ file: URL) throws {
    try queue.read { db in
      func refusal(_ culprit: String, _ reason: String) -> StorageError {
        .malformed(path: file.path, culprit: culprit, reason: reason)
      }
      guard try HistorySchema.isOurs(db) else {
        throw refusal("its tables", "an SQLite database of another program, no history of runs")
      }
      guard try !HistorySchema.migrator.hasBeenSuperseded(db) else {
        throw refusal("its tables", "made by a newer optcheck, which can read them")
      }
    }
  }

  /// Brings the tables up to date.
  private static func migrate(_ queue: DatabaseQueue) throws {
    do { try HistorySchema.migrator.migrate(queue) } catch {
      // Two processes may find the same work; the second's transaction fails, and all is done.
      guard try queue.read(HistorySchema.migrator.hasCompletedMigrations) else { throw error }
    }
  }

  /// `open`, again while others make, recover or close the same file: at these moments SQLite does not
  /// wait by itself.
  private static func patiently(_ open: () throws -> DatabaseQueue) throws -> DatabaseQueue {
    let end = ContinuousClock.now + patience
    while true {
      do { return try open() } catch let error as DatabaseError
        where busy.contains(error.resultCode) && ContinuousClock.now < end
      {
        usleep(10_000)
      }
    }
  }

  private static let busy: [ResultCode] = [.SQLITE_BUSY, .SQLITE_PROTOCOL]

  /// `body`, with SQLite's errors in this package's words.
  private static func guarded<Value>(
    _ file: URL, orThrow other: (String, String) -> StorageError, _ body: () throws -> Value
  ) throws(StorageError) -> Value {
    do { return try body() } catch let error as StorageError { throw error } catch let error
      as DatabaseError
    {
      let reason = error.message ?? "\(error.resultCode)"
      switch error.resultCode {
      case .SQLITE_NOTADB, .SQLITE_CORRUPT:
        throw .malformed(path: file.path, culprit: "SQLite says", reason: reason)
      default: throw other(file.path, reason)
      }
    } catch { throw other(file.path, "\(error)") }
  }

  // MARK: Reading

  /// What there is about one subject.
  public struct Subject: Sendable, Hashable, Codable {
    /// A rule, a report, an experiment.
    public var name: String
    /// How many runs tell of it.
    public var runs: Int
    /// The commands, by name.
    public var commands: [String]
    /// The number of the last run.
    public var last: Int64
    /// When that began.
    public var lastStarted: Date
  }

  /// All subjects, by name.
  ///
  /// - Throws: `StorageError`.
  public func subjects() throws(StorageError) -> [Subject] {
    try Self.guarded(file, orThrow: StorageError.unreadable) {
      try read([]) { try RunRows.subjects($0) }
    }
  }

  /// Every run that tells of `subject`, in order, with what it tells of it and nothing else.
  ///
  /// - Throws: `StorageError`.
  public func runs(of subject: String) throws(StorageError) -> [StoredRun] {
    try Self.guarded(file, orThrow: StorageError.unreadable) {
      try read([]) { try RunRows.runs(of: subject, $0) }
    }
  }

  /// What SQLite finds wrong with the file, line by line; empty if it is whole.
  ///
  /// - Throws: `StorageError`.
  public func damage() throws(StorageError) -> [String] {
    try Self.guarded(file, orThrow: StorageError.unreadable) {
      try read([]) { try String.fetchAll($0, sql: "PRAGMA integrity_check") }.filter { $0 != "ok" }
    }
  }

  /// `body` on one state of the file; `nothing` where its tables are not made yet.
  private func read<Value>(_ nothing: Value, _ body: (Database) throws -> Value) throws -> Value {
    try queue.read { db in
      try HistorySchema.migrator.hasCompletedMigrations(db) ? try body(db) : nothing
    }
  }
}
