import Foundation
import TestSupport

/// What each module may import beside the system; an edge that is not here is not legal.
let legalImports: [String: Set<String>] = {
  let library: Set = [
    "Engine", "Storage", "Optimization", "Catalog", "Checks", "Experiments", "Reporting",
  ]
  return [
    "Engine": ["COpenBLAS", "CLAPACKE", "CKernels"],
    "Storage": ["Engine"],
    "Optimization": ["Engine", "Storage"],
    "Catalog": ["Engine", "Storage", "Optimization"],
    "Checks": ["Engine", "Storage", "Optimization"],
    "Experiments": ["Engine", "Storage", "Optimization", "Catalog", "Checks"],
    "Reporting": ["Engine", "Storage", "Optimization", "Catalog", "Checks", "Experiments"],
    "OptCheck": library,
    "Datasets": ["CDataFiles", "Engine", "Storage", "Optimization", "Catalog"],
    "EventFiles": ["SwiftProtobuf"],
    "History": ["Storage", "Checks", "Experiments", "GRDB"],
    "OptCheckTesting": ["OptCheck", "Testing"],
    "ForeignRules": ["CChildren", "Engine", "Optimization"],
    "OptCheckCommands": library.union([
      "OptCheck", "Datasets", "EventFiles", "ForeignRules", "History", "ArgumentParser",
      "Yams",
    ]),
    "OptCheckTool": ["OptCheckCommands"],
    "TestSupport": library.union(["OptCheck", "Testing"]),
  ]
}()

private let systemModules: Set = [
  "Foundation", "Dispatch", "Synchronization", "Glibc", "Musl", "Darwin",
]

private let topLevel: Set = [
  "Package.swift", "Sources", "Tests", "Properties", "Fixtures", "Reports", "README.md",
  "CHANGELOG.md", "LICENSE", "Makefile",
]

/// A Swift file below `Sources`, with the module that it belongs to.
struct SourceFile {
  var module: String
  /// From the package's root.
  var path: String
  var text: String

  /// All Swift files below `Sources`, sorted by path.
  static func all() throws -> [SourceFile] {
    let sources = Fixtures.packageFolder.appendingPathComponent("Sources")
    return try FileManager.default.subpathsOfDirectory(atPath: sources.path).sorted()
      .filter { $0.hasSuffix(".swift") }
      .map { path in
        SourceFile(
          module: String(path.prefix { $0 != "/" }), path: "Sources/" + path,
          text: try String(contentsOf: sources.appendingPathComponent(path), encoding: .utf8))
      }
  }

  /// Lines of code with their numbers, without comments and without the words in string literals.
  var code: [(number: Int, text: String)] {
    stripped(text).split(separator: "\n", omittingEmptySubsequences: false)
      .enumerated().map { ($0 + 1, String($1)) }
  }
}

func importViolations(_ file: SourceFile) -> [String] {
  guard let legal = legalImports[file.module] else {
    return ["\(file.path): no rule for module \(file.module)"]
  }
  // Attributes and access levels, import, perhaps a kind of declaration, the module.
  let statement =
    /(?:^|;)\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+(?:(?:typealias|struct|class|enum|protocol|let|var|func)\s+)?(\w+)/
  return file.code.flatMap { line in
    line.text.matches(of: statement).map { String($0.output.1) }
      .filter { !legal.contains($0) && !systemModules.contains($0) }
      .map { "\(file.path):\(line.number): \(file.module) may not import \($0)" }
  }
}

func unsafeViolations(_ file: SourceFile) -> [String] {
  if file.module == "Engine" || file.module == "CKernels" { return [] }
  let unsafe =
    /Unsafe\w*Pointer|withUnsafe\w*|withContiguous(?:Mutable)?StorageIfAvailable|OpaquePointer|Unmanaged\b|unsafe(?:BitCast|DownCast)|\(unsafe\)|@unchecked\b/
  return file.code.flatMap { line in
    line.text.matches(of: unsafe).map {
      "\(file.path):\(line.number): \($0.output) outside the engine"
    }
  }
}

