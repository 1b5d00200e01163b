import Foundation
import OptCheck
import Testing

/// The built `optcheck`, run in a folder of its own.
struct Tool {
  /// The folder that commands run in, made for this value.
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-tests-\(UUID().uuidString)", isDirectory: true)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  /// Removes the folder with all that was written.
  func cleanUp() { try? FileManager.default.removeItem(at: folder) }

  /// Beside the test bundle: the test target depends on it, so it is built first.
  static var executable: URL {
    get throws {
      let bundle = try #require(Bundle.main.executableURL).resolvingSymlinksInPath()
      let file = bundle.deletingLastPathComponent().appendingPathComponent("optcheck")
      try #require(FileManager.default.isExecutableFile(atPath: file.path), "\(file.path)")
      return file
    }
  }

  /// Runs `optcheck` with `arguments`, after `prefix` if given.
  func run(prefix: [String] = [], _ arguments: [String]) throws -> ChildProcess.Output {
    // env: the folder changes for the child alone, and a developer's own history is not touched.
    let words =
      ["-u", "OPTCHECK_HISTORY", "-C", folder.path] + prefix + [try Self.executable.path]
      + arguments
    return try ChildProcess.run("env", words)
  }

  /// Runs `optcheck` with the words of `line`.
  func run(_ line: String) throws -> ChildProcess.Output {
    try run(line.split(separator: " ").map(String.init))
  }

  /// The file or folder at `path` below the folder.
  func url(_ path: String) -> URL { folder.appendingPathComponent(path) }

  /// The names of all files and folders below the folder.
  var contents: [String] {
    (FileManager.default.enumerator(atPath: folder.path)?.allObjects ?? []).compactMap {
      $0 as? String
    }.sorted()
  }

  /// Writes `text` to `path`.
  func write(_ text: String, to path: String) throws {
    try Data(text.utf8).write(to: url(path))
  }
}

/// Checks that a run ended in `status` with one line of error that holds all of `words`.
func expectRefusal(
  _ output: ChildProcess.Output, status: Int32 = 64, naming words: [String],
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(output.status == status, "\(output.standardError)", sourceLocation: sourceLocation)
  #expect(output.standardOutput.isEmpty, sourceLocation: sourceLocation)
  let lines = output.standardError.split(separator: "\n")
  #expect(lines.count == 1, "\(output.standardError)", sourceLocation: sourceLocation)
  for word in words {
    #expect(
      output.standardError.contains(word), "'\(word)' in: \(output.standardError)",
      sourceLocation: sourceLocation)
  }
}

/// A training run that takes a second or so.
let smallRun =
  "train --p-use --p-norm sigmoid --loss-func last --input-dim 8 --output-dim 5 "
  + "--train-batch-size 4 --lstm-hidden-size 16 --e 2 --meta-optimizer Adam --init-lr 1e-3 "
  + "--optimizer-training-steps 6 --epochs 1"
