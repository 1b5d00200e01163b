public import Experiments
import Foundation
import Storage

/// Profiles of rules, and where they come from.
public struct ProfileRecord: Sendable, Hashable, Codable {
  /// The command that makes it again.
  public var command: String
  /// Usual rules that were measured but take no part, since they do not run on all smooth problems.
  public var specialists: [String]
  /// The profiles.
  public var profiles: Profiles

  /// Puts the parts together.
  public init(command: String, specialists: [String] = [], profiles: Profiles) {
    (self.command, self.specialists, self.profiles) = (command, specialists, profiles)
  }
}

extension Report where Results == ProfileRecord {
  /// Which rule solves how many problems, and how soon.
  public static var profiles: Report {
    Report(
      name: "profiles", title: "Which rule solves how many problems, and how soon",
      sections: [
        ProfileSummarySection(), ProfileSection.performance, ProfileSection.data,
        ProfileSection.targets,
      ],
      encoded: { JSONFile.encoded(ProfileFile(record: $0, machine: $1)) })
  }
}

private struct ProfileFile: Encodable {
  let schema = 1
  let record: ProfileRecord
  let machine: RunRecord
}

/// The numbers, rule by rule, and what was compared.
struct ProfileSummarySection: ReportSection {
  let id = "summary"
  let title = "In numbers"

  func markdown(_ context: ReportContext<ProfileRecord>) -> String {
    let profiles = context.results.profiles
    let families = Set(profiles.problems.map { $0.prefix { $0 != "#" } }).count
    let leftOut = profiles.leftOut.map {
      "- \(Markdown.code($0.family)): \($0.rules.map(Markdown.code).joined(separator: ", "))\n"
    }
    let alike = profiles.alike.filter { $0.count > 1 }.map { group in
      "- " + group.map { Markdown.code(profiles.rules[$0]) }.joined(separator: ", ") + "\n"
    }
    let specialists = context.results.specialists.map(Markdown.code).joined(separator: ", ")
    return """
      \(table(profiles).text)
      \(profiles.problems.count) problems, which are \(families) families from several seeds, on all of which all \
      \(profiles.rules.count) rules run, from the same starts, for \(profiles.horizon) steps. A problem is solved to 1e-3 at \
      the first step from which on the gap stays at or below 1e-3 of the start's. *Best* is the share of problems \
      on which no rule is faster (ties count for each), *solved* the share solved at all, *median* the steps to half \
      of the problems. *Targets* is the area under the last figure, over log k from 1 to \(profiles.horizon): 1 would be \
      everything at once. Rules stand in its order.

      A step is a step: L-BFGS searches along a line in its own, a network costs more than a gradient.

      \(alike.isEmpty ? "" : "Alike, to every target in the same steps, so that one curve stands for them:\n\n" + alike.joined() + "\n")\
      \(leftOut.isEmpty ? "No family is left out.\n" : "Left out, since these rules do not run there (they have not failed, so they are not counted as unsolved):\n\n" + leftOut.joined())
      \(specialists.isEmpty ? "" : "Rules that do not run on all smooth problems and take no part: \(specialists).\n\n")\
      \(Markdown.commands([context.results.command]))
      """
  }

  private func table(_ profiles: Profiles) -> Markdown.Table {
    let figures = ProfileFigures(profiles)
    var table = Markdown.Table(figures.titles[0], numbers: Array(figures.titles.dropFirst()))
    for row in figures.rows { table.add([Markdown.code(row[0])] + row.dropFirst()) }
    return table
  }
}

/// One kind of profile: its figures, and how to read them.
struct ProfileSection: ReportSection {
  let id: String
  let title: String
  /// Targets by number, a figure for each; one nil for all targets together.
  let accuracies: [Int?]
  /// Where the horizontal axis ends.
  let end: @Sendable (Profiles) -> Double
  let axes: (x: String, y: String)
  let caption: String
  let curves: @Sendable (Profiles, Int?) -> [ShareCurve]

  /// Dolan and Moré.
  static let performance = ProfileSection(
    id: "performance", title: "Performance profiles", accuracies: Profiles.accuracies,
    end: { profiles in
      let ratios = Profiles.accuracies.flatMap {
        profiles.performance($0).compactMap(\.positions.last)
      }
      return max(10, ratios.max() ?? 1)
    },
    axes: ("factor τ on the steps of the best rule", "share of problems solved"),
    caption: """
      At τ = 1 stands how often a rule is the fastest, at the right end how often it solves the problem at all. \
      Which rule is the second best does not follow: without the best one all ratios are others \
      (Gould and Scott 2016). E. D. Dolan and J. J. Moré, Benchmarking optimization software with performance \
      profiles, Math. Program. 91 (2002).
      """,
    curves: { $0.performance($1 ?? 1) })

  /// Moré and Wild.
  static let data = ProfileSection(
    id: "data", title: "Data profiles", accuracies: Profiles.accuracies,
    end: { $0.stepRange.upperBound }, axes: ("step k", "share of problems solved"),
    caption: """
      No rule's curve depends on the others. The unit is the step, not n + 1 function values as in \
      J. J. Moré and S. M. Wild, Benchmarking derivative-free optimization algorithms, SIAM J. Optim. 20 (2009): \
      a step asks for a gradient, whatever n.
      """,
    curves: { $0.data($1 ?? 1) })

  /// COCO's runtime distributions.
  static let targets = ProfileSection(
    id: "targets", title: "Targets reached", accuracies: [nil],
    end: { $0.stepRange.upperBound }, axes: ("step k", "share of targets reached"),
    caption: """
      All pairs of a problem and a target 10^(-j/2), j = 1 to \(Profiles.targetCount), as in COCO \
      (N. Hansen and others, Optim. Methods Softw. 36 (2021)).
      """,
    curves: { profiles, _ in profiles.targets() })

  private func name(_ target: Int?) -> String {
    target.map { "\(id)-\(Number.short(Profiles.gap($0)))" } ?? id
  }

  private func subtitle(_ target: Int?) -> String {
    target.map { "to \(Number.short(Profiles.gap($0))) of the first gap" }
      ?? "targets 10^{-j/2} of the first gap, j = 1 to \(Profiles.targetCount)"
  }

  func plots(_ context: ReportContext<ProfileRecord>) -> [NamedPlot] {
    let profiles = context.results.profiles
    let range = 1...max(end(profiles), 2)
    let hues = Plot.Hue.allCases.count - 1
    return accuracies.map { target in
      let curves = curves(profiles, target)
      let series = profiles.alike.enumerated().map { place, group -> Plot.Series in
        let (x, y) = curves[group[0]].corners(range)
        // The first have a hue of their own in all figures; more could not be told apart.
        guard place < hues else { return .line("others", .grey, x: x, y: y) }
        let more = group.count == 1 ? "" : " and \(group.count - 1) alike"
        return .line(Plot.literal(profiles.rules[group[0]]) + more, .cycled(place), x: x, y: y)
      }
      return NamedPlot(
        name(target),
        Plot(
          title: title, subtitle: subtitle(target),
          x: Plot.Axis(axes.x, unit: "1", scale: .logarithmic, range: range),
          y: Plot.Axis(axes.y, unit: "1", range: 0...1.02), series: series))
    }
  }

  func markdown(_ context: ReportContext<ProfileRecord>) -> String {
    accuracies.map { target in
      context.image(name(target), "\(title), \(axes.y) against \(axes.x), one line a rule")
    }.joined() + caption + "\n"
  }
}
