public import Engine

/// A problem as part of a formula: its pieces, applied to iterates on a tape (N x d each).
public struct ProblemFormula {
  /// The problem, N instances.
  public let problem: any Problem

  /// Wraps `problem`; to be differentiated it must be twice differentiable.
  public init(_ problem: any Problem) { self.problem = problem }

  /// N.
  public var instanceCount: Int { problem.instanceCount }

  /// ∇f(x), N x d.
  public func gradient(at x: Traced) -> Traced { expansion(at: x).gradient }

  /// f of every instance (N x 1) and ∇f (N x d) at x, found together, and once however often they
  /// are asked for.
  private func expansion(at x: Traced) -> (values: Traced, gradient: Traced) {
    if let known = memory.last, known.x == x.id { return (known.values, known.gradient) }
    let n = problem.instanceCount
    let both: Traced = .custom(ExpansionOperation(problem: problem), [x])
    let gradient = both.part(0..<(x.rows * x.columns), rows: x.rows, columns: x.columns)
    let values = both.part(
      (x.rows * x.columns)..<(x.rows * x.columns + n), rows: n, columns: 1)
    memory.last = (x.id, values, gradient)
    return (values, gradient)
  }

  /// What was asked for last.
  private final class Memory {
    var last: (x: Int, values: Traced, gradient: Traced)?
  }

  private let memory = Memory()

  /// ∇f(x) plus the subgradient of r of least norm, N x d.
  public func subgradient(at x: Traced) -> Traced {
    let g = gradient(at: x)
    return isSmooth ? g : g + problem.regularizer.subgradient(of: x)
  }

  /// The proximal operator of r; `steps` stretches to N x d.
  public func prox(_ x: Traced, steps: Traced) -> Traced {
    problem.regularizer.prox(of: x, steps: steps)
  }

  /// F of every instance, N x 1.
  public func values(at x: Traced) -> Traced {
    let f = expansion(at: x).values
    return isSmooth ? f : f + problem.regularizer.value(of: x)
  }

  /// Reported objective: the sum of F over instances times the problem's `reportedScale`, 1 x 1.
  public func reportedValue(at x: Traced) -> Traced {
    problem.reportedScale * values(at: x).sum
  }

  private var isSmooth: Bool { problem.regularizer is NoRegularizer }
}

/// ∇f and f as an operation: n gradient entries, then N values, in one row.
private struct ExpansionOperation: CustomOperation {
  let problem: any Problem

  var name: String { "value and gradient of \(problem.name)" }

  func shape(_ inputs: [(rows: Int, columns: Int)]) -> (rows: Int, columns: Int) {
    (1, problem.dimension + problem.instanceCount)
  }

  private var smooth: any TwiceDifferentiableProblem {
    guard let problem = problem as? any TwiceDifferentiableProblem else {
      preconditionFailure("\(problem.name) has no second derivatives")
    }
    return problem
  }

  func value(at inputs: [Matrix]) -> Matrix {
    let x = Vector(inputs[0].elements)
    // A problem that is only run needs no second derivatives.
    let (values, gradient) =
      (problem as? any TwiceDifferentiableProblem)?.smoothValuesAndGradient(at: x)
      ?? (problem.smoothValues(at: x), problem.gradient(at: x))
    return Matrix(
      rows: 1, columns: gradient.count + values.count, elements: gradient.elements + values)
  }

  func pullback(_ cotangent: Matrix, at inputs: [Matrix], value: Matrix) -> [Matrix] {
    let n = problem.dimension
    let d = problem.coordinatesPerInstance
    var result = Matrix(zeros: inputs[0].rows, inputs[0].columns)
    let bars = cotangent.elements
    if bars[..<n].contains(where: { $0 != 0 }) {
      result.elements = product(Vector(Array(bars[..<n])), at: inputs[0]).elements
    }
    for j in 0..<n where bars[n + j / d] != 0 {
      result.elements[j] += bars[n + j / d] * value.elements[j]
    }
    return [result]
  }

  func pushforward(_ tangents: [Matrix], at inputs: [Matrix], value: Matrix) -> Matrix {
    let (n, d) = (problem.dimension, problem.coordinatesPerInstance)
    let dot = tangents[0].elements
    var slopes = [Double](repeating: 0, count: problem.instanceCount)
    for j in 0..<n { slopes[j / d] += value.elements[j] * dot[j] }
    let bent = product(Vector(dot), at: inputs[0]).elements
    return Matrix(rows: 1, columns: n + slopes.count, elements: bent + slopes)
  }

  private func product(_ v: Vector, at x: Matrix) -> Vector {
    var h = Vector(zeros: v.count)
    smooth.hessianProduct(v, at: Vector(x.elements), into: &h)
    return h
  }
}

extension Problem {
  /// The values of f at every instance: those of F without r.
  public func smoothValues(at x: Vector) -> [Double] {
    let values = values(at: x)
    if regularizer is NoRegularizer { return values }
    let d = coordinatesPerInstance
    return values.indices.map {
      values[$0] - regularizer.value(at: x.elements[($0 * d)..<(($0 + 1) * d)])
    }
  }
}
