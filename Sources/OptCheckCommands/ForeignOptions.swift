import ArgumentParser
import ForeignRules

/// Rules in other processes: options of every command that runs rules.
struct ForeignOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A command that speaks optcheck-1 on standard input and output; may be repeated.",
      valueName: "command"))
  var external: [String] = []

  @Option(
    help: ArgumentHelp("Seconds that a rule in another process may take for hello.", valueName: "s")
  )
  var helloTimeout = 120.0

  @Option(help: ArgumentHelp("Seconds that it may take for any other line.", valueName: "s"))
  var lineTimeout = 30.0

  /// How long they may take.
  var limits: ForeignRule.Limits {
    ForeignRule.Limits(hello: helloTimeout, line: lineTimeout)
  }
}
