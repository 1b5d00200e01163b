import ArgumentParser
import Foundation
import TestSupport
import Testing
import Yams

@testable import OptCheckCommands

/// The workflow files: they are YAML, and their commands are ones that we know.
@Suite struct WorkflowTests {
  private static let ours = ".github/workflows/ci.yml"
  private static let users = "Fixtures/ExamplePackage/.github/workflows/optcheck.yml"

  private struct Workflow: Decodable {
    struct Job: Decodable {
      struct Step: Decodable {
        var name: String?
        var uses: String?
        var run: String?
      }
      var steps: [Step]
    }
    var jobs: [String: Job]

    /// Lines of shell, in the order of the steps.
    var commands: [String] {
      jobs.sorted { $0.key < $1.key }.flatMap(\.value.steps).compactMap(\.run)
        .flatMap { $0.split(separator: "\n").map(String.init) }
    }
  }

  private func text(_ path: String) throws -> String {
    try String(
      contentsOf: Fixtures.packageFolder.appendingPathComponent(path), encoding: .utf8)
  }

  private func workflow(_ path: String) throws -> Workflow {
    try YAMLDecoder().decode(Workflow.self, from: try text(path))
  }

  @Test(arguments: [ours, users])
  func everyStepDoesOneThing(path: String) throws {
    for job in try workflow(path).jobs.values {
      #expect(!job.steps.isEmpty)
      for step in job.steps {
        #expect((step.uses == nil) != (step.run == nil), "\(step)")
        #expect(step.uses.map { $0.contains("@") } ?? true, "\(step)")
      }
    }
  }

  /// Ours does what the README tells a person to do.
  @Test func oursRunsTheCommandOfTheReadme() throws {
    #expect(try workflow(Self.ours).commands.contains("make test"))
    #expect(try text("README.md").contains("\nmake test "))
  }

  /// The package's program is ours with other rules, so our parser reads its command lines.
  @Test func commandsForUsersParse() throws {
    let tool = ".build/release/myopt "
    let lines = try workflow(Self.users).commands.filter { $0.hasPrefix(tool) }
    #expect(lines.count == 1)
    for line in lines {
      let words = line.dropFirst(tool.count).split(separator: " ").map(String.init)
      let command = try #require(try Root.parseAsRoot(words) as? CompareCommand)
      #expect(command.baseline == "base/.build/release/myopt")
      #expect(command.head == ".build/release/myopt")
      #expect(command.markdown == "summary.md" && command.junit == "optcheck.xml")
    }
    #expect(throws: (any Error).self) { try Root.parseAsRoot(["compare", "--hed", "x"]) }
  }

  /// Both builds, the tests, and the summary where GitHub shows it.
  @Test func theWorkflowForUsersIsWhole() throws {
    let commands = try workflow(Self.users).commands
    for words in [
      "swift test -c release", "swift build -c release --package-path base",
      "cat summary.md >> \"$GITHUB_STEP_SUMMARY\"",
    ] {
      #expect(commands.contains { $0.contains(words) }, "\(words)")
    }
  }

  @Test func thePageShowsTheWorkflowAsItIs() throws {
    let steps = try Page.tenMinutes.steps(in: "A rule in Swift")
    #expect(
      steps.contains(.file(path: ".github/workflows/optcheck.yml", text: try text(Self.users))))
  }

  /// What the workflow installs is what `.ci/install` does.
  @Test func librariesAreThoseThatWeInstall() throws {
    let install = try text(".ci/install")
    let missing = try #require(install.firstMatch(of: /missing\+=\((lib[^)]+)\)/)?.output.1)
    let commands = try workflow(Self.users).commands.joined(separator: " ")
    for library in missing.split(separator: " ") {
      #expect(commands.contains(library), "\(library)")
    }
  }
}
