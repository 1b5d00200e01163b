import Catalog
import Checks
public import Engine
import Foundation
import Optimization
import Storage

/// Claims T1, T2, T3, T7, D2 and D3 as bounds: their slack in decades wherever they speak.
///
/// Training runs of the published problem and of the small settings where α₀ > 0 holds, all with the
/// theorem's own step 1/β.
public struct BoundStudy: Sendable {
  /// Threads to use; no number depends on it.
  public var threads: Int
  /// Training steps of every run.
  public var steps: Int

  /// A study; 600 training steps a run unless told otherwise.
  public init(threads: Int = Parallel.coreCount, steps: Int = 600) {
    self.threads = threads
    self.steps = steps
  }

  /// T, e and η of the runs on the published problem.
  static let published: [(Int, Double, Double)] = [
    (100, 50, 1e-7), (100, 100, 1e-7), (20, 50, 1e-4), (20, 50, 1e-7), (20, 100, 1e-7),
  ]

  /// The settings, the published ones first.
  var settings: [(label: String, setting: TrainingSetting)] {
    let published = Self.published.map { horizon, scale, stepSize in
      var setting = TrainingSetting(horizon: horizon, scale: scale, metaStepSize: stepSize)
      setting.stepRule = .theory
      setting.steps = steps
      return (
        "T=\(horizon) e=\(Number.short(scale)) η=\(Number.short(stepSize))", setting
      )
    }
    let full = FullRankStudy(threads: threads, steps: steps).settings.map { setting in
      (
        "α₀ > 0: N=\(setting.instances) d=\(setting.columns) b=\(setting.rows) "
          + "T=\(setting.horizon)", setting
      )
    }
    return published + full
  }

  /// Runs the study.
  ///
  /// - Parameter progress: called from any thread with the share that is done.
  /// - Throws: ``ProblemError``, ``RuleError`` or ``EngineError`` for what cannot be run.
  public func run(
    progress: @escaping @Sendable (Double) throws -> Void = { _ in }
  ) throws -> BoundResults {
    var results = BoundResults(
      runs: settings.map { BoundResults.Run(label: $0.label, setting: $0.setting) }, curves: [],
      pairs: [], growth: [], scales: Self.scaleRows, ladder: [],
      checks: ScaleStatement.all.map { ScaleThresholdCheck().run($0) })
    let growth = Self.growthCases
    let meter = ProgressMeter(
      total: Double(settings.count + growth.count + 1), report: progress)
    for part in try Parallel.map(
      settings, threads: threads,
      { item in
        try meter.counting { try train(item.label, item.setting) }
      })
    {
      results.curves += part.curves
      results.pairs += part.pairs
      results.checks += part.checks
    }
    for (row, check) in try Parallel.map(
      growth, threads: threads,
      { item in
        try meter.counting { try item.run() }
      })
    {
      results.growth.append(row)
      results.checks.append(check)
    }
    let (rows, checks) = try meter.counting { try ladder() }
    results.ladder = rows
    results.checks += checks
    return results
  }

  /// Trains one setting and holds every bound against it.
  func train(_ label: String, _ setting: TrainingSetting) throws -> BoundResults {
    let problem = try setting.problem()
    let probe = try WeightProbe(setting, on: problem)
    let run = try TrainingRun.run(
      setting, on: problem, recordingEvery: max(1, setting.steps / 24), measuringTravel: true)
    let features = try InitialFeatures(setting, on: problem)
    let record = try run.record(features, on: problem)
    var snapshots: [GradientBoundRecord.Snapshot] = []
    var neighbours: [WeightPair] = []
    for (step, weights) in run.snapshots {
      let (snapshot, next) = try probe.snapshot(step, weights)
      snapshots.append(snapshot)
      neighbours.append(try probe.pair("k=\(step)", index: step, weights, next))
    }
    let gradients = probe.gradientRecord(snapshots)
    let consecutive = probe.pairRecord("\(label), consecutive weights", neighbours)
    let random = try randomPairs(label, probe, run)
    var checks = [
      GradientBoundCheck().run(gradients), SemiSmoothnessCheck().run(consecutive),
      SemiSmoothnessCheck().run(random.record), TrainingBoundCheck().run(record),
      LossAlignmentCheck().run(record),
    ]
    for i in [0, 3, 4] { checks[i].subject = label }
    return BoundResults(
      runs: [], curves: curves(label, gradients, consecutive, record), pairs: random.rows,
      growth: [],
      scales: [], ladder: [], checks: checks.map { $0.replayed(by: setting.command) })
  }

  private func curves(
    _ label: String, _ gradients: GradientBoundRecord, _ pairs: SemiSmoothnessRecord,
    _ record: TrainingRecord
  ) -> [BoundResults.Curve] {
    func curve(
      _ claim: String, _ part: String = "", _ bound: Bound,
      where belongs: (Bound.Point) -> Bool = { _ in true }
    ) -> BoundResults.Curve? {
      var own = bound
      own.points = bound.points.filter(belongs)
      let slacks = own.slacks().filter(\.slack.isFinite)
      guard let sharpest = own.sharpest, !slacks.isEmpty else { return nil }
      return BoundResults.Curve(
        claim: claim, run: label, part: part, steps: slacks.map(\.index),
        slack: slacks.map(\.slack), sharpest: sharpest.point.path)
    }
    let lemma = gradients.bound
    let layers = (1...(gradients.widths.count + 1)).map { layer in
      curve("T1", "layer \(layer)", lemma) { $0.path.hasSuffix("layer=\(layer)") }
    }
    let last = "/t=\(record.horizon)"
    let every = max(1, record.steps / 60)
    return
      (layers + [
        curve("T2", "", pairs.bound) { $0.path.hasSuffix(last) },
        curve("T3", "", TrainingBound(record).bound(record, premises: [])) {
          $0.index.isMultiple(of: every) || $0.index == 1
        },
        curve("D3", "", record.alignmentBound) { $0.index.isMultiple(of: every) },
      ]).compactMap { $0 }
  }

