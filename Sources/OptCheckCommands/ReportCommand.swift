import ArgumentParser
import OptCheck

/// `optcheck report`.
struct ReportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Reproduces the published figures, checks the theorems, writes the report.",
    discussion: """
      Example:
        optcheck report --out Reports
      """)

  @Option(help: ArgumentHelp("Folder for the report.", valueName: "dir"))
  var out = "Reports"

  @OptionGroup var common: CommonOptions

  func run() async throws {
    throw UsageError("report is not built yet")
  }
}
