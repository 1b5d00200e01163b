import ArgumentParser
import Foundation
import OptCheck

/// What is measured for the regression gate: options that `baseline` and `compare` share.
struct GateOptions: ParsableArguments {
  @OptionGroup var suite: SuiteOptions

  @Option(
    help: ArgumentHelp(
      "Only these figures: pace, rates, training, verdicts; may be repeated.", valueName: "part"))
  var only: [String] = []

  /// Commands of rules in other processes.
  var external: [String] { suite.foreign.external }

  /// Measures rules, those of `names` first; on what `baseline` measured them on, where it did.
  func records(
    of names: [String], like baseline: GateBaseline? = nil, _ console: Console
  ) throws -> [GateRecord] {
    let only = try parts()
    return try suite.records(of: names, console) { rule in
      let known = baseline?.rules.first { $0.rule == rule.name }
      return (
        known?.suite ?? .standard(for: rule), only ?? known?.parts ?? Set(GateStudy.Part.allCases)
      )
    }
  }

  /// The words that ask another build for the same.
  var words: [String] {
    suite.words + only.flatMap { ["--only", $0] } + ["--threads", "\(suite.threads)"]
  }

  /// The figures asked for; nil for the usual ones.
  private func parts() throws -> Set<GateStudy.Part>? {
    let parts = try only.map { name in
      guard let part = GateStudy.Part(rawValue: name) else {
        throw UsageError(
          "--only \(name); accepted: "
            + GateStudy.Part.allCases.map(\.rawValue).joined(separator: ", "))
      }
      return part
    }
    return parts.isEmpty ? nil : Set(parts)
  }
}

/// Baselines on disk, by name or by path.
struct BaselineFolder {
  let folder: URL

  init(_ path: String) { folder = URL(fileURLWithPath: path, isDirectory: true) }

  /// The file of a baseline: itself where the name is a path, else in the folder.
  func file(_ name: String) throws -> URL {
    guard !name.isEmpty else { throw UsageError("a baseline has a name") }
    if name.contains("/") || name.hasSuffix(".json") { return URL(fileURLWithPath: name) }
    return folder.appendingPathComponent(name).appendingPathExtension("json")
  }

  /// Reads one.
  ///
  /// - Throws: `UsageError` naming those there are, `StorageError` where the file is no baseline.
  func read(_ name: String) throws -> GateBaseline {
    let file = try file(name)
    guard FileManager.default.fileExists(atPath: file.path) else {
      let known = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
        .filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()
      throw UsageError(
        "no baseline '\(name)'; accepted: a file, an executable"
          + (known.isEmpty ? "" : ", " + known.joined(separator: ", ")))
    }
    let baseline: GateBaseline = try JSONFile.read(from: file)
    guard baseline.schema == GateBaseline.currentSchema else {
      throw UsageError(
        "\(file.path): format \(baseline.schema); accepted: \(GateBaseline.currentSchema)")
    }
    return baseline
  }
}
