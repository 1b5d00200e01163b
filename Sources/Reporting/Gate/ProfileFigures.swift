public import Experiments
import Storage

/// The figures of profiles, a row for each rule, the best first.
public struct ProfileFigures: Sendable {
  /// Names of the columns: the rule, three for each accuracy, the area under the targets reached.
  let titles: [String]
  /// As many words as there are titles.
  let rows: [[String]]

  /// Sums up profiles that hold a problem.
  public init(_ profiles: Profiles) {
    let accuracies = Profiles.accuracies
    let performance = accuracies.map(profiles.performance)
    let data = accuracies.map(profiles.data)
    let targets = profiles.targets()
    func share(_ value: Double) -> String { Number.fixed(value, decimals: 2) }
    titles =
      ["rule"]
      + accuracies.flatMap { target in
        ["best", "solved", "median"].map { "\($0), \(Number.short(Profiles.gap(target)))" }
      } + ["targets"]
    rows = profiles.ranking.map { rule in
      [profiles.rules[rule]]
        + accuracies.indices.flatMap { i in
          [
            share(performance[i][rule].share(at: 1)), share(data[i][rule].end),
            Number.orDash(data[i][rule].median, Number.short),
          ]
        } + [Number.fixed(targets[rule].area(profiles.stepRange), decimals: 3)]
    }
  }

  /// For a terminal.
  public var plain: String { TextTable.aligned([titles] + rows) }
}
