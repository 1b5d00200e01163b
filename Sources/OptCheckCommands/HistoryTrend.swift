import Foundation
import History
import OptCheck

/// One figure of one subject, run by run.
struct HistoryTrend: Encodable {
  /// A rule, a report, an experiment.
  var subject: String
  /// The figure's label.
  var figure: String
  /// Its unit.
  var unit: String
  /// The runs that have it, in order.
  var points: [Point]

  /// One run.
  struct Point: Encodable {
    var run: Int64
    /// ISO 8601, UTC.
    var started: String
    var command: String
    var commit: String
    var seed: UInt64?
    var settings: [String: String]
    var exitStatus: Int32
    /// The figure; nil where it was not a number.
    var value: Double?
    /// The value of the run before; nil where that had none.
    var before: Double?
    /// Whether the run before had the same command, seed and settings, so that a change is one of the program.
    var isComparable: Bool
    /// What was found on the subject, by check.
    var verdicts: [String: String]
    /// Checks whose verdict is not what it was when they last ran.
    var changes: [VerdictChange]
  }

  /// A verdict that is not what it was.
  struct VerdictChange: Encodable {
    var check: String
    var from: String
    var to: String
  }

  /// The figures that stand for a subject: of every run the one that it put first.
  static func headlines(_ runs: [StoredRun]) -> [String] {
    unique(runs.compactMap { $0.record.figures.first?.label })
  }

  /// The labels of all figures, in order of appearance.
  static func labels(_ runs: [StoredRun]) -> [String] {
    unique(runs.flatMap { $0.record.figures.map(\.label) })
  }

  private static func unique(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }

  /// The trend of `figure` over `runs`, which are those of `subject`, first to last.
  init(of subject: String, _ figure: String, over runs: [StoredRun]) {
    self.subject = subject
    self.figure = figure
    unit = "1"
    points = []
    var last: [String: Verdict] = [:]
    var previous: HistoryRecord?
    var changes: [VerdictChange] = []
    for run in runs {
      let record = run.record
      // Those of runs without the figure are told by the next one that has it.
      for found in record.verdicts {
        let old = last.updateValue(found.verdict, forKey: found.check)
        guard let old, old != found.verdict else { continue }
        changes.append(
          VerdictChange(check: found.check, from: old.name, to: found.verdict.name))
      }
      guard let found = record.figures.first(where: { $0.label == figure }) else { continue }
      unit = found.unit
      points.append(
        Point(
          run: run.number, started: run.circumstances.started.ISO8601Format(),
          command: record.command, commit: run.circumstances.machine.commit, seed: record.seed,
          settings: record.settings, exitStatus: run.circumstances.exitStatus, value: found.value,
          before: points.last?.value,
          isComparable: previous.map {
            $0.command == record.command && $0.seed == record.seed
              && $0.settings == record.settings
          } ?? true,
          verdicts: Dictionary(
            record.verdicts.map { ($0.check, $0.verdict.name) }, uniquingKeysWith: { $1 }),
          changes: changes))
      previous = record
      changes = []
    }
  }

  // MARK: Text

  /// A heading, a line of blocks, and a table of at most 100 columns.
  var text: String {
    var heading = "\(subject): \(figure)"
    if unit != "1" { heading += " [\(unit)]" }
    let head = ["run", "date (UTC)", "commit", "command", "value", "change", "verdicts"]
    let table = TextTable.aligned([head] + points.map(Self.cells), left: [1, 2, 3, 6])
    return "\(heading)  \(sparkline)\n\(table)"
  }

  private static func cells(_ point: Point) -> [String] {
    [
      "\(point.run)", minute(point.started),
      shortCommit(point.commit), String(point.command.prefix(10)),
      Number.orDash(point.value) { Number.significant($0, digits: 4) }, change(point),
      verdicts(point),
    ]
  }

