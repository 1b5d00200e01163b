import OptCheck

/// The articles of a documentation catalogue: one for each check, and a page that lists them.
struct CheckArticles {
  /// A file of the catalogue.
  struct File {
    var name: String
    var text: String
  }

  let checks: [Explanation]

  init(_ checks: [Explanation]) { self.checks = checks }

  /// The page first, then the articles in the order of the checks.
  var files: [File] {
    [File(name: "Checks.md", text: page)]
      + checks.map { File(name: Self.name(of: $0) + ".md", text: Self.article(on: $0)) }
  }

  /// No article may be called as a type or another page is, and a check may.
  private static func name(of check: Explanation) -> String { "Check-" + check.id }

  private static func article(on check: Explanation) -> String {
    func list(_ items: [String]) -> String {
      items.map { "- \(Markdown.literal($0))" }.joined(separator: "\n")
    }
    return """
      # \(check.id)

      \(sentence(check.claim))

      ## Overview

      ### Equation

      ```text
      \(check.equation)
      ```

      ### Source

      \(sentence(check.source))

      ### Tolerance, and why

      \(sentence(check.tolerance))

      ### What it cannot see

      \(sentence(check.blindSpots))

      ### What it must catch

      \(list(check.mutants))

      ### What it must pass

      \(list(check.cleanCases))

      """
  }

  /// Words of a check as a paragraph, with a capital unless they begin with a formula.
  private static func sentence(_ words: String) -> String {
    let first = words.prefix { $0.isLetter || $0 == "_" }
    let isWord = first == "a" || (first.count > 1 && first.allSatisfy(\.isLowercase))
    let start = isWord ? words.prefix(1).uppercased() : String(words.prefix(1))
    return Markdown.literal(start + words.dropFirst()) + "."
  }

  private var page: String {
    let groups = CheckFamily.allCases.compactMap { family -> String? in
      let members = checks.filter { CheckFamily(of: $0.id) == family }
      guard !members.isEmpty else { return nil }
      return "### \(family.rawValue)\n\n"
        + members.map { "- <doc:\(Self.name(of: $0))>\n" }.joined()
    }
    return """
      # Checks

      What every check claims, measures, tolerates and cannot see.

      ## Overview

      Every check names its claim with equation and source, says where its tolerance comes from and what it is blind to, and ships
      faults that it must catch beside sound cases that it must pass. These pages are written by `optcheck explain --docc`.

      A verdict is one of \(Verdict.legend).

      ## Topics

      \(groups.joined(separator: "\n"))
      """
  }
}
