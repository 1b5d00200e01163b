public import Engine
public import Foundation
public import Optimization
import Storage

/// A training run on disk, complete at every moment.
///
/// `checkpoint-<step>.safetensors` holds weights, moments and losses; `checkpoint.json` names it,
/// with its checksum, and holds the settings. The arrays are written first and the JSON then
/// replaced in one atomic step: whenever the process dies, the JSON that stands there names arrays
/// that are whole and belong to it.
public struct Checkpoint: Sendable {
  /// The version of the layout.
  public static let formatVersion = 1

  /// The settings that determine the run, by name.
  public var settings: [String: String]
  /// Where the run stands.
  public var state: TrainingState
  /// Further arrays of the job that made it.
  public var extra: [String: Tensor]

  /// Creates a checkpoint.
  public init(
    settings: [String: String], state: TrainingState, extra: [String: Tensor] = [:]
  ) {
    self.settings = settings
    self.state = state
    self.extra = extra
  }

  private struct Manifest: Codable {
    var format: Int
    var arrays: String
    var checksum: String
    var step: Int
    var optimizerStep: Int
    var stop: StopReason?
    var settings: [String: String]
  }

  /// The file that says whether `folder` holds a checkpoint.
  public static func manifest(in folder: URL) -> URL {
    folder.appendingPathComponent("checkpoint.json")
  }

  /// Whether `folder` holds a checkpoint, sound or not.
  public static func exists(in folder: URL) -> Bool {
    FileManager.default.fileExists(atPath: manifest(in: folder).path)
  }

  /// Makes this the checkpoint of `folder`, then removes the one before.
  ///
  /// - Throws: `StorageError.unwritable`; the checkpoint before then still stands.
  public func write(to folder: URL) throws {
    var file = Safetensors()
    for (prefix, parameters) in [
      ("weight", state.parameters), ("first", state.optimizer.first),
      ("second", state.optimizer.second),
    ] {
      for (name, tensor) in zip(parameters.names, parameters.tensors) {
        file["\(prefix).\(name)"] = tensor
      }
    }
    file["losses"] = Tensor(shape: [state.losses.count], elements: state.losses)
    for (name, tensor) in extra { file["extra.\(name)"] = tensor }
    let name = "\(Self.prefix)\(state.losses.count)\(Self.suffix)"
    let data = file.encoded()
    try AtomicFile.write(data, to: folder.appendingPathComponent(name))
    let manifest = Manifest(
      format: Self.formatVersion, arrays: name, checksum: Self.checksum(data),
      step: state.losses.count, optimizerStep: state.optimizer.step, stop: state.stop,
      settings: settings)
    try JSONFile.write(manifest, to: Self.manifest(in: folder))
    Self.removeArrays(in: folder, but: name)
  }

  /// Reads the checkpoint of `folder`; its weights must be named and shaped like `model`.
  ///
  /// - Throws: `StorageError`, or ``CheckpointError`` naming the file and what is wrong with it.
  public static func read(from folder: URL, model: Parameters) throws -> Checkpoint {
    let location = manifest(in: folder)
    let manifest = try JSONFile.read(Manifest.self, from: location)
    guard manifest.format == formatVersion else {
      throw CheckpointError.damaged(
        path: location.path, reason: "format \(manifest.format), accepted: \(formatVersion)")
    }
    let url = folder.appendingPathComponent(manifest.arrays)
    func damaged(_ reason: String) -> CheckpointError { .damaged(path: url.path, reason: reason) }
    let data = try AtomicFile.read(url)
    guard checksum(data) == manifest.checksum else {
      throw damaged(
        "truncated or changed since it was written: its checksum is not the one in checkpoint.json")
    }
    let file = try Safetensors(decoding: data, path: url.path)
    func parameters(_ prefix: String) throws -> Parameters {
      Parameters(
        try zip(model.names, model.tensors).map { name, tensor in
          guard let found = file["\(prefix).\(name)"] else {
            throw damaged("array '\(prefix).\(name)' is missing")
          }
          guard found.shape == tensor.shape else {
            throw damaged(
              "array '\(prefix).\(name)' has shape \(found.shape), expected \(tensor.shape)")
          }
          return (name, found)
        })
    }
    guard let losses = file["losses"], losses.elements.count == manifest.step else {
      throw damaged("array 'losses' is missing or not of length \(manifest.step)")
    }
    return Checkpoint(
      settings: manifest.settings,
      state: TrainingState(
        parameters: try parameters("weight"),
        optimizer: MetaOptimizer.State(
          step: manifest.optimizerStep, first: try parameters("first"),
          second: try parameters("second")),
        losses: losses.elements, stop: manifest.stop),
      extra: Dictionary(
        uniqueKeysWithValues: file.tensors.filter { $0.key.hasPrefix("extra.") }
          .map { (String($0.key.dropFirst(6)), $0.value) }))
  }

  /// Makes sure that the run on disk had these settings.
  ///
  /// - Throws: ``CheckpointError/mismatch(path:setting:stored:given:)`` for the first that differs.
  public func requireSettings(_ given: [String: String], in folder: URL) throws {
    for key in Set(settings.keys).union(given.keys).sorted() where settings[key] != given[key] {
      throw CheckpointError.mismatch(
        path: Self.manifest(in: folder).path, setting: key, stored: settings[key],
        given: given[key])
    }
  }

  /// Removes the checkpoint of `folder`, the JSON first.
  public static func remove(from folder: URL) {
    try? FileManager.default.removeItem(at: manifest(in: folder))
    removeArrays(in: folder, but: nil)
  }

  private static let prefix = "checkpoint-"
  private static let suffix = ".safetensors"

  private static func removeArrays(in folder: URL, but kept: String?) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    for name in names
    where name.hasPrefix(prefix) && name.hasSuffix(suffix) && name != kept {
      try? FileManager.default.removeItem(at: folder.appendingPathComponent(name))
    }
  }

  /// FNV-1a, 64 bits, in hexadecimal: against accidents, not against malice.
  private static func checksum(_ data: Data) -> String {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in data { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return String(hash, radix: 16)
  }
}

/// Why a training run cannot be resumed.
public enum CheckpointError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file is not what was written.
  case damaged(path: String, reason: String)
  /// The run on disk had another setting.
  case mismatch(path: String, setting: String, stored: String?, given: String?)

  /// One line that names file and setting.
  public var description: String {
    switch self {
    case .damaged(let path, let reason): "checkpoint \(path): \(reason)"
    case .mismatch(let path, let setting, let stored, let given):
      "checkpoint \(path) belongs to a run with \(setting) = \(stored ?? "none"), "
        + "not \(given ?? "none"); resume with the same settings"
    }
  }
}