  private static let distances = [1e-8, 1e-6, 1e-4, 1e-2]

  /// Three seeded pairs at each distance, around W^0 and around the last recorded weights.
  private func randomPairs(
    _ label: String, _ probe: WeightProbe, _ run: TrainingRun
  ) throws -> (record: SemiSmoothnessRecord, rows: [BoundResults.PairRow]) {
    var pairs: [WeightPair] = []
    var rows: [BoundResults.PairRow] = []
    let centres = [run.snapshots.first, run.snapshots.last].compactMap { $0 }
    for (step, weights) in centres {
      for distance in Self.distances {
        let own = try (1...3).map { seed in
          try probe.pair(
            "around k=\(step)/distance=\(Number.short(distance))/seed=\(seed)", index: step,
            weights, weights.moved(distance, probe.direction(seed: UInt64(seed))))
        }
        pairs += own
        let points = own.flatMap { pair in
          probe.pairRecord("", [pair]).bound.points.suffix(1)
        }
        guard let largest = points.max(by: { $0.logMeasured < $1.logMeasured }) else { continue }
        rows.append(
          BoundResults.PairRow(
            run: label, step: step, distance: distance,
            log10Measured: largest.logMeasured / log(10),
            log10Limit: largest.logLimit / log(10),
            slack: points.map { ($0.logLimit - $0.logMeasured) / log(10) }.min() ?? .infinity))
      }
    }
    return (probe.pairRecord("\(label), random pairs", pairs), rows)
  }

  static let scaleRows = [5, 10, 20, 50, 100].flatMap { horizon in
    [3, 4, 5, 6].map { scaleRow(horizon: horizon, depth: $0) }
  }

  static func scaleRow(horizon: Int, depth: Int) -> BoundResults.ScaleRow {
    let scales = ScaleThreshold.all.map { $0.log10Scale(horizon: horizon, depth: depth) }
    let strictest = scales.indices.max {
      (scales[$0] ?? -.infinity) < (scales[$1] ?? -.infinity)
    }
    return BoundResults.ScaleRow(
      horizon: horizon, depth: depth,
      exponents: ScaleThreshold.all.map { $0.exponent(horizon: horizon, depth: depth) },
      log10Scales: scales, strictest: strictest.map { ScaleThreshold.all[$0].lemma } ?? "")
  }

  /// The ladder of bounds on gradient descent with its verdicts.
  func ladder() throws -> (rows: [BoundResults.LadderRow], checks: [CheckResult]) {
    let ladders = try descents()
    return (ladders.flatMap { Self.rows($0) }, ladders.map { DescentLadderCheck().run($0) })
  }

  /// Gradient descent with step 1/β on the published problems, and on the worst functions.
  private func descents() throws -> [DescentLadder] {
    let small = TrainingSetting(horizon: 100, scale: 50, metaStepSize: 0)
    var large = small
    (large.instances, large.rows, large.columns) = (10, 400, 512)
    var other = small
    other.rows = 20
    let runs = try Parallel.map([large, small, other], threads: threads) { setting in
      var problem = try setting.problem()
      problem.gradientForm = .residual
      return DescentLadder(
        DescentRun.gradientDescent(
          "N=\(setting.instances) d=\(setting.columns) b=\(setting.rows)", on: problem,
          distances: try problem.squaredDistances(from: Vector(zeros: problem.dimension)),
          stepRule: .theory, horizon: setting.horizon))
    }
    return runs + DescentLadderCheck.attained
  }

  private static func rows(_ ladder: DescentLadder) -> [BoundResults.LadderRow] {
    let steps =
      ladder.attains == nil
      ? [1, 5, 20, 100].filter { $0 <= ladder.run.horizon } : [ladder.run.horizon]
    return steps.map { step in
      BoundResults.LadderRow(
        run: ladder.run.label, horizon: step, value: ladder.run.values[step],
        slacks: Dictionary(
          uniqueKeysWithValues: ladder.slacks(step: step).map { ($0.rung.rawValue, $0.slack) }))
    }
  }
}

extension DescentRun {
  /// Gradient descent from 0 as the checks of its bounds see it.
  static func gradientDescent(
    _ label: String, on problem: LeastSquares, distances: [Double], stepRule: StepRule,
    horizon: Int
  ) -> DescentRun {
    let values = unroll(
      GradientDescent(stepRule: stepRule), on: problem, from: Vector(zeros: problem.dimension),
      horizon: horizon
    ).totals
    return DescentRun(
      label: label, stepRule: stepRule.name, isTheoryStep: stepRule == .theory,
      coordinatesPerInstance: problem.coordinatesPerInstance, smoothness: problem.smoothness,
      stepSizes: stepRule.stepSizes(for: problem), squaredDistances: distances, values: values)
  }
}
