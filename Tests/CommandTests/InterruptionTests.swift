import Foundation
import OptCheck
import Testing

/// Signals while every core computes.
@Suite struct InterruptionTests {
  private let tool: Tool

  init() throws { tool = try Tool() }

  /// The listener has a thread of its own: runs on all shared ones do not keep it waiting.
  @Test func aSignalIsHeardWhileAllCoresCompute() throws {
    defer { tool.cleanUp() }
    // A shell starts its children deaf to SIGINT, so one that comes too early is lost: hence a row of
    // them. A process that hears none is killed, and tells so by its status.
    let script = """
      "$1" experiment figure-2a --cache cache --out out --no-history 2>log & pid=$!
      (for i in $(seq 120); do sleep 0.5; kill -INT $pid || exit; done; kill -9 $pid) 2>/dev/null &
      wait $pid
      """
    let run = try ChildProcess.run(
      "env", ["-C", tool.folder.path, "sh", "-c", script, "sh", try Tool.executable.path])
    #expect(run.status == 130, "\(run.standardError)")
    #expect(!tool.contents.contains("out"), "\(tool.contents)")
  }
}
