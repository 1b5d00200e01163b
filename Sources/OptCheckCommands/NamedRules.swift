import ForeignRules
import Foundation
import OptCheck

/// Rules by name: the built-in ones, the user's own, and those in other processes.
enum NamedRules {
  /// The rule of a name, with its option or checkpoint.
  static func candidate(_ name: String) throws -> any Candidate {
    let folder = try? PackageFolder.locate().appendingPathComponent("Fixtures/Trained")
    return try CandidateCatalog.candidate(
      name, trained: folder, others: OptCheckCommand.registry.rules)
  }

  /// The names to take where none is given: the user's own rules, else all built-in ones that need
  /// no checkpoint.
  static var usual: [String] {
    let own = OptCheckCommand.registry.rules.map(\.name)
    return own.isEmpty
      ? CandidateCatalog.entries.map(\.name).filter { (try? candidate($0)) != nil } : own
  }

  /// Hands the rule behind `command` to `body`, then ends its process.
  ///
  /// A rule that is random by its own word is the mean over several seeds.
  static func withForeignRule<Result>(
    _ command: String, limits: ForeignRule.Limits,
    _ body: (any Candidate) throws -> Result
  ) throws -> Result {
    let rule = try ForeignRule(command: command, limits: limits)
    // Also where an interruption ends the run: no process is left behind.
    defer { rule.close() }
    guard rule.isDeterministic else {
      let mean = try MeanOverSeeds(rule) { try ForeignRule(command: command, limits: limits) }
      defer { mean.close() }
      return try body(mean)
    }
    return try body(rule)
  }
}
