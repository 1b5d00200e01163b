import ArgumentParser
import Foundation
import OptCheck

/// `optcheck replay`.
struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Recomputes recorded cases and compares every output array.",
    discussion: """
      DIR holds pairs <case>.json and <case>.safetensors. An array agrees if \
      max|ours - theirs| <= 1e-9 max|theirs|, or, where theirs is all zero, max|ours| <= 1e-12. \
      Exit status 0 only if every case agrees, else 1.

      Example:
        optcheck replay Fixtures/Reference --only 'dnn_qp_*'
      """)

  @Argument(help: ArgumentHelp("Folder with the cases.", valueName: "dir"))
  var directory: String

  @Option(help: ArgumentHelp("Replay only cases whose name matches.", valueName: "glob"))
  var only: String?

  @Option(
    help: "How CoordMathDNN's losses are computed: dense, angular or automatic.",
    transform: evaluator(named:))
  var evaluator = CoordMathDNN.Evaluator.dense

  @OptionGroup var common: CommonOptions

  func run() throws {
    let folder = URL(fileURLWithPath: directory)
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder),
      isFolder.boolValue
    else { throw UsageError("no folder '\(directory)'") }
    let all = ReferenceCase.names(in: folder)
    guard !all.isEmpty else {
      throw UsageError("folder '\(directory)' holds no cases (<case>.json with <case>.safetensors)")
    }
    let names = all.filter { name in only.map { fnmatch($0, name, 0) == 0 } ?? true }
    guard !names.isEmpty else {
      throw UsageError("no case in '\(directory)' matches '\(only ?? "")'; there are \(all.count)")
    }
    let replay = Replay(
      replayers: Replay.algorithms(
        evaluator: evaluator, rules: OptCheckCommand.registry.rules))
    let console = Console(common)
    var bar = ProgressBar("replay", total: names.count, on: console)
    var rows: [Replay.Row] = []
    for name in names {
      bar.update(rows.count, name)
      rows.append(replay.row(name, in: folder))
    }
    bar.finish()
    let summary = Replay.Summary(rows: rows)
    console.result(Output(summary, replay)) { _ in Self.table(summary) }
    if summary.agreeing < rows.count { throw Finding(status: .violated) }
  }

  /// The JSON form.
  private struct Output: Encodable {
    let schema = 1
    let cases: [Replay.Row]
    let caseCount: Int
    let replayed: Int
    let agreeing: Int
    let worstError: Double
    let tolerance: Double
    let zeroTolerance: Double

    init(_ summary: Replay.Summary, _ replay: Replay) {
      cases = summary.rows
      caseCount = summary.rows.count
      replayed = summary.replayed
      agreeing = summary.agreeing
      worstError = summary.worstError
      tolerance = replay.tolerance
      zeroTolerance = replay.zeroTolerance
    }
  }

  /// A row per case, and the line of totals.
  static func table(_ summary: Replay.Summary) -> String {
    let width = summary.rows.map(\.name.count).max() ?? 0
    let lines = summary.rows.map { row in
      let status = Console.colored(row.status.rawValue, good: row.status == .agrees)
      let name = row.name.padding(toLength: width, withPad: " ", startingAt: 0)
      let worst = row.worst.map { "worst \($0.array) \(number($0.error))" }
      let details = [
        row.compared > 0 ? "\(row.compared) arrays" : nil, worst, row.reason,
      ]
      return "\(name)  \(status): \(details.compactMap { $0 }.joined(separator: ", "))"
    }
    let total =
      "replayed \(summary.replayed) of \(summary.rows.count) cases, \(summary.agreeing) agree, "
      + "worst relative error \(number(summary.worstError))"
    return (lines + [total]).joined(separator: "\n")
  }

  private static func number(_ value: Double) -> String {
    value == 0 ? "0" : String(format: "%.1e", value)
  }
}

private func evaluator(named name: String) throws -> CoordMathDNN.Evaluator {
  guard let evaluator = CoordMathDNN.Evaluator(rawValue: name) else {
    let names = CoordMathDNN.Evaluator.allCases.map(\.rawValue)
    throw ValidationError("accepted: \(names.joined(separator: ", "))")
  }
  return evaluator
}
