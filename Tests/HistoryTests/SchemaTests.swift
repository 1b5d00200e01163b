import Foundation
import GRDB
import Storage
import Testing

@testable import History

/// Migrations: what other versions and other programs have left.
@Suite struct SchemaTests {
  private let file = FileManager.default.temporaryDirectory
    .appendingPathComponent("optcheck-schema-\(UUID().uuidString).sqlite")

  private func cleanUp() {
    for suffix in ["", "-wal", "-shm"] {
      try? FileManager.default.removeItem(atPath: file.path + suffix)
    }
  }

  private func expectRefusal(naming word: String) {
    let errors = [
      #expect(throws: StorageError.self) { _ = try RunHistory(writing: file) },
      #expect(throws: StorageError.self) { _ = try RunHistory(reading: file) },
    ]
    for error in errors { #expect("\(String(describing: error))".contains(word)) }
  }

  /// The tables as files in the world have them; a change here needs a new migration instead.
  @Test func theFirstMigrationStaysAsItIs() throws {
    defer { cleanUp() }
    _ = try RunHistory(writing: file)
    let columns = try DatabaseQueue(path: file.path).read { db in
      try ["runs", "figures", "verdicts"].map { try db.columns(in: $0).map(\.name) }
    }
    #expect(
      columns == [
        [
          "id", "started", "command", "arguments", "settings", "optcheck", "revision", "toolchain",
          "blas_core", "blas", "processor", "cores", "system", "threads", "seed", "seconds",
          "exit_status",
        ],
        ["run", "subject", "context", "name", "value", "unit"],
        ["run", "subject", "claim", "verdict", "reason"],
      ])
    #expect(HistorySchema.migrator.migrations.first == "1 runs, figures, verdicts")
  }

  @Test func migratingTwiceChangesNothing() throws {
    defer { cleanUp() }
    func schema() throws -> [String] {
      try DatabaseQueue(path: file.path).read {
        try String.fetchAll($0, sql: "SELECT coalesce(sql, name) FROM sqlite_master ORDER BY name")
      }
    }
    _ = try RunHistory(writing: file)
    let first = try schema()
    _ = try RunHistory(writing: file)
    #expect(try schema() == first)
    #expect(first.count >= 8)
  }

  @Test func aNewerFileIsRefused() throws {
    defer { cleanUp() }
    _ = try RunHistory(writing: file)
    try DatabaseQueue(path: file.path).write {
      try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('99 from the future')")
    }
    expectRefusal(naming: "newer optcheck")
  }

  @Test func anotherProgramsDatabaseIsRefusedAndLeftAlone() throws {
    defer { cleanUp() }
    try DatabaseQueue(path: file.path).write {
      try $0.execute(sql: "CREATE TABLE runs (mine TEXT)")
    }
    let before = try Data(contentsOf: file)
    expectRefusal(naming: "another program")
    #expect(try Data(contentsOf: file) == before)
  }

  /// Deleting a run takes its figures and verdicts along, for those who tidy up by hand.
  @Test func noFigureIsLeftWithoutItsRun() throws {
    defer { cleanUp() }
    _ = try RunHistory(writing: file)
    try DatabaseQueue(path: file.path).write { db in
      try db.execute(
        sql: """
          INSERT INTO runs VALUES (1, 't', 'c', '[]', '{}', 'v', 'r', 't', 'b', 'b', 'p', 1, 's', 1,
            NULL, 0, 0);
          INSERT INTO figures VALUES (1, 'rule', '', 'x', 1.5, '1');
          INSERT INTO verdicts VALUES (1, 'rule', 'GC1', 'holds', '');
          DELETE FROM runs;
          """)
      #expect(try Int.fetchOne(db, sql: "SELECT count(*) FROM figures") == 0)
      #expect(try Int.fetchOne(db, sql: "SELECT count(*) FROM verdicts") == 0)
      #expect(throws: DatabaseError.self) {
        try db.execute(sql: "INSERT INTO figures VALUES (5, 'rule', '', 'x', 1.5, '1')")
      }
    }
  }
}
