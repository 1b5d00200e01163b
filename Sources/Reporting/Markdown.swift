public import Checks
import Storage

/// Pieces of GitHub-flavoured Markdown, as pure functions.
public enum Markdown {
  /// Where the text of a table column stands.
  public enum Alignment: String, Sendable, Hashable {
    /// Words.
    case left = ":--"
    /// Marks.
    case centre = ":-:"
    /// Numbers.
    case right = "--:"
  }

  /// A table: columns with titles and alignments, and rows of cells.
  ///
  /// Cells are Markdown, so that they can hold links and code; pipes and line breaks in them are made harmless.
  public struct Table: Sendable, Hashable {
    /// Titles, left to right.
    public let titles: [String]
    /// One alignment for each title.
    public let alignments: [Alignment]
    /// Rows, each with as many cells as there are titles.
    public private(set) var rows: [[String]] = []

    /// An empty table with the columns `columns`, left to right.
    public init(_ columns: [(title: String, alignment: Alignment)]) {
      precondition(!columns.isEmpty, "a table has columns")
      titles = columns.map(\.title)
      alignments = columns.map(\.alignment)
    }

    /// A table whose first column holds words and whose other columns hold numbers.
    public init(_ first: String, numbers: [String]) {
      self.init([(first, .left)] + numbers.map { ($0, .right) })
    }

    /// Adds a row; an empty cell prints as a dash.
    public mutating func add(_ cells: [String]) {
      precondition(cells.count == titles.count, "\(cells.count) cells in \(titles.count) columns")
      rows.append(cells)
    }

    /// The table's Markdown, ending in a line break.
    public var text: String {
      func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }
      return line(titles.map(cell)) + line(alignments.map(\.rawValue))
        + rows.map { line($0.map { $0.isEmpty ? Number.dash : cell($0) }) }.joined()
    }
  }

  /// `text` made fit for a table cell: pipes escaped, line breaks as `<br>`.
  ///
  /// An escaped pipe inside code is shown as a pipe by GitHub, since tables are split before code is read.
  public static func cell(_ text: String) -> String {
    text.split(separator: /\r\n|\r|\n/, omittingEmptySubsequences: false).joined(separator: "<br>")
      .replacing("|", with: "\\|")
  }

  /// Plain words with every character escaped that Markdown would take as markup.
  ///
  /// A pipe becomes its number, since tables are split at `\\|` where a backslash was escaped before.
  public static func literal(_ text: String) -> String {
    text.reduce(into: "") { result, character in
      if "\\`*_{}[]<>#~".contains(character) { result.append("\\") }
      result += character == "|" ? "&#124;" : String(character)
    }
  }

  /// Running text whose only markup is code between single backticks; everything else is literal.
  ///
  /// A backtick without a partner is literal, too.
  static func prose(_ text: String) -> String {
    let parts = text.split(separator: "`", omittingEmptySubsequences: false).map(String.init)
    guard parts.count % 2 == 1 else { return literal(text) }
    return parts.enumerated().map { $0 % 2 == 0 ? literal($1) : code($1) }.joined()
  }

  /// `text` as inline code, whatever backticks it holds.
  public static func code(_ text: String) -> String {
    let longest = text.split { $0 != "`" }.map(\.count).max() ?? 0
    let fence = String(repeating: "`", count: longest + 1)
    let space = text.hasPrefix("`") || text.hasSuffix("`") ? " " : ""
    return fence + space + text + space + fence
  }

  /// Lines to type, as a fenced block ending in a line break.
  public static func commands(_ lines: [String]) -> String {
    "```sh\n" + lines.map { $0 + "\n" }.joined() + "```\n"
  }

  /// An image with its description, for those who cannot see it too.
  public static func image(_ path: String, description: String) -> String {
    "![\(literal(description))](\(path.replacing(" ", with: "%20")))"
  }

  /// A verdict's name with its mark, so that a column can be read at a glance and without colour.
  ///
  /// Not applicable is a dash, a violation is bold; `qualifier` says how a `holds` is meant.
  public static func verdict(_ verdict: Verdict, _ qualifier: String? = nil) -> String {
    switch verdict {
    case .notApplicable: Number.dash
    case .violated: "\(verdict.mark) **\(verdict.name)**"
    default: "\(verdict.mark) \(verdict.name)" + (qualifier.map { " (\($0))" } ?? "")
    }
  }
}
