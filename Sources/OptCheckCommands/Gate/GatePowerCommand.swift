import ArgumentParser
import Foundation
import OptCheck

/// `optcheck gate-power`.
struct GatePowerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gate-power",
    abstract: "Compares the same code and planted changes, and writes Reports/gate-power.md.",
    discussion: """
      Runs this executable with several BLAS kernels and numbers of threads, and other builds of it where \
      --also names them; every answer but `same` is a false alarm. Then rules that contract by ρ^0.99 and \
      ρ^1.01 in place of ρ.

      Examples:
        optcheck gate-power
        optcheck gate-power --also .build/debug/optcheck
        optcheck gate-power --blocks 2 --out /tmp/gate
      """)

  @Option(help: ArgumentHelp("Blocks of three seeds; 25 make 1,000 comparisons.", valueName: "n"))
  var blocks = 25
  @Option(
    help: ArgumentHelp("A rule; may be repeated. By default ten that contract.", valueName: "rule"))
  var rules: [String] = []
  @Option(
    help: ArgumentHelp("Another build of this executable; may be repeated.", valueName: "path"))
  var also: [String] = []
  @Option(help: ArgumentHelp("Folder for the report.", valueName: "dir"))
  var out = "Reports"
  @Flag(help: .hidden)
  var records = false
  @Option(help: ArgumentHelp("Threads; no figure depends on it.", valueName: "n"))
  var threads = Parallel.coreCount
  @OptionGroup var common: CommonOptions

  /// OpenBLAS's kernels beside the one that it chooses: older ones that every x86-64 processor of
  /// today has, so that sums are ordered in other ways.
  private static let kernels = ["Haswell", "Sandybridge", "Nehalem", "Prescott"]

  func run() async throws {
    let console = Console(common)
    guard blocks >= 2 else { throw UsageError("--blocks \(blocks); accepted: 2 and up") }
    guard threads >= 1 else { throw UsageError("--threads \(threads); accepted: 1 and up") }
    let interruption = Interruption()
    let calibration = GateCalibration(
      rules: rules.isEmpty ? GateCalibration.standardRules : rules, blocks: blocks,
      threads: threads)
    let proceed: @Sendable () throws -> Void = {
      if interruption.isRequested { throw Finding(status: .interrupted) }
    }
    if records {
      let own = try calibration.records(proceed: proceed)
      return print(String(decoding: JSONFile.encoded(own), as: UTF8.self), terminator: "")
    }
    let others = try also.map { path -> Way in
      guard let tool = BuiltTool(path) else {
        throw UsageError("--also \(path); accepted: an executable")
      }
      return Way(name: "another build, \(path)", tool: tool, threads: threads)
    }
    let start = ContinuousClock.now
    let writer = try ReportWriter(
      Report<GatePowerRecord>.gatePower, into: URL(fileURLWithPath: out, isDirectory: true))
    var environments = [
      GateCalibration.Environment(
        name: "\(BLAS.coreName) kernels, \(threads) threads",
        records: try calibration.records(proceed: proceed))
    ]
    console.note(environments[0].name)
    let kernels = Self.kernels.filter { $0.lowercased() != BLAS.coreName.lowercased() }
    let ways = kernels.enumerated().map { i, kernel in
      Way(name: "\(kernel) kernels", tool: .this, kernel: kernel, threads: i % 2 + 1)
    }
    for way in ways + others {
      try proceed()
      let name = "\(way.name), \(way.threads) thread\(way.threads == 1 ? "" : "s")"
      console.note(name)
      let text = try way.tool.run(
        ["gate-power", "--records", "--blocks", "\(blocks)", "--threads", "\(way.threads)"]
          + rules.flatMap { ["--rules", $0] },
        kernel: way.kernel)
      environments.append(
        GateCalibration.Environment(
          name: name, records: try JSONFile.decode(from: Data(text.utf8), path: name)))
    }
    console.note("planted changes")
    let results = calibration.results(
      environments, slower: try calibration.records(pace: 0.99, proceed: proceed),
      faster: try calibration.records(pace: 1.01, proceed: proceed))
    let record = GatePowerRecord(
      command: command, seconds: (ContinuousClock.now - start) / .seconds(1), results: results)
    _ = try writer.write(record, record: .current)
    console.result(record) { record in
      record.targets.map { what, expected, counts in
        let right = counts.reduce(0) { $0 + ($1.answers[expected.rawValue] ?? 0) }
        return "\(what): \(right) of \(counts.reduce(0) { $0 + $1.total }) \(expected.rawValue)"
      }.joined(separator: "\n") + "\n" + writer.markdownFile.path
    }
  }

  /// A build and how it is run.
  private struct Way {
    var name: String
    var tool: BuiltTool
    var kernel: String?
    var threads: Int
  }

  private var command: String {
    (["optcheck gate-power"] + (blocks == 25 ? [] : ["--blocks \(blocks)"])
      + rules.map { "--rules \(RuleSource.quoted($0))" }
      + also.map { "--also \(RuleSource.quoted($0))" }).joined(separator: " ")
  }
}
