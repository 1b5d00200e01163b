public import Foundation

/// Finds the package's own folder, which holds `Fixtures` and `Reports`, wherever the tool is started.
public enum PackageFolder {
  /// The files and folders by which the package is recognised.
  public static let marks = ["Package.swift", "Fixtures/Published"]

  /// The package's folder, as an absolute file URL.
  ///
  /// It is the one named by `OPTCHECK_HOME`, else the nearest one above the current folder, else above the executable,
  /// else the one that the code was built from. A wrong `OPTCHECK_HOME` is an error and never ignored.
  ///
  /// - Throws: `PackageFolderError.notFound` with the places looked at.
  public static func locate() throws(PackageFolderError) -> URL {
    let here = FileManager.default.currentDirectoryPath
    let executable = Bundle.main.executableURL?.resolvingSymlinksInPath()
    return try locate(
      home: ProcessInfo.processInfo.environment["OPTCHECK_HOME"],
      startingFrom: [
        URL(fileURLWithPath: here, isDirectory: true),
        executable?.deletingLastPathComponent(),
        URL(fileURLWithPath: #filePath).deletingLastPathComponent(),
      ].compactMap { $0 })
  }

  /// The same from stated places, nearest ancestor first, after `home` if that is not `nil` or empty.
  ///
  /// - Throws: `PackageFolderError.notFound` with the places looked at.
  public static func locate(home: String?, startingFrom starts: [URL]) throws(PackageFolderError)
    -> URL
  {
    if let home, !home.isEmpty {
      let folder = URL(fileURLWithPath: home, isDirectory: true).standardizedFileURL
      guard isPackage(folder) else { throw .notFound(lookedIn: ["OPTCHECK_HOME=\(home)"]) }
      return folder
    }
    for start in starts {
      if let folder = nearest(to: start, where: isPackage) { return folder }
    }
    throw .notFound(lookedIn: starts.map { "\($0.path) and above" })
  }

  /// The first of `start` and the folders around it, inside out, for which `isWanted` holds.
  public static func nearest(to start: URL, where isWanted: (URL) -> Bool) -> URL? {
    sequence(first: start.standardizedFileURL) {
      $0.path == "/" ? nil : $0.deletingLastPathComponent()
    }.first(where: isWanted)
  }

  private static func isPackage(_ folder: URL) -> Bool {
    marks.allSatisfy {
      FileManager.default.fileExists(atPath: folder.appendingPathComponent($0).path)
    }
  }
}

/// The package's folder was not found.
public enum PackageFolderError: Error, Sendable, Hashable, CustomStringConvertible {
  /// No folder with all `PackageFolder.marks`.
  case notFound(lookedIn: [String])

  /// One line: what was looked for, where, and what to do.
  public var description: String {
    switch self {
    case .notFound(let places):
      "no folder with \(PackageFolder.marks.joined(separator: " and ")) in "
        + places.joined(separator: ", ") + "; set OPTCHECK_HOME to the OptCheck checkout"
    }
  }
}
