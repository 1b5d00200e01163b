public import Foundation

/// Files that appear whole or not at all.
public enum AtomicFile {
  /// Writes `data` to `url`, replacing what is there; the folder must exist.
  ///
  /// The bytes go to a hidden file in the same folder, reach the disk, and only then take the name:
  /// a kill or a power cut at any moment leaves the old contents or the new ones.
  /// - Throws: `StorageError.unwritable`; the old contents are then untouched.
  public static func write(_ data: Data, to url: URL) throws(StorageError) {
    let folder = url.deletingLastPathComponent()
    let draft = folder.appendingPathComponent(
      "\(draftPrefix(of: url))\(getpid()).\(UUID().uuidString)")
    func failure(_ reason: String) -> StorageError {
      unlink(draft.path)
      return .unwritable(path: url.path, reason: reason)
    }
    let descriptor = open(draft.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw failure(systemReason()) }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    do {
      try handle.write(contentsOf: data)
      try handle.synchronize()
      try handle.close()
    } catch { throw failure(systemReason(error)) }
    guard rename(draft.path, url.path) == 0 else { throw failure(systemReason()) }
    // The new name is an entry of the folder, which has a cache of its own.
    let folderDescriptor = open(folder.path, O_RDONLY | O_CLOEXEC)
    guard folderDescriptor >= 0 else { return }
    _ = fsync(folderDescriptor)
    close(folderDescriptor)
  }

  /// Removes the drafts that processes killed while writing `url` have left beside it.
  ///
  /// Drafts of processes that still run on this machine stay.
  public static func removeLeftovers(of url: URL) {
    let folder = url.deletingLastPathComponent()
    let prefix = draftPrefix(of: url)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    for name in names where name.hasPrefix(prefix) {
      guard
        let writer = name.dropFirst(prefix.count).split(separator: ".").first.flatMap({ pid_t($0) })
      else { continue }
      if kill(writer, 0) != 0, errno == ESRCH {
        unlink(folder.appendingPathComponent(name).path)
      }
    }
  }

  /// The whole contents of `url`.
  ///
  /// - Throws: `StorageError.unreadable`.
  public static func read(_ url: URL) throws(StorageError) -> Data {
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw .unreadable(path: url.path, reason: systemReason())
    }
    do {
      return try FileHandle(fileDescriptor: descriptor, closeOnDealloc: true).readToEnd() ?? Data()
    } catch { throw .unreadable(path: url.path, reason: systemReason(error)) }
  }

  private static func draftPrefix(of url: URL) -> String { ".\(url.lastPathComponent).draft." }
}
