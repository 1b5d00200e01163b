import Catalog
import Checks
import Engine
public import Foundation
import Optimization
import Storage

/// How well derivatives are judged: targets G1, G2 and G4, each with its figure.
public struct DerivativePower: Sendable, Hashable, Codable {
  /// One target.
  public struct Row: Sendable, Hashable, Codable {
    /// Its id.
    public var target: String
    /// What is asked.
    public var what: String
    /// What was measured.
    public var figure: String
    /// Whether it is met.
    public var isMet: Bool
  }

  /// Target by target.
  public var rows: [Row]
  /// The setting in words.
  public var explanation: String

  /// Measures all three.
  ///
  /// - Parameters:
  ///   - seeds: problem seeds, 32 for the whole.
  ///   - directions: directions for each derivative of G1; the first is the one of the target.
  ///   - file: where settings are kept as they are done, so that a study that was cut goes on; nil for
  ///     nowhere.
  /// - Returns: nil where `isCancelled` said so.
  /// - Throws: `StorageError`.
  public static func measured(
    seeds: Int, directions: Int, file: URL? = nil, isCancelled: () -> Bool = { false },
    progress: (_ done: Int, _ total: Int, _ what: String) -> Void = { _, _, _ in }
  ) throws -> DerivativePower? {
    let settings = [20, 100].flatMap { horizon in
      [1.0, 50].flatMap { e in
        [0, 1e-4, 1e-3].flatMap { w in
          (1...seeds).map { Setting(horizon: horizon, e: e, last: w, seed: UInt64($0)) }
        }
      }
    }
    var outcomes: [Setting.Outcome] = []
    if let file, FileManager.default.fileExists(atPath: file.path) {
      outcomes = try JSONFile.read([Setting.Outcome].self, from: file)
    }
    while outcomes.count < settings.count {
      if isCancelled() { return nil }
      progress(outcomes.count, settings.count, "G1 and G4")
      let part = settings[outcomes.count..<min(settings.count, outcomes.count + 8)]
      outcomes += try Parallel.map(Array(part)) { try $0.outcome(directions: directions) }
      if let file { try JSONFile.write(outcomes, to: file) }
    }
    let bars = outcomes.flatMap(\.bars)
    let alarms = outcomes.count(where: \.isAlarm)
    let inside = bars.count { $0.error <= $0.bar }
    let ratios = bars.map { $0.bar / max($0.error, .leastNormalMagnitude) }.sorted()
    let list = zip(settings, outcomes).compactMap { setting, outcome -> String? in
      guard let worst = outcome.bars.filter({ $0.error > $0.bar }).max(by: { $0.error < $1.error })
      else { return nil }
      return String(
        format: "T = %d, e = %g, W_L = %g, seed %d: error %.2e, bar %.2e, slope %.2e",
        setting.horizon, setting.e, setting.last, Int(setting.seed), worst.error, worst.bar,
        outcome.slope)
    }
    let median = ratios.isEmpty ? .nan : ratios[ratios.count / 2]
    let most = outcomes.map(\.evaluations).max() ?? 0
    // The target's 96 derivatives, spread over all settings.
    let taylor = outcomes.enumerated().filter { $0.offset % max(1, outcomes.count / 96) == 0 }
      .map(\.element).prefix(96)
    let flagged = taylor.count { $0.taylorCorrect == .violated }
    let passed = taylor.count { $0.taylorWrong == .holds }
    progress(settings.count, settings.count, "G2")
    let forward = try forwardMode(seeds: max(1, seeds / 4))
    return DerivativePower(
      rows: [
        Row(
          target: "G1", what: "false alarms on \(outcomes.count) derivatives: none",
          figure: "\(alarms)", isMet: alarms == 0),
        Row(
          target: "G1", what: "error bars that contain the true error: at least 99 %",
          figure: "\(inside) of \(bars.count)", isMet: inside * 100 >= 99 * bars.count),
        Row(
          target: "G1", what: "median error bar: at most 100 × the true error",
          figure: String(format: "%.0f ×", median), isMet: median <= 100),
        Row(
          target: "G1", what: "forward runs per direction: at most 20", figure: "\(most)",
          isMet: most <= 20),
        Row(
          target: "G2", what: "forward mode against the reverse pass at T = 100: at most 1e-12",
          figure: String(format: "%.1e", forward), isMet: forward <= 1e-12),
        Row(
          target: "G4", what: "correct gradients flagged, of 96: at most 1",
          figure: "\(flagged) of \(taylor.count)", isMet: flagged <= 1),
        Row(
          target: "G4", what: "gradients 1 % off that pass, of 96: at most 1",
          figure: "\(passed) of \(taylor.count)", isMet: passed <= 1),
      ],
      explanation:
        "CoordMathDNN of width 1024 on one instance with d = 32, b = 20; T in 20, 100; e in 1, 50; W_L "
        + "normal of size 0, 1e-4, 1e-3; \(seeds) seeds; \(directions) Gaussian directions of unit norm over "
        + "all weights each. The truth is g·v by backpropagation, itself held against forward mode in G2 and "
        + "against the authors' gradients by `optcheck replay`. An alarm is what the check gives: two ladders that "
        + "both exclude the truth; the second row counts the bars of single ladders."
        + (list.isEmpty ? "" : "\n\nOutside their bars:\n\n" + list.map { "- \($0)\n" }.joined()))
  }

