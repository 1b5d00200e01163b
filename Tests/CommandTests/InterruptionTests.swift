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
    // By five seconds of processor time all cores compute. A process that hears no signal is killed, and
    // tells so by its status.
    let script = """
      "$1" $2 --cache cache --out out --no-history 2>log & pid=$!
      (while kill -0 $pid && test $(cut -d ' ' -f 14 /proc/$pid/stat) -lt 500; do sleep 0.1; done
       for i in $(seq 60); do kill -INT $pid || exit; sleep 0.5; done; kill -9 $pid) 2>/dev/null &
      wait $pid
      """
    let run = try ChildProcess.run(
      "env", ["-C", tool.folder.path, "sh", "-c", script, "sh", try Tool.executable.path, command])
    #expect(run.status == 130, "\(run.standardError)")
    // A folder may be there, but no file in it.
    #expect(!tool.contents.contains { $0.hasPrefix("out/") && $0.contains(".") })
  }
}
