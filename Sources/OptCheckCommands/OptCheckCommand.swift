import ArgumentParser
import Foundation
public import OptCheck

/// The command line, for this package and for yours.
///
/// An executable of three lines has every command for its own rules and problems beside ours:
///
///     import OptCheckCommands
///     import MyRules
///     await OptCheckCommand.main(rules: [MyRule()], problems: [MyProblem()])
public enum OptCheckCommand {
  /// The rules and problems that the running command knows.
  @TaskLocal static var registry = Registry()

  /// Runs the command in the process's arguments, then exits with its status.
  ///
  /// - Parameters:
  ///   - rules: rules beside the built-in ones; learned ones can be trained.
  ///   - problems: problems beside the built-in ones.
  public static func main(
    rules: [any UpdateRule] = [], problems: [any Problem] = []
  ) async -> Never {
    BLAS.preferWideKernels()
    let registry = Registry(rules: rules, problems: problems)
    let status = await $registry.withValue(registry) {
      await run(Array(CommandLine.arguments.dropFirst()))
    }
    exit(status.rawValue)
  }

  /// Runs the command in `arguments`; whatever goes wrong becomes one line and a status.
  static func run(_ arguments: [String]) async -> ExitStatus {
    do {
      guard let repeated = registry.repeatedName else {
        var command = try Root.parseAsRoot(arguments)
        if var command = command as? any AsyncParsableCommand {
          try await command.run()
        } else {
          try command.run()
        }
        return .done
      }
      throw UsageError("the name '\(repeated)' is registered twice")
    } catch let finding as Finding {
      return finding.status
    } catch {
      let status = ExitStatus(of: error)
      let text = Root.isOwn(error) ? Root.message(for: error) : "\(error)"
      if status == .done {
        print(Root.fullMessage(for: error))
      } else if !text.isEmpty {
        Console.complain(text)
      }
      return status
    }
  }
}

/// The rules and problems of a user, beside the built-in ones.
struct Registry: Sendable {
  /// Rules of the user.
  var rules: [any UpdateRule] = []
  /// Problems of the user.
  var problems: [any Problem] = []

  /// Names and one-line descriptions of the built-in rules, as `--optimizer` takes them.
  static let builtInRules = [
    (name: "CoordMathDNN", summary: "learned step scale per coordinate (paper A)"),
    (name: "CoordMathLSTM", summary: "scheme (18) with an LSTM's parts, such as L2O-PA (paper B)"),
    (name: "CoordBlackboxLSTM", summary: "an LSTM's output as the step (L2O-DM)"),
    (name: "RNNprop", summary: "an LSTM on Adam's normalised gradients"),
    (name: "LISTA", summary: "unfolded proximal gradient with learned matrices"),
    (name: "LISTACPSS", summary: "LISTA with coupled weights and support selection"),
    (name: "LISTACPSSSTEP", summary: "the same with the problem's step size"),
    (name: "LISTACPSSWOnly", summary: "its matrices alone"),
    (name: "AdaLISTA", summary: "LISTA for changing dictionaries"),
    (name: "ProximalGradientDescent", summary: "ISTA; gradient descent on smooth problems"),
    (name: "ProximalGradientDescentMomentum", summary: "FISTA"),
    (name: "SubGradientDescent", summary: "subgradient descent"),
    (name: "Adam", summary: "Adam on subgradients"),
    (name: "AdamHD", summary: "Adam with hypergradient descent on its step"),
    (name: "Shampoo", summary: "Shampoo, every instance by itself"),
    (name: "LBFGS", summary: "the yardstick for smooth problems"),
  ]

  /// Names and one-line descriptions of the built-in problems, as `--optimizee-type` takes them.
  static let builtInProblems = [
    (name: "QuadraticUnconstrained", summary: "least squares, the authors' data from a seed"),
    (name: "LASSO", summary: "sparse regression, our data from a seed"),
    (name: "LASSO_LISTA", summary: "LASSO, the authors' data from a seed"),
    (name: "LogisticL1", summary: "logistic regression with an l1 term, our data from a seed"),
    (name: "MnistCNN", summary: "the weights of a small network on MNIST (--data)"),
  ]

  /// A name that stands for two things; nil if all differ.
  var repeatedName: String? {
    func repeated(_ names: [String]) -> String? {
      var seen: Set<String> = []
      return names.first { !seen.insert($0).inserted }
    }
    return repeated(Self.builtInRules.map(\.name) + rules.map(\.name))
      ?? repeated(Self.builtInProblems.map(\.name) + problems.map(\.name))
  }
}

/// `optcheck` itself.
struct Root: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "optcheck",
    abstract: "Checks learned optimizers: theory against experiment, from the authors' seeds.",
    discussion: """
      Examples:
        optcheck report
        optcheck list
        optcheck replay Fixtures/Reference

      Exit status:
      \(ExitStatus.table)
      """,
    subcommands: [
      ReportCommand.self, TrainCommand.self, EvaluateCommand.self, ReplayCommand.self,
      ExperimentCommand.self, VerifyCommand.self, ExplainCommand.self, BaselineCommand.self,
      CompareCommand.self, GatePowerCommand.self, ProfileCommand.self, PowerCommand.self,
      RatesCommand.self, RecheckCommand.self, HistoryCommand.self, BenchCommand.self,
      ListCommand.self,
    ])

  @Flag(help: "Print version, commit, toolchain, BLAS and format versions.")
  var version = false

  @OptionGroup var common: CommonOptions

  func run() async throws {
    guard version else { throw CleanExit.helpRequest(self) }
    Console(common).result(Version.current) { $0.description }
  }

  /// Whether ArgumentParser made `error`, so that its own words for it are the best.
  static func isOwn(_ error: any Error) -> Bool {
    let type = String(reflecting: type(of: error))
    return type.hasPrefix("ArgumentParser.")
  }
}

/// Options of every command.
struct CommonOptions: ParsableArguments {
  @Flag(help: "Print nothing but results and errors.")
  var quiet = false

  @Flag(help: "Print the result as JSON, and nothing else, to standard output.")
  var json = false
}
