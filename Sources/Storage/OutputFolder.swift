public import Foundation

/// Folders for results.
public enum OutputFolder {
  /// Makes `folder`, and those above it, where they are missing.
  ///
  /// - Throws: `StorageError.unwritable`.
  public static func make(_ folder: URL) throws(StorageError) {
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
      throw .unwritable(path: folder.path, reason: "no folder can be made there")
    }
  }

  /// Makes sure that files can be written in `folder`: before hours of work, not after.
  ///
  /// Leaves nothing: folders that were missing are missing again.
  /// - Throws: `StorageError.unwritable`.
  public static func expectWritable(_ folder: URL) throws(StorageError) {
    var missing: [URL] = []
    var ancestor = folder.absoluteURL.standardizedFileURL
    while ancestor.path != "/", !FileManager.default.fileExists(atPath: ancestor.path) {
      missing.append(ancestor)
      ancestor.deleteLastPathComponent()
    }
    // Innermost first, and only while they are empty: another process may use them by now.
    defer { for made in missing { rmdir(made.path) } }
    try make(folder)
    let probe = folder.appendingPathComponent(".optcheck-probe")
    do { try AtomicFile.write(Data(), to: probe) } catch {
      guard case .unwritable(_, let reason) = error else { throw error }
      throw .unwritable(path: folder.path, reason: reason)
    }
    unlink(probe.path)
  }
}
