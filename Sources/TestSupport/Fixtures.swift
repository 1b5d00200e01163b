public import Foundation
import OptCheck

/// Where tests find the files that they read.
public enum Fixtures {
  /// The root of this package.
  public static var packageFolder: URL {
    URL(fileURLWithPath: #filePath)  // Sources/TestSupport/Fixtures.swift
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  }

  /// `Fixtures` in this package.
  public static var folder: URL { packageFolder.appendingPathComponent("Fixtures") }

  /// Published numbers, as `PublishedFigures.load` wants them.
  public static var published: URL { folder.appendingPathComponent("Published") }

  /// Trained rules with their provenance.
  public static var trained: URL { folder.appendingPathComponent("Trained") }

  /// `shared` beside this package, with the reference cases; `nil` where it is absent.
  ///
  /// Use with `.enabled(if: Fixtures.sharedFolder != nil, "needs ../shared")`.
  public static var sharedFolder: URL? {
    let shared = packageFolder.deletingLastPathComponent().appendingPathComponent("shared")
    let mark = shared.appendingPathComponent("reference").path
    return FileManager.default.fileExists(atPath: mark) ? shared : nil
  }

  /// Paths, from the package's root, of all files under version control, or that would be in an unpacked archive.
  ///
  /// - Throws: What Foundation says if a folder cannot be read.
  public static func trackedFiles() throws -> [String] {
    // The clone may belong to somebody else, as in a container; listing it is harmless.
    let git = try ChildProcess.run(
      "git", ["-c", "safe.directory=*", "-C", packageFolder.path, "ls-files", "-z"])
    if git.status == 0, !git.standardOutput.isEmpty {
      return git.standardOutput.split(separator: "\0").map(String.init)
    }
    let ignored: Set = [".build", ".swiftpm", ".git", "results", "Package.resolved"]
    let entries = try FileManager.default.contentsOfDirectory(atPath: packageFolder.path)
    return try entries.filter { !ignored.contains($0) }.flatMap { entry -> [String] in
      let path = packageFolder.appendingPathComponent(entry).path
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue
      else { return [entry] }
      return try FileManager.default.subpathsOfDirectory(atPath: path).map { entry + "/" + $0 }
    }.sorted()
  }
}

/// Texts that were read by a person once and must not change unnoticed.
public enum Golden {
  /// `nil` if `text` is the content of `Fixtures/Golden/<name>`, else where they part.
  ///
  /// With `OPTCHECK_UPDATE_GOLDEN=1` the file is written instead; read the difference before it is committed.
  ///
  /// - Throws: What Foundation says if the file cannot be written.
  public static func difference(_ text: String, from name: String) throws -> String? {
    let file = Fixtures.folder.appendingPathComponent("Golden").appendingPathComponent(name)
    if ProcessInfo.processInfo.environment["OPTCHECK_UPDATE_GOLDEN"] == "1" {
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file, options: .atomic)
    }
    guard let data = try? Data(contentsOf: file) else {
      return "Fixtures/Golden/\(name) is missing: OPTCHECK_UPDATE_GOLDEN=1 swift test writes it"
    }
    return difference(text, golden: String(decoding: data, as: UTF8.self))
      .map { "Fixtures/Golden/\(name), \($0)" }
  }

  /// The first line in which two texts differ, with both versions; `nil` if they are equal.
  public static func difference(_ text: String, golden: String) -> String? {
    if text == golden { return nil }
    let ours = text.split(separator: "\n", omittingEmptySubsequences: false)
    let theirs = golden.split(separator: "\n", omittingEmptySubsequences: false)
    let same = zip(ours, theirs).prefix { $0 == $1 }.count
    let line = { (lines: [Substring]) in same < lines.count ? "\"\(lines[same])\"" : "the end" }
    return "line \(same + 1): is \(line(ours)), was \(line(theirs))"
  }
}
