import Catalog
import Checks
import Engine
import Foundation
import Optimization

/// The chain of paper A where its premise α₀ > 0 does hold: small problems, wide first layers.
///
/// With n_1 = 2 the features of coordinates on one ray are parallel; with n_1 well above Nd and
/// signed factors (`qr`) the units' kinks separate all Nd inputs at these sizes.
struct FullRankStudy: Sendable {
  var threads: Int
  var steps = 60

  /// N, b, d, T, widths, η.
  static let sizes: [(Int, Int, Int, Int, [Int], Double)] = [
    (2, 3, 4, 5, [16, 32], 1e-2), (2, 4, 6, 6, [96, 192], 1e-2), (4, 6, 8, 10, [512, 512], 1e-2),
  ]

  var settings: [TrainingSetting] {
    Self.sizes.map { instances, rows, columns, horizon, widths, stepSize in
      var setting = TrainingSetting(horizon: horizon, scale: 1, metaStepSize: stepSize)
      setting.instances = instances
      setting.rows = rows
      setting.columns = columns
      setting.widths = widths
      setting.initialization = .qr
      setting.stepRule = .theory
      setting.steps = steps
      return setting
    }
  }

  func run() throws -> ConvergenceStudy.Evidences {
    var all = ConvergenceStudy.Evidences()
    for part in try Parallel.map(settings.reversed(), threads: threads, { try check($0) })
      .reversed()
    { all.append(part) }
    // With the data scaled down the bound is sharper, and the theorem is put to a real test.
    for factor in [0.1, 0.01] {
      try all.append(
        check(
          settings[0], on: settings[0].problem().scalingTarget(by: factor),
          label: "\(name(settings[0])) Y x \(factor)"))
    }
    all.checks.append(try scaling(settings[0]))
    return all
  }

  private func name(_ setting: TrainingSetting) -> String {
    "N=\(setting.instances) d=\(setting.columns) b=\(setting.rows) widths \(setting.widths)"
  }

  private func check(
    _ setting: TrainingSetting, on twin: LeastSquares? = nil, label: String? = nil
  ) throws -> ConvergenceStudy.Evidences {
    let problem = try twin ?? setting.problem()
    let features = try InitialFeatures(setting, on: problem)
    let run = try TrainingRun.run(
      setting, on: problem, recordingEvery: max(1, setting.steps / 6), measuringTravel: true)
    var result = try run.check(features, on: problem)
    let name = label ?? name(setting)
    result.checks.append(
      FullRankCheck().run(.init(label: "", activations: features.activations))
        .replayed(by: setting.command))
    for i in result.checks.indices { result.checks[i].subject = "\(name) \(setting.name)" }
    for i in result.theorem.indices { result.theorem[i].run = name }
    return result
  }

  /// Y → c Y: the bound falls as c², what one step gains as c⁴, so the inequality fails for small c.
  private func scaling(_ setting: TrainingSetting) throws -> CheckResult {
    let problem = try setting.problem()
    var one = setting
    one.steps = 2
    let samples = try [1.0, 0.1, 0.01].map { factor in
      let twin = try problem.scalingTarget(by: factor)
      let run = try TrainingRun.run(one, on: twin, measuringTravel: true)
      let record = try run.record(InitialFeatures(one, on: twin), on: twin)
      return RateScaling.Sample(
        scale: factor, log10Rate: TrainingBound(record).logRate / log(10),
        firstRelativeDecrease: (record.firstDecrease ?? .nan) / run.losses[0])
    }
    let fit = RateScaling(Array(samples.dropFirst()))
    // The slopes are those of the limit c → 0; at c = 0.1 they are off by a relative c².
    let isRight = abs(fit.boundSlope - 2) <= 0.05 && abs(fit.decreaseSlope - 4) <= 0.05
    var numbers = ["boundSlope": fit.boundSlope, "decreaseSlope": fit.decreaseSlope]
    numbers["crossing"] = fit.crossing
    return CheckResult(
      claim: Claim(
        id: "T3c", title: "under Y → cY, 1 - q falls as c² and the first decrease as c⁴",
        source: "derived from Theorem 4.3 with X_0 = 0"),
      subject: "c from 0.1 to 0.01, \(setting.name)",
      verdict: Verdict.decide([], isRight ? .isTrue(slack: nil) : .isFalse),
      reason: "slopes \(String(format: "%.4f and %.4f", fit.boundSlope, fit.decreaseSlope)); "
        + (fit.crossing.map {
          "below c = \(String(format: "%.1e", $0)) one step gains less than the bound promises"
        } ?? "the lines do not cross"),
      numbers: numbers,
      evidence: [
        Evidence("boundSlope", actual: fit.boundSlope, reference: 2, allowed: 0.05),
        Evidence("decreaseSlope", actual: fit.decreaseSlope, reference: 4, allowed: 0.05),
      ], replay: setting.command)
  }
}
