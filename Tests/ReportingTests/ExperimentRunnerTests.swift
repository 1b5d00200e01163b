import Foundation
import OptCheck
import Synchronization
import TestSupport
import Testing

@testable import Experiments

/// What is run once, kept, compared and gone on with.
@Suite struct ExperimentRunners {
  private static let machine = Sample.record

  /// An experiment of two curves that share a run; `counts` counts what is computed.
  private static func experiment(
    _ name: String, published: [Double]? = nil, counts: Counter = Counter()
  ) -> Experiment {
    func run(_ id: String, _ values: [Double]) -> ExperimentRun {
      ExperimentRun(id: id, seconds: 1) { progress in
        counts.add(id)
        try progress(0.5)
        return values
      }
    }
    let x = [0.0, 100]
    return Experiment(
      name: name, title: name, source: "nowhere", referenceCommand: "python", quantity: "F",
      abscissa: "k", isLogarithmic: false, closeness: .relative(1e-3), notes: [],
      runs: [run("a", [4, 2]), run("b", [3, 1])],
      curves: [
        Experiment.Curve(
          label: "a", x: x, runs: ["a"], values: { $0[0] }, published: published),
        Experiment.Curve(
          label: "b over a", x: x, runs: ["b", "a"],
          values: { outcomes in zip(outcomes[0], outcomes[1]).map { $0 / $1 } }, published: nil),
      ])
  }

  /// Counts what ran.
  final class Counter: Sendable {
    private let counts = Mutex<[String: Int]>([:])
    func add(_ id: String) { counts.withLock { $0[id, default: 0] += 1 } }
    var all: [String: Int] { counts.withLock { $0 } }
  }

  private func temporaryFolder() throws -> URL {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-experiments-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }

  private func runner(_ folder: URL?, program: String = "p") -> ExperimentRunner {
    ExperimentRunner(
      cache: ResultCache(folder: folder, program: program), threads: 2, machine: Self.machine,
      date: "2026-01-01")
  }

  @Test func sharedRunsAreDoneOnceAndKept() throws {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let counter = Counter()
    let both = [
      Self.experiment("one", counts: counter), Self.experiment("two", counts: counter),
    ]
    let first = try runner(folder).run(both)
    #expect(counter.all == ["a": 1, "b": 1])
    #expect(first[1].curves[1].y == [0.75, 0.5])
    // Kept with the time it took.
    #expect(first.allSatisfy { $0.seconds > 0 })
    #expect(try runner(folder).run(both) == first)
    #expect(counter.all == ["a": 1, "b": 1], "a second run reads what was kept")
    // Another build takes nothing for granted.
    _ = try runner(folder, program: "q").run(both)
    #expect(counter.all == ["a": 2, "b": 2])
  }

  @Test func anInterruptionKeepsWhatIsFinished() throws {
    struct Stop: Error {}
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let counter = Counter()
    let experiment = Self.experiment("one", counts: counter)
    var serial = runner(folder)
    serial.threads = 1
    // The first of the two runs ends at one half of the work.
    #expect(throws: Stop.self) { try serial.run([experiment]) { if $0 > 0.6 { throw Stop() } } }
    #expect(counter.all == ["a": 1, "b": 1])
    _ = try serial.run([experiment])
    #expect(counter.all == ["a": 1, "b": 2])
  }

