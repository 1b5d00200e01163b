import Catalog
import Checks
import Engine
import Foundation
import Optimization

extension TrainingRun {
  /// D1 at the recorded weights, D3, T3 and T4, and the row beside Theorem 4.3.
  func check(
    _ features: InitialFeatures, on problem: LeastSquares
  ) throws -> ConvergenceStudy.Evidences {
    let record = try record(features, on: problem)
    let bound = TrainingBoundCheck().run(record)
    var result = ConvergenceStudy.Evidences(
      checks: [
        try checkDescent(on: problem), LossAlignmentCheck().run(record), bound,
        TrainingRateCheck().run(LossCurve(label: setting.name, values: losses)),
      ],
      theorem: [theoremRow(record, bound)])
    result.checks = result.checks.map { $0.replayed(by: setting.command) }
    return result
  }

  /// D1 along the unrolled rule at every recorded W^k; the worst of them stands for the run.
  private func checkDescent(on problem: LeastSquares) throws -> CheckResult {
    var accurate = problem
    accurate.gradientForm = .residual
    let rule = try setting.rule()
    let objective = try rule.metaObjective(
      on: problem, from: Vector(zeros: problem.dimension), horizon: setting.horizon, loss: .last)
    let results = snapshots.map { step, weights in
      let run = objective.unroll(weights)
      var result = DescentCheck().run(
        ScaledGradientRun(
          label: setting.name, problem: accurate,
          stepSizes: setting.stepRule.stepSizes(for: problem), iterates: run.iterates,
          scales: run.scales))
      result.numbers["trainingStep"] = Double(step)
      return result
    }
    guard
      var worst = results.min(by: {
        ($0.verdict.severity, $0.numbers["minMargin"] ?? .infinity)
          < ($1.verdict.severity, $1.numbers["minMargin"] ?? .infinity)
      })
    else {
      return CheckResult(
        claim: DescentCheck().claim, subject: setting.name, verdict: .inconclusive,
        reason: "no weights were recorded")
    }
    worst.numbers["runsChecked"] = Double(results.count)
    return worst
  }

  private func theoremRow(_ record: TrainingRecord, _ bound: CheckResult) -> TheoremRow {
    let steps = Double(max(1, losses.count - 1))
    let ratio = (losses.last ?? .nan) / losses[0]
    // 1 - r^(1/K), without cancellation for rates near 1.
    let gap = -expm1(log(ratio) / steps)
    return TheoremRow(
      run: setting.name, horizon: setting.horizon, scale: setting.scale,
      metaStepSize: setting.metaStepSize,
      stepRule: setting.stepRule == .theory ? "theory" : "reference",
      alpha: record.smallestSingularValue, rank: record.rank,
      neededRank: record.instances * record.unknowns, deadFraction: record.deadFraction,
      boundLogGap: bound.numbers["log10OneMinusQ"] ?? -.infinity,
      measuredLogGap: gap > 0 ? log10(gap) : .nan, lossRatio: ratio, verdict: bound.verdict,
      replay: setting.command)
  }
}

extension Verdict {
  /// Smaller is worse: what a summary of several results must show first.
  var severity: Int {
    switch self {
    case .violated: 0
    case .premiseFails: 1
    case .inconclusive: 2
    case .holdsVacuously: 3
    case .holds: 4
    case .notApplicable: 5
    }
  }
}
