import Foundation
import OptCheck

/// The rules of `Fixtures/ForeignRules`, sound and faulty, each through `optcheck verify --external`.
struct ForeignPower {
  /// The folder with `rules.py`.
  let folder: URL
  /// One in so many is run.
  let thinning: Int
  /// Where finished ones are kept.
  let file: URL

  /// Problems that show every fault that a rule can show from outside, and steps for all checks.
  static let settings =
    ["quadratic-n2-k10", "quadratic-rotated", "huber", "lasso", "non-negative", "absolute"]
    .flatMap { ["--problems", $0] } + ["--budget", "150000"]

  /// How one of them is run by hand.
  static let command =
    "optcheck verify --external 'cd Fixtures/ForeignRules && exec python3 rules.py NAME' "
    + settings.joined(separator: " ")

  private struct List: Decodable {
    struct Fault: Decodable {
      var name: String
      var twin: String
      var what: String
    }
    var clean: [String]
    var faults: [Fault]
  }

  /// All units, or those that were finished before `isCancelled`; nil without Python.
  func run(
    isCancelled: @escaping @Sendable () -> Bool,
    progress: (_ done: Int, _ total: Int, _ what: String) -> Void
  ) throws -> [ForeignUnit]? {
    let listing = try ChildProcess.run(
      "python3", [folder.appendingPathComponent("rules.py").path, "--list"])
    guard listing.status == 0 else { return nil }
    let list = try JSONFile.decode(
      List.self, from: Data(listing.standardOutput.utf8), path: "rules.py --list")
    let all =
      list.clean.map { (name: $0, twin: String?.none, what: "") }
      + list.faults.map { (name: $0.name, twin: $0.twin, what: $0.what) }
    let wanted = all.enumerated().filter { $0.offset % thinning == 0 }.map(\.element)
    var units: [ForeignUnit] = []
    if FileManager.default.fileExists(atPath: file.path) {
      units = try JSONFile.read([ForeignUnit].self, from: file)
    }
    let open = wanted.filter { rule in !units.contains { $0.name == rule.name } }
    let batch = 2
    for first in stride(from: 0, to: open.count, by: batch) {
      if isCancelled() { break }
      let part = Array(open[first..<min(open.count, first + batch)])
      progress(wanted.count - open.count + first, wanted.count, part[0].name)
      units += try Parallel.map(part) { try unit($0.name, twin: $0.twin, what: $0.what) }
      try JSONFile.write(units, to: file)
    }
    return wanted.compactMap { rule in units.first { $0.name == rule.name } }
  }

  private func unit(_ name: String, twin: String?, what: String) throws -> ForeignUnit {
    let scratch = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-\(UUID().uuidString)", isDirectory: true)
    defer { try? FileManager.default.removeItem(at: scratch) }
    let external = "cd '\(folder.path)' && exec python3 rules.py \(name)"
    let output = try ChildProcess.run(
      Bundle.main.executablePath ?? "optcheck",
      ["verify", "--external", external, "--json", "--quiet", "--out", scratch.path]
        + Self.settings)
    // Without a verdict there is no JSON; the status says why.
    let records = try? JSONFile.decode(
      [VerificationRecord].self, from: Data(output.standardOutput.utf8), path: name)
    let violated = records?.flatMap(\.verdicts).filter { $0.verdict == .violated }.map(\.id) ?? []
    return ForeignUnit(
      name: name, twin: twin, what: what, status: Int(output.status), caughtBy: violated)
  }
}
