import Foundation

extension Double {
  /// Three digits, for reasons; the full number stands in the result beside them.
  var brief: String { String(format: "%.3g", self) }
}
