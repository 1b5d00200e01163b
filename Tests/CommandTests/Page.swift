import Foundation
import TestSupport

/// A page of documentation as things to do, in its own order.
struct Page {
  enum Step: Equatable {
    /// A fenced block under a line that ends in `` `path`: ``.
    case file(path: String, text: String)
    /// A line of an `sh` block; the status is 0 unless `# exit status N` follows.
    case command(String, status: Int32)
    /// A `text` block: each of its lines stands in what the commands of the block before it printed.
    case output([String])
  }

  let text: String

  init(_ text: String) { self.text = text }

  /// The page that users start with.
  static var tenMinutes: Page {
    get throws {
      Page(
        try String(
          contentsOf: Fixtures.packageFolder.appendingPathComponent(
            "Sources/OptCheck/OptCheck.docc/CheckYourOptimizerInTenMinutes.md"), encoding: .utf8))
    }
  }

  /// The steps below a heading of the second level; none if there is no such heading.
  func steps(in heading: String) -> [Step] {
    let parts = ("\n" + text).components(separatedBy: "\n## ")
    guard let part = parts.first(where: { $0.hasPrefix(heading + "\n") }) else { return [] }
    return blocks(of: part).flatMap(steps)
  }

  /// The headings of the second level that something is to be done below.
  var headings: [String] {
    ("\n" + text).components(separatedBy: "\n## ").dropFirst()
      .map { String($0.prefix { $0 != "\n" }) }.filter { !steps(in: $0).isEmpty }
  }

  private struct Block {
    var language: String
    var lines: [String]
    /// The last line of prose above it.
    var lead: String
  }

  private func blocks(of part: String) -> [Block] {
    var (found, open, lead) = ([Block](), Block?.none, "")
    for line in part.components(separatedBy: "\n") {
      if line.hasPrefix("```") {
        if let block = open { found.append(block) }
        open = open == nil ? Block(language: String(line.dropFirst(3)), lines: [], lead: lead) : nil
        lead = ""
      } else if open != nil {
        open?.lines.append(line)
      } else if !line.isEmpty {
        lead = line
      }
    }
    return found
  }

  private func steps(of block: Block) -> [Step] {
    switch block.language {
    case "sh": return commands(block.lines)
    case "text": return [.output(block.lines)]
    default:
      guard let path = block.lead.firstMatch(of: /`([^`]+)`:$/)?.output.1 else {
        return [.file(path: "", text: "")]
      }
      return [.file(path: String(path), text: block.lines.joined(separator: "\n") + "\n")]
    }
  }

  private func commands(_ lines: [String]) -> [Step] {
    lines.reduce(into: [Step]()) { steps, line in
      if let match = line.wholeMatch(of: /# exit status (\d+)/), let status = Int32(match.output.1),
        case .command(let command, _)? = steps.popLast()
      {
        steps.append(.command(command, status: status))
      } else {
        steps.append(.command(line, status: 0))
      }
    }
  }
}
