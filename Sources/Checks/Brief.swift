import Foundation

extension Double {
  /// Three digits, for reasons; the full number stands in the result beside them.
  var brief: String { String(format: "%.3g", self) }

  /// Six digits, for numbers that stand beside close ones.
  var precise: String { String(format: "%.6g", self) }
}
