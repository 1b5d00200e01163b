import OptCheck
import TestSupport
import Testing

@testable import Reporting

@Suite struct MarkdownTests {
  /// Numbers lose digits in running text, and never gain one.
  @Test(arguments: [
    ("η=4.4437274235629945e-8", "η=4.444e-08"), ("rank 2, 0.6207123 of F", "rank 2, 0.6207 of F"),
    ("gap 6.41e-08", "gap 6.41e-08"), ("0.00121", "0.00121"), ("-5.5e-16", "-5.5e-16"),
    ("from -0.001234567 to 1.5", "from -0.001235 to 1.5"), ("at 123456.7891", "at 123456.7891"),
    ("at 123456.78912", "at 1.235e+05"), ("1e-12 of 10^5.2", "1e-12 of 10^5.2"),
  ])
  func textKeepsFourDigits(_ text: String, _ short: String) {
    #expect(Markdown.shortened(text) == short)
  }

  @Test func tableIsGolden() throws {
    var table = Markdown.Table([("Claim", .left), ("k", .right), ("a|b", .centre)])
    table.add(["`|x|` is small", "100", "yes"])
    table.add(["two\nlines, and\r\nthree", "4900", ""])
    table.add([Markdown.code("a`b"), Number.dash, Markdown.verdict(.violated)])
    #expect(try Golden.difference(table.text, from: "table.md") == nil)
  }

  /// An independent reading: a table is rectangular when cells are split at pipes that no backslash precedes.
  @Test func everyRowHasAsManyCells() {
    var table = Markdown.Table("what", numbers: ["one", "two"])
    for nasty in ["a|b", "||", "\n|\n", "", "|"] { table.add([nasty, nasty + nasty, "1"]) }
    for line in table.text.split(separator: "\n") {
      var cells = 0
      var before: Character = " "
      for character in line {
        if character == "|" && before != "\\" { cells += 1 }
        before = character
      }
      #expect(cells == 4, "\(line)")
    }
    #expect(table.text.split(separator: "\n").count == 7)
  }

  @Test func wordsStayWords() {
    #expect(Markdown.literal("2*x_1 <b> #1") == "2\\*x\\_1 \\<b\\> \\#1")
    #expect(Markdown.code("plain") == "`plain`")
    #expect(Markdown.code("a`b") == "``a`b``")
    #expect(Markdown.code("`") == "`` ` ``")
    #expect(Markdown.commands(["make report"]) == "```sh\nmake report\n```\n")
    #expect(Markdown.image("a b.svg", description: "F_k") == "![F\\_k](a%20b.svg)")
  }

  @Test func proseHasCodeAndNoOtherMarkup() {
    #expect(Markdown.prose("b_1 by `a_b`, *not* `c`") == "b\\_1 by `a_b`, \\*not\\* `c`")
    #expect(Markdown.prose("`x` | y") == "`x` &#124; y")
    // A backtick that opens nothing is a character.
    #expect(Markdown.prose("5` of `x`") == "5\\` of \\`x\\`")
    #expect(Markdown.prose("") == "")
  }

  @Test func everyVerdictLooksDifferent() {
    let verdicts: [Verdict] = [
      .holds, .holdsVacuously, .premiseFails, .violated, .inconclusive, .notApplicable,
    ]
    let marks = verdicts.map { Markdown.verdict($0) }
    #expect(Set(marks.compactMap(\.first)).count == verdicts.count)
    #expect(Set(verdicts.map(\.mark)).count == verdicts.count)
    #expect(marks.last == Number.dash)
  }
}
