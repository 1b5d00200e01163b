import Catalog
public import Checks
public import Foundation
public import Optimization
import Storage

/// Counterexamples in files, one for each rule and check, with their arrays and their snippet.
public struct CounterexampleFolder: Sendable {
  /// The folder; it is made when something is stored.
  public var url: URL

  /// Names a folder.
  public init(_ url: URL) { self.url = url }

  /// A counterexample in its file.
  public struct Entry: Sendable, Hashable, Codable {
    /// The counterexample.
    public var example: RuleCounterexample
    /// Its JSON file.
    public var path: String

    /// Creates an entry.
    public init(_ example: RuleCounterexample, path: String) {
      self.example = example
      self.path = path
    }

    /// The command that replays it.
    public var command: String {
      "optcheck verify --replay \(RuleSource.quoted(path))"
        + (example.source.isExternal ? " " + example.source.words : "")
    }

    /// Python that finds its level from the arrays beside it.
    public var snippet: String {
      example.snippet(
        named: URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent)
    }
  }

  /// The file for a rule and a check: sanitised names, and where that loses something, a checksum.
  public func file(for source: RuleSource, name: String, check: String) -> URL {
    // The command of another process is long and full of quotes: its hello says it better.
    let text = source.isExternal ? name : source.text.replacing(":", with: "-")
    let safe = String(
      text.prefix(60).map { character in
        let isPlain = character.isASCII && (character.isLetter || character.isNumber)
        return isPlain || "._-".contains(character) ? character : "-"
      }
    ).trimmingCharacters(in: CharacterSet(charactersIn: ".-"))
    let isWhole = safe == text && !source.isExternal
    let stem = isWhole ? safe : [safe, Self.checksum(source.text)].joined(separator: "-")
    return url.appendingPathComponent("\(stem)-\(check).json")
  }

  /// The counterexample that is stored for a rule and a check; nil if there is none.
  ///
  /// - Throws: `StorageError` naming the file and what is wrong with it.
  public func entry(for source: RuleSource, name: String, check: String) throws -> Entry? {
    let file = file(for: source, name: name, check: check)
    guard FileManager.default.fileExists(atPath: file.path) else { return nil }
    let entry = try Self.read(file)
    guard entry.example.check == check else {
      throw StorageError.malformed(
        path: file.relativePath, culprit: "check",
        reason: "'\(entry.example.check)', want '\(check)'")
    }
    return entry
  }

  /// Reads one file.
  ///
  /// - Throws: `StorageError` naming the file and what is wrong with it.
  public static func read(_ file: URL) throws -> Entry {
    let path = file.relativePath
    func malformed(_ culprit: String, _ reason: String) -> StorageError {
      .malformed(path: path, culprit: culprit, reason: reason)
    }
    struct Version: Decodable { var format: Int }
    let data = try AtomicFile.read(file)
    let version = try JSONFile.decode(Version.self, from: data, path: path).format
    guard version == RuleCounterexample.currentFormat else {
      throw malformed("format", "\(version), want \(RuleCounterexample.currentFormat)")
    }
    let example = try JSONFile.decode(RuleCounterexample.self, from: data, path: path)
    let ids = conditionChecks.map(\.claim.id)
    guard ids.contains(example.check) else {
      throw malformed("check", "'\(example.check)', want one of \(ids.joined(separator: ", "))")
    }
    let n = example.problem.dimension
    guard (1...1_000_000).contains(example.horizon) else {
      throw malformed("horizon", "\(example.horizon)")
    }
    for (name, point) in [("start", example.start), ("minimiser", example.minimiser)]
    where point.count != n || !point.allSatisfy(\.isFinite) {
      throw malformed(name, "want \(n) finite numbers")
    }
    do { _ = try example.problem.restored() } catch { throw malformed("problem", "\(error)") }
    return Entry(example, path: path)
  }

  /// Stores a counterexample with its arrays (.npz) and its snippet (.py).
  ///
  /// - Throws: `StorageError.unwritable`, and what ``RuleCounterexample/arrays()`` throws.
  @discardableResult
  public func store(_ example: RuleCounterexample) throws -> Entry {
    let file = file(for: example.source, name: example.rule, check: example.check)
    try OutputFolder.make(url)
    let entry = Entry(example, path: file.relativePath)
    let stem = file.deletingPathExtension()
    try NpzArchive.write(example.arrays(), to: stem.appendingPathExtension("npz"))
    try AtomicFile.write(Data(entry.snippet.utf8), to: stem.appendingPathExtension("py"))
    // The last one: what can be replayed is whole.
    try JSONFile.write(example, to: file)
    return entry
  }

  /// FNV-1a of 32 bits, in hexadecimal.
  private static func checksum(_ text: String) -> String {
    let hash = text.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}

/// What was stored about a rule, and what has become of it.
public struct StoredReplay: Sendable, Hashable, Codable {
  /// What was stored.
  public var entry: CounterexampleFolder.Entry
  /// What the rule does with it now.
  public var replay: RuleCounterexample.Replay

  /// Creates it.
  public init(_ entry: CounterexampleFolder.Entry, _ replay: RuleCounterexample.Replay) {
    self.entry = entry
    self.replay = replay
  }
}

extension CounterexampleFolder {
  /// Replays what is stored of a rule, check by check; `report` hears of each as it ends.
  ///
  /// - Throws: `StorageError` for a damaged file, `CandidateError.failedToSpeak`, and what `report`
  ///   throws.
  public func replay(
    _ rule: any Candidate, from source: RuleSource, checks: [any TrialCheck],
    report: (StoredReplay) throws -> Void = { _ in }
  ) throws -> [StoredReplay] {
    // All files are read before the first is replayed: what is damaged shows at once.
    let entries = try checks.compactMap {
      try entry(for: source, name: rule.name, check: $0.claim.id)
    }
    return try entries.map { entry in
      let replay = StoredReplay(entry, try entry.example.replayed(by: rule))
      try report(replay)
      return replay
    }
  }
}

extension Verification.Results {
  /// Calls violated whatever a stored counterexample still breaks, whichever problems were chosen.
  public mutating func note(_ replays: [StoredReplay]) {
    for stored in replays where stored.replay.isStillViolated {
      let id = stored.entry.example.check
      guard let i = findings.firstIndex(where: { $0.claim.id == id }),
        findings[i].verdict != .violated
      else { continue }
      findings[i].reason =
        "on the stored counterexample: \(stored.replay.reason) (on the problems chosen: "
        + "\(findings[i].verdict.name), \(findings[i].reason))"
      findings[i].verdict = .violated
      findings[i].qualifier = nil
    }
  }
}
