import Engine
import Foundation
import Storage
import Testing

@Suite struct AtomicFileTests {
  @Test func replacesAndLeavesNothingBeside() throws {
    try withScratchFolder { folder in
      let url = folder.appendingPathComponent("run.json")
      try AtomicFile.write(Data("old, and longer".utf8), to: url)
      try AtomicFile.write(Data("new".utf8), to: url)
      #expect(try AtomicFile.read(url) == Data("new".utf8))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["run.json"])
    }
  }

  /// While one task replaces a file over and over, another never sees anything but whole contents.
  @Test func readersNeverSeeAHalf() async throws {
    let contents = [Data(repeating: 1, count: 300_000), Data(repeating: 2, count: 500_000)]
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: url) }
    try AtomicFile.write(contents[0], to: url)
    let writer = Task { for i in 1...40 { try AtomicFile.write(contents[i % 2], to: url) } }
    for _ in 0..<200 {
      let seen = try AtomicFile.read(url)
      #expect(contents.contains(seen), "\(seen.count) bytes")
    }
    try await writer.value
  }

  @Test func namesTheFolderThatIsMissing() throws {
    try withScratchFolder { folder in
      let url = folder.appendingPathComponent("missing/run.json")
      #expect(
        throws: StorageError.unwritable(path: url.path, reason: "No such file or directory")
      ) { try AtomicFile.write(Data(), to: url) }
    }
  }

  /// A folder in the way makes the last step fail: it stays, and the draft goes.
  @Test func failureLeavesTheOldContents() throws {
    try withScratchFolder { folder in
      let url = folder.appendingPathComponent("taken")
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
      #expect(throws: StorageError.unwritable(path: url.path, reason: "Is a directory")) {
        try AtomicFile.write(Data("x".utf8), to: url)
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["taken"])
      #expect(throws: StorageError.unreadable(path: url.path, reason: "Is a directory")) {
        try AtomicFile.read(url)
      }
    }
  }

  @Test func removesDraftsOfTheDeadOnly() throws {
    try withScratchFolder { folder in
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/bin/sh")
      process.arguments = ["-c", "exit 0"]
      try process.run()
      process.waitUntilExit()
      let dead = process.processIdentifier
      let alive = ProcessInfo.processInfo.processIdentifier
      for name in [".a.draft.\(dead).X", ".a.draft.\(alive).Y", ".b.draft.\(dead).Z", "a"] {
        try Data().write(to: folder.appendingPathComponent(name))
      }
      AtomicFile.removeLeftovers(of: folder.appendingPathComponent("a"))
      let left = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
      #expect(left == [".a.draft.\(alive).Y", ".b.draft.\(dead).Z", "a"])
    }
  }
}

@Suite struct OutputFolderTests {
  /// What was missing is missing again; what was there stays, with what is in it.
  @Test func lookingLeavesNothing() throws {
    try withScratchFolder { folder in
      try OutputFolder.expectWritable(folder.appendingPathComponent("a/b/c"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
      try OutputFolder.make(folder.appendingPathComponent("a"))
      try Data().write(to: folder.appendingPathComponent("a/kept"))
      try OutputFolder.expectWritable(folder.appendingPathComponent("a"))
      try OutputFolder.expectWritable(folder.appendingPathComponent("a/b"))
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: folder.path + "/a") == ["kept"])
    }
  }

  /// A file in the way stops root too, unlike permissions; so does a folder that the system makes up.
  @Test func whatStandsInTheWayIsNamed() throws {
    try withScratchFolder { folder in
      try Data().write(to: folder.appendingPathComponent("file"))
      for path in ["\(folder.path)/file", "\(folder.path)/file/a/b", "/proc/no/such"] {
        let error = #expect(throws: StorageError.self) {
          try OutputFolder.expectWritable(URL(fileURLWithPath: path, isDirectory: true))
        }
        #expect("\(error ?? .unreadable(path: "", reason: ""))".contains("cannot write \(path): "))
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["file"])
    }
  }
}

@Suite struct JSONFileTests {
  private struct Run: Codable, Equatable {
    struct Step: Codable, Equatable { var loss: Double }
    var seed: UInt64
    var path: String
    var steps: [Step]
  }

  @Test func textIsCanonical() {
    let run = Run(seed: .max, path: "a/b", steps: [.init(loss: 0.1), .init(loss: -.infinity)])
    let text = """
      {
        "path" : "a/b",
        "seed" : 18446744073709551615,
        "steps" : [
          {
            "loss" : 0.1
          },
          {
            "loss" : "-Infinity"
          }
        ]
      }

      """
    #expect(String(decoding: JSONFile.encoded(run), as: UTF8.self) == text)
  }

  @Test func roundTripKeepsEveryDouble() throws {
    let back: [Double] = try withScratchFolder { folder in
      let url = folder.appendingPathComponent("a.json")
      try JSONFile.write(awkwardDoubles + [.nan], to: url)
      return try JSONFile.read(from: url)
    }
    #expect(back.dropLast().map(\.bitPattern) == awkwardDoubles.bitPatterns)
    #expect(back.last?.isNaN == true)
  }

