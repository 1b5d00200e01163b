public import Engine
public import Foundation

/// Finished parts of long work on disk, each under a text that holds everything that determines it.
///
/// The program is part of that: what another build computed is not taken for this one's own. Files are
/// written whole or not at all, so that work that is cut loses only the part it was at.
public struct ResultCache: Sendable {
  /// Where the parts lie; nil for a cache that keeps nothing.
  public let folder: URL?
  /// What computes them, down to the build.
  public let program: String

  /// Creates a cache; the folder appears with the first part.
  public init(folder: URL?, program: String) {
    self.folder = folder
    self.program = program
  }

  private struct Part<Value: Codable>: Codable {
    var key: String
    var value: Value
  }

  /// The part under `key`; nil if it was never finished.
  ///
  /// A damaged file counts as none: it will be written anew.
  public func value<Value: Codable>(_ type: Value.Type = Value.self, for key: String) -> Value? {
    guard let file = file(key), let part = try? JSONFile.read(Part<Value>.self, from: file),
      part.key == full(key)
    else { return nil }
    return part.value
  }

  /// Keeps `value` under `key`.
  ///
  /// - Throws: `StorageError.unwritable`.
  public func keep<Value: Codable>(_ value: Value, for key: String) throws(StorageError) {
    guard let file = file(key) else { return }
    if let folder { try OutputFolder.make(folder) }
    try JSONFile.write(Part(key: full(key), value: value), to: file)
  }

  /// The state in which the work under `key` was cut; nil if none was kept, or the file is damaged.
  public func interim(for key: String) -> [String: Tensor]? {
    guard let file = interimFile(key), let found = try? Safetensors.read(from: file),
      found.metadata[Self.keyName] == full(key)
    else { return nil }
    return found.tensors
  }

  /// Keeps `arrays`, from which the work under `key` can go on, in place of what was kept before.
  ///
  /// - Throws: `StorageError.unwritable`.
  public func keepInterim(_ arrays: [String: Tensor], for key: String) throws(StorageError) {
    guard let file = interimFile(key) else { return }
    if let folder { try OutputFolder.make(folder) }
    AtomicFile.removeLeftovers(of: file)
    try Safetensors(arrays, metadata: [Self.keyName: full(key)]).write(to: file)
  }

  /// Removes what was kept of unfinished work under `key`.
  public func removeInterim(for key: String) {
    guard let file = interimFile(key) else { return }
    AtomicFile.removeLeftovers(of: file)
    try? FileManager.default.removeItem(at: file)
  }

  private static let keyName = "key"

  private func interimFile(_ key: String) -> URL? {
    folder?.appendingPathComponent("\(Self.hash(full(key).utf8))-interim.safetensors")
  }

  private func full(_ key: String) -> String { "\(program)\n\(key)" }

  /// Named after a hash; the text inside decides, so that two keys of one hash do no harm.
  private func file(_ key: String) -> URL? {
    folder?.appendingPathComponent(Self.hash(full(key).utf8) + ".json")
  }

  /// FNV-1a's hash of `bytes`, in letters and digits.
  public static func hash(_ bytes: some Sequence<UInt8>) -> String {
    var hash = basis
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* prime }
    return String(hash, radix: 36)
  }

  /// The hash of the bits of `values`, the lowest byte of each first.
  public static func hash(_ values: [Double]) -> String {
    var hash = basis
    for value in values {
      for shift in stride(from: 0, to: UInt64(64), by: 8) {
        hash = (hash ^ (value.bitPattern >> shift & 0xff)) &* prime
      }
    }
    return String(hash, radix: 36)
  }

  private static let basis: UInt64 = 0xcbf2_9ce4_8422_2325
  private static let prime: UInt64 = 0x100_0000_01b3
}
