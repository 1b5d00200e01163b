import Foundation
import History
import OptCheck
import Testing

/// One history, many processes, and some of them killed.
@Suite struct HistoryProcessTests {
  private let tool: Tool
  private var file: URL { tool.url("history.sqlite") }

  init() throws { tool = try Tool() }

  /// A run of a blink, as the shell function `verify SEED`, which says on its log that it is committed.
  ///
  /// A short PATH spares the search for a toolchain, which would take most of the time.
  private static let functions = """
    tool=$1; shift
    PATH=/usr/bin:/bin
    verify() {
      exec "$tool" verify gradient-descent --checks FP1 --problems quadratic-n2-k10 --budget 1000 \
        --seed "$1" --out "out$1" --history history.sqlite 2>"log$1" >/dev/null
    }

    """

  private func shell(_ script: String, _ words: [String] = []) throws -> ChildProcess.Output {
    try ChildProcess.run(
      "env",
      ["-C", tool.folder.path, "sh", "-c", Self.functions + script, "sh", Tool.executable.path]
        + words)
  }

  /// What the log of a run says: the number under which it is kept; nil if it did not get so far.
  private func reported(_ seed: Int) -> Int64? {
    let log = (try? String(contentsOf: tool.url("log\(seed)"), encoding: .utf8)) ?? ""
    return log.firstMatch(of: /history: run (\d+),/).flatMap { Int64($0.output.1) }
  }

  /// Every run is there once and whole, under the number that it was told.
  private func expectWhole(seeds: [Int], sourceLocation: SourceLocation = #_sourceLocation) throws {
    let history = try RunHistory(reading: file)
    #expect(try history.damage().isEmpty, sourceLocation: sourceLocation)
    let runs = try history.runs(of: "gradient-descent")
    #expect(Set(runs.map(\.number)).count == runs.count, sourceLocation: sourceLocation)
    let byNumber = Dictionary(uniqueKeysWithValues: runs.map { ($0.number, $0.record) })
    for seed in seeds {
      guard let number = reported(seed) else { continue }
      #expect(
        byNumber[number]?.seed == UInt64(seed), "run \(number) of seed \(seed)",
        sourceLocation: sourceLocation)
    }
    let labels = runs.first?.record.figures.map(\.label) ?? []
    #expect(labels.contains("FP1 level"), sourceLocation: sourceLocation)
    for run in runs {
      #expect(run.record.figures.map(\.label) == labels, sourceLocation: sourceLocation)
      #expect(run.record.verdicts.map(\.check) == ["FP1"], sourceLocation: sourceLocation)
    }
  }

  /// The file does not exist before, so that ten processes make it, too.
  @Test func tenWritersAtOnce() throws {
    defer { tool.cleanUp() }
    let seeds = Array(1...10)
    let run = try shell(
      """
      for seed in "$@"; do (verify $seed) & pids="$pids $!"; done
      for pid in $pids; do wait $pid || exit 1; done
      """, seeds.map(String.init))
    #expect(
      run.status == 0,
      "\(seeds.map { try? String(contentsOf: tool.url("log\($0)"), encoding: .utf8) })")
    #expect(seeds.compactMap(reported).sorted() == seeds.map(Int64.init))
    try expectWhole(seeds: seeds)
  }

  /// Fifty runs die at random moments, half of them close to the commit, while two others go on writing.
  @Test func killsLoseNothingThatWasCommitted() throws {
    defer { tool.cleanUp() }
    let seed: UInt64 = 2026
    var random = SplitMix64(seed: seed)
    let kills = (1...50).map { k -> String in
      let isLate = k % 2 == 0
      let delay = (isLate ? 0.03 : 0.4) * random.uniform()
      return (isLate ? "late" : "early") + String(format: ":%.4f", delay)
    }
    // The report is the last that a run writes before the history.
    let run = try shell(
      """
      steady() {
        seed=$1
        until test -e stop; do
          (verify $seed) || echo $seed >>failed
          seed=$((seed + 1))
        done
      }
      steady 1000 & steady 2000 &
      seed=0
      for kill in "$@"; do
        delay=${kill#*:} tries=0
        # A run that was faster makes room for one that is killed sooner, at last before its report.
        while true; do
          seed=$((seed + 1))
          (verify $seed) & pid=$!
          case $kill in late*)
            until test $tries -ge 6 || test -e out$seed/verify-gradient-descent.md || ! kill -0 $pid
            do sleep 0.002; done
          esac
          sleep $delay
          kill -9 $pid
          wait $pid
          test $? = 137 && break
          delay=$(awk "BEGIN { print $delay / 2 }") tries=$((tries + 1))
        done
        echo $seed >>killed
      done 2>/dev/null
      touch stop
      wait
      """, kills)
    #expect(run.status == 0, "seed \(seed): \(run.standardError)")
    #expect(!tool.contents.contains("failed"), "seed \(seed): a run that nobody killed has failed")
    let killed = try String(contentsOf: tool.url("killed"), encoding: .utf8)
    #expect(killed.split(separator: "\n").count == 50, "seed \(seed): \(killed)")
    let all = tool.contents.compactMap { name in
      name.hasPrefix("log") ? Int(name.dropFirst(3)) : nil
    }
    let survivors = all.filter { $0 >= 1000 }
    #expect(survivors.count >= 4 && survivors.allSatisfy { reported($0) != nil })
    try expectWhole(seeds: all)

    // The next run goes on.
    let last = try RunHistory(reading: file).subjects().map(\.last).max() ?? 0
    #expect(try shell("verify 3000").status == 0)
    #expect(reported(3000) == last + 1)
  }
}
