import Checks
import Experiments
import Foundation
import GRDB
import Storage

/// Runs as rows of the tables, and back.
enum RunRows {
  // MARK: Writing

  /// Inserts a run with all that it found; within the caller's transaction.
  static func insert(
    _ record: HistoryRecord, _ circumstances: RunCircumstances, _ db: Database
  ) throws -> Int64 {
    let machine = circumstances.machine
    try db.execute(
      sql: """
        INSERT INTO runs (started, command, arguments, settings, optcheck, revision, toolchain,
          blas_core, blas, processor, cores, system, threads, seed, seconds, exit_status)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        circumstances.started.formatted(timestamp), record.command,
        try json(circumstances.arguments), try json(record.settings), machine.version,
        machine.commit, machine.toolchain,
        machine.blasCore, machine.blas, machine.processor, machine.cores, machine.system,
        record.threads, record.seed.map(String.init), circumstances.seconds,
        circumstances.exitStatus,
      ])
    let run = db.lastInsertedRowID
    for figure in record.figures {
      try db.execute(
        sql: "INSERT INTO figures VALUES (?, ?, ?, ?, ?, ?)",
        arguments: [run, figure.subject, figure.context, figure.name, figure.value, figure.unit])
    }
    for found in record.verdicts {
      try db.execute(
        sql: "INSERT INTO verdicts VALUES (?, ?, ?, ?, ?)",
        arguments: [run, found.subject, found.check, found.verdict.name, found.reason])
    }
    return run
  }

  // MARK: Reading

  static func subjects(_ db: Database) throws -> [RunHistory.Subject] {
    try Row.fetchAll(
      db,
      sql: """
        SELECT subject, count(*) AS runs, group_concat(DISTINCT command) AS commands,
          max(id) AS last, max(started) AS lastStarted
        FROM (SELECT subject, run FROM figures UNION SELECT subject, run FROM verdicts)
        JOIN runs ON runs.id = run GROUP BY subject ORDER BY subject
        """
    ).map { row in
      let commands: String = row["commands"]
      return RunHistory.Subject(
        name: row["subject"], runs: row["runs"],
        commands: commands.split(separator: ",").map(String.init).sorted(), last: row["last"],
        lastStarted: try date(row["lastStarted"]))
    }
  }

  static func runs(of subject: String, _ db: Database) throws -> [StoredRun] {
    let figures = try Row.fetchAll(
      db, sql: "SELECT * FROM figures WHERE subject = ? ORDER BY rowid", arguments: [subject])
    let verdicts = try Row.fetchAll(
      db, sql: "SELECT * FROM verdicts WHERE subject = ? ORDER BY rowid", arguments: [subject])
    let figuresByRun = Dictionary(grouping: figures) { $0["run"] as Int64 }
    let verdictsByRun = Dictionary(grouping: verdicts) { $0["run"] as Int64 }
    let runs = try Row.fetchAll(
      db,
      sql: """
        SELECT * FROM runs WHERE id IN (
          SELECT run FROM figures WHERE subject = ?1 UNION SELECT run FROM verdicts WHERE subject = ?1)
        ORDER BY id
        """, arguments: [subject])
    return try runs.map { row in
      let number: Int64 = row["id"]
      var record = try run(row)
      record.figures = (figuresByRun[number] ?? []).map(figure)
      record.verdicts = try (verdictsByRun[number] ?? []).map(judgement)
      return StoredRun(number: number, circumstances: try circumstances(row), record: record)
    }
  }

  private static func run(_ row: Row) throws -> HistoryRecord {
    let seed: String? = row["seed"]
    return HistoryRecord(
      command: row["command"], settings: try value(row["settings"]),
      seed: seed.flatMap { UInt64($0) }, threads: row["threads"])
  }

  private static func circumstances(_ row: Row) throws -> RunCircumstances {
    RunCircumstances(
      started: try date(row["started"]), arguments: try value(row["arguments"]),
      machine: RunRecord(
        version: row["optcheck"], commit: row["revision"], toolchain: row["toolchain"],
        blasCore: row["blas_core"], blas: row["blas"], processor: row["processor"],
        cores: row["cores"], system: row["system"]),
      seconds: row["seconds"], exitStatus: row["exit_status"])
  }

  private static func figure(_ row: Row) -> HistoryRecord.Figure {
    HistoryRecord.Figure(
      row["name"], row["value"], of: row["subject"], in: row["context"], unit: row["unit"])
  }

  private static func judgement(_ row: Row) throws -> HistoryRecord.Judgement {
    let name: String = row["verdict"]
    guard let verdict = Verdict.allCases.first(where: { $0.name == name }) else {
      throw DatabaseError(message: "no verdict is called '\(name)'")
    }
    return HistoryRecord.Judgement(
      row["claim"], verdict, on: row["subject"], reason: row["reason"])
  }

  // MARK: Texts

  /// `2026-11-21T15:20:03Z`: sorts as text by time.
  private static let timestamp = Date.ISO8601FormatStyle()

  private static func date(_ text: String) throws -> Date { try timestamp.parse(text) }

  private static func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  private static func value<Value: Decodable>(_ text: String) throws -> Value {
    try JSONDecoder().decode(Value.self, from: Data(text.utf8))
  }
}
