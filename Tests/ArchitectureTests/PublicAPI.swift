import Foundation
import OptCheck

/// The public symbols of a product, as a list that can be read, kept and compared.
///
/// An owner, a module or a type, stands at the margin; below it, indented, stand its declarations. A
/// colon begins its conformances, `required` a protocol's requirement that has no default.
struct PublicAPI: Equatable {
  /// A declaration or a conformance, with its owner.
  struct Entry: Hashable, Comparable, CustomStringConvertible {
    var owner: String
    var text: String

    var description: String { "\(owner) \(text)" }

    static func < (a: Entry, b: Entry) -> Bool { (a.owner, a.text) < (b.owner, b.text) }
  }

  var entries: Set<Entry>

  init(_ entries: Set<Entry>) { self.entries = entries }

  /// What the compiler finds in modules.
  init(of modules: [String]) throws {
    let tool = try SymbolGraphTool()
    let found = try Parallel.map(modules) { module in
      try tool.graphs(of: module).flatMap { Self.entries($0, of: module) }
    }
    entries = Set(found.joined())
  }

  /// Reads a list.
  init(parsing text: String) {
    var owner = ""
    entries = []
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      guard line.hasPrefix("  ") else {
        owner = String(line)
        continue
      }
      let words = line.dropFirst(2)
      if words.hasPrefix(": ") {
        for name in words.dropFirst(2).split(separator: ", ") {
          entries.insert(Entry(owner: owner, text: ": \(name)"))
        }
      } else {
        entries.insert(Entry(owner: owner, text: String(words)))
      }
    }
  }

  /// The list, which ``init(parsing:)`` reads.
  var text: String {
    Dictionary(grouping: entries, by: \.owner).sorted { $0.key < $1.key }.map { owner, own in
      let names = own.filter { $0.text.hasPrefix(": ") }.map { $0.text.dropFirst(2) }.sorted()
      let declarations = own.map(\.text).filter { !$0.hasPrefix(": ") }.sorted()
      let conformances = names.isEmpty ? [] : [": " + names.joined(separator: ", ")]
      return ([owner] + (conformances + declarations).map { "  " + $0 }).joined(separator: "\n")
    }.joined(separator: "\n") + "\n"
  }

  /// What makes this list another one than `old`, and which version that takes; nil if nothing does.
  func difference(from old: PublicAPI) -> String? {
    let added = entries.subtracting(old.entries).sorted()
    let removed = old.entries.subtracting(entries).sorted()
    guard !added.isEmpty || !removed.isEmpty else { return nil }
    // Users' types lack a new requirement, and their switches a new case.
    let breaking = added.filter { entry in
      let isNew = !old.entries.contains { $0.owner == entry.owner }
      return !isNew && (entry.text.hasPrefix("required ") || entry.text.hasPrefix("case "))
    }
    func list(_ title: String, _ entries: [Entry]) -> [String] {
      entries.isEmpty ? [] : [title] + entries.map { "  \($0)" }
    }
    let isMajor = !removed.isEmpty || !breaking.isEmpty
    return
      ([isMajor ? "a major version (before 1.0 a minor one)" : "a minor version"]
      + list("removed or changed:", removed)
      + list("added, and users must follow:", breaking)
      + list("added:", added.filter { !breaking.contains($0) })).joined(separator: "\n")
  }
}

extension PublicAPI {
  /// Compilers' own, of nearly every type.
  private static let ubiquitous: Set = ["Copyable", "Escapable", "SendableMetatype"]

  /// What stands behind a conformance that is listed.
  private static let derived: Set = [
    "init(from:)", "encode(to:)", "hash(into:)", "hashValue", "==(_:_:)",
  ]

  private static func entries(_ graph: SymbolGraph, of module: String) -> [Entry] {
    let paths = Dictionary(
      graph.symbols.map { ($0.identifier.precise, $0.pathComponents) },
      uniquingKeysWith: { first, _ in first })
    func members(_ kind: String) -> [SymbolGraph.Relationship] {
      graph.relationships.filter { $0.kind == kind }
    }
    let defaulted = Set(members("defaultImplementationOf").map(\.target))
    let required = Set(members("requirementOf").map(\.source)).subtracting(defaulted)
    let declarations = graph.symbols.compactMap { symbol -> Entry? in
      guard let name = symbol.pathComponents.last, !derived.contains(name) else { return nil }
      let owner = ([module] + symbol.pathComponents.dropLast()).joined(separator: ".")
      let words = symbol.declarationFragments.map(\.spelling).joined()
        .split(whereSeparator: \.isWhitespace).joined(separator: " ")
      let isRequired = required.contains(symbol.identifier.precise)
      return Entry(owner: owner, text: (isRequired ? "required " : "") + words + limits(symbol))
    }
    let conformances = members("conformsTo").compactMap { relation -> Entry? in
      guard let path = paths[relation.source] else { return nil }
      let name =
        paths[relation.target]?.joined(separator: ".")
        ?? relation.targetFallback.map { String($0.drop { $0 != "." }.dropFirst()) }
        ?? relation.target
      guard !ubiquitous.contains(name) else { return nil }
      return Entry(owner: ([module] + path).joined(separator: "."), text: ": \(name)")
    }
    return declarations + conformances
  }

  /// The conditions of the extension that a symbol stands in.
  private static func limits(_ symbol: SymbolGraph.Symbol) -> String {
    let conditions = (symbol.swiftExtension?.constraints ?? []).filter { $0.lhs != "Self" }
      .map { "\($0.lhs) \($0.kind == "sameType" ? "==" : ":") \($0.rhs)" }
    return conditions.isEmpty ? "" : " where " + conditions.joined(separator: ", ")
  }
}
