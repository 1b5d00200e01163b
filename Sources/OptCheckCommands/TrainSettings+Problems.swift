import Datasets
import Foundation
import OptCheck

/// Problems by the names of the reference code.
enum ProblemName: String, CaseIterable {
  case quadraticUnconstrained = "QuadraticUnconstrained"
  case lasso = "LASSO"
  case lassoLISTA = "LASSO_LISTA"
  case logisticL1 = "LogisticL1"
  case mnistCNN = "MnistCNN"
}

extension TrainSettings {
  /// The folder of `save-dir`; a relative one lies under `results`.
  var folder: URL {
    get throws {
      let path = try text("save-dir")
      return URL(fileURLWithPath: path.hasPrefix("/") ? path : "results/\(path)")
    }
  }

  /// Fresh problems of the family and size that are asked for.
  func freshProblems(instances: Int) throws -> FreshProblems {
    let name = try text("optimizee-type")
    guard let family = FreshProblems.Family(rawValue: name) else {
      throw SettingError.badValue(
        "optimizee-type", value: name, accepted: "LASSO, LogisticL1 (in script main)", source: "")
    }
    return FreshProblems(
      family,
      size: SparseRegressionSize(
        instances: instances, rows: try rows(instances), columns: try integer("input-dim"),
        sparsity: try integer("sparsity")), weight: try number("rho"),
      seed: UInt64(try integer("seed")), lipschitz: isOn("reference") ? .spectralNorm : .correct)
  }

  /// b, once the sizes are known to fit into memory.
  private func rows(_ instances: Int) throws -> Int {
    let (rows, columns) = (try integer("output-dim"), try integer("input-dim"))
    // Beyond that the matrices alone take 8 GB.
    guard Double(instances) * Double(rows) * Double(columns) <= 1e9 else {
      throw UsageError(
        "\(instances) matrices of \(rows) x \(columns) are too large; accepted: 1e9 entries in all")
    }
    return rows
  }

  /// What a file of data is taken for.
  private var kind: ProblemFile.Kind {
    get throws {
      switch ProblemName(rawValue: try text("optimizee-type")) {
      case .logisticL1: .logisticL1
      case .lasso, .lassoLISTA: .lasso
      default: .leastSquares
      }
    }
  }

  /// A user's own problem from the file of `problem`; nil if none was given.
  ///
  /// ρ is that of the file unless it was given.
  func fileProblem() throws -> (any CertifiableProblem)? {
    guard has("problem") else { return nil }
    return try ProblemFile.read(
      URL(fileURLWithPath: try text("problem")), as: try kind,
      rho: given.contains("rho") ? try number("rho") : nil)
  }

  /// The file number i of `optimizee-dir`, in the layout of the reference code.
  func matFile(_ i: Int, _ prefix: String = "") throws -> URL {
    URL(fileURLWithPath: try text("optimizee-dir"), isDirectory: true)
      .appendingPathComponent("\(prefix)\(i).mat")
  }

  /// The problem with the data for `seed`, or the registered one of that name.
  func problem(seed: Int, instances: Int) throws -> any TwiceDifferentiableProblem {
    if let problem = try fileProblem() { return problem }
    let name = try text("optimizee-type")
    switch ProblemName(rawValue: name) {
    case .quadraticUnconstrained:
      return try LeastSquares.authors(
        seed: UInt64(seed), instances: instances, rows: try rows(instances),
        columns: try integer("input-dim"))
    case .lassoLISTA:
      return try Lasso.authors(
        seed: UInt64(seed), instances: instances, rows: try rows(instances),
        columns: try integer("input-dim"), weight: try number("rho"))
    case .lasso, .logisticL1:
      var source = try freshProblems(instances: instances)
      source.seed = UInt64(seed)
      return try source.training(0)
    case .mnistCNN:
      return try RealData.mnist(
        from: URL(fileURLWithPath: try text("data"), isDirectory: true), count: instances)
    case nil: break
    }
    let problems = OptCheckCommand.registry.problems.compactMap {
      $0 as? any TwiceDifferentiableProblem
    }
    guard let problem = problems.first(where: { $0.name == name }) else {
      let names = ProblemName.allCases.map(\.rawValue) + problems.map(\.name)
      throw SettingError.badValue(
        "optimizee-type", value: name, accepted: names.joined(separator: ", "), source: "")
    }
    return problem
  }

  /// Test batch number i, from 0, with the seeds of the reference program.
  func testProblem(_ i: Int, instances: Int) throws -> any Problem {
    if let problem = try fileProblem() { return problem }
    if isOn("load-mat") {
      return try ProblemFile.read(
        try matFile(i), as: try kind, rho: given.contains("rho") ? try number("rho") : nil)
    }
    let seed = try integer("seed")
    switch script {
    case .main, .mainUnroll:
      guard FreshProblems.Family(rawValue: try text("optimizee-type")) != nil else { break }
      return try freshProblems(instances: instances).test(i, instances: instances)
    case .mainUnrollListas:
      return try problem(seed: seed + 777 * (i + 1), instances: instances)
    case .mainTrainAnlys, .mainTrainNN: break
    }
    return try problem(seed: seed + 7777 * (i + 1), instances: instances)
  }

