import OptCheck
import TestSupport
import Testing

@Suite struct MarkdownTests {
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
