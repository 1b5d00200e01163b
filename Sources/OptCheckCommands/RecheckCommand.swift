import ArgumentParser
import Foundation
import OptCheck

/// `optcheck recheck`.
struct RecheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recheck",
    abstract: "Computes numbers of a report again and compares.",
    discussion: """
      Takes a seeded sample of the curves and tables behind a report's results.json, from every part of it in \
      turn, or all of them. With the BLAS kernels that the report was made with every bit must be the same; with others a number may be off by \
      its band or by what its experiment allows. Exits with 1 when a number differs by more.

      Examples:
        optcheck recheck Reports/theory-vs-experiment.md
        optcheck recheck Reports/math-l2o-convergence.md --all
      """)

  @Argument(help: ArgumentHelp("The report, or its results.json.", valueName: "report"))
  var report: String

  @Flag(help: "Everything, however long it takes.")
  var all = false

  @Option(help: ArgumentHelp("Parts in the sample.", valueName: "n"))
  var count = 8

  @Option(help: ArgumentHelp("Planned time of the sample on one core.", valueName: "s"))
  var seconds = 120.0

  @Option(help: ArgumentHelp("Seed of the sample.", valueName: "n"))
  var seed: UInt64 = 1

  @Option(
    help: ArgumentHelp(
      "Folder with real data; without it, what needs them is left out.", valueName: "dir"))
  var data: String?

  @OptionGroup var common: CommonOptions

  private struct Answer: Encodable {
    var report: String
    var sameKernels: Bool
    var parts: Int
    var outcomes: [Recheck.Outcome]
  }

  func run() async throws {
    let console = Console(common)
    guard count >= 1 else { throw UsageError("--count \(count); accepted: 1 and up") }
    guard seconds > 0 else { throw UsageError("--seconds \(seconds); accepted: above 0") }
    let recheck = try Recheck(
      file,
      known: try ExperimentCommand.known(
        data: data.map { URL(fileURLWithPath: $0, isDirectory: true) }),
      trained: try PackageFolder.locate().appendingPathComponent("Fixtures/Trained"),
      blasCore: BLAS.coreName)
    for experiment in recheck.withoutData {
      console.note(
        "  \(experiment.name): left out, as it needs \(experiment.needs ?? "data") (--data DIR)")
    }
    let chosen = all ? recheck.items : recheck.sample(count, seconds: seconds, seed: seed)
    guard !chosen.isEmpty else {
      throw UsageError(
        "no part takes less than \(Number.short(seconds)) s; accepted: a larger --seconds, or --all"
      )
    }
    let interruption = Interruption()
    let outcomes = try Parallel.map(chosen) { item in
      if interruption.isRequested { throw Finding(status: .interrupted) }
      let outcome = try Recheck.outcome(item)
      console.note("  \(Self.words(outcome))")
      return outcome
    }
    console.result(
      Answer(
        report: report, sameKernels: recheck.isSameMachine, parts: recheck.items.count,
        outcomes: outcomes)
    ) { answer in
      let differing = answer.outcomes.filter { $0.differing > 0 }
      let numbers = answer.outcomes.reduce(0) { $0 + $1.numbers }
      return
        "\(numbers) numbers in \(answer.outcomes.count) of \(answer.parts) parts computed again, "
        + (answer.sameKernels ? "bit for bit" : "within their error bars")
        + (differing.isEmpty
          ? ": all agree" : ": \(differing.map { Self.words($0) }.joined(separator: "; "))")
    }
    if outcomes.contains(where: { $0.differing > 0 }) { throw Finding(status: .violated) }
  }

  /// The numbers behind a report.
  private var file: URL {
    let url = URL(fileURLWithPath: report)
    guard url.pathExtension == "md" else { return url }
    return url.deletingPathExtension().appendingPathComponent("results.json")
  }

  private static func words(_ outcome: Recheck.Outcome) -> String {
    outcome.differing == 0
      ? "\(outcome.name): \(outcome.numbers) agree"
        + (outcome.largestDifference > 0
          ? ", at most \(Number.significant(outcome.largestDifference, digits: 2)) off" : "")
      : "\(outcome.name): \(outcome.differing) of \(outcome.numbers) differ, at most "
        + "\(Number.significant(outcome.largestDifference, digits: 3)) where "
        + "\(Number.significant(outcome.allowed, digits: 2)) is allowed"
  }
}