  /// What a test measures.
  func measure() throws -> TestMeasure {
    if isOn("gap") || isOn("load-sol") { return .gap }
    return try text("eval-metric") == "nmse" ? .nmse : .objective
  }
}

/// What a test measures along a run, averaged over a batch.
enum TestMeasure {
  /// The reported objective.
  case objective
  /// The mean of (F - F*) / F*, F* certified.
  case gap
  /// 10 log10 of the mean of ‖x - x°‖² over that of ‖x°‖², x° the generating point.
  case nmse

  var words: String {
    switch self {
    case .objective: "objective"
    case .gap: "relative gap"
    case .nmse: "NMSE [dB]"
    }
  }

  /// The measure for t from 0 to `horizon`, from `start`; NaN once a run leaves the finite numbers.
  ///
  /// - Parameter minima: F* of every instance; certified here where they are nil.
  func curve(
    of rule: any UpdateRule, on problem: any Problem, from start: Vector, minima: [Double]?,
    horizon: Int
  ) throws -> [Double] {
    let run = unroll(
      rule, on: problem, from: start, horizon: horizon, recordingIterates: self == .nmse)
    let missing = [Double](repeating: .nan, count: horizon + 1 - run.values.count)
    switch self {
    case .objective: return run.totals.map { problem.reportedScale * $0 } + missing
    case .gap:
      let minima = try minima ?? Self.minima(of: problem)
      return run.values.map { values in
        zip(values, minima).reduce(0) {
          $0 + GapStudy.relativeGap($1.0, minimum: $1.1)
        } / Double(minima.count)
      } + missing
    case .nmse:
      guard let point = (problem as? any LinearModelProblem)?.generatingPoint else {
        throw UsageError("eval-metric nmse needs a generating point; \(problem.name) has none")
      }
      return run.iterates.map { 20 * log10(($0 - point).norm / point.norm) } + missing
    }
  }

  /// The certified minima of every instance.
  static func minima(of problem: any Problem) throws -> [Double] {
    guard let certifiable = problem as? any CertifiableProblem else {
      throw UsageError("a gap needs least squares, LASSO or LogisticL1, not \(problem.name)")
    }
    return try certifiable.certifiedMinima().map(\.value)
  }
}

/// One batch of a test: the problem as the settings move it, and where runs start.
struct TestBatch {
  let problem: any Problem
  let start: Vector
  /// F* of every instance from `sol_<i>.mat`; nil if none was asked for.
  let minima: [Double]?

  /// Batch number i of `settings`; writes what they ask to be kept of it.
  init(_ i: Int, instances: Int, _ settings: TrainSettings) throws {
    let plain = try settings.testProblem(i, instances: instances)
    if settings.isOn("save-to-mat") { try Self.save(plain, to: try settings.matFile(i)) }
    if settings.isOn("save-sol") {
      let values = try TestMeasure.minima(of: plain)
      try MatFile.write(
        ["fstar": Tensor(shape: [1, values.count], elements: values)],
        to: try settings.matFile(i, "sol_"))
    }
    if settings.isOn("load-sol") {
      let file = try settings.matFile(i, "sol_")
      let arrays = try MatFile.read(from: file)
      guard let values = arrays["fstar"]?.elements else {
        throw DatasetError.missing(
          path: file.path, variable: "fstar", present: arrays.keys.sorted())
      }
      guard values.count == plain.instanceCount else {
        throw DatasetError.shape(
          path: file.path, variable: "fstar", found: arrays["fstar"]?.shape ?? [],
          expected: "[1, \(plain.instanceCount)]")
      }
      minima = values
    } else {
      minima = nil
    }
    guard settings.isOn("ood") else {
      problem = plain
      start = Vector(zeros: plain.dimension)
      return
    }
    let shift = try settings.number("ood-t")
    problem =
      shift == 0
      ? plain : Self.shifted(plain, by: shift, asReference: settings.isOn("reference"))
    start = problem.start(shiftedBy: try settings.number("ood-s"))
  }

  private static func shifted(
    _ base: some Problem, by shift: Double, asReference: Bool
  ) -> any Problem {
    Shifted(base, by: shift, form: asReference ? .reference : .exact)
  }

  /// W (B, m, d), Y (B, m, 1) and rho, in float32 as the reference code stores them.
  private static func save(_ problem: any Problem, to url: URL) throws {
    guard let model = problem as? any LinearModelProblem else {
      throw UsageError("save-to-mat needs a problem with a matrix, not \(problem.name)")
    }
    let (n, b, d) = (model.instanceCount, model.map.blockRows, model.map.blockColumns)
    try OutputFolder.make(url.deletingLastPathComponent())
    try MatFile.write(
      [
        "W": Tensor(
          shape: [n, b, d], elements: (0..<n).flatMap { model.map.matrix($0).elements }),
        "Y": Tensor(shape: [n, b, 1], elements: model.target.elements),
        "rho": Tensor(
          shape: [1, 1], elements: [(model.regularizer as? L1Norm)?.weight ?? 0]),
      ], to: url, isSingle: true)
  }
}