func printViolations(_ file: SourceFile) -> [String] {
  if file.module == "OptCheckCommands" || file.module == "OptCheckTool" { return [] }
  let output = /(?:^|[^\w.])(?:print|debugPrint|dump|puts|printf)\s*\(/
  return file.code.filter { $0.text.contains(output) && !$0.text.contains(/\bfunc\s/) }
    .map { "\(file.path):\($0.number): prints" }
}

func topLevelViolations(_ files: [String]) -> [String] {
  Set(files.map { String($0.prefix { $0 != "/" }) })
    .filter { !topLevel.contains($0) && !$0.hasPrefix(".") }.sorted()
}

func machinePathViolations(_ path: String, _ text: String) -> [String] {
  // Put together here, so that this file does not contain what it looks for.
  let folders = ["work", "home", "root", "Users", "workspace", "opt/swift"].joined(separator: "|")
  guard
    let pattern = try? Regex<(Substring, Substring)>(
      "(?:^|[\\s\"'`(=:,<>\\[]|file://)(/(?:" + folders + ")(?:/[\\w.]*|$))")
  else { return ["the pattern for machine paths does not compile"] }
  return text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    .flatMap { number, line in
      line.matches(of: pattern).map { "\(path):\(number + 1): \($0.output.1)" }
    }
}

/// `text` with comments and the words of string literals blanked, line breaks and interpolated code kept.
private func stripped(_ text: String) -> String {
  enum State {
    case code(parentheses: Int)
    case string(quotes: String)
    case lineComment
    case blockComment
  }
  var stack: [State] = [.code(parentheses: 0)]
  var result = ""
  var rest = Substring(text)
  func take(_ count: Int) -> Substring {
    let taken = rest.prefix(count)
    rest = rest.dropFirst(count)
    return taken
  }
  while let next = rest.first, let state = stack.last {
    switch state {
    case .code(let parentheses):
      if rest.hasPrefix("//") {
        stack.append(.lineComment)
      } else if rest.hasPrefix("/*") {
        stack.append(.blockComment)
        _ = take(2)
      } else if next == "\"" || next == "#" {
        let pounds = rest.prefix { $0 == "#" }.count
        let body = rest.dropFirst(pounds)
        if body.hasPrefix("\"") {
          let quotes = body.hasPrefix("\"\"\"") ? "\"\"\"" : "\""
          _ = take(pounds + quotes.count)
          stack.append(.string(quotes: quotes + String(repeating: "#", count: pounds)))
        } else {
          result += take(max(1, pounds))
        }
      } else if next == ")" && parentheses == 1 && stack.count > 1 {
        stack.removeLast()
        result += take(1)
      } else {
        let change = next == "(" ? 1 : next == ")" ? -1 : 0
        stack[stack.count - 1] = .code(parentheses: parentheses + change)
        result += take(1)
      }
    case .string(let quotes):
      let pounds = quotes.filter { $0 == "#" }
      if rest.hasPrefix(quotes) {
        _ = take(quotes.count)
        result += "\"\""
        stack.removeLast()
      } else if rest.hasPrefix("\\" + pounds + "(") {
        _ = take(2 + pounds.count)
        result += " ("
        stack.append(.code(parentheses: 1))
      } else if rest.hasPrefix("\\" + pounds) {
        _ = take(2 + pounds.count)
      } else {
        if next.isNewline {
          result += "\n"
          // No such literal spans lines: the quote was none, as in a regular expression.
          if !quotes.hasPrefix("\"\"\"") { stack.removeLast() }
        }
        _ = take(1)
      }
    case .lineComment:
      if next.isNewline { stack.removeLast() } else { _ = take(1) }
    case .blockComment:
      if rest.hasPrefix("*/") {
        _ = take(2)
        stack.removeLast()
      } else {
        if rest.hasPrefix("/*") {
          stack.append(.blockComment)
          _ = take(1)
        }
        if next.isNewline { result += "\n" }
        _ = take(1)
      }
    }
  }
  return result
}
