public import Foundation

/// Another program, run to its end.
///
/// Not `Foundation.Process`: on Linux that one learns of a program's end through a socket on the loopback interface, and
/// waits for ever where there is none, as under `unshare -n`. Here it is `system` of the C library, which only waits.
public enum ChildProcess {
  /// What a program left behind.
  public struct Output: Sendable, Hashable {
    /// Its exit status; 128 plus the signal's number if a signal ended it, 127 if it could not be found.
    public var status: Int32
    /// What it wrote to standard output, as UTF-8.
    public var standardOutput: String
    /// What it wrote to standard error, as UTF-8.
    public var standardError: String
  }

  /// Runs `program` with nothing but `arguments`, `environment` and `input`, and waits for its end.
  ///
  /// A name without a slash is looked for in the `PATH` of `environment`. Safe to call from several threads.
  ///
  /// - Throws: What Foundation says if the scratch files for input and output cannot be written.
  public static func run(
    _ program: String, _ arguments: [String] = [],
    environment: [String: String] = ProcessInfo.processInfo.environment, input: String = ""
  ) throws -> Output {
    // Files, not pipes: neither side can block on a full buffer.
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-\(UUID().uuidString)", isDirectory: true)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let files = ["input", "output", "errors"].map { folder.appendingPathComponent($0) }
    try Data(input.utf8).write(to: files[0])

    let settings = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    let words = ["/usr/bin/env", "-i"] + settings + [program] + arguments
    let command =
      "exec " + words.map(quoted).joined(separator: " ")
      + " <\(quoted(files[0].path)) >\(quoted(files[1].path)) 2>\(quoted(files[2].path))"
    let ended = Self.waited(command)
    // The encoding of wait(2): the low seven bits are a signal, the next byte is the status.
    let status = ended & 0x7f == 0 ? (ended >> 8) & 0xff : 128 + (ended & 0x7f)
    let text = { (file: URL) in String(decoding: try Data(contentsOf: file), as: UTF8.self) }
    return Output(
      status: status, standardOutput: try text(files[1]), standardError: try text(files[2]))
  }

  /// `system`, with SIGCHLD let through.
  ///
  /// Dispatch blocks signals on its threads and a child inherits that: a shell that waits for children of its own
  /// would never hear of their end.
  private static func waited(_ command: String) -> Int32 {
    var (child, own) = (sigset_t(), sigset_t())
    sigemptyset(&child)
    sigaddset(&child, SIGCHLD)
    pthread_sigmask(SIG_UNBLOCK, &child, &own)
    defer { pthread_sigmask(SIG_SETMASK, &own, nil) }
    return system(command)
  }

  /// `word` as one word of a POSIX shell.
  private static func quoted(_ word: String) -> String {
    precondition(!word.contains("\0"), "a word of a command cannot hold a zero byte")
    return "'" + word.replacing("'", with: "'\\''") + "'"
  }
}
