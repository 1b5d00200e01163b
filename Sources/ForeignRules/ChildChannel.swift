import CChildren
import Foundation

/// Lines to and from a child process.
final class ChildChannel {
  /// What can go wrong with a line.
  enum Failure: Error {
    case timeout(seconds: Double)
    case ended(status: Int32)
    case failed
    case tooLong
  }

  private let pid: Int32
  private let input: Int32
  private let output: Int32
  private var pending: [UInt8] = []
  private var searched = 0
  private var isClosed = false
  /// Lines read so far.
  private(set) var lineCount = 0

  /// No sane answer is longer; a child that writes without end would fill the memory.
  private static let longestLine = 1 << 28

  /// Starts `command` with the shell.
  init(_ command: String) throws {
    var (pid, input, output): (Int32, Int32, Int32) = (0, 0, 0)
    guard ch_start(command, &pid, &input, &output) == 0 else { throw Failure.failed }
    self.pid = pid
    self.input = input
    self.output = output
  }

  deinit { close() }

  /// Writes a line.
  func send(_ line: String, seconds: Double) throws {
    let bytes = Array(line.utf8) + [UInt8(ascii: "\n")]
    let outcome = ch_write(input, bytes, bytes.count, Self.milliseconds(seconds))
    if outcome == CH_TIMEOUT.rawValue { throw Failure.timeout(seconds: seconds) }
    guard outcome == 0 else { throw ending }
  }

  /// The next line, without its end.
  func receive(seconds: Double) throws -> String {
    let clock = ContinuousClock()
    let deadline = clock.now.advanced(by: .seconds(seconds))
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      if let end = pending[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        let line = String(decoding: pending[..<end], as: UTF8.self)
        pending.removeSubrange(...end)
        searched = 0
        lineCount += 1
        return line
      }
      searched = pending.count
      guard pending.count < Self.longestLine else { throw Failure.tooLong }
      let left = max(0, (deadline - clock.now) / .seconds(1))
      let count = ch_read(output, &buffer, buffer.count, Self.milliseconds(left))
      if count == Int(CH_TIMEOUT.rawValue) { throw Failure.timeout(seconds: seconds) }
      guard count > 0 else { throw ending }
      pending += buffer[..<count]
    }
  }

  /// Why the child does not answer.
  private var ending: Failure {
    var status: Int32 = 0
    return ch_wait(pid, 2000, &status) == 1 ? .ended(status: status) : .failed
  }

  private static func milliseconds(_ seconds: Double) -> Int32 {
    Int32(min(max(seconds * 1000, 0), 2e9))
  }

  /// Asks the child to quit; after 5 s it is told to, after 2 s more it is killed, and with it all
  /// that it started.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    try? send("{\"quit\": true}", seconds: 0.2)
    ch_close(input)
    var status: Int32 = 0
    if ch_wait(pid, 5000, &status) == 0 {
      _ = ch_signal_group(pid, SIGTERM)
      _ = ch_wait(pid, 2000, &status)
    }
    // The leader may have gone and left others behind.
    _ = ch_signal_group(pid, SIGKILL)
    _ = ch_wait(pid, 2000, &status)
    ch_close(output)
  }
}
