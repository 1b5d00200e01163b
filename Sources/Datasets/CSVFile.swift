public import Foundation
import Storage

/// Comma-separated text, cell by cell.
public enum CSVFile {
  /// The rows of the file, all of one length; empty lines are skipped.
  ///
  /// - Throws: ``DatasetError`` naming the first row of another length, or `StorageError`.
  public static func rows(from url: URL) throws -> [[String]] {
    let data = try AtomicFile.read(url)
    guard let text = String(data: data, encoding: .utf8) else {
      throw DatasetError.unreadable(path: url.path, reason: "not UTF-8")
    }
    var rows: [[String]] = []
    for (line, content) in text.split(
      omittingEmptySubsequences: false, whereSeparator: \.isNewline
    ).enumerated() where !content.allSatisfy(\.isWhitespace) {
      let cells = content.split(separator: ",", omittingEmptySubsequences: false).map {
        $0.trimmingCharacters(in: .whitespaces)
      }
      if let width = rows.first?.count, cells.count != width {
        throw DatasetError.entry(
          path: url.path, line: line + 1, column: cells.count, found: "the end of the line",
          expected: "\(width) cells as in the first line")
      }
      rows.append(cells)
    }
    guard !rows.isEmpty else {
      throw DatasetError.unreadable(path: url.path, reason: "no rows")
    }
    return rows
  }

  /// The numbers of the file; a first line without any number is a header and skipped.
  ///
  /// - Throws: ``DatasetError`` naming line and column of what is no finite number.
  public static func numbers(from url: URL) throws -> [[Double]] {
    var rows = try rows(from: url)
    var first = 1
    if rows[0].allSatisfy({ Double($0) == nil }) {
      rows.removeFirst()
      first = 2
    }
    return try rows.enumerated().map { i, row in
      try row.enumerated().map { j, cell in
        guard let number = Double(cell), number.isFinite else {
          throw DatasetError.entry(
            path: url.path, line: i + first, column: j + 1, found: cell,
            expected: "a finite number")
        }
        return number
      }
    }
  }
}
