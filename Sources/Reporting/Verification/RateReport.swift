public import Experiments
import Foundation
import Storage

/// The calibration of rates, and rates in closed form.
public struct RateRecord: Sendable, Hashable, Codable {
  /// The command that makes it again.
  public var command: String
  /// The cells of target R1.
  public var cells: [RateCell]
  /// The rates of target R2.
  public var closedForms: [ClosedFormRate]

  /// Puts the parts together.
  public init(command: String, cells: [RateCell], closedForms: [ClosedFormRate]) {
    (self.command, self.cells, self.closedForms) = (command, cells, closedForms)
  }

  /// Cells with noise.
  var noisy: [RateCell] { cells.filter { $0.setting.sigma > 0 } }

  /// The parts of the targets: name, question, cells that meet it, cells that are asked.
  public var targets: [(target: String, what: String, met: Int, of: Int)] {
    let rated = noisy.filter { SyntheticCourse.rated.contains($0.setting.course) && $0.counted > 0 }
    let clean = cells.filter { $0.setting.sigma == 0 }
    let sublinear = noisy.filter { $0.setting.course == .sublinear }
    return [
      (
        "R1", "95 % intervals cover in 93 to 97 %", rated.count { $0.meetsCoverage }, rated.count
      ),
      (
        "R1", "the same within two standard errors of the figure",
        rated.count { $0.isCoverageCompatible }, rated.count
      ),
      (
        "R1", "median width at most 1.5 of the oracle's", rated.count { $0.meetsWidth }, rated.count
      ),
      (
        "R1", "without noise: contains the rate, narrower than 1e-6 of it",
        clean.count { $0.meetsExactness && $0.meetsNaming }, clean.count
      ),
      ("R1", "at least 95 % named right", noisy.count { $0.meetsNaming }, noisy.count),
      ("R1", "no rate on sublinear series", sublinear.count { $0.rated == 0 }, sublinear.count),
      (
        "R2", "at least 20 closed forms to 1e-6 of 1 - rate", closedForms.count { $0.isMatched },
        max(20, closedForms.count)
      ),
    ]
  }
}

extension Report where Results == RateRecord {
  /// How far a measured rate and its interval can be trusted.
  public static var rateCalibration: Report {
    Report(
      name: "rate-calibration", title: "How far measured rates can be trusted",
      sections: [RateSummarySection()]
        + SyntheticCourse.allCases.map {
          RateCourseSection(course: $0) as any ReportSection<RateRecord>
        }
        + [ClosedFormSection()],
      encoded: { JSONFile.encoded(RateFile(record: $0, machine: $1)) })
  }
}

private struct RateFile: Encodable {
  let record: RateRecord
  let machine: RunRecord
}

private func percent(_ share: Double?) -> String {
  share.map { Number.fixed(100 * $0, decimals: 1) } ?? ""
}

/// Targets, met or missed, and what the columns mean.
struct RateSummarySection: ReportSection {
  let id = "targets"
  let title = "Targets"

  func markdown(_ context: ReportContext<RateRecord>) -> String {
    let record = context.results
    var table = Markdown.Table([
      ("Target", .left), ("What", .left), ("Cells or rates that meet it", .right), ("Met", .centre),
    ])
    for (target, what, met, of) in record.targets {
      table.add([target, what, "\(met) of \(of)", met == of ? "✓" : "✗"])
    }
    let series = record.noisy.map(\.series).max() ?? 0
    return """
      \(table.text)
      R1 asks for 1,000 series in a cell; here each has \(series), and coverage counts as many, so a coverage of 95 % has a standard \
      error of \(Number.fixed(100 * (0.95 * 0.05 / Double(max(1, series))).squareRoot(), decimals: 1)) \
      points. Cells without noise have a tenth as many.

      log F = course + AR(1) noise of deviation σ and correlation φ, K points, rates 1 - 10^u with u \
      uniform in [-4, -1]. Every series is counted. *Unresolved* are those whose curve lies within \
      \(Number.short(RateCalibration.separation)) standard deviations of a plainer shape, in the metric \
      of noise with known φ and σ: nobody could tell. There the plainer shape's name is \
      right too, as is "flat" for a slope that small, and the rate of a part that cannot be seen is \
      left out of coverage and counted in a column of its own; instead, more series are drawn, for coverage alone, \
      until there are as many as elsewhere (*seen*). A line's slope has an interval even where it \
      contains 0, so no line is left out. No interval covers nothing. Both rates of two phases count. *Oracle* is \
      generalised least squares that knows course and φ; *width* the median of interval over oracle's. \
      *Own name* counts the course's own name only.

      \(Markdown.commands([record.command]))
      """
  }
}

/// One course's cells.
struct RateCourseSection: ReportSection {
  let course: SyntheticCourse
  var id: String { course.rawValue.replacing(" ", with: "-") }
  var title: String { course == .none ? "No rate: a level" : course.rawValue.capitalized }

  func markdown(_ context: ReportContext<RateRecord>) -> String {
    let cells = context.results.cells.filter { $0.setting.course == course }
    guard !cells.isEmpty else { return "Not run.\n" }
    var table = Markdown.Table(
      "σ, φ, K",
      numbers: [
        "series", "seen", "covered %", "± %", "oracle %", "width", "unresolved", "covered there",
        "named right %", "own name %", "rates given", "misses",
      ])
    for cell in cells {
      let setting = cell.setting
      let isExact = setting.sigma == 0
      table.add([
        isExact
          ? "none, K = \(setting.count)" : "\(setting.sigma), \(setting.phi), \(setting.count)",
        "\(cell.series)", "\(cell.seen)", percent(cell.coverage),
        isExact ? "" : percent(cell.coverageError),
        isExact || cell.counted == 0
          ? "" : percent(Double(cell.oracleCovered) / Double(cell.counted)),
        isExact
          ? cell.largestRelativeWidth.map { Number.scientific($0, digits: 2) + " of rate" } ?? ""
          : cell.width.map { Number.fixed($0, decimals: 2) } ?? "",
        "\(cell.unresolved)", cell.unresolved == 0 ? "" : "\(cell.unresolvedCovered)",
        percent(cell.namedShare), percent(Double(cell.strictlyNamed) / Double(cell.series)),
        "\(cell.rated)", cell.misses.joined(separator: ", "),
      ])
    }
    let wrong = cells.filter { $0.setting.sigma > 0 }.reduce(into: [String: Int]()) {
      $0.merge($1.names, uniquingKeysWith: +)
    }
    let names = wrong.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      .map { "\($0.key) \($0.value)" }
    return table.text + "\nNames given with noise: \(names.joined(separator: ", ")).\n"
  }
}

/// Rates by formula and by measurement.
struct ClosedFormSection: ReportSection {
  let id = "closed-forms"
  let title = "Closed forms"

  func markdown(_ context: ReportContext<RateRecord>) -> String {
    var table = Markdown.Table([
      ("Rule", .left), ("Formula", .left), ("Rate", .right), ("Measured", .right),
      ("Difference over 1 - rate", .right), ("Regime", .left), ("Met", .centre),
    ])
    for row in context.results.closedForms {
      table.add([
        row.name, row.formula, Number.significant(row.expected, digits: 10),
        row.measured.map { Number.significant($0, digits: 10) } ?? "",
        row.difference.map { Number.scientific($0, digits: 2) } ?? "", row.regime,
        row.isMatched ? "✓" : "✗",
      ])
    }
    return "The distance to the minimiser on real runs of the catalogue's rules.\n\n" + table.text
  }
}
