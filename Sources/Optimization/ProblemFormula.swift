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
  public func gradient(at x: Traced) -> Traced {
    .custom(GradientOperation(problem: problem), [x])
  }

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
    let f: Traced = .custom(SmoothValueOperation(problem: problem), [x])
    return isSmooth ? f : f + problem.regularizer.value(of: x)
  }

  /// Reported objective: the sum of F over instances times the problem's `reportedScale`, 1 x 1.
  public func reportedValue(at x: Traced) -> Traced {
    problem.reportedScale * values(at: x).sum
  }

  private var isSmooth: Bool { problem.regularizer is NoRegularizer }
}

/// ∇f as an operation; its derivative is the Hessian, which is symmetric.
private struct GradientOperation: CustomOperation {
  let problem: any Problem

  var name: String { "gradient of \(problem.name)" }

  func shape(_ inputs: [(rows: Int, columns: Int)]) -> (rows: Int, columns: Int) { inputs[0] }

  func value(at inputs: [Matrix]) -> Matrix {
    Matrix(of: problem.gradient(at: Vector(inputs[0].elements)), like: inputs[0])
  }

  func pullback(_ cotangent: Matrix, at inputs: [Matrix], value: Matrix) -> [Matrix] {
    [hessianProduct(cotangent, at: inputs[0])]
  }

  func pushforward(_ tangents: [Matrix], at inputs: [Matrix], value: Matrix) -> Matrix {
    hessianProduct(tangents[0], at: inputs[0])
  }

  private func hessianProduct(_ v: Matrix, at x: Matrix) -> Matrix {
    guard let problem = problem as? any TwiceDifferentiableProblem else {
      preconditionFailure("\(problem.name) has no second derivatives")
    }
    var h = Vector(zeros: x.elements.count)
    problem.hessianProduct(Vector(v.elements), at: Vector(x.elements), into: &h)
    return Matrix(of: h, like: x)
  }
}

/// f of every instance as an operation.
private struct SmoothValueOperation: CustomOperation {
  let problem: any Problem

  var name: String { "value of \(problem.name)" }

  func shape(_ inputs: [(rows: Int, columns: Int)]) -> (rows: Int, columns: Int) {
    (problem.instanceCount, 1)
  }

  func value(at inputs: [Matrix]) -> Matrix {
    let values = problem.smoothValues(at: Vector(inputs[0].elements))
    return Matrix(rows: values.count, columns: 1, elements: values)
  }

  func pullback(_ cotangent: Matrix, at inputs: [Matrix], value: Matrix) -> [Matrix] {
    var g = problem.gradient(at: Vector(inputs[0].elements))
    let d = problem.coordinatesPerInstance
    for j in 0..<g.count { g[j] *= cotangent.elements[j / d] }
    return [Matrix(of: g, like: inputs[0])]
  }

  func pushforward(_ tangents: [Matrix], at inputs: [Matrix], value: Matrix) -> Matrix {
    let g = problem.gradient(at: Vector(inputs[0].elements))
    let d = problem.coordinatesPerInstance
    var result = Matrix(zeros: problem.instanceCount, 1)
    for j in 0..<g.count { result.elements[j / d] += g[j] * tangents[0].elements[j] }
    return result
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

extension Matrix {
  fileprivate init(of vector: Vector, like shape: Matrix) {
    self.init(rows: shape.rows, columns: shape.columns, elements: vector.elements)
  }
}
