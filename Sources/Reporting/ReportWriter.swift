public import Experiments
public import Foundation
public import Storage

/// Renders a report and puts it into a folder, whole or not at all.
///
/// Everything is rendered in memory first. Then the plots are written, then `results.json`, and last
/// the Markdown that refers to them, each file atomically.
public struct ReportWriter<Results: Sendable>: Sendable {
  /// Where the Markdown goes; plots and `results.json` go to a folder beside it that has its name.
  public let folder: URL
  /// The report.
  public let report: Report<Results>
  /// What is wanted of it.
  public let selection: Selection
  /// Draws the plots; nil for tables only.
  public let gnuplot: Gnuplot?

  /// Creates the folders and makes sure that they can be written to, before hours of work.
  ///
  /// - Throws: `StorageError.unwritable` naming the folder or the file in the way.
  public init(
    _ report: Report<Results>, into folder: URL, selection: Selection = .everything,
    gnuplot: Gnuplot? = .find()
  ) throws(StorageError) {
    self.folder = folder
    self.report = report
    self.selection = selection
    self.gnuplot = gnuplot
    for place in [folder, assets] {
      try OutputFolder.expectWritable(place)
      try OutputFolder.make(place)
    }
    for file in [markdownFile, resultsFile] {
      var isFolder: ObjCBool = false
      let exists = FileManager.default.fileExists(atPath: file.path, isDirectory: &isFolder)
      if exists, isFolder.boolValue {
        throw .unwritable(path: file.path, reason: "it is a folder")
      }
      AtomicFile.removeLeftovers(of: file)
    }
  }

  /// The report.
  public var markdownFile: URL {
    folder.appendingPathComponent(report.fileName(selection) + ".md")
  }

  /// The numbers behind it.
  public var resultsFile: URL { assets.appendingPathComponent("results.json") }

  /// The folder of the plots and of `results.json`.
  private var assets: URL { folder.appendingPathComponent(report.fileName(selection)) }

  /// Every file of the report, in the order in which they are written.
  ///
  /// - Throws: `GnuplotError` for a plot that gnuplot refuses.
  public func rendered(
    _ results: Results, record: RunRecord
  ) throws(GnuplotError) -> [(file: URL, content: Data)] {
    let context = ReportContext(
      results: results, record: record, selection: selection,
      plotFolder: gnuplot == nil ? nil : report.fileName(selection))
    var files: [(file: URL, content: Data)] = []
    if let gnuplot {
      for named in report.plots(context) {
        let file = assets.appendingPathComponent(named.name + ".svg")
        files.append((file, Data(try gnuplot.svg(named.plot).utf8)))
      }
    }
    files.append(
      (resultsFile, report.encoded(results, record)))
    files.append((markdownFile, Data(report.markdown(context).utf8)))
    return files
  }

  /// Renders everything, then writes it.
  ///
  /// - Returns: The files written.
  /// - Throws: `GnuplotError` before anything is written, or `StorageError.unwritable`.
  @discardableResult
  public func write(_ results: Results, record: RunRecord) throws -> [URL] {
    let files = try rendered(results, record: record)
    for (file, content) in files { try AtomicFile.write(content, to: file) }
    return files.map(\.file)
  }
}
