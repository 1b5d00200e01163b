import CDataFiles
public import Engine
public import Foundation

/// MATLAB's .mat files through matio: named arrays of numbers of any class, as doubles.
public enum MatFile {
  /// The variables of the file at `url`; those that are no real numbers are left out.
  ///
  /// - Throws: ``DatasetError`` for a file that matio cannot read.
  public static func read(from url: URL) throws -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    for name in try names(in: url) { result[name] = try variable(name, in: url) }
    return result
  }

  /// The names of all variables, in the order of the file.
  ///
  /// - Throws: ``DatasetError`` for a file that matio cannot read.
  public static func names(in url: URL) throws -> [String] {
    var buffer = [CChar](repeating: 0, count: 1 << 16)
    let status = cd_mat_names(url.path, &buffer, buffer.count)
    guard status == CD_OK.rawValue else {
      throw DatasetError.unreadable(path: url.path, reason: "missing, or no .mat file")
    }
    let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// One variable; nil if it is no array of real numbers.
  private static func variable(_ name: String, in url: URL) throws -> Tensor? {
    var rank: Int32 = 0
    var shape = [Int](repeating: 0, count: 8)
    let status = cd_mat_shape(url.path, name, &rank, &shape)
    if status == CD_UNSUPPORTED.rawValue { return nil }
    guard status == CD_OK.rawValue else {
      throw DatasetError.unreadable(path: url.path, reason: "variable '\(name)' cannot be read")
    }
    var tensor = Tensor(zeros: Array(shape.prefix(Int(rank))))
    guard
      cd_mat_read(url.path, name, &tensor.elements, tensor.elements.count) == CD_OK.rawValue
    else {
      throw DatasetError.unreadable(path: url.path, reason: "variable '\(name)' is damaged")
    }
    return tensor
  }

  /// Writes arrays in the order of their names; vectors become columns, as MATLAB has no others.
  ///
  /// - Parameter isSingle: whether entries are stored as float32, as the reference code does.
  /// - Throws: ``DatasetError`` if the file cannot be written.
  public static func write(
    _ arrays: [String: Tensor], to url: URL, isSingle: Bool = false
  ) throws {
    // Written aside and then moved, so that nobody sees half a file.
    let draft = url.deletingLastPathComponent()
      .appendingPathComponent(".\(url.lastPathComponent).draft.\(UUID().uuidString)")
    var isFirst = true
    for (name, tensor) in arrays.sorted(by: { $0.key < $1.key }) {
      var shape = tensor.shape
      while shape.count < 2 { shape.append(1) }
      let status = cd_mat_write(
        draft.path, isFirst ? 1 : 0, name, Int32(shape.count), shape,
        tensor.elements, isSingle ? 1 : 0)
      guard status == CD_OK.rawValue else {
        try? FileManager.default.removeItem(at: draft)
        throw DatasetError.unreadable(path: url.path, reason: "cannot be written")
      }
      isFirst = false
    }
    try? FileManager.default.removeItem(at: url)
    try FileManager.default.moveItem(at: draft, to: url)
  }
}
