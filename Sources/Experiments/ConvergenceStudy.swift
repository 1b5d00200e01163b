import Catalog
import Checks
import Engine
import Foundation
import Optimization
import Storage

/// Paper A's convergence experiments and theorems, from the authors' seeds to verdicts.
///
/// The published curves are run with the authors' step and once more with the theorem's own step
/// 1/β; every claim is then checked on those very runs, and the whole chain again at small sizes
/// where the premise α₀ > 0 does hold.
public struct ConvergenceStudy: Sendable {
  /// What can be left out, since it takes time.
  public enum Part: Sendable, Hashable, CaseIterable {
    /// The published curves and the checks on their runs.
    case figures
    /// The settings where α₀ > 0 holds.
    case fullRank
    /// The published setting at other widths.
    case widths
  }

  /// The published curves.
  public var figures: FigureStudy
  /// Published values of gradient descent.
  public var values: PublishedValues
  /// What to do.
  public var parts: Set<Part>
  /// The command that makes the report, for its text.
  public var command: String

  /// A study of `figures`; all parts unless told otherwise.
  public init(
    figures: [PublishedFigure], values: PublishedValues, command: String,
    parts: Set<Part> = Set(Part.allCases)
  ) {
    self.figures = FigureStudy(figures: figures)
    self.values = values
    self.parts = parts
    self.command = command
  }

  /// Runs the study.
  ///
  /// - Parameter progress: called from any thread with the stage and the share of it that is done.
  /// - Throws: ``ProblemError``, ``RuleError`` or ``EngineError`` for what cannot be run.
  public func run(
    progress: @escaping @Sendable (String, Double) throws -> Void = { _, _ in }
  ) throws -> ConvergenceResults {
    var clock = StageClock()
    var evidence = Evidences()
    let setting = TrainingSetting(horizon: 20, scale: 50, metaStepSize: 1e-7)
    let problem = try setting.problem()
    let horizons = [20, 100]

    var results = FigureStudy.Results(figures: [], referenceRuns: [], theoryRuns: [], runCount: 0)
    if parts.contains(.figures) {
      results = try figures.run { try progress("training", $0) }
    }
    clock.mark("training runs")
    let runs = results.theoryRuns + results.referenceRuns
    try evidence.append(checkRuns(runs, on: problem) { try progress("checks", $0) })
    if parts.contains(.figures) {
      evidence.checks += try checkInitialization(on: problem)
      evidence.checks += try checkGradients()
      evidence.checks += try checkDescent(problem, horizons: horizons)
    }
    clock.mark("checks")
    if parts.contains(.fullRank) {
      try evidence.append(FullRankStudy(threads: figures.threads).run())
    }
    clock.mark("settings with full rank")
    let widths = parts.contains(.widths) ? try widthRows(on: problem) : []
    clock.mark("widths")
    let constantSteps = ConstantSteps.rows(
      problem, horizons: horizons, published: values, learned: results.referenceRuns)
    return ConvergenceResults(
      study: StudyDescription(
        seed: setting.seed, steps: figures.steps,
        theorySteps: min(figures.steps, figures.theorySteps), instances: setting.instances,
        rows: setting.rows, columns: setting.columns, width: setting.width,
        runCount: results.runCount, command: command),
      figures: results.figures,
      descentValues: ConstantSteps.descentValues(problem, published: values),
      constantSteps: constantSteps, theorem: evidence.theorem, widths: widths,
      checks: evidence.checks, seconds: clock.seconds)
  }

  /// What the checks of one run say, and its row beside Theorem 4.3.
  struct Evidences: Sendable {
    var checks: [CheckResult] = []
    var theorem: [TheoremRow] = []

    mutating func append(_ other: Evidences) {
      checks += other.checks
      theorem += other.theorem
    }
  }

  /// D1, D3, T3 and T4 on finished runs of the published setting.
  private func checkRuns(
    _ runs: [TrainingRun], on problem: LeastSquares,
    progress: @escaping @Sendable (Double) throws -> Void
  ) throws -> Evidences {
    let keys = unique(runs.map { FeatureKey($0.setting) })
    let features = Dictionary(
      uniqueKeysWithValues: zip(
        keys,
        try Parallel.map(keys, threads: figures.threads) {
          try InitialFeatures($0.setting, on: problem)
        }))
    let meter = ProgressMeter(total: Double(runs.count), report: progress)
    var all = Evidences()
    for (key, one) in keys.compactMap({ key in features[key].map { (key, $0) } }) {
      var result = FullRankCheck().run(
        .init(label: key.label, activations: one.activations))
      result.replay = key.setting.command
      all.checks.append(result)
    }
    for part in try Parallel.map(
      runs, threads: figures.threads,
      { run in
        try meter.counting {
          try features[FeatureKey(run.setting)].map { try run.check($0, on: problem) }
            ?? Evidences()
        }
      })
    { all.append(part) }
    return all
  }

