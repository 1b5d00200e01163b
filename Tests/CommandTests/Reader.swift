import Foundation
import OptCheck
import TestSupport

/// Somebody who does what a page says, in a folder of their own.
///
/// Some words of the page are read otherwise: the address of OptCheck is this checkout, as a dependency and
/// where SwiftPM would have cloned it; a package is built for debugging, and where the example package
/// is built, so that the library is compiled once for both.
final class Reader {
  /// Where the page begins.
  let folder: URL
  /// The program that is `.build/release/myopt` on the page.
  private let program: URL
  private var current: String
  private var printed = ""

  /// Where packages of users are built.
  static let scratch = Fixtures.packageFolder.appendingPathComponent(".build/example")

  /// - Parameter program: the user's program; nil for the one that the page builds.
  init(program: URL? = nil) throws {
    self.program = program ?? Self.scratch.appendingPathComponent("debug/myopt")
    folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-page-\(UUID().uuidString)", isDirectory: true)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    current = folder.path
  }

  /// Removes the folder.
  func cleanUp() { try? FileManager.default.removeItem(at: folder) }

  /// Where something went otherwise than the page says; what follows would make no sense.
  struct Departure: Error, CustomStringConvertible {
    let description: String
  }

  /// Does every step; stops where one does not end as the page says.
  ///
  /// - Throws: ``Departure``.
  func follow(_ steps: [Page.Step]) throws {
    var isNewBlock = true
    for step in steps {
      switch step {
      case .file(let path, let text): try write(text, to: path)
      case .command(let line, let status):
        if isNewBlock { printed = "" }
        let output = try run(line)
        let words = output.standardOutput + output.standardError
        guard output.status == status else {
          throw Departure(
            description:
              "'\(line)' ended with \(output.status), not \(status):\n\(words.suffix(4000))")
        }
        printed += words
      case .output(let lines):
        for line in lines where !printed.contains(line) {
          throw Departure(description: "'\(line)' is not in:\n\(printed.suffix(4000))")
        }
      }
      if case .command = step { isNewBlock = false } else { isNewBlock = true }
    }
  }

  private func write(_ text: String, to path: String) throws {
    guard !path.isEmpty else {
      throw Departure(description: "a file without a name on the page: \(text.prefix(80))")
    }
    let file = URL(fileURLWithPath: current).appendingPathComponent(path)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(here(text).utf8).write(to: file)
  }

  private func here(_ text: String) -> String {
    let checkout = Fixtures.packageFolder.path
    return text.replacing(
      ".package(url: \"https://example.org/OptCheck\", from: \"0.1.0\")",
      with: ".package(name: \"OptCheck\", path: \"\(checkout)\")"
    ).replacing(".build/checkouts/OptCheck/", with: checkout + "/")
      .replacing("swift test -c release", with: "swift test --scratch-path '\(Self.scratch.path)'")
      .replacing(".build/release/myopt", with: "'\(program.path)'")
  }

  /// One line in a shell; the folder that it ends in is where the next one begins.
  private func run(_ line: String) throws -> ChildProcess.Output {
    let place = folder.appendingPathComponent(".place")
    let output = try ChildProcess.run(
      "sh",
      ["-c", "cd \"$0\" || exit 99\n\(here(line))\nstatus=$?\npwd >\"$1\"\nexit $status"]
        + [current, place.path])
    if let path = try? String(contentsOf: place, encoding: .utf8) {
      current = path.trimmingCharacters(in: .newlines)
    }
    return output
  }
}
