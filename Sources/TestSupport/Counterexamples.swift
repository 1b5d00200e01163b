public import Foundation
public import OptCheck

/// A seed whose input breaks a law, and how.
public struct Counterexample: Sendable, Equatable, CustomStringConvertible {
  /// Draws the input anew.
  public var seed: UInt64
  /// What was found, with numbers.
  public var finding: String

  /// One line for a failing test.
  public var description: String { "seed \(seed): \(finding)" }
}

/// The first seed whose input breaks a law; nil if there is none.
///
/// - Parameters:
///   - known: seeds that broke it once; they go first.
///   - fresh: how many more are tried, `base`, `base` + 1 and so on.
///   - generate: draws an input, all of it from the generator given.
///   - violation: what is wrong with an input; nil if the law holds.
public func firstCounterexample<Input>(
  replaying known: [UInt64] = [], fresh: Int, from base: UInt64,
  generate: (inout SplitMix64) throws -> Input, violation: (Input) throws -> String?
) rethrows -> Counterexample? {
  for seed in known + (0..<fresh).map({ base &+ UInt64($0) }) {
    var rng = SplitMix64(seed: seed)
    if let finding = try violation(try generate(&rng)) {
      return Counterexample(seed: seed, finding: finding)
    }
  }
  return nil
}

/// Seeds that once broke a law, kept in `Fixtures/Regressions/<law>.json`.
public struct Regressions: Codable, Sendable, Equatable {
  /// One such seed.
  public struct Entry: Codable, Sendable, Equatable {
    /// Draws the input.
    public var seed: UInt64
    /// What was wrong then.
    public var because: String

    /// Creates an entry.
    public init(seed: UInt64, because: String) {
      self.seed = seed
      self.because = because
    }
  }

  /// The seeds, oldest first.
  public var entries: [Entry]

  /// Collects entries.
  public init(_ entries: [Entry] = []) { self.entries = entries }

  /// The seeds alone.
  public var seeds: [UInt64] { entries.map(\.seed) }

  /// The folder of all such files.
  public static var folder: URL { Fixtures.folder.appendingPathComponent("Regressions") }

  /// Reads what is known of `law`; a law without a file never failed.
  ///
  /// - Throws: `StorageError` for a file that cannot be understood.
  public static func read(_ law: String, in folder: URL = folder) throws -> Regressions {
    let file = folder.appendingPathComponent("\(law).json")
    guard FileManager.default.fileExists(atPath: file.path) else { return Regressions() }
    return try JSONFile.read(from: file)
  }
}