  /// What the hidden features at initialisation depend on, but for their scale.
  private struct FeatureKey: Hashable {
    var setting: TrainingSetting

    init(_ setting: TrainingSetting) {
      self.setting = setting
      self.setting.scale = 1
      self.setting.metaStepSize = 0
    }

    var label: String {
      "T=\(setting.horizon) \(setting.initialization.name) step \(setting.stepRule.name)"
    }
  }

  /// I1 on the engine's own iterates, I2 on the weights, I3 over the published scales.
  private func checkInitialization(on problem: LeastSquares) throws -> [CheckResult] {
    let start = Vector(zeros: problem.dimension)
    var results: [CheckResult] = []
    let settings = [20, 100].flatMap { horizon in
      [StepRule.theory, .reference].map { stepRule in
        var setting = TrainingSetting(horizon: horizon, scale: 50, metaStepSize: 1e-7)
        setting.stepRule = stepRule
        return setting
      }
    }
    results += try Parallel.map(settings.reversed(), threads: figures.threads) { setting in
      let rule = try setting.rule()
      let objective = try rule.metaObjective(
        on: problem, from: start, horizon: setting.horizon, loss: .last)
      let rules: [(String, any UpdateRule)] = [
        ("training engine", RecordedRule(iterates: objective.unroll(rule.parameters).iterates)),
        ("rule", rule),
      ]
      return rules.map { what, candidate in
        AlignmentCheck().run(
          AlignmentCheck.Subject(
            label: "\(what), T=\(setting.horizon) step \(setting.stepRule.name)",
            rule: candidate, reference: GradientDescent(stepRule: setting.stepRule),
            problem: problem, start: start, horizon: setting.horizon,
            premise: Premise(
              "W_L = 0", met: rule.parameters.tensors[2].elements.allSatisfy { $0 == 0 },
              "all \(setting.width) entries")))
      }
    }.reversed().flatMap { $0 }
    let initializations: [CoordMathDNN.Initialization] = [
      .orthogonal(.outIn), .orthogonal(.inOut), .qr, .qrNonnegative,
    ]
    for initialization in initializations {
      var setting = TrainingSetting(horizon: 20, scale: 50, metaStepSize: 1e-7)
      setting.initialization = initialization
      let weights = try setting.rule().network.weights
      results.append(
        OrthonormalFactorsCheck().run(
          OrthonormalFactorsCheck.Subject(
            label: "\(initialization.name), e=50", weights: Array(weights.dropLast()), scale: 50,
            isNonNegative: initialization == .qrNonnegative)))
    }
    var scaled = TrainingSetting(horizon: 20, scale: 1, metaStepSize: 1e-7)
    scaled.stepRule = .theory
    let x = InitialFeatures.lastInput(scaled, on: problem)
    let g = problem.gradient(at: x)
    let unit = try scaled.rule().network.lastHidden(gradient: g, x: x)
    let magnitudes = try scaled.rule().network.magnitudes(gradient: g, x: x)
    let depth = scaled.widths.count + 1
    results += try Parallel.map([25.0, 64, 100], threads: figures.threads) {
      [scaled] scale in
      var setting = scaled
      setting.scale = scale
      return HomogeneityCheck().run(
        HomogeneityCheck.Subject(
          label: "T=20 e=\(Number.short(scale)), \(setting.initialization.name)",
          scaled: try setting.rule().network.lastHidden(gradient: g, x: x), unit: unit,
          scale: scale, depth: depth, magnitudes: magnitudes))
    }
    return results.map { $0.replayed(by: command) }
  }

