import Foundation
import OptCheck

/// Where a command's words go: results to standard output, all else to standard error.
struct Console: Sendable {
  /// Whether only results are wanted.
  var isQuiet: Bool
  /// Whether results are wanted as JSON.
  var isJSON: Bool

  init(_ options: CommonOptions) {
    isQuiet = options.quiet
    isJSON = options.json
  }

  /// Prints a result, as JSON or as `text` words it.
  func result<Result: Encodable>(_ result: Result, as text: (Result) -> String) {
    if isJSON {
      print(String(decoding: JSONFile.encoded(result), as: UTF8.self), terminator: "")
    } else {
      print(text(result))
    }
  }

  /// Tells the user something in passing.
  func note(_ text: String) {
    if !isQuiet { Self.say(Self.oneLine(text) + "\n") }
  }

  /// Whether lines may be overwritten and coloured: only on a terminal.
  var isInteractive: Bool { !isQuiet && !isJSON && isatty(STDERR_FILENO) == 1 }

  /// Whether standard output takes colours: a terminal, and no NO_COLOR.
  static var hasColor: Bool {
    let environment = ProcessInfo.processInfo.environment
    return isatty(STDOUT_FILENO) == 1 && (environment["NO_COLOR"] ?? "").isEmpty
      && environment["TERM"] != "dumb"
  }

  /// `text` in the colour of success or failure, where colours are welcome.
  static func colored(_ text: String, good: Bool) -> String {
    hasColor ? "\u{1B}[\(good ? 32 : 31)m\(text)\u{1B}[0m" : text
  }

  /// One line of error.
  static func complain(_ text: String) {
    say("optcheck: \(oneLine(text))\n")
  }

  /// Writes to standard error; where that fails, there is nobody to tell.
  static func say(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }

  private static func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
      .joined(separator: " ")
  }
}

/// One line on the terminal that shows how far a loop is, and how long it will take.
struct ProgressBar {
  private let title: String
  private let total: Int
  private let first: Int
  private let start = ContinuousClock.now
  private var lastDrawn: ContinuousClock.Instant?
  private let isShown: Bool

  /// A bar for `total` steps, of which `first` are done; silent off a terminal.
  init(_ title: String, total: Int, from first: Int = 0, on console: Console) {
    self.title = title
    self.total = total
    self.first = first
    isShown = console.isInteractive
  }

  /// Shows that `done` steps are done, ten times a second at most.
  mutating func update(_ done: Int, _ detail: @autoclosure () -> String) {
    guard isShown else { return }
    let now = ContinuousClock.now
    if let lastDrawn, now - lastDrawn < .milliseconds(100), done < total { return }
    lastDrawn = now
    let part = total == 0 ? 1 : Double(done) / Double(total)
    let width = 24
    let filled = Int(part * Double(width))
    let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: width - filled)
    let spent = (now - start) / .seconds(1)
    let left = done > first ? spent / Double(done - first) * Double(total - done) : 0
    draw("\r\(title) [\(bar)] \(done)/\(total)  \(detail())  \(Self.clock(left)) left\u{1B}[K")
  }

  /// Clears the line.
  func finish() {
    if isShown { draw("\r\u{1B}[K") }
  }

  /// Minutes and seconds, with hours where there are any.
  static func clock(_ seconds: Double) -> String {
    let whole = seconds.isFinite ? Int(max(0, seconds).rounded()) : 0
    let (hours, minutes) = (whole / 3600, whole / 60 % 60)
    return hours > 0
      ? String(format: "%d:%02d:%02d", hours, minutes, whole % 60)
      : String(format: "%d:%02d", minutes, whole % 60)
  }

  private func draw(_ text: String) { Console.say(text) }
}
