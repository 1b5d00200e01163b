import Foundation
import OptCheck
import TestSupport
import Testing

/// A report as it is under version control.
struct CommittedReport {
  let name: String
  let text: String

  init(_ name: String) throws {
    self.name = name
    text = try String(
      contentsOf: Fixtures.packageFolder.appendingPathComponent("Reports/\(name).md"),
      encoding: .utf8)
  }

  /// What stands between a section's heading and the next section.
  func section(_ id: String) throws -> String {
    let anchor = "<a id=\"\(id)\"></a>\n\n## "
    let start = try #require(text.range(of: anchor), "\(name) has no section '\(id)'").upperBound
    let rest = text[start...].drop { $0 != "\n" }
    let end = rest.firstRange(of: #/\n<a id="[^"]*"></a>\n\n## /#)?.lowerBound ?? rest.endIndex
    return rest[..<end].trimmingCharacters(in: .newlines)
  }

  /// The rows of the tables in `text`, cells without the space around them.
  static func rows(_ text: String) -> [[String]] {
    text.split(separator: "\n").filter { $0.hasPrefix("| ") }.map { line in
      line.dropFirst(2).dropLast(2).components(separatedBy: " | ")
        .map { $0.trimmingCharacters(in: .whitespaces) }
    }
  }

  /// The first line of `part` that the report lacks, or that it has elsewhere only; nil if the part is
  /// there, word for word.
  func missing(_ part: String) -> String? {
    let part = part.trimmingCharacters(in: .newlines)
    if text.contains(part) { return nil }
    let lines = Set(text.split(separator: "\n"))
    return part.split(separator: "\n").first { !lines.contains($0) }.map(String.init)
      ?? "all lines of what begins with: \(part.prefix(80))"
  }
}

extension Report {
  /// A section of the report on `results`, as the committed one would hold it.
  func section(_ id: String, of results: Results) throws -> String {
    let section = try #require(sections.first { $0.id == id }, "\(name) has no section '\(id)'")
    return section.markdown(
      ReportContext(results: results, record: Sample.record, plotFolder: name))
  }
}
