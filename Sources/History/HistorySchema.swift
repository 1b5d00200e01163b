import GRDB

/// The tables of a history, and how older files become newer ones.
enum HistorySchema {
  /// Marks a file as a history of OptCheck: `OptC` in ASCII, in the place where SQLite and file(1) look.
  static let applicationID = 0x4f70_7443

  /// One migration for each version; those that files in the world have seen never change.
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 runs, figures, verdicts") { db in
      try db.execute(
        sql: """
          CREATE TABLE runs (
            id INTEGER PRIMARY KEY,
            started TEXT NOT NULL,        -- ISO 8601, UTC
            command TEXT NOT NULL,
            arguments TEXT NOT NULL,      -- JSON array of words
            settings TEXT NOT NULL,       -- JSON object, keys sorted
            optcheck TEXT NOT NULL,       -- version
            revision TEXT NOT NULL,       -- commit, -dirty where files differ from it
            toolchain TEXT NOT NULL,
            blas_core TEXT NOT NULL,
            blas TEXT NOT NULL,
            processor TEXT NOT NULL,
            cores INTEGER NOT NULL,
            system TEXT NOT NULL,
            threads INTEGER NOT NULL,
            seed TEXT,                    -- decimal: half of the seeds exceed an SQLite integer
            seconds REAL NOT NULL,
            exit_status INTEGER NOT NULL
          );
          CREATE TABLE figures (
            run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            subject TEXT NOT NULL,
            context TEXT NOT NULL,
            name TEXT NOT NULL,
            value REAL,                   -- NULL where it is not a number
            unit TEXT NOT NULL
          );
          CREATE INDEX figures_by_subject ON figures (subject, run);
          CREATE INDEX figures_by_run ON figures (run);
          CREATE TABLE verdicts (
            run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            subject TEXT NOT NULL,
            claim TEXT NOT NULL,
            verdict TEXT NOT NULL,
            reason TEXT NOT NULL
          );
          CREATE INDEX verdicts_by_subject ON verdicts (subject, run);
          CREATE INDEX verdicts_by_run ON verdicts (run);
          PRAGMA application_id = \(applicationID);
          """)
    }
    return migrator
  }

  /// Whether the file is a history, or empty and so may become one.
  static func isOurs(_ db: Database) throws -> Bool {
    if try Int.fetchOne(db, sql: "PRAGMA application_id") == applicationID { return true }
    // Another process may be about to migrate: its table of migrations comes first.
    return try Int.fetchOne(
      db, sql: "SELECT count(*) FROM sqlite_master WHERE tbl_name <> 'grdb_migrations'") == 0
  }
}
