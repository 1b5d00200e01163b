public import Foundation

/// The installed gnuplot program, which turns a `Plot` into SVG.
public struct Gnuplot: Sendable, Hashable {
  /// Where the program is.
  public let executable: URL

  /// A program at a known place.
  public init(executable: URL) {
    self.executable = executable
  }

  /// What a report says in place of a plot.
  public static let advice =
    "Plots need gnuplot: `sudo apt-get install gnuplot-nox`, then run again. "
    + "The tables hold the same numbers."

  /// The first `gnuplot` in the colon-separated folders of `path`; `nil` if it is not installed.
  public static func find(in path: String? = ProcessInfo.processInfo.environment["PATH"])
    -> Gnuplot?
  {
    for folder in (path ?? "").split(separator: ":") where folder.hasPrefix("/") {
      let file = URL(fileURLWithPath: String(folder)).appendingPathComponent("gnuplot")
      if FileManager.default.isExecutableFile(atPath: file.path) {
        return Gnuplot(executable: file)
      }
    }
    return nil
  }

  /// The chart as SVG: same chart, same gnuplot, same bytes.
  ///
  /// - Throws: `GnuplotError` with what gnuplot said.
  public func svg(_ plot: Plot) throws(GnuplotError) -> String {
    try svg([plot], columns: 1)
  }

  /// Several charts in one SVG, row by row in `columns` columns.
  ///
  /// - Throws: `GnuplotError` with what gnuplot said.
  public func svg(_ panels: [Plot], columns: Int) throws(GnuplotError) -> String {
    let description = panels.map(\.title).joined(separator: "; ")
    return cleaned(try run(Plot.script(panels, columns: columns)), description: description)
  }

  /// What gnuplot writes to standard output for `script`, as it comes.
  ///
  /// - Throws: `GnuplotError` with what gnuplot said.
  public func run(_ script: String) throws(GnuplotError) -> String {
    guard FileManager.default.isExecutableFile(atPath: executable.path) else {
      throw .cannotStart(program: executable.path, reason: "it is no executable file")
    }
    let result: ChildProcess.Output
    do {
      // -d and an empty environment: nobody's start-up file or locale changes a report.
      result = try ChildProcess.run(
        executable.path, ["-d", "-"], environment: ["LC_ALL": "C", "PATH": "/usr/bin:/bin"],
        input: script)
    } catch {
      throw .cannotStart(program: executable.path, reason: "\(error)")
    }
    guard result.status == 0 else {
      throw .failed(status: result.status, message: result.standardError)
    }
    // A script that plots nothing succeeds too.
    guard !result.standardOutput.isEmpty else {
      throw .failed(status: 0, message: result.standardError)
    }
    return result.standardOutput
  }

  /// Names the picture by its title and takes out the program's version, which differs between machines.
  private func cleaned(_ svg: String, description: String) -> String {
    let plain = description.filter { !"{}".contains($0) }
      .replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    return
      svg
      .replacing(/<title>.*?<\/title>/, with: "<title>\(plain)</title>")
      // Else a space at the seam to a subscript can be lost.
      .replacing("<text>", with: "<text xml:space=\"preserve\">")
      .replacing(/<desc>Produced by.*?<\/desc>\n*/, with: "")
      .split(separator: "\n", omittingEmptySubsequences: true)
      .map { line in String(line.reversed().drop { $0 == " " || $0 == "\t" }.reversed()) }
      .filter { !$0.isEmpty }
      .joined(separator: "\n") + "\n"
  }
}

/// Why a plot was not drawn.
public enum GnuplotError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The program, or the scratch files that it works on, could not be opened.
  case cannotStart(program: String, reason: String)
  /// The program ended with `status` and these words.
  case failed(status: Int32, message: String)

  /// One line with gnuplot's own words.
  public var description: String {
    switch self {
    case .cannotStart(let program, let reason): return "cannot start \(program): \(reason)"
    case .failed(let status, let message):
      let words = message.split(whereSeparator: \.isNewline)
        .map { $0.trimmingCharacters(in: .whitespaces) }
        .filter { !$0.isEmpty && $0 != "^" }
      return "gnuplot ended with status \(status): "
        + (words.isEmpty ? "it said nothing" : words.joined(separator: " "))
    }
  }
}