  /// The change to the run before, in brackets where that ran with another seed or settings.
  private static func change(_ point: Point) -> String {
    guard let value = point.value, let before = point.before else { return "" }
    let words: String
    let ratio = value / before
    if value == before {
      words = "="
    } else if !ratio.isFinite || ratio <= 0 {
      words = (value > before ? "+" : "") + Number.significant(value - before, digits: 2)
    } else if ratio >= 10 || ratio <= 0.1 {
      words = "x \(Number.significant(ratio, digits: 2))"
    } else {
      let percent = 100 * (ratio - 1)
      words = (percent > 0 ? "+" : "") + Number.significant(percent, digits: 2) + " %"
    }
    return point.isComparable ? words : "(\(words))"
  }

  /// How many there are of each, then what changed: `9✓ 2–  GC1 ✓→✗`.
  private static func verdicts(_ point: Point) -> String {
    let counts = Verdict.allCases.compactMap { verdict in
      let count = point.verdicts.values.count { $0 == verdict.name }
      return count == 0 ? nil : "\(count)\(verdict.mark)"
    }.joined(separator: " ")
    func mark(_ name: String) -> String {
      Verdict.allCases.first { $0.name == name }?.mark ?? name
    }
    let changes = point.changes.map { "\($0.check) \(mark($0.from))→\(mark($0.to))" }
    let shown = changes.prefix(2).joined(separator: ", ")
    let more = changes.count > 2 ? ", +\(changes.count - 2)" : ""
    return shown.isEmpty ? counts : "\(counts)  \(shown)\(more)"
  }

  /// Seven digits of the commit, with a plus where files differed from it.
  static func shortCommit(_ commit: String) -> String {
    let isDirty = commit.hasSuffix("-dirty")
    let name = isDirty ? String(commit.dropLast(6)) : commit
    // A described commit is `tag-count-ghash`.
    let hash = name.components(separatedBy: "-g").last ?? name
    return String(hash.prefix(7)) + (isDirty ? "+" : "")
  }

  /// Date and minute of an ISO 8601 text.
  static func minute(_ timestamp: String) -> String {
    String(timestamp.prefix(16)).replacing("T", with: " ")
  }

  /// The values as blocks of eight heights, on the scale that the plot has.
  private var sparkline: String {
    let values = points.map { $0.value ?? .nan }
    let heights = isLogarithmic ? values.map { log10($0) } : values
    let finite = heights.filter(\.isFinite)
    guard let low = finite.min(), let high = finite.max(), high > low else { return "" }
    let blocks = Array("▁▂▃▄▅▆▇█")
    return String(
      heights.suffix(40).map { height in
        height.isFinite ? blocks[min(7, Int(8 * (height - low) / (high - low)))] : " "
      })
  }

  // MARK: Plot

  /// Whether the values are positive and span over two decades.
  private var isLogarithmic: Bool {
    let values = points.compactMap(\.value).filter(\.isFinite)
    guard let low = values.min(), let high = values.max() else { return false }
    return low > 0 && high > 100 * low
  }

  /// The values over the runs, with the commits at the axis.
  var plot: Plot {
    let places = points.indices.map { Double($0 + 1) }
    // More labels than these would lie on each other.
    let stride = max(1, (points.count + 11) / 12)
    let ticks = points.indices.filter { $0 % stride == 0 }.map {
      Plot.Tick(
        at: Double($0 + 1),
        Plot.literal("\(points[$0].run): \(Self.shortCommit(points[$0].commit))"))
    }
    let values = points.map { $0.value ?? .nan }
    let end = Double(max(2, points.count))
    return Plot(
      title: Plot.literal(subject),
      x: Plot.Axis("run: commit", unit: "1", range: 0.5...(end + 0.5), ticks: ticks),
      y: Plot.Axis(
        Plot.literal(figure), unit: Plot.literal(unit),
        scale: isLogarithmic ? .logarithmic : .linear),
      series: [
        .line("", .blue, x: places, y: values), .points("", .blue, x: places, y: values),
      ])
  }
}
