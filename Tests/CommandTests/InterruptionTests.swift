import Foundation
import OptCheck
import Testing

/// Signals while every core computes.
@Suite struct InterruptionTests {
  private let tool: Tool

  init() throws { tool = try Tool() }

  /// The listener has a thread of its own: runs on all shared ones do not keep it waiting.
  @Test(arguments: ["experiment figure-2a", "report theory-vs-experiment --only tangent-kernel"])
  func aSignalIsHeardWhileAllCoresCompute(_ command: String) throws {
    defer { tool.cleanUp() }
    // A shell starts its children deaf to SIGINT, so one that comes too early is lost: hence a row of
    // them. A process that hears none is killed, and tells so by its status.
    let script = """
      "$1" $2 --cache cache --out out --no-history 2>log & pid=$!
      (for i in $(seq 120); do sleep 0.5; kill -INT $pid || exit; done; kill -9 $pid) 2>/dev/null &
      wait $pid
      """
    let run = try ChildProcess.run(
      "env", ["-C", tool.folder.path, "sh", "-c", script, "sh", try Tool.executable.path, command])
    #expect(run.status == 130, "\(run.standardError)")
    // A folder may be there, but no file in it.
    #expect(!tool.contents.contains { $0.hasPrefix("out/") && $0.contains(".") })
  }
}
