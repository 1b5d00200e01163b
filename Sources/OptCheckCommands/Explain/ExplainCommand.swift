import ArgumentParser
import Foundation
import OptCheck

/// `optcheck explain`.
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Says what a check claims, measures, tolerates and cannot see.",
    discussion: """
      With --docc every check becomes an article in a folder of a documentation catalogue, beside a \
      page that lists them.

      Examples:
        optcheck explain GC1
        optcheck explain --docc Sources/OptCheck/OptCheck.docc/Checks
      """)

  @Argument(help: ArgumentHelp("The check's id, as `optcheck list` shows it.", valueName: "check"))
  var check: String?

  @Option(
    help: ArgumentHelp("Write the articles of all checks into this folder.", valueName: "dir"))
  var docc: String?

  @OptionGroup var common: CommonOptions

  func run() throws {
    switch (check, docc) {
    case (let check?, nil): try explain(check)
    case (nil, let folder?): try write(to: URL(fileURLWithPath: folder, isDirectory: true))
    default: throw UsageError("explain takes one check or --docc DIR; \(Self.known)")
    }
  }

  private static var known: String {
    "accepted: " + allChecks.map(\.claim.id).joined(separator: ", ")
  }

  private func explain(_ id: String) throws {
    guard let found = allChecks.first(where: { $0.claim.id.lowercased() == id.lowercased() })
    else { throw UsageError("no check is called '\(id)'; \(Self.known)") }
    Console(common).result(Explanation(found)) { $0.plain }
  }

  private func write(to folder: URL) throws {
    let files = CheckArticles(allChecks.map { Explanation($0) }).files
    try OutputFolder.make(folder)
    for file in files {
      try AtomicFile.write(Data(file.text.utf8), to: folder.appendingPathComponent(file.name))
    }
    Console(common).result(files.map(\.name)) { "\($0.count) articles in \(folder.path)" }
  }
}
