import Foundation
import OptCheck
import Synchronization
import TestSupport
import Testing

@testable import Experiments

/// Published experiments: what is run once, kept, compared and computed again.
@Suite struct Experiments {
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

  @Test func aTrainingThatIsCutAnywhereHasTheLossesOfOneThatIsNot() throws {
    struct Stop: Error {}
    var setting = TrainingSetting(horizon: 3, scale: 2, metaStepSize: 1e-3)
    (setting.instances, setting.rows, setting.columns, setting.width) = (2, 4, 6, 8)
    let problem = try setting.problem()
    let rule = try setting.rule()
    func objective() throws -> any MetaObjective {
      try rule.metaObjective(
        on: problem, from: Vector(zeros: problem.dimension), horizon: 3, loss: .last)
    }
    for stepSize in [1e-3, .infinity] {
      let plan = MetaTraining(stepSize: stepSize, stepsPerEpoch: 9)
      let uncut = plan.train(rule.parameters, try objective())
      let whole = uncut.losses
      let trained = try plan.trained(from: rule.parameters, objective(), RunProgress())
      #expect(trained.losses.count == whole.count && trained.weights != rule.parameters)
      if stepSize.isFinite { #expect(trained.weights == uncut.parameters) }
      // The second one leaves the finite numbers.
      #expect(
        stepSize.isFinite
          ? whole.count == 9 && Set(whole).count == 9 : whole.count < 9, "\(whole)")
      for cut in 1...9 {
        var left: [String: Tensor]?
        var ours: [Double]?
        let first = RunProgress(
          tell: { if $0 >= Double(cut) / 9 { throw Stop() } }, keep: { left = $0 })
        do { ours = try plan.losses(from: rule.parameters, objective(), first) } catch is Stop {
          ours = try plan.losses(from: rule.parameters, objective(), RunProgress(interim: left))
        }
        #expect(ours?.map(\.bitPattern) == whole.map(\.bitPattern), "cut at \(cut)")
        #expect((left == nil) == (cut >= whole.count))
      }
    }
  }

