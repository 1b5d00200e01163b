import Foundation
import OptCheck
import TestSupport
import Testing

/// A statement that is true of every input that a generator draws, and of what it is true.
///
/// The *subject* is the code on trial, as a value: a mutant is the same with a planted fault, and a
/// law that finds nothing wrong with its mutants would find nothing wrong with anything.
struct Law: Sendable, CustomTestStringConvertible {
  /// The key of its file in `Fixtures/Regressions`.
  let name: String
  /// What goes wrong for a user where it does not hold.
  let purpose: String
  /// The search for a counterexample on the sound subject.
  let search: @Sendable (_ known: [UInt64], _ base: UInt64) throws -> Counterexample?
  /// The search on each mutant, by the fault that was planted.
  let mutants: [(fault: String, search: @Sendable (_ base: UInt64) throws -> Counterexample?)]

  var testDescription: String { "\(name): \(purpose)" }

  /// States a law.
  ///
  /// - Parameters:
  ///   - subject: the code on trial.
  ///   - mutants: the same with faults, each named; not empty.
  ///   - cases: how many inputs are drawn.
  ///   - violation: what is wrong, with numbers; nil if nothing is.
  init<Subject: Sendable, Input>(
    _ name: String, purpose: String, of subject: Subject,
    mutants: KeyValuePairs<String, Subject>, cases: Int,
    generate: @escaping @Sendable (inout SplitMix64) throws -> Input,
    violation: @escaping @Sendable (Subject, Input) throws -> String?
  ) {
    self.name = name
    self.purpose = purpose
    search = { known, base in
      try firstCounterexample(
        replaying: known, fresh: cases * caseFactor, from: base, generate: generate,
        violation: { try violation(subject, $0) })
    }
    self.mutants = mutants.map { fault, mutant in
      (
        fault,
        { base in
          try firstCounterexample(
            fresh: cases, from: base, generate: generate,
            violation: { try violation(mutant, $0) })
        }
      )
    }
  }
}

/// The seed that fresh inputs start from: always the same, unless one asks for others.
let baseSeed = ProcessInfo.processInfo.environment["OPTCHECK_SEED"].flatMap(UInt64.init) ?? 1

/// How many times as many fresh inputs as usual, for a longer search.
let caseFactor = ProcessInfo.processInfo.environment["OPTCHECK_CASES"].flatMap(Int.init) ?? 1

/// All laws; a new one needs a line here.
let laws: [Law] =
  factorizationLaws + streamLaws + storageLaws + ruleLaws + evaluatorLaws + trainingLaws
  + differenceLaws + proxLaws + problemLaws + problemStructureLaws + ruleIdentityLaws
  + ruleSymmetryLaws
  + ruleRateLaws + tapeLaws
