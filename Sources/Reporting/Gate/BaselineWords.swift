import Checks
public import Experiments
import Storage

/// What a baseline holds, in words.
public struct BaselineWords: Sendable {
  private let baseline: GateBaseline

  /// Creates the words.
  public init(_ baseline: GateBaseline) { self.baseline = baseline }

  /// For a terminal: a line for each rule, and for each family the median over seeds of the steps to
  /// a gap of 1e-3 and 1e-6, the rate and the gap at the end.
  public var plain: String {
    let machine = baseline.machine
    let head =
      "\(baseline.date), commit \(machine.commit), \(machine.toolchain), \(machine.blasCore)"
    let blessings = baseline.blessings.map {
      "blessed \($0.date) at \($0.commit): \($0.rules.joined(separator: ", ")): \($0.reason)"
    }
    return ([head] + baseline.rules.map(rule) + blessings).joined(separator: "\n")
  }

  private func rule(_ record: GateRecord) -> String {
    let suite = record.suite
    let names = record.families
    let rows = names.map { name -> [String] in
      let cells = record.cells(of: name)
      func median(_ values: [Double]) -> Double {
        values.isEmpty ? .nan : values.sorted()[(values.count - 1) / 2]
      }
      func steps(_ level: Double) -> String {
        let times = cells.map { $0.steps(to: level) }
        return times.contains(nil)
          ? Number.dash : Number.significant(median(times.compactMap(\.self)), digits: 4)
      }
      let rates = cells.compactMap { $0.rate?.factor }
      return [
        "  " + name, steps(1e-3), steps(1e-6),
        rates.count == cells.count ? Number.significant(median(rates), digits: 6) : Number.dash,
        Number.scientific(median(cells.compactMap(\.gaps.last)), digits: 2),
        Number.fixed(median(cells.map(\.slack)), decimals: 1),
      ]
    }
    let verdicts = record.verdicts.map { "\($0.check) \($0.verdict.mark)" }.joined(separator: "  ")
    let title =
      "\(record.rule): \(suite.seeds.count) seeds, \(suite.horizon) steps, medians over seeds"
    let titles = ["", "to 1e-3", "to 1e-6", "rate", "last gap", "slack"]
    let table = rows.isEmpty ? [] : [TextTable.aligned([titles] + rows)]
    return ([title] + table + (verdicts.isEmpty ? [] : ["  " + verdicts])).joined(separator: "\n")
  }
}
