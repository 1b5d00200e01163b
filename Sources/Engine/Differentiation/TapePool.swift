import Synchronization

/// Tapes to borrow: their memory stays, so that one run after another touches the same pages.
public enum TapePool {
  // A tape belongs to one thread at a time: while it is in the pool, to none.
  private struct Idle: @unchecked Sendable { let tape: Tape }

  private static let recording = Mutex<[Idle]>([])
  private static let computing = Mutex<[Idle]>([])

  /// Calls `body` with an empty tape, which goes back to the pool afterwards.
  public static func withTape<Result>(
    recording isRecording: Bool = true, _ body: (Tape) throws -> Result
  ) rethrows -> Result {
    let tape = take(isRecording) ?? Tape(recording: isRecording)
    defer {
      tape.clear()
      give(tape)
    }
    return try body(tape)
  }

  private static func take(_ isRecording: Bool) -> Tape? {
    isRecording
      ? recording.withLock { $0.popLast()?.tape } : computing.withLock { $0.popLast()?.tape }
  }

  private static func give(_ tape: Tape) {
    let idle = Idle(tape: tape)
    if tape.isRecording {
      recording.withLock { $0.append(idle) }
    } else {
      computing.withLock { $0.append(idle) }
    }
  }
}
