/// Tables for a terminal.
public enum TextTable {
  /// Columns of one width each, two spaces apart: those in `left` flush left, the others flush right.
  ///
  /// All rows have as many cells as the first.
  public static func aligned(_ rows: [[String]], left: Set<Int> = [0]) -> String {
    let widths = (0..<(rows.first?.count ?? 0)).map { column in
      rows.map { $0[column].count }.max() ?? 0
    }
    return rows.map { row in
      let line = zip(row, widths).enumerated().map { column, cell in
        let space = String(repeating: " ", count: cell.1 - cell.0.count)
        return left.contains(column) ? cell.0 + space : space + cell.0
      }.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }.joined(separator: "\n")
  }
}