  @Test func aCutTrainingGoesOnWithTheSameBits() throws {
    struct Stop: Error {}
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let starts = Mutex<[Int]>([])
    /// Two weights that go around chaotically, seven steps of them.
    let run = ExperimentRun(id: "logistic map", seconds: 1) { progress in
      let first = Parameters([("w", Tensor(shape: [2], elements: [0.3, 0.4]))])
      var (weights, losses) = progress.resumed(first)
      starts.withLock { $0.append(losses.count) }
      while losses.count < 7 {
        let w = weights.tensors[0].elements
        losses.append(w[0] + w[1])
        weights.tensors[0].elements = w.map { 3.9 * $0 * (1 - $0) }
        try progress(Double(losses.count) / 7, losses: losses) { weights }
      }
      return losses
    }
    var experiment = Self.experiment("cut")
    experiment.runs = [run]
    experiment.curves = [
      Experiment.Curve(label: "", x: (0..<7).map(Double.init), runs: [run.id], values: { $0[0] })
    ]
    let whole = try runner(nil).run([experiment])[0].curves
    for limit in [0.4, 0.8] {
      #expect(throws: Stop.self) {
        try runner(folder).run([experiment]) { if $0 > limit { throw Stop() } }
      }
    }
    func interims() throws -> [URL] {
      try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        .filter { $0.lastPathComponent.contains("interim") }
    }
    #expect(try interims().count == 1)
    // Another build begins anew, and leaves this one's state alone.
    #expect(try runner(folder, program: "q").run([experiment])[0].curves == whole)
    #expect(try runner(folder).run([experiment])[0].curves == whole)
    #expect(starts.withLock { $0 } == [0, 0, 3, 0, 6])
    #expect(try interims().isEmpty)
  }

  @Test func aStateIsKeptNowAndThenAndADamagedOneIgnored() throws {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let cache = ResultCache(folder: folder, program: "p")
    let weights = Parameters([("w", Tensor(shape: [1], elements: [2]))])
    let kept = Mutex(0)
    for (interval, expected) in [(Duration.zero, 3), (.seconds(3600), 0)] {
      kept.withLock { $0 = 0 }
      let progress = RunProgress(
        interval: interval,
        keep: { arrays in
          kept.withLock { $0 += 1 }
          try cache.keepInterim(arrays, for: "key")
        })
      for k in 1...3 {
        try progress(Double(k) / 3, losses: Array(repeating: 0.5, count: k)) { weights }
      }
      #expect(kept.withLock { $0 } == expected)
    }
    let left = RunProgress(interim: cache.interim(for: "key")).resumed(weights.zeros)
    #expect(left.weights == weights && left.losses == [0.5, 0.5, 0.5])
    // Weights of another shape are another run's.
    let other = Parameters([("w", Tensor(zeros: [2]))])
    #expect(RunProgress(interim: cache.interim(for: "key")).resumed(other).losses.isEmpty)
    #expect(cache.interim(for: "another key") == nil)
    for file in try FileManager.default.contentsOfDirectory(
      at: folder, includingPropertiesForKeys: nil)
    {
      try Data(contentsOf: file).dropLast().write(to: file)
    }
    #expect(cache.interim(for: "key") == nil)
    cache.removeInterim(for: "key")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  @Test func aDamagedPartIsComputedAnew() throws {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let cache = ResultCache(folder: folder, program: "p")
    try cache.keep([1.0, .nan], for: "key")
    let kept: [Double]? = cache.value(for: "key")
    #expect(kept?[0] == 1 && kept?[1].isNaN == true)
    let other: [Double]? = cache.value(for: "another key")
    #expect(other == nil)
    for file in try FileManager.default.contentsOfDirectory(
      at: folder, includingPropertiesForKeys: nil)
    {
      try Data("{".utf8).write(to: file)
    }
    let damaged: [Double]? = cache.value(for: "key")
    #expect(damaged == nil)
  }

  @Test func closenessIsWhatItSays() throws {
    func agrees(_ published: [Double]) throws -> Bool? {
      let result = try runner(nil).run([Self.experiment("one", published: published)])[0]
      return result.curves[0].agrees(result.closeness)
    }
    #expect(try agrees([4, 2.001]) == true)
    #expect(try agrees([4, 2.003]) == false)
    let curve = ExperimentResult.Curve(
      label: "ends early", x: [0, 1], y: [1, .nan], published: [1, 1])
    #expect(curve.agrees(.absolute(0.1)) == false, "a run that ended is no agreement")
    #expect(curve.agrees(.shape("only")) == nil)
    #expect(curve.worst(.absolute(0.1))?.x == 1)
    let sparse = ExperimentResult.Curve(
      label: "published in places", x: [0, 1, 2], y: [1, 5, 1], published: [1, .nan, 1.05])
    #expect(sparse.agrees(.absolute(0.1)) == true, "where nothing was published nothing differs")
  }

  /// Published points that twins explain, and those that they do not; tables of Student's t tell where the
  /// band of four twins ends.
  @Test func twinsTellHowFarRoundingReaches() {
    let wild = [1.1, 0.9, 1.2, 0.8]
    func curve(_ published: [Double], _ twins: [[Double]]) -> ExperimentResult.Curve {
      .init(label: "c", x: [0, 1], y: [1, 1], published: published, twins: twins)
    }
    func agreement(_ published: [Double], _ twins: [[Double]]) -> CurveAgreement? {
      curve(published, twins).agreement(.relative(1e-3))
    }
    let calm = [1, 1, Double.nan, .nan]
    let one = curve([1, 1], [wild, calm])
    // s² = 0.1 / 4, t = 4.6041 for 0.995 and four degrees of freedom; 5.5976 for 0.9975.
    let half = 4.6041 * (0.025 * 1.2).squareRoot()
    #expect(abs((one.band(at: 0)?.upperBound ?? 0) - (1 + half)) < 1e-4 && one.band(at: 1) == nil)
    let two = curve([1, 1], [wild, wild]).band(at: 1)
    #expect(abs((two?.lowerBound ?? 1) - (1 - 5.5976 * (0.03).squareRoot())) < 1e-4)
    // Only bands that something published could miss share the risk.
    let sparse = curve([1, .nan], [wild, wild])
    for place in 0...1 {
      #expect(abs((sparse.band(at: place)?.upperBound ?? 0) - (1 + half)) < 1e-4)
    }
    let elsewhere = curve([.nan, 1], [wild, calm]).band(at: 0)
    #expect(abs((elsewhere?.upperBound ?? 0) - (1 + half)) < 1e-4)

    #expect(agreement([1.0005, 1], [wild, calm]) == .within)
    #expect(agreement([1.7, 1], [wild, calm]) == .insideBand)
    #expect(agreement([1.85, 1], [wild, calm]) == .differs)
    #expect(agreement([1.7, 1.002], [wild, calm]) == .differs, "calm, and off")
    #expect(agreement([1.7, .nan], [wild, calm]) == .insideBand)
    // What a band explains is not what makes a curve differ.
    #expect(curve([1.7, 1.002], [wild, calm]).worst(.relative(1e-3))?.x == 1)
    #expect(curve([1.7, 1], [wild, calm]).worst(.relative(1e-3))?.x == 0)
    #expect(curve([1.7, 1.002], [wild, calm]).worst(.shape("only"))?.x == 0)
    #expect(agreement([1.7, 1], [[1.1, 0.9, .nan, .nan], calm]) == .differs, "two are too few")
    #expect(agreement([1.7, 1], [[1.1, 0.9, .infinity, 0.8], calm]) == .differs)
    #expect(curve([1.7, 1], [wild, calm]).agreement(.shape("only")) == nil)
    #expect(curve([1.7, 1], [wild, calm]).agrees(.relative(1e-3)) == true)
  }

  /// Twins of a curve are kept with it, place by place, and what was kept before there were any can be read.
  @Test func twinsAreKept() throws {
    var experiment = Self.experiment("one", published: [4, 2])
    let x = experiment.curves[0].x
    experiment.runs.append(ExperimentRun(id: "twins", seconds: 1) { _ in [1, 2, 3, .nan] })
    experiment.curves[0].twins = Experiment.Twins(runs: x.map { _ in "twins" }) { outcome, index in
      outcome.map { $0 + Double(index) }
    }
    let result = try runner(nil).run([experiment])[0]
    let twins = try #require(result.curves[0].twins)
    #expect(twins.count == x.count && twins[1].prefix(3) == [2, 3, 4] && twins[1][3].isNaN)
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("one.json")
    try JSONFile.write(result, to: file)
    let read = try JSONFile.read(ExperimentResult.self, from: file)
    #expect(read.curves[0].twins?[1].prefix(3) == [2, 3, 4])
    var old = result
    old.curves[0].twins = nil
    try JSONFile.write(old, to: file)
    #expect(try !String(contentsOf: file, encoding: .utf8).contains("twins"))
    #expect(try JSONFile.read(ExperimentResult.self, from: file).curves[0].twins == nil)
  }

  /// Ours and a twin in single precision for every step size, three more where the two part, and whose they are.
  @Test func twinsAreTrainedWhereTheFirstParts() throws {
    var asked: [[UnfoldedDescent.Training]] = []
    // Rounding moves the second step size by a thousandth, and what it is off by tenfold thousand; the third
    // leaves the finite numbers.
    let outcome = try RoundingTwins.outcome([1, 2, 3], calm: 1e-3 - 1e-6) { trainings, share in
      asked.append(trainings)
      #expect(share == (asked.count == 1 ? 0...0.5 : 0.5...1))
      return trainings.map { training in
        let eta = training.stepSize
        return switch (eta.rounded(), training.precision) {
        case (1, _), (2, .double): eta
        case (2, .single): 2.002 + 1e4 * (eta / 2 - 1)
        default: .nan
        }
      }
    }
    #expect(
      asked.map { $0.map { $0.stepSize.rounded() } } == [[1, 2, 3, 1, 2, 3], [2, 3, 2, 3, 2, 3]])
    #expect(asked[0].prefix(3).allSatisfy { $0.precision == .double })
    #expect((asked[0].dropFirst(3) + asked[1]).allSatisfy { $0.precision == .single })
    #expect(outcome.prefix(2) == [1, 2] && outcome[2].isNaN && outcome.count == 15)
    func twins(_ index: Int) -> [Double] { RoundingTwins.twins(outcome, of: index) }
    #expect(twins(0).count == 4 && twins(0)[0] == 1 && twins(0).dropFirst().allSatisfy(\.isNaN))
    for (value, offset) in zip(twins(1), [0, 1e-6, -1e-6, 1e-7]) {
      #expect(abs(value - (2.002 + 1e4 * offset)) < 1e-8)
    }
    #expect(twins(2).allSatisfy(\.isNaN) && twins(3).isEmpty)
    for (parting, calls) in [(0, 1), (8e-7, 1), (1e-6, 2)] {
      var count = 0
      _ = try RoundingTwins.outcome([1], calm: 9e-7) { trainings, _ in
        count += 1
        return trainings.map { $0.precision == .single ? 1 + parting : 1 }
      }
      #expect(count == calls, "\(parting)")
    }
  }

  /// Student's t with one degree of freedom is Cauchy's distribution, whose quantiles are tangents.
  @Test(arguments: [(tolerance: 1e-3, places: 20), (1e-2, 20), (1e-3, 1)])
  func twoRunsAreCalmWhereAThirdCannotLeaveTheTolerance(_ curve: (tolerance: Double, places: Int)) {
    let calm = RoundingTwins.calm(tolerance: curve.tolerance, places: curve.places)
    let quantile = 1 / tan(.pi * 0.005 / Double(curve.places))
    // Two runs that part by this have s² of half its square.
    let half = quantile * (calm * calm / 2 * (1 + 0.5)).squareRoot()
    #expect(abs(half / curve.tolerance - 1) < 1e-9)
  }

  /// One run alone has all cores; several share them.
  @Test(arguments: [(runs: 1, cores: 5), (2, 2), (5, 1), (7, 1)])
  func coresAreShared(_ plan: (runs: Int, cores: Int)) throws {
    let ids = (1...plan.runs).map { "run \($0)" }
    var experiment = Self.experiment("cores")
    experiment.runs = ids.map { id in
      ExperimentRun(id: id, seconds: 1) { progress in [Double(progress.threads)] }
    }
    experiment.curves = ids.map { id in
      Experiment.Curve(label: id, x: [0], runs: [id], values: { $0[0] })
    }
    var runner = runner(nil)
    runner.threads = 5
    #expect(
      try runner.run([experiment])[0].curves.map(\.y)
        == Array(repeating: [Double(plan.cores)], count: plan.runs))
  }

  /// What must be known beside numbers may have been learned since.
  @Test func aKeptResultHasTheProgramsWords() throws {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    var experiment = Self.experiment("one")
    let result = try runner(nil).run([experiment])[0]
    try JSONFile.write(result, to: folder.appendingPathComponent("one.json"))
    (experiment.title, experiment.notes) = ("new", ["known since"])
    let kept = try ExperimentResult.kept(in: folder, of: [experiment, Self.experiment("two")])
    #expect(kept.map(\.title) == ["new"] && kept.map(\.notes) == [["known since"]])
    #expect(kept.map(\.curves) == [result.curves])
  }
}
