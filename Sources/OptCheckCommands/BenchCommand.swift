import ArgumentParser
import OptCheck

/// `optcheck bench`.
struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures the time of training steps against the targets.",
    discussion: """
      Example:
        optcheck bench --json
      """)

  @OptionGroup var common: CommonOptions

  func run() async throws {
    throw UsageError("bench is not built yet")
  }
}
