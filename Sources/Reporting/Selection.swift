import Foundation

/// Which parts of a report are wanted: all of them, or those whose name matches a pattern.
public struct Selection: Sendable, Hashable {
  /// Shell patterns such as `figure-*`; empty for everything.
  public var patterns: [String]

  /// Everything.
  public static let everything = Selection([])

  /// The parts whose name matches one of `patterns`; everything if there is none.
  public init(_ patterns: [String]) { self.patterns = patterns }

  /// Whether nothing is left out.
  public var isEverything: Bool { patterns.isEmpty }

  /// Whether the part `name` is wanted; `*`, `?` and `[...]` are wildcards.
  public func matches(_ name: String) -> Bool {
    isEverything || patterns.contains { fnmatch($0, name, 0) == 0 }
  }
}
