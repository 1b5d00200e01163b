import ArgumentParser
import Datasets
import OptCheck

/// What the process tells its caller; every exit of every command is one of these.
enum ExitStatus: Int32, CaseIterable {
  /// Done, and nothing speaks against it.
  case done = 0
  /// A check is violated, or a replay disagrees.
  case violated = 1
  /// Worse than the baseline.
  case worse = 2
  /// Nothing could be decided.
  case undecided = 3
  /// The arguments or the input cannot be used.
  case usage = 64
  /// A rule in another process failed.
  case foreignRule = 69
  /// An error of this program.
  case ownError = 70
  /// Interrupted by the user.
  case interrupted = 130

  /// The status that `error` ends in.
  init(of error: any Error) {
    switch error {
    case let finding as Finding: self = finding.status
    case is UsageError, is SettingError, is StorageError, is CheckpointError: self = .usage
    case CandidateError.failedToSpeak: self = .foreignRule
    case let error where Self.isAboutInput(error): self = .usage
    case let error where Root.isOwn(error):
      self = Root.exitCode(for: error) == .success ? .done : .usage
    default: self = .ownError
    }
  }

  private var meaning: String {
    switch self {
    case .done: "done"
    case .violated: "a check is violated, or a replay disagrees"
    case .worse: "worse than the baseline"
    case .undecided: "nothing could be decided"
    case .usage: "wrong usage or bad input"
    case .foreignRule: "a rule in another process failed"
    case .ownError: "an error of optcheck itself"
    case .interrupted: "interrupted"
    }
  }

  /// All of them, for the help.
  static var table: String {
    allCases.map { "  \($0.rawValue)  \($0.meaning)" }.joined(separator: "\n")
  }
}

/// A command that ran to its end, with a result that the caller should know of.
struct Finding: Error {
  var status: ExitStatus
}

/// Something is wrong with what the user asked for.
struct UsageError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

extension ExitStatus {
  /// Whether `error` blames data or settings rather than the program.
  private static func isAboutInput(_ error: any Error) -> Bool {
    switch error {
    case is ProblemError, is RuleError, is ReplayError, is DatasetError: true
    case EngineError.notFinite: true
    default: false
    }
  }
}
