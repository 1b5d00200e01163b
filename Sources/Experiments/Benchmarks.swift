import Catalog
import Dispatch
import Engine
import Foundation
import Optimization

/// Times of one task, repeated.
public struct Timing: Sendable, Hashable, Codable {
  /// Median, ms.
  public var median: Double
  /// Minimum, ms.
  public var minimum: Double
  /// Number of repetitions.
  public var repetitions: Int

  /// Sums up single times, in ms.
  public init(_ milliseconds: [Double]) {
    precondition(!milliseconds.isEmpty, "nothing was timed")
    median = Self.median(of: milliseconds)
    minimum = milliseconds.min() ?? .nan
    repetitions = milliseconds.count
  }

  /// The middle value, the lower one of two.
  static func median(of values: [Double]) -> Double {
    values.sorted()[(values.count - 1) / 2]
  }
}

/// What `optcheck bench` measures, as values.
///
/// Times are of whole training steps: forward, backward, update of the weights. Where a machine is
/// shared, minima are the measurement and medians tell how much it was shared.
public struct Benchmarks: Sendable, Hashable, Codable {
  /// One size of the training problem.
  public struct Size: Sendable, Hashable, Codable {
    /// Unknowns d of an instance.
    public var dimension: Int
    /// Rows m of its matrix.
    public var rows: Int
    /// Instances N.
    public var instances: Int
    /// Unrolled steps T.
    public var horizon: Int
    /// Width of the network.
    public var width: Int

    /// The size of the headline: d = 512, m = 400, N = 10, T = 100, width 5120.
    public static let headline = Size(
      dimension: 512, rows: 400, instances: 10, horizon: 100, width: 5120)
    /// The size of the published figures, at T = 20.
    public static let figure = Size(
      dimension: 32, rows: 25, instances: 32, horizon: 20, width: 1024)

    /// N d T, the samples that pass through the network in one training step.
    public var samples: Int { instances * dimension * horizon }
  }

  /// A training step beside the same loop without its network.
  public struct Pair: Sendable, Hashable, Codable {
    /// Threads of both.
    public var threads: Int
    /// The training step.
    public var step: Timing
    /// The same matrices in the same order with P = 1, backward pass included.
    public var withoutNetwork: Timing
    /// Median of the ratios of neighbouring measurements.
    public var ratio: Double
  }

  /// The headline.
  public struct Headline: Sendable, Hashable, Codable {
    /// What was run.
    public var size: Size
    /// On two threads.
    public var twoThreads: Pair
    /// On one.
    public var oneThread: Pair
    /// Largest resident memory up to the end of the steps on two threads, setup included, MB (10⁶
    /// bytes); nil where the system does not tell.
    public var peakMegabytes: Double?
  }

  /// The size of the published figures on one thread.
  public struct Figure: Sendable, Hashable, Codable {
    /// What was run.
    public var size: Size
    /// The training step.
    public var step: Timing
    /// The same by matrix products; nil where not measured.
    public var dense: Timing?
    /// Minimum by matrix products over minimum; nil where not measured.
    public var denseRatio: Double?
  }

  /// How the time of a training step grows on one thread.
  public struct Growth: Sendable, Hashable, Codable {
    /// What varies: `width` or `samples`.
    public var quantity: String
    /// Its values.
    public var values: [Int]
    /// The times at them.
    public var times: [Timing]
    /// Exponent b of the fitted power law: minimum ≈ a valueᵇ.
    public var exponent: Double
  }

  /// A target and what was measured.
  public struct Target: Sendable, Hashable, Codable {
    /// What is limited, in words.
    public var name: String
    /// The measurement.
    public var measured: Double
    /// What it may be at most.
    public var limit: Double
    /// Unit of both; empty for a ratio.
    public var unit: String
    /// Whether it is met.
    public var isMet: Bool { measured <= limit }

    /// Creates a target.
    public init(name: String, measured: Double, limit: Double, unit: String = "") {
      self.name = name
      self.measured = measured
      self.limit = limit
      self.unit = unit
    }

    private enum CodingKeys: String, CodingKey { case name, measured, limit, unit, isMet }