  /// The gradient of the published setting on one instance, at and away from initialisation.
  private func checkGradients() throws -> [CheckResult] {
    var setting = TrainingSetting(horizon: 20, scale: 50, metaStepSize: 1e-7)
    setting.instances = 1
    setting.steps = 200
    let rule = try setting.rule()
    var perturbed = rule.parameters
    var rng = SplitMix64(seed: setting.seed)
    perturbed.tensors[2].elements = perturbed.tensors[2].elements.map { _ in 1e-3 * rng.normal() }
    let trained = try TrainingRun.run(setting, recordingEvery: setting.steps - 1)
    let points: [(String, Parameters)] = [
      ("at initialisation", rule.parameters),
      ("W_L perturbed by 1e-3", perturbed),
      ("after \(setting.steps) training steps", trained.snapshots.last?.parameters ?? perturbed),
    ]
    let (dense, automatic) = (try setting.objective(.dense), try setting.objective(.automatic))
    let subjects = points.flatMap { name, weights in
      rule.architecture.weightNames.map { block in
        GradientCheck.Subject(
          label: "N=1 T=20 e=50 \(name), \(block)", parameters: weights, block: block,
          seed: setting.seed, reference: dense, objective: automatic)
      }
    }
    return try Parallel.map(subjects, threads: figures.threads) {
      GradientCheck().run($0).replayed(by: command)
    }
  }

  /// D2 on gradient descent with both step rules.
  private func checkDescent(
    _ problem: LeastSquares, horizons: [Int]
  ) throws -> [CheckResult] {
    var accurate = problem
    accurate.gradientForm = .residual
    let start = Vector(zeros: problem.dimension)
    let distances = try problem.squaredDistances(from: start)
    return horizons.flatMap { horizon in
      [StepRule.theory, .reference].map { stepRule in
        GradientDescentBoundCheck().run(
          .gradientDescent(
            "gradient descent T=\(horizon) step \(stepRule.name)", on: accurate,
            distances: distances, stepRule: stepRule, horizon: horizon)
        ).replayed(by: command)
      }
    }
  }

  /// The published setting at quarter, half, once and twice the width that the theorem asks for.
  private func widthRows(on problem: LeastSquares) throws -> [WidthRow] {
    let steps = [100, 500, 1000]
    let needed = problem.dimension
    return try Parallel.map([2 * needed, needed, needed / 2, needed / 4], threads: figures.threads)
    {
      width in
      var setting = TrainingSetting(horizon: 20, scale: 50, metaStepSize: 1e-7)
      setting.width = width
      setting.stepRule = .theory
      setting.steps = (steps.last ?? 0) + 1
      let features = try InitialFeatures(setting, on: problem)
      let factor = pow(setting.scale, Double(setting.widths.count))
      let ratios = try TrainingRun.run(setting, on: problem).ratios
      return WidthRow(
        width: width, neededWidth: needed, rank: features.rank,
        largestSingularValue: factor * (features.singularValues.first ?? 0),
        alpha: factor * features.alpha, steps: steps,
        ratios: steps.map { $0 < ratios.count ? ratios[$0] : .nan })
    }.reversed()
  }
}

extension CheckResult {
  func replayed(by command: String) -> CheckResult {
    var result = self
    result.replay = result.replay ?? command
    return result
  }
}

extension TrainingSetting {
  /// Makes this setting's training objective with the given evaluator.
  func objective(
    _ evaluator: CoordMathDNN.Evaluator
  ) throws -> @Sendable () -> any MetaObjective {
    var rule = try rule()
    rule.evaluator = evaluator
    let problem = try problem()
    let horizon = horizon
    // Whether the rule can be trained on the problem shows here, not in the middle of a check.
    _ = try rule.metaObjective(
      on: problem, from: Vector(zeros: problem.dimension), horizon: horizon, loss: .last)
    return { [rule] in
      do {
        return try rule.metaObjective(
          on: problem, from: Vector(zeros: problem.dimension), horizon: horizon, loss: .last)
      } catch { preconditionFailure("worked a moment ago: \(error)") }
    }
  }
}

/// Seconds since the last mark.
struct StageClock {
  private let clock = ContinuousClock()
  private var last: ContinuousClock.Instant
  private(set) var seconds: [(stage: String, seconds: Double)] = []

  init() { last = clock.now }

  mutating func mark(_ stage: String) {
    let now = clock.now
    let duration = (now - last).components
    seconds.append((stage, Double(duration.seconds) + 1e-18 * Double(duration.attoseconds)))
    last = now
  }
}

/// The elements of `items` without repetitions, in order of first appearance.
func unique<T: Hashable>(_ items: [T]) -> [T] {
  var seen: Set<T> = []
  return items.filter { seen.insert($0).inserted }
}
