import ForeignRules
import Foundation
import OptCheck

extension VerifyCommand {
  /// Replays one counterexample; status 1 where the claim is still broken, 3 where the rule cannot
  /// be put to it.
  func replayed(_ path: String, _ console: Console) throws {
    let entry = try CounterexampleFolder.read(URL(fileURLWithPath: path))
    let example = entry.example
    guard rules.count + external.count <= 1 else {
      throw UsageError("--replay takes one rule at most")
    }
    let replay: RuleCounterexample.Replay
    if let command = external.first {
      replay = try NamedRules.withForeignRule(command, limits: foreign.limits) {
        try example.replayed(by: $0)
      }
    } else {
      // A file may come from anywhere, so a command in it is shown and not run.
      guard !rules.isEmpty || !example.source.isExternal else {
        throw UsageError(
          "\(path): its rule is another process; give it again: \(example.source.words)")
      }
      replay = try example.replayed(by: NamedRules.candidate(rules.first ?? example.source.text))
    }
    console.result(StoredReplay(entry, replay)) { _ in
      Self.text(example, replay, of: rules.first ?? external.first ?? example.source.text)
    }
    if replay.verdict == .notApplicable { throw Finding(status: .undecided) }
    if replay.isStillViolated { throw Finding(status: .violated) }
  }

  private static func text(
    _ example: RuleCounterexample, _ replay: RuleCounterexample.Replay, of rule: String
  ) -> String {
    func number(_ value: Double) -> String { Number.significant(value, digits: 10) }
    let n = example.start.count
    let draw = example.draw
    let origin =
      "\(example.family) in \(n) unknown\(n == 1 ? "" : "s"), "
      + "draw of seed \(draw.seed), scale \(Number.short(draw.scale))"
    let data =
      switch replay.isDrawReproduced {
      case .some(true): ""
      case .some(false): " (whose generator now makes other data)"
      case nil: ", simplified"
      }
    return """
      \(rule), \(example.check): \(example.claim)
      \(origin)\(data)
      \(example.summary)
      level now: \(number(replay.level)), recorded: \(number(example.level))
      \(replay.outcome): \(replay.reason)
      """
  }
}
