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
