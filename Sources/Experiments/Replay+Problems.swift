import Catalog
import Engine
import Optimization

extension ReferenceCase {
  /// The problem of the case, with gradients as the recording code forms them.
  ///
  /// - Throws: ``ReplayError`` or `ProblemError`.
  func problem() throws -> any LinearModelProblem {
    switch header.problem {
    case "QP": return try leastSquares()
    case "LASSO":
      return try Lasso(
        name: name, map: try map(), target: try target(), weight: try number("rho") ?? 0)
    case "LogisticL1":
      return try LogisticL1(
        name: name, map: try map(), target: try target(), weight: try number("rho") ?? 0,
        lipschitz: .spectralNorm)
    default:
      throw ReplayError.setting(
        "problem", value: header.problem, accepted: "QP, LASSO, LogisticL1")
    }
  }

  /// The least squares problem of a `QP` case.
  ///
  /// - Throws: ``ReplayError`` or `ProblemError`.
  func leastSquares() throws -> LeastSquares {
    try LeastSquares(
      name: name, matrices: try matrices(), target: try target(), gradientForm: .residual)
  }

  private func matrices() throws -> [Matrix] {
    let m = try array("M", shape: [nil, header.dims["b"], header.dims["d"]])
    let (count, b, d) = (m.shape[0], m.shape[1], m.shape[2])
    if let n = header.dims["N"], count != n, count != 1 {
      throw ReplayError.shape(array: "M", found: m.shape, expected: [n, b, d])
    }
    return (0..<count).map { i in
      Matrix(rows: b, columns: d, elements: Array(m.elements[(i * b * d)..<((i + 1) * b * d)]))
    }
  }

  /// M: a matrix per instance, or one for all.
  private func map() throws -> LinearMap {
    let matrices = try matrices()
    let n = try array("Y", shape: [header.dims["N"], header.dims["b"]]).shape[0]
    return matrices.count == 1
      ? .shared(matrices[0], copies: n) : .blocks(BlockDiagonal(matrices))
  }

  private func target() throws -> Vector {
    Vector(try array("Y", shape: [header.dims["N"], header.dims["b"]]).elements)
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
    arrays["lipschitz"] = problem.perInstance(problem.smoothness)
    // A run that left the finite numbers is recorded as NaN from there on.
    let missing = horizon + 1 - trajectory.values.count
    let values = trajectory.values.flatMap { $0 } + [Double](repeating: .nan, count: missing * n)
    let x =
      trajectory.iterates.flatMap(\.elements) + [Double](repeating: .nan, count: missing * n * d)
    let totals = trajectory.totals + [Double](repeating: .nan, count: missing)
    arrays["X"] = Tensor(shape: [horizon + 1, n, d], elements: x)
    arrays["obj"] = Tensor(shape: [horizon + 1, n], elements: values)
    arrays["obj_total"] = Tensor(shape: [horizon + 1], elements: totals)
    arrays["obj_reported"] = Tensor(
      shape: [horizon + 1], elements: totals.map { problem.reportedScale * $0 })
  }
}

extension Problem {
  /// One number per instance as the reference code has it: a shared matrix has one in all.
  func perInstance(_ numbers: [Double]) -> Tensor {
    let isShared = (self as? any LinearModelProblem)?.map.isShared ?? false
    let values = isShared ? Array(numbers.prefix(1)) : numbers
    return Tensor(shape: [values.count], elements: values)
  }
}
