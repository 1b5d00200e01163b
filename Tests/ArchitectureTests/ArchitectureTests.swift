import Foundation
import TestSupport
import Testing

/// SwiftPM does not stop a module from importing what it did not declare; these tests do.
@Suite struct ArchitectureTests {
  @Test func importsFollowTheFlowOfData() throws {
    let found = try SourceFile.all().flatMap(importViolations)
    #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
  }

  @Test func onlyTheEngineIsUnsafe() throws {
    let found = try SourceFile.all().flatMap(unsafeViolations)
    #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
  }

  @Test func onlyTheCommandLinePrints() throws {
    let found = try SourceFile.all().flatMap(printViolations)
    #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
  }

  @Test func topLevelHoldsOnlyWhatIsListed() throws {
    let files = try Fixtures.trackedFiles()
    #expect(files.count > 20)
    let found = topLevelViolations(files)
    #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
  }

  @Test func noTrackedFileNamesAMachine() throws {
    let found = try Fixtures.trackedFiles().flatMap { path -> [String] in
      let file = Fixtures.packageFolder.appendingPathComponent(path)
      // A file removed but not yet committed is still listed; one that is not text names nothing.
      guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
      return machinePathViolations(path, text)
    }
    #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
  }

  /// A reader that finds no files would pass everything.
  @Test func everyModuleIsRead() throws {
    let modules = Set(try SourceFile.all().map(\.module))
    #expect(modules == Set(legalImports.keys))
  }
}

/// Each function above is shown a planted violation, and something like it that is legal.
@Suite struct ArchitectureSelfChecks {
  private func file(_ module: String, _ text: String) -> SourceFile {
    SourceFile(module: module, path: "Sources/\(module)/Planted.swift", text: text)
  }

  @Test(arguments: [
    ("Engine", "import Storage"), ("Storage", "public import Optimization"),
    ("Catalog", "import Checks"), ("Checks", "@_exported public import Catalog"),
    ("Storage", "internal import struct Catalog.Entry"), ("Reporting", "import Testing"),
    ("Optimization", "@testable import OptCheck"), ("OptCheck", "import ArgumentParser"),
    ("Engine", "import Accelerate; import Foundation"),
    ("Engine", "import Foundation; import Yams"), ("Experiments", "import GRDB"),
    ("Nowhere", "import Foundation"), ("Storage", "  import COpenBLAS  // why not"),
  ])
  func plantedImportIsCaught(module: String, line: String) {
    let text = "// header\nimport Foundation\n\(line)\nstruct S {}\n"
    #expect(!importViolations(file(module, text)).isEmpty)
  }

  @Test(arguments: [
    ("Engine", "private import COpenBLAS"), ("Reporting", "public import Checks"),
    ("Storage", "// import Yams"), ("Storage", "/* import Yams */"),
    ("Storage", "let s = \"import Yams\""), ("Storage", "let s = \"\"\"\nimport Yams\n\"\"\""),
    ("OptCheckCommands", "public import ArgumentParser"),
    ("OptCheck", "@_exported public import Engine"),
  ])
  func legalImportPasses(module: String, line: String) {
    #expect(importViolations(file(module, line + "\n")).isEmpty)
  }

  @Test(arguments: [
    "x.withUnsafeBufferPointer { _ in }", "let p: UnsafeMutablePointer<Double>",
    "let p: OpaquePointer", "nonisolated(unsafe) var x = 1",
    "final class C: @unchecked Sendable {}",
    "unsafeBitCast(x, to: Int.self)", "let r = /[\"]/\nx.withUnsafeBytes { _ in }",
    "let s = \"\\(x.withUnsafeBytes { $0.count })\"",
  ])
  func plantedPointerIsCaught(line: String) {
    #expect(!unsafeViolations(file("Checks", line)).isEmpty)
    #expect(unsafeViolations(file("Engine", line)).isEmpty)
    #expect(unsafeViolations(file("Checks", "/* " + line + " */")).isEmpty)
  }

  @Test(arguments: ["print(1)", "  debugPrint(x)", "f { print (\"a\") }", "dump(x)", "puts(\"x\")"])
  func plantedPrintIsCaught(line: String) {
    #expect(!printViolations(file("Optimization", line)).isEmpty)
    #expect(printViolations(file("OptCheckCommands", line)).isEmpty)
  }

  @Test(arguments: [
    "pretty.fingerprint(1)", "// print(1)", "let s = \"print(1)\"", "imprint(1)", "x.print(1)",
  ])
  func whatOnlyLooksLikePrintPasses(line: String) {
    #expect(printViolations(file("Optimization", line)).isEmpty)
  }

  @Test func plantedTopLevelEntryIsCaught() {
    #expect(topLevelViolations(["Sources/a.swift", "notes.txt"]) == ["notes.txt"])
    #expect(topLevelViolations(["Scripts/a.sh", "Scripts/b.sh"]) == ["Scripts"])
    #expect(topLevelViolations([".gitignore", ".ci/run", "LICENSE"]).isEmpty)
  }

  @Test func plantedMachinePathIsCaught() {
    for folder in ["work", "home/me", "root", "Users/me", "opt/swift"] {
      let path = "/" + folder + "/x"
      for text in [path, "a = '\(path)'", "see (\(path))", "a:\(path)", "file://\(path)"] {
        #expect(!machinePathViolations("f", "first line\n\(text)\n").isEmpty, "\(text)")
      }
    }
    #expect(machinePathViolations("f", "first\n/" + "root/x") == ["f:2: /" + "root/x"])
    for text in ["https://a.org/" + "home/x", "net/" + "work/x", "../" + "work", "/usr/share/x"] {
      #expect(machinePathViolations("f", text).isEmpty, "\(text)")
    }
  }

  @Test func goldenComparisonSeesOneCharacter() {
    #expect(Golden.difference("a\nb\n", golden: "a\nb\n") == nil)
    #expect(Golden.difference("a\nb\n", golden: "a\nc\n") == "line 2: is \"b\", was \"c\"")
    #expect(Golden.difference("a", golden: "a\n") == "line 2: is the end, was \"\"")
  }
}
