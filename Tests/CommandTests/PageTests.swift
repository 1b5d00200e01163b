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

  /// With a module of the same name that can do what the page asks of it; and with PyTorch where it is.
  @Test func theRuleInPyTorchFailsAndThenPasses() throws {
    try python("A rule in PyTorch") { folder in
      try Data(Self.torch.utf8).write(to: folder.appendingPathComponent("torch.py"))
    }
    if Self.hasTorch { try python("A rule in PyTorch") }
  }

  /// Tensors of doubles and gradient descent, in PyTorch's words.
  private static let torch = """
    import contextlib, types
    float64 = float

    class Tensor(list):
        grad = None
        def copy_(self, other): self[:] = other
        def detach(self): return self
        def tolist(self): return list(self)

    def tensor(values, dtype=float64, requires_grad=False):
        return Tensor(dtype(value) for value in values)

    def no_grad(): return contextlib.nullcontext()

    class SGD:
        def __init__(self, parameters, lr, weight_decay=0):
            self.parameters, self.lr, self.decay = parameters, lr, weight_decay
        def step(self):
            for x in self.parameters:
                x[:] = [v - self.lr * (g + self.decay * v) for v, g in zip(x, x.grad)]

    optim = types.SimpleNamespace(SGD=SGD)

    """

  @Test func theRuleInSwiftFailsPassesAndStaysAsGoodAsItIs() throws {
    let reader = try Reader()
    defer { reader.cleanUp() }
    try reader.follow(Page.tenMinutes.steps(in: "A rule in Swift"))
  }

  @Test func thePageHasThreeRules() throws {
    #expect(
      try Page.tenMinutes.headings
        == ["A rule in Swift", "A rule in plain Python", "A rule in PyTorch"])
  }

  /// The rule of another process needs no rule in Swift, so that our own program stands in for the user's.
  private func python(_ heading: String, prepare: (URL) throws -> Void = { _ in }) throws {
    let reader = try Reader(program: Tool.executable)
    defer { reader.cleanUp() }
    try prepare(reader.folder)
    let steps = try Page.tenMinutes.steps(in: heading)
    try #require(steps.contains(where: { $0 == .command(Self.copy, status: 0) }), "\(steps)")
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
    #expect(throws: Reader.Departure.self) { try reader.follow(steps) }
  }

  @Test func outputThatWasNotPrintedIsCaught() throws {
    let reader = try Reader()
    defer { reader.cleanUp() }
    #expect(throws: Reader.Departure.self) {
      try reader.follow([.command("echo holds", status: 0), .output(["violated"])])
    }
  }
}
