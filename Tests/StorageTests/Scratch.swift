import Foundation

/// Runs `body` with a fresh folder that is gone afterwards.
func withScratchFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("optcheck-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder)
}

/// Doubles that a careless format loses.
let awkwardDoubles: [Double] = [
  0, -0.0, 0.1, -1.0 / 3, .pi, .leastNonzeroMagnitude, -.leastNormalMagnitude,
  .greatestFiniteMagnitude, 1 + .ulpOfOne, 123_456_789_012_345_680, .infinity, -.infinity,
]

extension [Double] {
  /// The exact contents, in which -0 differs from 0 and NaN equals itself.
  var bitPatterns: [UInt64] { map(\.bitPattern) }
}