    public init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      name = try container.decode(String.self, forKey: .name)
      measured = try container.decode(Double.self, forKey: .measured)
      limit = try container.decode(Double.self, forKey: .limit)
      unit = try container.decode(String.self, forKey: .unit)
    }

    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(name, forKey: .name)
      try container.encode(measured, forKey: .measured)
      try container.encode(limit, forKey: .limit)
      try container.encode(unit, forKey: .unit)
      try container.encode(isMet, forKey: .isMet)
    }
  }

  /// Version of this layout.
  public var schema = 1
  /// Whether sizes were cut down; the headline's targets then mean nothing and are left out.
  public var isQuick: Bool
  /// Cores that the process may use.
  public var cores: Int
  /// The headline.
  public var headline: Headline
  /// The figures' size at T = 20 and T = 100.
  public var figures: [Figure]
  /// Growth with the width and with the samples.
  public var growth: [Growth]
  /// The authors' code on such a machine, with its source.
  public var published: PublishedTimes
  /// Targets and whether they are met, by the minima.
  public var targets: [Target]

  /// Measures everything; about half a minute, or a few seconds if `quick`.
  ///
  /// Peak memory is the process's, so run it in a process that has done nothing else.
  /// - Parameter progress: called with what is measured next.
  /// - Throws: ``ProblemError`` or ``RuleError``, which sizes as given here do not cause.
  public static func run(
    quick: Bool = false, published: PublishedTimes, progress: (String) -> Void = { _ in }
  ) throws -> Benchmarks {
    progress("headline, 2 threads and 1")
    let headline = try headline(
      quick ? Size(dimension: 64, rows: 50, instances: 4, horizon: 20, width: 512) : .headline,
      repetitions: quick ? 3 : 60)
    progress("the figures' size")
    var long = Size.figure
    long.horizon = 100
    let figures = [
      try figure(.figure, repetitions: quick ? 20 : 1000, denseRepetitions: quick ? 1 : 5),
      try figure(long, repetitions: quick ? 5 : 200, denseRepetitions: 0),
    ]
    progress("growth with the width")
    let widths = (quick ? [1, 4, 16] : [1, 2, 4, 8, 16, 32, 64]).map { $0 * 1024 }
    let byWidth = try growth("width", widths, repetitions: quick ? 3 : 50) { size, width in
      size.width = width
      return width
    }
    progress("growth with the samples")
    let instances = quick ? [8, 32, 128] : [8, 16, 32, 64, 128, 256, 512]
    let bySamples = try growth("samples", instances, repetitions: quick ? 3 : 50) { size, count in
      size.instances = count
      return size.samples
    }
    var result = Benchmarks(
      isQuick: quick, cores: Parallel.coreCount, headline: headline, figures: figures,
      growth: [byWidth, bySamples], published: published, targets: [])
    result.targets = targets(of: result)
    return result
  }

  private static func targets(of result: Benchmarks) -> [Target] {
    let headline = result.headline
    var targets: [Target] = []
    if !result.isQuick {
      targets = [
        Target(
          name: "headline on 2 threads", measured: headline.twoThreads.step.minimum, limit: 20,
          unit: "ms"),
        Target(
          name: "headline on 2 threads, with network / without",
          measured: headline.twoThreads.ratio, limit: 1.3),
        Target(
          name: "headline on 1 thread, with network / without",
          measured: headline.oneThread.ratio, limit: 1.3),
      ]
      if let peak = headline.peakMegabytes {
        targets.append(
          Target(name: "headline, peak memory", measured: peak, limit: 100, unit: "MB"))
      }
    }
    targets += result.figures.prefix(1).map {
      Target(
        name: "figure, T = \($0.size.horizon), 1 thread", measured: $0.step.minimum, limit: 0.35,
        unit: "ms")
    }
    return targets
      + result.growth.map {
        Target(name: "exponent of time against \($0.quantity)", measured: $0.exponent, limit: 1.1)
      }
  }

  // MARK: - Measurements

  private static func headline(_ size: Size, repetitions: Int) throws -> Headline {
    let problem = try setting(size).problem()
    // Memory is read before the loop without network, which needs buffers of its own.
    var two = try Training(size, problem: problem, threads: 2)
    var peak: Double?
    let first = pair(&two, repetitions: repetitions) { peak = peakMegabytes() }
    var one = try Training(size, problem: problem, threads: 1)
    let second = pair(&one, repetitions: repetitions)
    return Headline(size: size, twoThreads: first, oneThread: second, peakMegabytes: peak)
  }

  private static func figure(_ size: Size, repetitions: Int, denseRepetitions: Int) throws -> Figure
  {
    var training = try Training(size)
    _ = training.step()
    let step = Timing((0..<repetitions).map { _ in training.step() })
    guard denseRepetitions > 0 else { return Figure(size: size, step: step) }
    var dense = try Training(size, evaluator: .dense)
    let denseTiming = Timing((0..<denseRepetitions).map { _ in dense.step() })
    return Figure(
      size: size, step: step, dense: denseTiming, denseRatio: denseTiming.minimum / step.minimum)
  }

  private static func growth(
    _ quantity: String, _ settings: [Int], repetitions: Int,
    change: (inout Size, Int) -> Int
  ) throws -> Growth {
    var values: [Int] = []
    var times: [Timing] = []
    for setting in settings {
      var size = Size.figure
      values.append(change(&size, setting))
      var training = try Training(size)
      _ = training.step()
      times.append(Timing((0..<repetitions).map { _ in training.step() }))
    }
    return Growth(
      quantity: quantity, values: values, times: times,
      exponent: exponent(of: times.map(\.minimum), against: values.map(Double.init)))
  }

  /// Times the step and the loop without network in turn, so that both meet the same neighbours.
  private static func pair(
    _ training: inout Training, repetitions: Int, afterFirstSteps: () -> Void = {}
  ) -> Pair {
    for _ in 0..<3 { _ = training.step() }
    afterFirstSteps()
    let bare = training.withoutNetwork()
    var steps: [Double] = []
    var bares: [Double] = []
    for _ in 0..<repetitions {
      steps.append(training.step())
      bares.append(milliseconds { bare() })
    }
    return Pair(
      threads: training.threads, step: Timing(steps), withoutNetwork: Timing(bares),
      ratio: Timing.median(of: zip(steps, bares).map { $0 / $1 }))
  }

  /// b of the power law time = a valueᵇ that fits best: the slope of the logarithms by least squares.
  public static func exponent(of times: [Double], against values: [Double]) -> Double {
    precondition(times.count == values.count && times.count > 1, "\(times.count) times")
    let x = values.map { log($0) }
    let y = times.map { log($0) }
    let meanX = x.reduce(0, +) / Double(x.count)
    let meanY = y.reduce(0, +) / Double(y.count)
    let above = zip(x, y).map { ($0 - meanX) * ($1 - meanY) }.reduce(0, +)
    return above / x.map { ($0 - meanX) * ($0 - meanX) }.reduce(0, +)
  }

  private static func setting(_ size: Size) -> TrainingSetting {
    var setting = TrainingSetting(horizon: size.horizon, scale: 50, metaStepSize: 1e-7)
    setting.instances = size.instances
    setting.rows = size.rows
    setting.columns = size.dimension
    setting.width = size.width
    return setting
  }

  private static func milliseconds(_ body: () -> Void) -> Double {
    let start = DispatchTime.now().uptimeNanoseconds
    body()
    return Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-6
  }

  /// The process's largest resident memory so far, MB; nil where the system does not tell.
  private static func peakMegabytes() -> Double? {
    // getrusage would count what the parent held before exec as well; this line does not.
    let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = status?.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return line.flatMap { Double($0.filter(\.isNumber)) }.map { $0 * 1024 / 1e6 }
  }

  /// A training run that never ends.
  private struct Training {
    let threads: Int
    private let size: Size
    private let problem: LeastSquares
    private let rule: CoordMathDNN
    private let objective: any MetaObjective
    private let plan: MetaTraining
    private var state: TrainingState
    private var memory: MetaTraining.Memory

    init(
      _ size: Size, problem given: LeastSquares? = nil, threads: Int = 1,
      evaluator: CoordMathDNN.Evaluator = .angular
    ) throws {
      var setting = setting(size)
      setting.steps = .max
      problem = try given ?? setting.problem()
      var rule = try setting.rule()
      rule.threads = threads
      rule.evaluator = evaluator
      objective = try rule.metaObjective(
        on: problem, from: Vector(zeros: problem.dimension), horizon: size.horizon, loss: .last)
      self.rule = rule
      self.size = size
      self.threads = threads
      plan = setting.plan
      state = plan.initialState(rule.parameters)
      memory = MetaTraining.Memory(for: rule.parameters)
    }

    /// Takes one training step and returns its time in ms.
    mutating func step() -> Double {
      let before = state.parameters
      let time = milliseconds { plan.advance(&state, objective, memory: &memory) }
      // A step that leaves the weights as they are would make the next one free.
      precondition(state.stop == nil && state.parameters != before, "training stands still")
      return time
    }

    /// The same loop without network.
    func withoutNetwork() -> () -> Void {
      let engine = AngularUnroll(
        problem: problem.batch, stepSizes: rule.stepRule.stepSizes(for: problem),
        start: Vector(zeros: problem.dimension), horizon: size.horizon, width: size.width,
        map: rule.architecture.map, threads: threads)
      let weights = MetaLoss.last.weights(horizon: size.horizon)
      return { _ = engine.evaluateWithoutNetwork(lossWeights: weights) }
    }
  }
}
