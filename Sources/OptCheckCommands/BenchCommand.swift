import ArgumentParser
import Foundation
import History
import OptCheck

/// `optcheck bench`.
struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures the time of training steps against the targets.",
    discussion: """
      Prints minima and medians in ms, the authors' code beside them, and for every target whether \
      it is met. A machine that does other work meets fewer. Exits with 0 in any case: a \
      measurement is no test.

      Examples:
        optcheck bench
        optcheck bench --quick --json
      """)

  @Flag(help: "A few seconds at small sizes, to see that it works; no headline target is judged.")
  var quick = false

  @Flag(help: "Only the rules that run on the tape, and what a trained one takes to a gap.")
  var learned = false

  @OptionGroup var history: HistoryOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let console = Console(common)
    try history.recorded("bench", settings: quick ? ["quick": "true"] : [:], console) { record in
      try measure(console, into: &record)
    }
  }

  private func measure(_ console: Console, into history: inout HistoryRecord) throws {
    let fixtures = try PackageFolder.locate().appendingPathComponent("Fixtures")
    let trained = fixtures.appendingPathComponent("Trained")
    if learned {
      let result = try LearnedBenchmarks.run(trained: trained, quick: quick)
      history.note(result)
      return console.result(result) { Self.text($0) }
    }
    let published = try PublishedTimes.load(from: fixtures.appendingPathComponent("Published"))
    let result = try Benchmarks.run(quick: quick, published: published) {
      console.note("measuring: \($0)")
    }
    history.note(result)
    console.note("measuring: rules on the tape (--learned: these alone)")
    let learned = try LearnedBenchmarks.run(trained: trained, quick: quick)
    history.note(learned)
    console.result(Both(benchmarks: result, learned: learned)) {
      Self.text($0.benchmarks) + "\n\n" + Self.text($0.learned)
    }
  }

  /// All measurements: those of paper A's rule with those of the tape beside them.
  private struct Both: Encodable {
    var benchmarks: Benchmarks
    var learned: LearnedBenchmarks

    private enum CodingKeys: String, CodingKey { case learned }

    func encode(to encoder: any Encoder) throws {
      try benchmarks.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(learned, forKey: .learned)
    }
  }

  /// The result as tables for a terminal.
  static func text(_ result: Benchmarks) -> String {
    [
      "One training step (forward, backward, update), ms, on \(result.cores) cores",
      times(result), growth(result), published(result.published), targets(result.targets),
    ].joined(separator: "\n\n")
  }

  /// The tape's rules as a table for a terminal.
  static func text(_ result: LearnedBenchmarks) -> String {
    var rows = [["One training step, ms", "minimum", "median", "repeated", "PyTorch", "target"]]
    for row in result.rows {
      rows.append(
        ["\(row.name), \(row.threads) threads"] + cells(row.timing)
          + [row.published.map { number($0) } ?? "", row.limit.map { number($0) } ?? ""])
    }
    let overhead =
      [["One operation on the tape, forward and backward, ns", "tape", "plain loop"]]
      + result.overhead.map {
        ["  \($0.side) x \($0.side)", number($0.tape), number($0.loop)]
      }
    let memory =
      [["Values recorded by CoordMathLSTM on 25 x 50, kB", "stored", "recomputed"]]
      + result.memory.map {
        [
          "  T = \($0.horizon)", number(Double($0.stored) / 1e3),
          number(Double($0.recomputed) / 1e3),
        ]
      }
    return [rows, overhead, memory, inference(result.inference)].map { TextTable.aligned($0) }
      .joined(separator: "\n\n")
  }

  /// Per iteration, and to each gap.
  private static func inference(_ rows: [LearnedBenchmarks.Inference]) -> [[String]] {
    guard let first = rows.first else { return [] }
    let heading =
      ["Fresh LASSO, \(first.problem), 1 thread, ms", "iteration", "median"]
      + first.levels.flatMap { ["k to \(Number.short($0))", "time"] }
    return [heading] + rows.map(cells)
  }

  private static func cells(_ row: LearnedBenchmarks.Inference) -> [String] {
    var cells = ["  \(row.rule)", number(row.iteration.minimum), number(row.iteration.median)]
    for (count, time) in zip(row.iterations, row.times) {
      cells.append(count.map { "\($0)" } ?? Number.dash)
      cells.append(time.map { number($0) } ?? Number.dash)
    }
    return cells
  }

  private static func words(_ size: Benchmarks.Size) -> String {
    "d=\(size.dimension) m=\(size.rows) N=\(size.instances) T=\(size.horizon) width \(size.width)"
  }

  private static func number(_ value: Double) -> String { Number.significant(value, digits: 3) }

  private static func cells(_ timing: Timing) -> [String] {
    [number(timing.minimum), number(timing.median), "\(timing.repetitions)"]
  }

  private static func times(_ result: Benchmarks) -> String {
    let headline = result.headline
    var rows = [["", "minimum", "median", "repeated"]]
    for pair in [headline.twoThreads, headline.oneThread] {
      let threads = pair.threads == 1 ? "1 thread" : "\(pair.threads) threads"
      rows.append(["\(words(headline.size)), \(threads)"] + cells(pair.step))
      rows.append(["  the same without network (P = 1)"] + cells(pair.withoutNetwork))
      rows.append(["  with / without, median of pairs", "", number(pair.ratio), ""])
    }
    let speedup = headline.oneThread.step.minimum / headline.twoThreads.step.minimum
    rows.append(["  1 thread / 2 threads", number(speedup), "", ""])
    if let peak = headline.peakMegabytes {
      rows.append(["  peak memory, MB", number(peak), "", ""])
    }
    for figure in result.figures {
      rows.append(["\(words(figure.size)), 1 thread"] + cells(figure.step))
      if let dense = figure.dense, let ratio = figure.denseRatio {
        rows.append(["  by matrix products"] + cells(dense))
        rows.append(["  dense / angular", number(ratio), "", ""])
      }
    }
    return TextTable.aligned(rows)
  }

  private static func growth(_ result: Benchmarks) -> String {
    result.growth.map { growth in
      TextTable.aligned(
        [["time against \(growth.quantity), 1 thread", "minimum", "median", "repeated"]]
          + zip(growth.values, growth.times).map { ["  \($0)"] + cells($1) }
          + [["  fitted exponent", number(growth.exponent), "", ""]])
    }.joined(separator: "\n\n")
  }

  private static func published(_ times: PublishedTimes) -> String {
    TextTable.aligned(
      [["the authors' code (PyTorch)", "time", "peak MiB"]]
        + times.rows.map {
          [
            "  \($0.size), \($0.precision), \($0.setup)", $0.time,
            $0.peakMiB.map { "\(Int($0))" } ?? Number.dash,
          ]
        })
      + "\n  source: \(times.source.repository) at \(times.source.commit); \(times.provenance)"
      + "\n  on: \(times.machine)"
  }

  private static func targets(_ targets: [Benchmarks.Target]) -> String {
    TextTable.aligned(
      [["target", "measured", "limit", ""]]
        + targets.map {
          let unit = $0.unit.isEmpty ? "" : " " + $0.unit
          return [
            "  " + $0.name, number($0.measured) + unit, Number.short($0.limit) + unit,
            $0.isMet ? "met" : "MISSED",
          ]
        })
  }
}
