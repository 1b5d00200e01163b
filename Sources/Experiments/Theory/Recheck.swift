import Catalog
import Engine
public import Foundation
import Optimization
public import Storage

/// Computes numbers of a report again, one by one, and compares.
///
/// On the kernels that the report was made with every bit must be the same; on others a number may
/// be off by what the report itself says of it: the band or probe of a curve, or the closeness that its
/// experiment asks for. Where it says nothing, six digits have to stay.
public struct Recheck: Sendable {
  /// Some numbers of a report that one computation yields.
  public struct Item: Sendable {
    /// Which part of the report they belong to, such as `bounds`.
    public var part: String
    /// Where they stand in the report.
    public var name: String
    /// About how long they take on one core, in seconds.
    public var seconds: Double
    let reported: [Double]
    let allowed: [Double]
    let body: @Sendable () throws -> [Double]
  }

  /// What became of an item.
  public struct Outcome: Sendable, Hashable, Codable {
    /// Where the numbers stand.
    public var name: String
    /// How many there are.
    public var numbers: Int
    /// How many differ by more than is allowed.
    public var differing: Int
    /// The largest |now - reported|.
    public var largestDifference: Double
    /// What was allowed there.
    public var allowed: Double
  }

  /// Everything that can be computed again, in the order of the report.
  public let items: [Item]
  /// Whether the report was made with the kernels of this process.
  public let isSameMachine: Bool
  /// The report's experiments that cannot be computed again without real data.
  public let withoutData: [Experiment]

  /// Reads a report's `results.json`.
  ///
  /// - Parameters:
  ///   - known: the experiments that there are.
  ///   - trained: the folder with trained rules.
  ///   - blasCore: the kernels of this process.
  /// - Throws: `StorageError` for a file that is no report's.
  public init(
    _ file: URL, known: [Experiment], trained: URL? = nil, blasCore: String
  ) throws(StorageError) {
    let report: File = try JSONFile.read(from: file)
    let isSame = report.machine.core == blasCore
    isSameMachine = isSame
    var items: [Item] = []
    // Kept results say themselves what they were made with.
    let experiments = Recheck(report.experiments ?? [], known: known, blasCore: blasCore)
    items += experiments.items
    withoutData = experiments.withoutData
    for figure in report.figures ?? report.convergence?.figures ?? [] {
      items += figure.curves.map { $0.item(in: figure.name, isExact: isSame) }
    }
    for table in report.yardsticks ?? [] {
      if let item = Self.item(table, isExact: isSame) { items.append(item) }
    }
    if let bounds = report.bounds { items += Self.items(bounds, isExact: isSame) }
    if let kernel = report.kernel { items += Self.items(kernel, isExact: isSame) }
    items += Self.items(report.conditions ?? [], trained: trained, isExact: isSame)
    guard !items.isEmpty else {
      throw .malformed(
        path: file.path,
        culprit: "experiments, figures, yardsticks, bounds, kernel and conditions",
        reason: "none holds a number that can be computed again")
    }
    self.items = items
  }

  /// Takes the curves of experiments alone.
  public init(_ results: [ExperimentResult], known: [Experiment], blasCore: String) {
    isSameMachine = results.allSatisfy { $0.machine.blasCore == blasCore }
    let pairs = results.compactMap { result in
      known.first { $0.name == result.name }.map { (result, $0) }
    }
    withoutData = pairs.map(\.1).filter { $0.needs != nil }
    items = pairs.filter { $0.1.needs == nil }.flatMap { result, experiment in
      Self.items(result, experiment, isExact: result.machine.blasCore == blasCore)
    }
  }

  /// A seeded sample of the items that fits into `seconds`, from every part of the report in turn.
  public func sample(_ count: Int, seconds: Double, seed: UInt64) -> [Item] {
    var rng = SplitMix64(seed: seed)
    // Parts in random order, so that a small sample leaves out another one with another seed.
    var left = Dictionary(grouping: items, by: \.part).sorted { $0.key < $1.key }.map(\.value)
      .shuffled(using: &rng)
    var chosen: [Item] = []
    var spent = 0.0
    while chosen.count < count, !left.isEmpty {
      for i in left.indices where chosen.count < count {
        left[i].removeAll { spent + $0.seconds > seconds }
        guard !left[i].isEmpty else { continue }
        let item = left[i].remove(at: Int(rng.next() % UInt64(left[i].count)))
        spent += item.seconds
        chosen.append(item)
      }
      left.removeAll(where: \.isEmpty)
    }
    return chosen
  }

  /// Computes an item again.
  ///
  /// - Throws: what the computation throws.
  public static func outcome(_ item: Item) throws -> Outcome {
    let now = try item.body()
    var outcome = Outcome(
      name: item.name, numbers: item.reported.count, differing: 0, largestDifference: 0, allowed: 0)
    for (i, reported) in item.reported.enumerated() {
      let value = i < now.count ? now[i] : .nan
      let difference =
        value == reported || value.isNaN && reported.isNaN ? 0 : abs(value - reported)
      if difference != 0, !(difference <= item.allowed[i]) { outcome.differing += 1 }
      if !(difference <= outcome.largestDifference) {
        (outcome.largestDifference, outcome.allowed) = (difference, item.allowed[i])
      }
    }
    return outcome
  }

