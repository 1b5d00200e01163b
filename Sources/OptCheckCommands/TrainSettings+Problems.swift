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

  /// The problem with the data for `seed`, or the registered one of that name.
  func problem(seed: Int, instances: Int) throws -> any TwiceDifferentiableProblem {
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
    if isOn("gap") { return .gap }
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

  /// The measure for t from 0 to `horizon`, from x = 0; NaN once a run leaves the finite numbers.
  func curve(of rule: any UpdateRule, on problem: any Problem, horizon: Int) throws -> [Double] {
    let start = Vector(zeros: problem.dimension)
    let run = unroll(
      rule, on: problem, from: start, horizon: horizon, recordingIterates: self == .nmse)
    let missing = [Double](repeating: .nan, count: horizon + 1 - run.values.count)
    switch self {
    case .objective: return run.totals.map { problem.reportedScale * $0 } + missing
    case .gap:
      guard let certifiable = problem as? any CertifiableProblem else {
        throw UsageError("--gap needs least squares, LASSO or LogisticL1, not \(problem.name)")
      }
      let minima = try certifiable.certifiedMinima().map(\.value)
      return run.values.map { values in
        zip(values, minima).reduce(0) { $0 + ($1.0 - $1.1) / $1.1 } / Double(minima.count)
      } + missing
    case .nmse:
      guard let point = (problem as? any LinearModelProblem)?.generatingPoint else {
        throw UsageError("eval-metric nmse needs a generating point; \(problem.name) has none")
      }
      return run.iterates.map { 20 * log10(($0 - point).norm / point.norm) } + missing
    }
  }
}