  @Test(arguments: [
    (#"{"path":"","steps":[]}"#, "seed", "missing"),
    (#"{"seed":-1,"path":"","steps":[]}"#, "JSON", "a number that its field cannot"),
    (#"{"seed":1,"path":"","steps":[{"loss":1},{"loss":null}]}"#, "steps[1].loss", "null"),
    (#"{"seed":1,"path":7,"steps":[]}"#, "path", "String"),
    (#"{"seed":1,"path":"#, "JSON", "file"),
    ("", "JSON", "file"),
  ])
  func refusalNamesTheKey(text: String, culprit: String, reason: String) throws {
    let error = try #require(
      #expect(throws: StorageError.self) {
        _ = try JSONFile.decode(Run.self, from: Data(text.utf8), path: "run.json")
      })
    #expect(error.description.hasPrefix("run.json: \(culprit): "), "\(error)")
    #expect(error.description.contains(reason), "\(error)")
    #expect(!error.description.contains("\n"))
  }
}

@Suite struct TextColumnTests {
  /// The text that `numpy.savetxt` (numpy 2.4) writes for these values.
  @Test func matchesNumpy() {
    let values = [
      0.1, -0.0, -.nan, .infinity, -.infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude,
    ]
    let text = """
      1.000000000000000056e-01
      -0.000000000000000000e+00
      nan
      inf
      -inf
      4.940656458412465442e-324
      1.797693134862315708e+308

      """
    #expect(TextColumn.encoded(values) == text)
  }

  @Test func roundTripKeepsEveryDouble() throws {
    let back = try withScratchFolder { folder in
      let url = folder.appendingPathComponent("train_loss")
      try TextColumn.write(awkwardDoubles + [.nan], to: url)
      return try TextColumn.read(from: url)
    }
    #expect(back.dropLast().map(\.bitPattern) == awkwardDoubles.bitPatterns)
    #expect(back.last?.isNaN == true)
  }

  @Test func skipsCommentsAndTakesForeignNewlines() throws {
    let text = "# head\r\n1.5\r\n\r\n -2 \r\n"
    #expect(try TextColumn.decode(Data(text.utf8), path: "a.txt") == [1.5, -2])
  }

  @Test func refusalNamesTheLine() {
    let error = StorageError.malformed(
      path: "a.txt", culprit: "line 2", reason: "'1,5' is no number")
    #expect(throws: error) { try TextColumn.decode(Data("1\n1,5\n".utf8), path: "a.txt") }
  }
}

@Suite struct NpyFileTests {
  /// `numpy.save` of array([1.5, -2.0]) with numpy 2.4, but for the padding of spaces.
  private static let pair = numpyFile(
    "(2,)", [0, 0, 0, 0, 0, 0, 0xF8, 0x3F, 0, 0, 0, 0, 0, 0, 0, 0xC0])

  private static func numpyFile(
    _ shape: String, _ body: [UInt8], descr: String = "<f8", order: String = "False"
  ) -> Data {
    let header = "{'descr': '\(descr)', 'fortran_order': \(order), 'shape': \(shape), }"
    let padding = String(repeating: " ", count: 0x76 - 1 - header.utf8.count) + "\n"
    return Data(
      [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, 0x76, 0] + Array((header + padding).utf8) + body)
  }

  @Test func bytesAreThoseOfNumpy() {
    #expect(NpyFile.encoded(Tensor(shape: [2], elements: [1.5, -2])) == Self.pair)
    #expect(NpyFile.encoded(Tensor(zeros: [0, 3])) == Self.numpyFile("(0, 3)", []))
    #expect(
      NpyFile.encoded(Tensor(3.25)) == Self.numpyFile("()", [0, 0, 0, 0, 0, 0, 0x0A, 0x40]))
  }

  @Test func roundTripKeepsEveryBit() throws {
    let tensor = Tensor(shape: [2, 1, 6], elements: awkwardDoubles)
    let back = try withScratchFolder { folder in
      let url = folder.appendingPathComponent("a.npy")
      try NpyFile.write(tensor, to: url)
      return try NpyFile.read(from: url)
    }
    #expect(back.shape == tensor.shape)
    #expect(back.elements.bitPatterns == tensor.elements.bitPatterns)
  }

  @Test(arguments: [
    (pair.dropLast(), "data", "takes 16"),
    (pair.prefix(40), "header", "truncated"),
    (pair.prefix(7), "file", ".npy"),
    (Data("PK".utf8), "file", ".npy"),
    (numpyFile("(2,)", [0, 0], descr: "<f4"), "descr", "<f4, want <f8"),
    (numpyFile("(1,)", [], order: "True"), "fortran_order", "ascontiguousarray"),
    (numpyFile("(9223372036854775807, 9)", []), "shape", "too large"),
    (numpyFile("(99999999999999999999,)", []), "data", "0 bytes"),
    (numpyFile("[1]", []), "header", "shape"),
  ])
  func refusalNamesThePart(data: Data, culprit: String, reason: String) throws {
    let error = try #require(
      #expect(throws: StorageError.self) { _ = try NpyFile.decode(Data(data), path: "a.npy") })
    #expect(error.description.hasPrefix("a.npy: \(culprit): "), "\(error)")
    #expect(error.description.contains(reason), "\(error)")
  }
}