  /// The scripts' LISTA-CPSS: the loss after its first step against its rule, unrolled by another code path
  /// with the weights of that step.
  @Test func theScriptsTrainingIsThatOfItsRule() throws {
    struct Stop: Error {}
    let run = try #require(
      ScriptExperiment().experiment.runs.first { $0.id.hasPrefix("LISTA-CPSS, matrices only") })
    var states: [[String: Tensor]] = []
    let progress = RunProgress(
      interval: .zero, tell: { if $0 * 5000 > 1.5 { throw Stop() } }, keep: { states.append($0) })
    #expect(throws: Stop.self) { try run.body(progress) }
    let losses = try #require(states.last?["optcheck.losses"]?.elements)
    let weights = Parameters(
      try (0..<100).map { ("We.\($0)", try #require(states.first?["We.\($0)"])) })
    let problem = try LeastSquares.authors(
      seed: 895, instances: 10, rows: 400, columns: 512, matricesFirst: true)
    let totals = unroll(
      try LISTACPSSWOnly(layers: 100, parameters: weights), on: problem,
      from: Vector(zeros: problem.dimension), horizon: 100
    ).totals
    try #require(states.count == 2 && losses.count == 2)
    #expect(abs(totals[100] - losses[1]) <= 1e-10 * losses[1])
    #expect(losses[1] < losses[0] && losses[0] < totals[0])
  }

  /// Where the scripts' LISTA-CPSS starts, by the class's own start with the unscaled matrix as dictionary.
  @Test func theScriptsStartIsTheMeanOverUnscaledMatrices() throws {
    let one = try LeastSquares.authorsOneMatrix(seed: 5, instances: 3, rows: 4, columns: 8)
    let problem = try LeastSquares(
      name: "one", matrices: [one.matrix],
      target: Vector(Array(one.targets.elements.prefix(4))))
    let expected = try LISTACPSSWOnly.initialParameters(
      for: problem, layers: 2, start: .reference(), dictionary: one.unscaled)
    func start(_ instances: Int) throws -> Parameters {
      try LISTACPSSWOnly.scriptStart(seed: 5, instances: instances, rows: 4, columns: 8, layers: 2)
    }
    let ours = try start(1)
    #expect(ours.names == expected.names)
    for (a, b) in zip(ours.tensors, expected.tensors) {
      for (a, b) in zip(a.elements, b.elements) { #expect(abs(a - b) <= 1e-14) }
    }
    // Two matrices: the mean of what each has alone, of which the second is the rest.
    var stream = ReferenceStream(seed: 5)
    let draws = stream.normal(count: 64)
    let second = Matrix(rows: 4, columns: 8, elements: Array(draws[32...]))
    let sigma = try #require(second.singularValues().elements.first)
    let both = try start(2).tensors[0].elements
    let alone = ours.tensors[0].elements
    for (k, entry) in second.transposed.elements.enumerated() {
      #expect(abs(both[k] - (alone[k] + 0.9999 / (sigma * sigma) * entry) / 2) <= 1e-13)
    }
  }

  /// The authors' layer-wise training: cut after a pass it goes on with the same bits, and what its curves show
  /// of the losses of all layers are those of one pass, or the last one of each.
  @Test func layerwiseTrainingGoesOnAndShowsItsLastLayer() throws {
    struct Stop: Error {}
    let problem = try LeastSquares.authors(seed: 5, instances: 3, rows: 4, columns: 6)
    let start = try LISTACPSSWOnly.initialParameters(
      for: problem, layers: LayerwiseScript.layers, start: .reference())
    func train(
      _ progress: RunProgress
    ) throws -> (weights: Parameters, losses: [Double]) {
      try LayerwiseScript.train(start, passes: 3, progress) { weights in
        UnfoldedLayers(
          map: problem.matrix, target: problem.target, weights: weights, stepSize: 1e-3)
      }
    }
    let whole = try train(RunProgress())
    #expect(whole.losses.count == 300 && whole.weights != start)
    var left: [String: Tensor]?
    let first = RunProgress(
      interval: .zero, tell: { if $0 > 0.4 { throw Stop() } }, keep: { left = $0 })
    #expect(throws: Stop.self) { _ = try train(first) }
    #expect(left?["optcheck.losses"]?.elements.count == 100)
    let resumed = try train(RunProgress(interim: left))
    #expect(resumed.losses == whole.losses && resumed.weights == whole.weights)

    let plots = try SeparateLayersExperiment(
      published: .load(from: Fixtures.published)
    ).all.map { try #require($0.curves.first) }
    let numbers = (1...5000).map(Double.init)
    let (pass, all) = (plots[0], plots[1])
    #expect(all.values([numbers]) == (1...50).map { 100 * Double($0) })
    #expect(all.published?.first == 297514 && all.published?.last == 202829)
    let losses = Array(numbers.prefix(100))
    #expect(pass.values([losses]) == losses)
    let published = try #require(pass.published)
    let silent = published.dropLast().allSatisfy(\.isNaN)
    #expect(silent && published.last == 297514)
  }

  /// A test on the matrix of the training has points of its own.
  @Test func oneMatrixWithOtherPoints() throws {
    func draw(_ pointSeed: UInt64?) throws -> (unscaled: Matrix, matrix: Matrix, targets: Matrix) {
      try LeastSquares.authorsOneMatrix(
        seed: 5, instances: 3, rows: 4, columns: 8, pointSeed: pointSeed)
    }
    let (training, test) = try (draw(nil), draw(9))
    #expect(test.matrix == training.matrix && test.targets != training.targets)
    #expect(try draw(5).targets == training.targets)
    let other = try LeastSquares.authorsOneMatrix(seed: 9, instances: 3, rows: 4, columns: 8)
    #expect(other.matrix != test.matrix)
  }

  /// Training from X_0 = N(0, I) + 100: at first weights the rule is gradient descent from there.
  @Test func theFarStartIsTheOneThatIsNamed() throws {
    let experiment = try #require(
      allExperiments(PublishedCurves.load(from: Fixtures.published), trained: Fixtures.trained)
        .first { $0.name == "start-100" })
    struct Stop: Error {}
    let problem = try LeastSquares.authors(seed: 895, instances: 32, rows: 25, columns: 32)
    var stream = ReferenceStream(seed: 895)
    let start = Vector(stream.normal(count: 32 * 32).map { $0 + 100 })
    let totals = unroll(
      GradientDescent(stepRule: .reference), on: problem, from: start, horizon: 20
    ).totals
    var setting = TrainingSetting(horizon: 20, scale: 50, metaStepSize: 1e-3)
    setting.steps = 1
    let losses = try setting.farLossRun.body(RunProgress())
    #expect(losses.count == 1 && abs(losses[0] - totals[20]) <= 1e-10 * totals[20])
    #expect(try setting.lossRun.body(RunProgress()) != losses)
    // A start of its own is a run of its own.
    #expect(experiment.runs.count == 5 && experiment.runs.allSatisfy { $0.id.contains("+ 100") })
  }

  /// Where published points start beside ours by construction, or lie at a floor, nothing is judged.
  @Test func figure8IsJudgedByWhatCanBeCompared() throws {
    let known = allExperiments(
      try PublishedCurves.load(from: Fixtures.published), trained: Fixtures.trained)
    let experiment = try #require(known.first { $0.name == "figure-8" })
    let judged = experiment.curves.filter { curve in
      let result = ExperimentResult.Curve(
        label: curve.label, x: curve.x, y: curve.x, published: curve.published)
      return result.agrees(experiment.closeness) != nil
    }
    #expect(judged.map(\.label) == ["Adam, mean over 50 momenta"])
    // Runs are kept under the steps that they are asked for.
    #expect(experiment.runs.allSatisfy { $0.id.contains("at 62 steps") })
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

  @Test func everyPublishedCurveBelongsToAnExperiment() throws {
    let published = try PublishedCurves.load(from: Fixtures.published)
    let known = allExperiments(published, trained: Fixtures.trained)
    #expect(Set(known.map(\.name)).count == known.count)
    for plot in published.plots {
      let experiment = try #require(known.first { $0.name == plot.name }, "\(plot.name)")
      let compared = experiment.curves.count { $0.published != nil }
      // Gradient descent of figure 2a is that of figure 2b.
      let expected = plot.name == "figure-2a" ? plot.curves.count - 1 : plot.curves.count
      #expect(compared == expected, "\(plot.name)")
      let ids = Set(experiment.runs.map(\.id))
      for curve in experiment.curves { #expect(curve.runs.allSatisfy(ids.contains)) }
    }
  }

  @Test func damagedPublishedCurvesAreRefused() throws {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    #expect(throws: PublishedError.self) { try PublishedCurves.load(from: folder) }
    let file = Fixtures.published.appendingPathComponent("curves.json")
    let text = try String(contentsOf: file, encoding: .utf8).replacing(
      "\"x\": [0, 100", with: "\"x\": [100")
    try Data(text.utf8).write(to: folder.appendingPathComponent("curves.json"))
    #expect {
      try PublishedCurves.load(from: folder)
    } throws: { "\($0)".contains("places for") }
  }

  /// The smallest of the authors' own rule, beside gradient descent unrolled by another code path.
  @Test func aTrainingCurveStartsAtGradientDescent() throws {
    var setting = TrainingSetting(horizon: 10, scale: 2000, metaStepSize: 1e-3)
    setting.steps = 101
    let problem = try setting.problem()
    let descent = unroll(
      GradientDescent(stepRule: .reference), on: problem, from: Vector(zeros: problem.dimension),
      horizon: 10)
    let known = allExperiments(
      try PublishedCurves.load(from: Fixtures.published), trained: Fixtures.trained)
    let experiment = try #require(known.first { $0.name == "e2000-T10" })
    let run = try #require(experiment.runs.first)
    #expect(run.id.contains("--e 2000") && run.id.contains("--optimizer-training-steps 10"))
    let result = try TrainingRun.run(setting)
    // Gram and residual form of one loss.
    #expect(abs(result.losses[0] / descent.totals[10] - 1) < 1e-12)
  }
}

/// `recheck` on a report made by hand.
@Suite struct Rechecks {
  private func report(_ ratio: (Double) -> Double, core: String) throws -> URL {
    let table = TheoryResults.YardstickTable(
      TrainingSetting(horizon: 1, scale: 1, metaStepSize: 1),
      rows: try Yardsticks.rows(
        TrainingSetting(horizon: 1, scale: 1, metaStepSize: 1).problem(), horizons: [5]
      ).map {
        var row = $0
        row.ratio = ratio(row.ratio)
        return row
      }, bestLearned: [:])
    struct File: Encodable {
      var machine: RunRecord
      var yardsticks: [TheoryResults.YardstickTable]
    }
    var machine = Sample.record
    machine.blasCore = core
    let file = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-recheck-\(UUID().uuidString).json")
    try JSONFile.write(File(machine: machine, yardsticks: [table]), to: file)
    return file
  }

  private func outcome(_ file: URL, core: String) throws -> Recheck.Outcome {
    let recheck = try Recheck(file, known: [], blasCore: core)
    return try Recheck.outcome(#require(recheck.items.first))
  }

  @Test func anUnchangedReportAgrees() throws {
    let file = try report({ $0 }, core: "X")
    defer { try? FileManager.default.removeItem(at: file) }
    let outcome = try outcome(file, core: "X")
    #expect(outcome.differing == 0 && outcome.numbers == 9)
  }

  @Test func oneBitIsSeenOnTheSameMachineAndForgivenOnAnother() throws {
    let file = try report({ $0.nextUp }, core: "X")
    defer { try? FileManager.default.removeItem(at: file) }
    // Plain gradient descent's ratio is 0 and moves too.
    #expect(try outcome(file, core: "X").differing == 9)
    #expect(try outcome(file, core: "Y").differing == 0)
  }

  @Test func aWrongNumberIsSeenEverywhere() throws {
    let file = try report({ $0 + 1e-3 }, core: "X")
    defer { try? FileManager.default.removeItem(at: file) }
    #expect(try outcome(file, core: "Y").differing == 9)
  }

  @Test func theSampleFollowsItsSeedAndItsTime() throws {
    let file = Fixtures.packageFolder
      .appendingPathComponent("Reports/math-l2o-convergence/results.json")
    let recheck = try Recheck(file, known: [], blasCore: "none")
    #expect(recheck.items.count == 35 && !recheck.isSameMachine)
    func names(_ seed: UInt64) -> [String] {
      recheck.sample(5, seconds: 20, seed: seed).map(\.name)
    }
    #expect(names(1) == names(1) && names(1) != names(2))
    #expect(recheck.sample(35, seconds: 3, seed: 1).reduce(0) { $0 + $1.seconds } <= 3)
  }
}
