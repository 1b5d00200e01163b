public import Foundation
import Storage

/// Times of the authors' own code, measured outside this project; what `bench` prints beside its own.
public struct PublishedTimes: Sendable, Hashable, Codable {
  /// One measured way of running one size.
  public struct Row: Sendable, Hashable, Codable {
    /// Which size: `headline` or `figure`.
    public var size: String
    /// Precision of the arithmetic: `float32` or `float64`.
    public var precision: String
    /// How the code was run, in words.
    public var setup: String
    /// Seconds per training step, median; `nil` where only the range is known.
    public var seconds: Double?
    /// Fastest step, s.
    public var fastest: Double
    /// Slowest step, s.
    public var slowest: Double
    /// Peak resident memory, MiB; `nil` where not known.
    public var peakMiB: Double?

    /// The time in words, as `46.2 s` or `70 to 270 ms`.
    public var time: String {
      if let seconds { return Number.short(seconds) + " s" }
      return "\(Number.short(fastest * 1e3)) to \(Number.short(slowest * 1e3)) ms"
    }
  }

  /// Version of the file format; this code reads 1.
  public var schema: Int
  /// What was timed, in words.
  public var quantity: String
  /// Machine and software, in words.
  public var machine: String
  /// How the numbers were made, in words.
  public var provenance: String
  /// Paper, repository and commit of the code that was timed.
  public var source: PublishedSource
  /// The measurements.
  public var rows: [Row]

  /// Reads the times from `folder`, which is `Fixtures/Published`.
  ///
  /// - Throws: `PublishedError` naming the file, if it is missing, damaged or of another version.
  public static func load(from folder: URL) throws(PublishedError) -> PublishedTimes {
    let file = folder.appendingPathComponent("training-step-times.json")
    let read: PublishedTimes = try decodePublished(file)
    for row in read.rows where !(0 < row.fastest && row.fastest <= row.slowest) {
      throw .damaged(file: file.path, reason: "\(row.size), \(row.setup): fastest exceeds slowest")
    }
    return read
  }
}
