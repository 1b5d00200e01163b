import Checks
import Experiments
import Foundation
import Storage
import Testing

@testable import History

/// The file of runs within one process; several processes are in the tests of the command.
@Suite struct HistoryTests {
  private let folder: URL
  private var file: URL { folder.appendingPathComponent("history.sqlite") }

  init() throws {
    folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-history-\(UUID().uuidString)", isDirectory: true)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private func cleanUp() { try? FileManager.default.removeItem(at: folder) }

  private let circumstances = RunCircumstances(
    started: Date(timeIntervalSince1970: 1_700_000_000.123_4), arguments: ["verify", "it's \"ü\""],
    machine: RunRecord(
      version: "0.1", commit: "0123456789ab-dirty", toolchain: "Swift 6", blasCore: "Haswell",
      blas: "OpenBLAS", processor: "a processor", cores: 2, system: "a system"),
    seconds: 1.5, exitStatus: 1)

  private func record(_ rule: String, _ value: Double?) -> HistoryRecord {
    var record = HistoryRecord(
      command: "verify", settings: ["budget": "1000"], seed: .max, threads: 2)
    record.figures = [
      .init("level", value, of: rule, in: "GC1"), .init("time", 0.1, of: rule, unit: "s"),
      .init("level", 7, of: "another"),
    ]
    record.verdicts = Verdict.allCases.enumerated().map {
      .init("C\($0)", $1, on: rule, reason: "because '\($0)'")
    }
    return record
  }

  /// What a subject gets back: its own part.
  private func part(_ record: HistoryRecord, of subject: String) -> HistoryRecord {
    var part = record
    part.figures.removeAll { $0.subject != subject }
    part.verdicts.removeAll { $0.subject != subject }
    return part
  }

  @Test(arguments: [
    0.1, .pi, .leastNonzeroMagnitude, .greatestFiniteMagnitude, .infinity, -.infinity, nil,
  ]) func whatIsReadIsWhatWasWritten(value: Double?) throws {
    defer { cleanUp() }
    let written = record("rule", value)
    #expect(try RunHistory(writing: file).add(written, under: circumstances) == 1)
    #expect(try RunHistory(writing: file).add(written, under: circumstances) == 2)
    let runs = try RunHistory(reading: file).runs(of: "rule")
    #expect(runs.map(\.number) == [1, 2])
    for run in runs {
      #expect(run.record == part(written, of: "rule"))
      #expect(run.record.figures[0].value?.bitPattern == value?.bitPattern)
      #expect(run.circumstances == circumstances)
    }
    #expect(
      try RunHistory(reading: file).runs(of: "another").map(\.record.figures.count) == [1, 1])
    #expect(try RunHistory(reading: file).runs(of: "nobody").isEmpty)
  }

  @Test func notANumberIsNone() {
    #expect(HistoryRecord.Figure("x", .nan, of: "rule").value == nil)
  }

  @Test func subjectsAreCountedByRuns() throws {
    defer { cleanUp() }
    let history = try RunHistory(writing: file)
    #expect(try history.subjects().isEmpty)
    for (rule, command) in [("a", "verify"), ("b", "verify"), ("a", "train")] {
      var record = record(rule, 1)
      record.command = command
      try history.add(record, under: circumstances)
    }
    let subjects = try history.subjects()
    #expect(subjects.map(\.name) == ["a", "another", "b"])
    #expect(subjects.map(\.runs) == [2, 3, 1])
    #expect(subjects.map(\.last) == [3, 3, 2])
    #expect(subjects[0].commands == ["train", "verify"])
  }

  // MARK: Files

  /// The marks by which file(1) and SQLite know the file, read from its bytes.
  @Test func theFileIsMarkedAndLogsAhead() throws {
    defer { cleanUp() }
    do { try RunHistory(writing: file).add(record("rule", 1), under: circumstances) }
    let bytes = [UInt8](try Data(contentsOf: file))
    #expect(bytes.starts(with: Array("SQLite format 3\0".utf8)))
    // Offsets 18 and 19: write and read version, 2 for WAL; 68: application id.
    #expect(bytes[18] == 2 && bytes[19] == 2)
    #expect(String(decoding: bytes[68..<72], as: UTF8.self) == "OptC")
  }

  /// An empty file is one that somebody made for us, as mktemp does.
  @Test func anEmptyFileBecomesAHistory() throws {
    defer { cleanUp() }
    try Data().write(to: file)
    #expect(try RunHistory(reading: file).subjects().isEmpty)
    #expect(try RunHistory(writing: file).add(record("rule", 1), under: circumstances) == 1)
  }

  @Test func whatIsNoHistoryIsNamedAndLeftAlone() throws {
    defer { cleanUp() }
    let text = Data(String(repeating: "no database at all\n", count: 100).utf8)
    try text.write(to: file)
    let errors = [
      #expect(throws: StorageError.self) { _ = try RunHistory(writing: file) },
      #expect(throws: StorageError.self) { _ = try RunHistory(reading: file) },
    ]
    for error in errors {
      guard case .malformed(file.path, _, _) = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
    #expect(try Data(contentsOf: file) == text)
  }

  @Test func aDamagedFileIsNamed() throws {
    defer { cleanUp() }
    do {
      let history = try RunHistory(writing: file)
      for _ in 0..<100 { try history.add(record("rule", 1), under: circumstances) }
      #expect(try history.damage().isEmpty)
    }
    var bytes = try Data(contentsOf: file)
    // The head with the mark stays, and all tables behind it are lost.
    bytes.replaceSubrange(100..<bytes.count, with: Data(repeating: 0xa5, count: bytes.count - 100))
    try bytes.write(to: file)
    let error = #expect(throws: StorageError.self) {
      try RunHistory(reading: file).runs(of: "rule")
    }
    guard case .malformed(file.path, _, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func aFolderThatIsNotThereIsNamed() throws {
    defer { cleanUp() }
    let file = folder.appendingPathComponent("nowhere/history.sqlite")
    let error = #expect(throws: StorageError.self) { try RunHistory(writing: file) }
    guard case .unwritable(file.path, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(throws: StorageError.self) { try RunHistory(reading: file) }
  }
}
