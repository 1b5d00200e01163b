public import Foundation
import SwiftProtobuf

/// Scalars as TensorBoard reads them: an event file, records of protocol buffers with checksums.
public struct EventFile: Sendable {
  private var records = Data()
  /// The time that every event carries, in seconds since 1970; event files cannot do without.
  private let time: Double

  /// An empty file whose events happen at `time`.
  public init(time: Date) {
    self.time = time.timeIntervalSince1970
    append(step: 0, .fileVersion("brain.Event:2"))
  }

  /// Adds the value of `tag` at `step`.
  public mutating func add(_ tag: String, _ value: Double, step: Int) {
    var entry = Optcheck_Summary.Value()
    entry.tag = tag
    entry.simpleValue = Float(value)
    var summary = Optcheck_Summary()
    summary.value = [entry]
    append(step: Int64(step), .summary(summary))
  }

  private mutating func append(step: Int64, _ what: Optcheck_Event.OneOf_What) {
    var event = Optcheck_Event()
    event.wallTime = time
    event.step = step
    event.what = what
    // Messages of such fields always serialize.
    guard let body = try? event.serializedData() else { return }
    let length = Self.bytes(UInt64(body.count), 8)
    records += length + Self.bytes(UInt64(Self.maskedChecksum(length)), 4)
    records += body + Self.bytes(UInt64(Self.maskedChecksum(body)), 4)
  }

  /// The bytes of the file.
  public var data: Data { records }

  /// A name that TensorBoard recognises.
  public static func name(time: Date) -> String {
    "events.out.tfevents.\(Int(time.timeIntervalSince1970)).optcheck"
  }

  private static func bytes(_ value: UInt64, _ count: Int) -> Data {
    Data((0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) })
  }

  /// CRC-32C, rotated and shifted as the format wants it.
  static func maskedChecksum(_ data: Data) -> UInt32 {
    let crc = checksum(data)
    return ((crc >> 15) | (crc << 17)) &+ 0xA282_EAD8
  }

  /// CRC-32C (Castagnoli).
  static func checksum(_ data: Data) -> UInt32 {
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in data {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0x82F6_3B78 : crc >> 1 }
    }
    return ~crc
  }
}