  // MARK: Items

  private static func items(
    _ result: ExperimentResult, _ experiment: Experiment, isExact: Bool
  ) -> [Item] {
    let runs = Dictionary(experiment.runs.map { ($0.id, $0) }, uniquingKeysWith: { a, _ in a })
    func allowed(_ curve: ExperimentResult.Curve, _ i: Int) -> Double {
      if isExact { return 0 }
      // Other kernels round otherwise.
      let band = curve.band(at: i).map { $0.upperBound - $0.lowerBound } ?? 0
      let limit = result.closeness.limit ?? 1e-2
      return max(limit * result.closeness.unit(of: curve.y[i]), band)
    }
    return zip(experiment.curves, result.curves).flatMap { curve, reported -> [Item] in
      guard curve.label == reported.label else { return [] }
      let name = "\(result.name), \(curve.label)"
      if curve.runs.count == 1, let run = runs[curve.runs[0]] {
        return [
          Item(
            part: "experiments", name: name, seconds: run.seconds, reported: reported.y,
            allowed: reported.y.indices.map { allowed(reported, $0) }
          ) { curve.values([try run.body(RunProgress())]) }
        ]
      }
      // One run a point: each point is an item of its own.
      guard curve.runs.count == reported.x.count else { return [] }
      return curve.runs.indices.compactMap { i in
        guard let run = runs[curve.runs[i]] else { return nil }
        return Item(
          part: "experiments", name: "\(name) at \(Number.short(reported.x[i]))",
          seconds: run.seconds,
          reported: [reported.y[i]], allowed: [allowed(reported, i)]
        ) {
          var outcomes = [[Double]](repeating: [], count: curve.runs.count)
          outcomes[i] = try run.body(RunProgress())
          return [curve.values(outcomes)[i]]
        }
      }
    }
  }

  private static func item(_ table: TheoryResults.YardstickTable, isExact: Bool) -> Item? {
    let setting = table.setting
    let horizons = Array(Set(table.rows.map(\.horizon))).sorted()
    let values = table.rows.map(\.ratio)
    return Item(
      part: "yardsticks", name: "yardsticks, \(table.problems)",
      seconds: setting.columns > 32 ? 20 : 1, reported: values, isExact: isExact
    ) { try Yardsticks.rows(setting.problem(), horizons: horizons).map(\.ratio) }
  }

  // MARK: The file

  private struct File: Decodable {
    struct Convergence: Decodable { var figures: [Figure] }
    var experiments: [ExperimentResult]?
    var figures: [Figure]?
    var convergence: Convergence?
    var yardsticks: [TheoryResults.YardstickTable]?
    var bounds: BoundResults?
    var kernel: TangentKernelResults?
    var conditions: [TheoryResults.Condition]?
    var machine: Machine
  }

  /// A record alone, or one beside the times of the stages.
  private struct Machine: Decodable {
    struct Record: Decodable { var blasCore: String }
    var record: Record?
    var blasCore: String?
    var core: String { blasCore ?? record?.blasCore ?? "" }
  }

  private struct Figure: Decodable {
    var name: String
    var curves: [Curve]
  }

  private struct Curve: Decodable {
    struct Edges: Decodable { var low, high: [Double] }
    struct Setting: Decodable {
      var instances, rows, columns, width, horizon, steps: Int
      var scale, metaStepSize: Double
      var seed: UInt64
    }
    var label: String
    var setting: Setting
    var steps: [Int]
    var ours: [Double]
    var band: Edges?
    var probeDeviation: Double
    var draw: String

    /// The curve trained again, as ratios at the published steps.
    func item(in figure: String, isExact: Bool) -> Item {
      var own = TrainingSetting(
        horizon: setting.horizon, scale: setting.scale, metaStepSize: setting.metaStepSize)
      (own.instances, own.rows, own.columns) = (setting.instances, setting.rows, setting.columns)
      (own.width, own.steps, own.seed) = (setting.width, setting.steps, setting.seed)
      own.layout = CoordMathDNN.WeightLayout(rawValue: draw) ?? .outIn
      let steps = steps
      let allowed = ours.indices.map { i -> Double in
        if isExact { return 0 }
        guard let band, i < band.low.count else { return max(probeDeviation, 1e-9) }
        return max(abs(band.high[i] - ours[i]), abs(ours[i] - band.low[i]))
      }
      return Item(
        part: "figures", name: "\(figure), \(label)", seconds: own.lossRun.seconds, reported: ours,
        allowed: allowed
      ) { [own] in
        let ratios = try TrainingRun.run(own).ratios
        return steps.map { $0 < ratios.count ? ratios[$0] : .nan }
      }
    }
  }
}

extension Recheck.Item {
  /// Numbers of which rounding is all that other kernels change: six digits stay.
  init(
    part: String, name: String, seconds: Double, reported: [Double], isExact: Bool,
    body: @escaping @Sendable () throws -> [Double]
  ) {
    self.init(
      part: part, name: name, seconds: seconds, reported: reported,
      allowed: reported.map { isExact ? 0 : 1e-6 * max(1, abs($0)) }, body: body)
  }
}
