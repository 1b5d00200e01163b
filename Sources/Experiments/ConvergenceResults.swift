public import Checks

/// Everything that the report on paper A's convergence experiments shows.
public struct ConvergenceResults: Sendable {
  /// What was run.
  public var study: StudyDescription
  /// The published figures beside ours.
  public var figures: [FigureComparison]
  /// F(X_T) of gradient descent beside the published values.
  public var descentValues: [DescentValue]
  /// Gradient descent with a constant factor on its step: the baseline that nobody plots.
  public var constantSteps: [ConstantStepRow]
  /// One row per training run: bound and premises of Theorem 4.3 beside what was measured.
  public var theorem: [TheoremRow]
  /// One row per width: what the hidden features span at initialisation, and what training does.
  public var widths: [WidthRow]
  /// Every verdict.
  public var checks: [CheckResult]
  /// Seconds per stage; the only numbers that another run may change.
  public var seconds: [(stage: String, seconds: Double)]

  /// Creates results.
  public init(
    study: StudyDescription, figures: [FigureComparison], descentValues: [DescentValue],
    constantSteps: [ConstantStepRow], theorem: [TheoremRow], widths: [WidthRow],
    checks: [CheckResult], seconds: [(stage: String, seconds: Double)]
  ) {
    self.study = study
    self.figures = figures
    self.descentValues = descentValues
    self.constantSteps = constantSteps
    self.theorem = theorem
    self.widths = widths
    self.checks = checks
    self.seconds = seconds
  }
}

/// What a study ran, for the report's first section.
public struct StudyDescription: Sendable, Hashable {
  /// The authors' main seed; problems use `seed + 777`.
  public var seed: UInt64
  /// Training steps per curve.
  public var steps: Int
  /// Training steps of the twins with the theorem's step 1/β.
  public var theorySteps: Int
  /// N, b, d and the width of the wide layer.
  public var instances: Int
  /// b.
  public var rows: Int
  /// d.
  public var columns: Int
  /// n_2.
  public var width: Int
  /// Number of training runs, twins included.
  public var runCount: Int
  /// The command that makes this report.
  public var command: String

  /// Creates a description.
  public init(
    seed: UInt64, steps: Int, theorySteps: Int, instances: Int, rows: Int, columns: Int, width: Int,
    runCount: Int,
    command: String
  ) {
    self.seed = seed
    self.steps = steps
    self.theorySteps = theorySteps
    self.instances = instances
    self.rows = rows
    self.columns = columns
    self.width = width
    self.runCount = runCount
    self.command = command
  }
}

/// F(X_T) of plain gradient descent, ours and published.
public struct DescentValue: Sendable, Hashable {
  /// T.
  public var horizon: Int
  /// Ours, step 0.9999/βᵢ.
  public var value: Double
  /// The authors' classes, as printed.
  public var published: Double
  /// Ours with the theorem's step 1/β.
  public var theoryStep: Double

  /// Creates a row.
  public init(horizon: Int, value: Double, published: Double, theoryStep: Double) {
    self.horizon = horizon
    self.value = value
    self.published = published
    self.theoryStep = theoryStep
  }
}

/// Gradient descent with its step multiplied by a constant.
public struct ConstantStepRow: Sendable, Hashable {
  /// p.
  public var factor: Double
  /// T.
  public var horizon: Int
  /// (F_GD - F_p) / F_GD.
  public var ratio: Double
  /// The value that the authors' problem gave elsewhere, where one is known.
  public var published: Double?
  /// The best ratio of any learned run with this horizon, at any training step.
  public var bestLearned: Double?

  /// Creates a row.
  public init(
    factor: Double, horizon: Int, ratio: Double, published: Double?, bestLearned: Double?
  ) {
    self.factor = factor
    self.horizon = horizon
    self.ratio = ratio
    self.published = published
    self.bestLearned = bestLearned
  }
}

/// Theorem 4.3 on one training run.
public struct TheoremRow: Sendable, Hashable {
  /// Which run.
  public var run: String
  /// T, e and η.
  public var horizon: Int
  /// e.
  public var scale: Double
  /// η.
  public var metaStepSize: Double
  /// `theory` or `reference` step.
  public var stepRule: String
  /// α₀, the smallest singular value of G_{L-1,T} at the start.
  public var alpha: Double
  /// Its rank.
  public var rank: Int
  /// Nd, the rank that the theorem needs.
  public var neededRank: Int
  /// Share of coordinates whose column of G is zero.
  public var deadFraction: Double
  /// log10 (1 - q) of the bound; -infinity where α₀ = 0.
  public var boundLogGap: Double
  /// log10 (1 - measured rate), the rate from F(W^0) to F(W^K); NaN where the loss rose.
  public var measuredLogGap: Double
  /// F(W^K) / F(W^0).
  public var lossRatio: Double
  /// The verdict on T3.
  public var verdict: Verdict
  /// The command that replays the run; empty for none.
  public var replay: String

  /// Creates a row.
  public init(
    run: String, horizon: Int, scale: Double, metaStepSize: Double, stepRule: String,
    alpha: Double, rank: Int, neededRank: Int, deadFraction: Double, boundLogGap: Double,
    measuredLogGap: Double, lossRatio: Double, verdict: Verdict, replay: String = ""
  ) {
    self.run = run
    self.horizon = horizon
    self.scale = scale
    self.metaStepSize = metaStepSize
    self.stepRule = stepRule
    self.alpha = alpha
    self.rank = rank
    self.neededRank = neededRank
    self.deadFraction = deadFraction
    self.boundLogGap = boundLogGap
    self.measuredLogGap = measuredLogGap
    self.lossRatio = lossRatio
    self.verdict = verdict
    self.replay = replay
  }

  /// Whether G_{L-1,T} has the full rank that the theorem asks for, so that α₀ > 0.
  public var hasFullRank: Bool { rank >= neededRank && alpha > 0 }
}

/// The published setting at another width of the wide layer, to see whether anything changes at Nd.
public struct WidthRow: Sendable, Hashable {
  /// n_{L-1}.
  public var width: Int
  /// Nd.
  public var neededWidth: Int
  /// Rank of G_{L-1,T} at the start.
  public var rank: Int
  /// Its largest singular value, at scale e.
  public var largestSingularValue: Double
  /// Its smallest singular value over Nd columns, at scale e.
  public var alpha: Double
  /// (F_GD - F_k) / F_GD after the training steps `steps`.
  public var steps: [Int]
  /// The ratios at `steps`.
  public var ratios: [Double]

  /// Creates a row.
  public init(
    width: Int, neededWidth: Int, rank: Int, largestSingularValue: Double, alpha: Double,
    steps: [Int], ratios: [Double]
  ) {
    self.width = width
    self.neededWidth = neededWidth
    self.rank = rank
    self.largestSingularValue = largestSingularValue
    self.alpha = alpha
    self.steps = steps
    self.ratios = ratios
  }
}
