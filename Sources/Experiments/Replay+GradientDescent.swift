import Catalog
import Engine
import Optimization

extension ReferenceCase {
  /// The least squares problem of a `QP` case, with gradients as the recording code forms them.
  ///
  /// - Throws: ``ReplayError`` or `ProblemError`.
  func leastSquares() throws -> LeastSquares {
    let m = try array("M", shape: [header.dims["N"], header.dims["b"], header.dims["d"]])
    let (n, b, d) = (m.shape[0], m.shape[1], m.shape[2])
    let y = try array("Y", shape: [n, b])
    let matrices = (0..<n).map { i in
      Matrix(rows: b, columns: d, elements: Array(m.elements[(i * b * d)..<((i + 1) * b * d)]))
    }
    return try LeastSquares(
      name: name, matrices: matrices, target: Vector(y.elements), gradientForm: .residual)
  }

  /// T, and the start X[0], which is an input.
  ///
  /// - Throws: ``ReplayError``.
  func start(on problem: some Problem) throws -> (x: Vector, horizon: Int) {
    guard let x = arrays["X"] else { throw ReplayError.missingArray("X") }
    let (n, d) = (problem.instanceCount, problem.coordinatesPerInstance)
    let rows = header.dims["T"].map { $0 + 1 }
    guard x.shape.count == 3, x.shape[0] >= 2, Array(x.shape[1...]) == [n, d],
      rows == nil || rows == x.shape[0]
    else {
      throw ReplayError.shape(array: "X", found: x.shape, expected: [rows ?? -1, n, d])
    }
    let start = Vector(Array(x.elements[..<(n * d)]))
    guard start.isFinite else { throw ReplayError.notFinite(array: "X") }
    return (start, x.shape[0] - 1)
  }

  /// The step rule: a number in `hyper` is the step, a text 0.9999 over the Lipschitz constant.
  ///
  /// - Throws: ``ReplayError`` for another text.
  func stepRule() throws -> StepRule {
    for key in ["step_size", "step"] {
      switch header.hyper[key] {
      case nil, .null: continue
      case .number(let step): return .constant(step)
      case .text(let text) where text.hasPrefix("0.9999/"): return .reference
      case .some(let other):
        throw ReplayError.setting(
          "hyper.\(key)", value: other.description, accepted: "a number, or text '0.9999/...'")
      }
    }
    return .reference
  }
}

/// The arrays that every case has.
struct CommonOutputs {
  /// Output arrays by name.
  var arrays: [String: Tensor] = [:]

  init(_ problem: some Problem, _ trajectory: Trajectory, horizon: Int) {
    let (n, d) = (problem.instanceCount, problem.coordinatesPerInstance)
    arrays["lipschitz"] = Tensor(shape: [n], elements: problem.smoothness)
    // A run that left the finite numbers is recorded as NaN from there on.
    let missing = horizon + 1 - trajectory.values.count
    let values = trajectory.values.flatMap { $0 } + [Double](repeating: .nan, count: missing * n)
    let x =
      trajectory.iterates.flatMap(\.elements) + [Double](repeating: .nan, count: missing * n * d)
    let totals = trajectory.totals + [Double](repeating: .nan, count: missing)
    arrays["X"] = Tensor(shape: [horizon + 1, n, d], elements: x)
    arrays["obj"] = Tensor(shape: [horizon + 1, n], elements: values)
    arrays["obj_total"] = Tensor(shape: [horizon + 1], elements: totals)
  }
}

/// Replays plain gradient descent on least squares.
struct GradientDescentReplayer: CaseReplayer {
  func covers(_ header: ReferenceCase.Header) -> Bool {
    let names = ["PGD", "GD", "GradientDescent", "ProximalGradientDescent"]
    return header.problem == "QP" && names.contains(header.algorithm)
  }

  func outputs(of reference: ReferenceCase) throws -> [String: Tensor] {
    let problem = try reference.leastSquares()
    let (x, horizon) = try reference.start(on: problem)
    let rule = GradientDescent(stepRule: try reference.stepRule())
    let run = unroll(rule, on: problem, from: x, horizon: horizon, recordingIterates: true)
    var arrays = CommonOutputs(problem, run, horizon: horizon).arrays
    arrays["step_size"] = Tensor(
      shape: [problem.instanceCount], elements: rule.stepRule.stepSizes(for: problem))
    arrays["obj_reported"] = arrays["obj_total"]
    return arrays
  }

  /// The sum over instances goes by either of its names.
  func isRequired(_ array: String, in reference: ReferenceCase) -> Bool {
    switch array {
    case "obj_total": reference.arrays["obj_reported"] == nil
    case "obj_reported": reference.arrays["obj_total"] == nil
    default: true
    }
  }
}

/// Replays any rule on least squares under its own name: iterates and values.
///
/// The weights of a learned rule are inputs of the case, `w0.<name>` each; without any it keeps its own.
struct RuleReplayer: CaseReplayer {
  let rule: any UpdateRule

  func covers(_ header: ReferenceCase.Header) -> Bool {
    header.problem == "QP" && header.algorithm == rule.name
  }

  func outputs(of reference: ReferenceCase) throws -> [String: Tensor] {
    let problem = try reference.leastSquares()
    let (x, horizon) = try reference.start(on: problem)
    let run = unroll(
      try rule(with: reference), on: problem, from: x, horizon: horizon, recordingIterates: true)
    var arrays = CommonOutputs(problem, run, horizon: horizon).arrays
    arrays["obj_reported"] = arrays["obj_total"]
    return arrays
  }

  private func rule(with reference: ReferenceCase) throws -> any UpdateRule {
    let weights = reference.arrays.keys.filter { $0.hasPrefix("w0.") }
    guard !weights.isEmpty else { return rule }
    guard var learned = rule as? any LearnedUpdateRule else {
      throw ReplayError.unknownArray(weights.min() ?? "w0.")
    }
    let names = learned.parameters.names
    if let stranger = weights.sorted().first(where: { !names.contains(String($0.dropFirst(3))) }) {
      throw ReplayError.unknownArray(stranger)
    }
    learned.parameters = Parameters(
      try zip(names, learned.parameters.tensors).map { name, tensor in
        (name, try reference.array("w0.\(name)", shape: tensor.shape))
      })
    return learned
  }

  /// Iterates and values at least.
  func isRequired(_ array: String, in reference: ReferenceCase) -> Bool {
    ["X", "obj"].contains(array)
  }
}
