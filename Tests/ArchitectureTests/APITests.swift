import Foundation
import TestSupport
import Testing

/// The compiler in whose words the lists are; one that words things otherwise compares nothing.
private let listingCompiler = "Swift 6.3 on Linux"

private let isListingCompiler: Bool = {
  #if os(Linux) && compiler(>=6.3) && compiler(<6.4)
    true
  #else
    false
  #endif
}()

/// The public symbols of the products are those of the lists in `Fixtures/API`.
@Suite(.enabled(if: isListingCompiler, "the lists are those of \(listingCompiler)"))
struct APITests {
  /// Products with the modules that one import brings.
  static let products = [
    (
      "OptCheck",
      [
        "Catalog", "Checks", "Engine", "Experiments", "OptCheck", "Optimization", "Reporting",
        "Storage",
      ]
    ),
    ("OptCheckTesting", ["OptCheckTesting"]),
    ("OptCheckCommands", ["OptCheckCommands"]),
  ]

  @Test(arguments: products) func publicSymbolsAreListed(product: String, modules: [String]) throws
  {
    let now = try PublicAPI(of: modules)
    let file = Fixtures.folder.appendingPathComponent("API/\(product).txt")
    if ProcessInfo.processInfo.environment["OPTCHECK_UPDATE_GOLDEN"] == "1" {
      let head =
        "# Public symbols of the product \(product), as \(listingCompiler) words them.\n"
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data((head + now.text).utf8).write(to: file, options: .atomic)
    }
    let listed = PublicAPI(parsing: try String(contentsOf: file, encoding: .utf8))
    let difference = now.difference(from: listed)
    #expect(
      difference == nil,
      """
      The public symbols of \(product) are not those of Fixtures/API/\(product).txt. This takes \
      \(difference ?? "").
      Say so in CHANGELOG.md; OPTCHECK_UPDATE_GOLDEN=1 swift test --filter APITests renews the list.
      """)
  }
}

/// The comparison sees what it should, and says which version it takes.
@Suite struct APIComparisonTests {
  private let old = PublicAPI(
    parsing: """
      # Title
      M
        protocol P
        struct S
      M.P
        required func f()
      M.S
        : Equatable, Sendable
        case a
        init(x: Int = 1)
      """)

  private func difference(_ change: (inout Set<PublicAPI.Entry>) -> Void) -> String {
    var new = old
    change(&new.entries)
    return new.difference(from: old) ?? "none"
  }

  @Test func aListIsReadAsItWasWritten() {
    #expect(old.entries.count == 7)
    #expect(PublicAPI(parsing: old.text) == old)
    #expect(difference { _ in } == "none")
  }

  @Test func additionsTakeAMinorVersion() {
    let text = difference {
      $0.insert(.init(owner: "M.S", text: "func g()"))
      $0.insert(.init(owner: "M.S", text: ": Hashable"))
      // A new type's own.
      $0.insert(.init(owner: "M.Q", text: "required func h()"))
    }
    #expect(text.hasPrefix("a minor version\nadded:\n"))
    #expect(text.contains("M.S func g()") && text.contains("M.S : Hashable"))
  }

  @Test(arguments: ["required func f()", ": Sendable", "init(x: Int = 1)", "struct S"])
  func removalsTakeAMajorVersion(text: String) throws {
    let lost = try #require(old.entries.first { $0.text == text })
    let words = difference { $0.remove(lost) }
    #expect(words.hasPrefix("a major version") && words.contains("removed or changed:\n  \(lost)"))
  }

  @Test(arguments: [("M.P", "required func g()"), ("M.S", "case b")])
  func additionsThatUsersMustFollowTakeAMajorVersion(owner: String, text: String) {
    let words = difference { $0.insert(.init(owner: owner, text: text)) }
    #expect(words.hasPrefix("a major version") && words.contains("users must follow:\n  \(owner)"))
  }
}