  /// One derivative of the published setting.
  struct Setting: Sendable {
    var horizon: Int
    var e: Double
    var last: Double
    var seed: UInt64

    struct Bar: Sendable, Codable {
      var error: Double
      var bar: Double
    }

    struct Outcome: Sendable, Codable {
      var bars: [Bar] = []
      var evaluations = 0
      var slope = 0.0
      /// Whether both ladders along the first direction disagree with the truth.
      var isAlarm = false
      var taylorCorrect = Verdict.inconclusive
      var taylorWrong = Verdict.inconclusive
    }

    func outcome(directions: Int) throws -> Outcome {
      let problem = try LeastSquares.authors(
        seed: 894 + seed, instances: 1, rows: 20, columns: 32, gradientForm: .residual)
      let architecture = CoordMathDNN.Architecture(widths: [2, 1024])
      var weights = try CoordMathDNN.initialParameters(
        architecture, .orthogonal(.inOut), scale: e, seed: seed)
      var rng = SplitMix64(seed: seed)
      for j in weights.tensors[2].elements.indices {
        weights.tensors[2].elements[j] = last * rng.normal()
      }
      let rule = try CoordMathDNN(
        architecture: architecture, parameters: weights, stepRule: .reference)
      let objective = try rule.metaObjective(
        on: problem, from: Vector(zeros: 32), horizon: horizon, loss: .last)
      var gradient = weights.zeros
      let loss = objective.evaluate(weights, gradient: &gradient).loss
      let surrogate = objective.surrogate(at: weights)
      var result = Outcome()
      for k in 0..<directions {
        let direction = weights.unitDirection(&rng)
        let f: (Double) -> Double = { surrogate.loss(at: weights.moved($0, direction)) }
        let difference = FiniteDifference(of: f)
        let truth = gradient.dot(direction)
        result.bars.append(
          Bar(error: abs(difference.slope.value - truth), bar: difference.slope.error))
        result.evaluations = max(result.evaluations, difference.evaluations)
        if k == 0 {
          result.slope = truth
          if let bar = result.bars.first, bar.error > bar.bar {
            // As ``GradientCheck`` does: nobody is accused before a second ladder agrees.
            let second = FiniteDifference(of: f, scale: difference.steps.upperBound / 2)
            result.isAlarm = abs(second.slope.value - truth) > second.slope.error
          }
          let order = TaylorOrder(of: f, value: loss, difference: difference)
          result.taylorCorrect = order.verdict(slope: truth)
          result.taylorWrong = order.verdict(slope: 1.01 * truth)
        }
      }
      return result
    }
  }

  /// The largest relative difference of forward mode from g·v over rules written as formulas.
  private static func forwardMode(seeds: Int) throws -> Double {
    guard
      let pa = RecurrentParts.Architecture.variant(
        "PBA12", network: RecurrentNetwork(hidden: 8))
    else { preconditionFailure("there is a variant PBA12") }
    let solved = try ProblemSuite.families.first { $0.name == "lasso" }?.problem()
    guard let problem = solved?.problem as? Regression else {
      preconditionFailure("the suite has a LASSO")
    }
    return try (1...seeds).map { seed in
      let rule = CoordMathLSTM(
        try RecurrentParts(pa, parameters: pa.initialParameters(seed: UInt64(seed))))
      let start = SplitMix64(seed: UInt64(seed))
      var rng = start
      let objective = FormulaObjective(
        rule, on: problem, from: rng.vector(problem.dimension), horizon: 100,
        loss: .objective(MetaLoss.last.weights(horizon: 100)))
      var gradient = rule.parameters.zeros
      _ = objective.evaluate(rule.parameters, gradient: &gradient)
      let direction = rule.parameters.unitDirection(&rng)
      let forward = objective.derivative(at: rule.parameters, along: direction)
      let backward = gradient.dot(direction)
      // Relative to what is summed: g·v may cancel.
      let size = zip(gradient.tensors, direction.tensors).reduce(0) { sum, pair in
        sum + zip(pair.0.elements, pair.1.elements).reduce(0) { $0 + abs($1.0 * $1.1) }
      }
      return abs(forward - backward) / size
    }.max() ?? .nan
  }
}
