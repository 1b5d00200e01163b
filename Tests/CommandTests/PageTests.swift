import Foundation
import OptCheck
import TestSupport
import Testing

@testable import OptCheckCommands

/// The page "Check your own optimizer in ten minutes", typed as it stands.
@Suite struct PageTests {
  @Test func theRuleInPlainPythonFailsAndThenPasses() throws {
    try python("A rule in plain Python")
  }

  @Test(.enabled(if: hasTorch, "PyTorch is not installed"))
  func theRuleInPyTorchFailsAndThenPasses() throws { try python("A rule in PyTorch") }

  /// The Swift section builds the library in release, which takes longer than all other tests together: only its
  /// headings and the form of its steps are looked at here.
  @Test func thePageHasThreeRules() throws {
    #expect(
      try Page.tenMinutes.headings
        == ["A rule in Swift", "A rule in plain Python", "A rule in PyTorch"])
  }

  /// The rule of another process needs no rule in Swift, so that our own program stands in for the user's.
  private func python(_ heading: String) throws {
    let reader = try Reader()
    defer { reader.cleanUp() }
    let steps = try Page.tenMinutes.steps(in: heading)
    try #require(steps.contains(where: { $0 == .command(Self.copy, status: 0) }), "\(steps)")
    let release = reader.folder.appendingPathComponent(".build/release")
    try FileManager.default.createDirectory(at: release, withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(
      at: release.appendingPathComponent("myopt"), withDestinationURL: try Tool.executable)
    try reader.follow(steps)
  }

  private static let copy =
    "cp .build/checkouts/OptCheck/Fixtures/ForeignRules/optcheck_rule.py ."

  private static let hasTorch =
    (try? ChildProcess.run("python3", ["-c", "import torch"]).status) == 0
}

/// How a page is read.
@Suite struct PageReadingTests {
  private static let page = Page(
    """
    # Title

    ## First

    A file, `a/b.txt`:

    ```text-file
    one

    two
    ```

    ```sh
    mkdir x && cd x
    false
    # exit status 1
    pwd
    ```

    ```text
    /x
    ```

    ## Second

    Words alone.
    """)

  @Test func stepsStandInOrder() {
    #expect(
      Self.page.steps(in: "First") == [
        .file(path: "a/b.txt", text: "one\n\ntwo\n"), .command("mkdir x && cd x", status: 0),
        .command("false", status: 1), .command("pwd", status: 0), .output(["/x"]),
      ])
    #expect(Self.page.headings == ["First"])
  }

  @Test func theReaderRemembersWhereItIs() throws {
    let reader = try Reader()
    defer { reader.cleanUp() }
    try reader.follow(Self.page.steps(in: "First"))
    let file = reader.folder.appendingPathComponent("a/b.txt")
    #expect(try String(contentsOf: file, encoding: .utf8) == "one\n\ntwo\n")
  }

  @Test(arguments: [
    [Page.Step.command("false", status: 0)], [.command("true", status: 1)],
    [.command("exit 2", status: 1)], [.file(path: "", text: "x")],
  ])
  func whatEndsOtherwiseIsCaught(steps: [Page.Step]) throws {
    let reader = try Reader()
    defer { reader.cleanUp() }
    withKnownIssue { try reader.follow(steps) }
  }

  @Test func outputThatWasNotPrintedIsCaught() throws {
    let reader = try Reader()
    defer { reader.cleanUp() }
    withKnownIssue {
      try reader.follow([.command("echo holds", status: 0), .output(["violated"])])
    }
  }
}
