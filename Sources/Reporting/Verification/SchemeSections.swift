import Checks
import Experiments
import Foundation
import Storage

extension ReportContext<ConditionTable> {
  /// `table` of what the study found, or that it was not run.
  fileprivate func schemes(_ table: (SchemeStudy.Results) -> String) -> String {
    results.schemes.map(table) ?? "Not run.\n"
  }
}

extension CheckResult {
  fileprivate var verdictCell: String {
    Markdown.verdict(verdict, qualifier)
  }

  fileprivate func cell(_ name: String) -> String {
    Number.orDash(numbers[name]) {
      Int(exactly: $0).map(String.init) ?? Number.significant($0, digits: 3)
    }
  }
}

/// S5.
struct SpecialCaseSection: ReportSection {
  let id = "special-cases"
  let title = "Special cases of the explicit form (S5)"

  func markdown(_ context: ReportContext<ConditionTable>) -> String {
    context.schemes { results in
      var table = Markdown.Table([
        ("Case", .left), ("Verdict", .left), ("Difference", .right), ("Steps", .right),
        ("First that differs", .right), ("1e-12 over rounding", .right),
      ])
      for result in results.specialCases {
        table.add([
          Markdown.literal(result.subject), result.verdictCell, result.cell("difference"),
          result.cell("horizon"), result.cell("firstStep"), result.cell("headroom"),
        ])
      }
      let worst = results.specialCases.compactMap { $0.numbers["difference"] }.max() ?? .nan
      return table.text
        + "\nThe scheme in plain loops, or by `StructuredScheme`, beside the direct algorithm, bit for bit the "
        + "same up to the first step that differs. Differences are relative to the largest entry of "
        + "the iterates; the worst is \(Number.significant(worst, digits: 3)). The last column says how many "
        + "times what rounding can do the tolerance is. Formulas stand in the file of results.\n"
    }
  }
}

/// S6.
struct SubgradientStepSection: ReportSection {
  let id = "subgradient-steps"
  let title = "Explicit subgradient steps (S6)"

  func markdown(_ context: ReportContext<ConditionTable>) -> String {
    context.schemes { results in
      var table = Markdown.Table([
        ("Steps", .left), ("Verdict", .left), ("Largest step", .right), ("over 16 K", .right),
        ("Distance", .right), ("over 16 K", .right), ("Mean distance", .right),
        ("Half a step", .right),
      ])
      for result in results.subgradientSteps {
        table.add([
          Markdown.literal(result.subject), result.verdictCell, result.cell("largestStep"),
          result.cell("stepRatio"), result.cell("distance"), result.cell("distanceRatio"),
          result.cell("meanDistance"), result.cell("halfStep"),
        ])
      }
      return table.text
        + "\nOf the last doubling and the worst start; ratios are to four doublings before, so 1 stays and less "
        + "than 0.6 vanishes. Steps and iterates vanish together or not at all, but where steps sum up "
        + "short of the minimiser, of which the propositions say nothing. On |x| with constant steps the mean "
        + "distance is p/2 exactly. A distance of 0 is one: shrinking steps meet the minimiser of |x| bit for bit "
        + "after some thousand steps.\n"
    }
  }
}

/// PROX.
struct ProximalOperatorSection: ReportSection {
  let id = "prox"
  let title = "Proximal operators (PROX)"

  func markdown(_ context: ReportContext<ConditionTable>) -> String {
    let laws = ["optimality", "oracle", "nonexpansive", "moreau", "fixed", "tape"]
    return context.schemes { results in
      var table = Markdown.Table(
        [("Operator", .left), ("Verdict", .left)] + laws.map { ($0, .right) }
          + [("Error", .right), ("Probes", .right)])
      for result in results.proximalOperators {
        table.add(
          [Markdown.literal(result.subject), result.verdictCell]
            + (laws + ["error", "probes"]).map(result.cell))
      }
      return table.text
        + "\nThe worst of every law in units of its error bar: the variational inequality, bisection, firm "
        + "nonexpansiveness in the norm of 1/p, Moreau's identity, entries with p = 0, the formula on a tape. "
        + "Errors are differences from bisection, relative to the largest entry.\n"
    }
  }
}
