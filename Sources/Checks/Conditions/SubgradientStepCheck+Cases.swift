import Engine
import Foundation
import Optimization

extension SubgradientStepCheck {
  /// A of ‖A x‖₁ and of |x|.
  private static let plane = Matrix(rows: 3, columns: 2, elements: [1, 0.3, -0.4, 1.2, 0.5, -0.8])
  private static let line = Matrix(identity: 1)

  public var mutants: [Mutant<Subject>] {
    let constant: @Sendable (Int) -> Double = { _ in 0.1 }
    let inverse: @Sendable (Int) -> Double = { 0.5 / Double($0) }
    func subject(
      _ label: String, on matrix: Matrix = Self.plane,
      declared: @escaping @Sendable (Int) -> Double,
      _ move: @escaping @Sendable (_ k: Int, _ x: Vector, _ v: Vector) -> Vector
    ) -> Subject {
      Subject(
        label: label, matrix: matrix, steps: declared, rule: MadeUpRule(name: label, move: move))
    }
    func along(_ p: @escaping @Sendable (Int) -> Double)
      -> @Sendable (Int, Vector, Vector) -> Vector
    {
      { k, x, v in x.moved(-p(k), v) }
    }
    let sizes = [1, 1e-2, 1e-4, 1e-6]
    return [
      Mutant(
        "a proximal step that calls itself a subgradient step",
        subject("proximal", on: Self.line, declared: constant) { _, x, _ in
          [abs(x[0]) > 0.1 ? x[0] - (x[0] > 0 ? 0.1 : -0.1) : 0]
        }),
      Mutant(
        "declares constant steps and takes 1/√k",
        subject("root", declared: constant, along { 0.1 / Double($0).squareRoot() })),
      Mutant(
        "declares 1/k and takes constant steps",
        subject("constant", declared: inverse, along(constant))),
      Mutant(
        "one row is left out",
        subject("two-rows", declared: inverse) { k, x, v in
          let z = Self.plane[2, 0] * x[0] + Self.plane[2, 1] * x[1]
          var v = v
          for j in 0..<2 { v[j] -= Self.plane[2, j] * (z > 0 ? 1 : z < 0 ? -1 : 0) }
          return x.moved(-inverse(k), v)
        }),
      Mutant(
        "not a number",
        subject("nan", declared: inverse) { k, x, v in
          k == 50 ? [.nan, 0] : x.moved(-inverse(k), v)
        }),
    ]
      + sizes.map { size in
        Mutant(
          "steps are longer than declared", size: size,
          subject("long", declared: inverse, along { (1 + size) * inverse($0) }))
      }
      + sizes.map { size in
        Mutant(
          "a share of a step along one coordinate", size: size,
          subject("biased", declared: inverse) { k, x, v in
            var next = x.moved(-inverse(k), v)
            next[0] += size * inverse(k)
            return next
          })
      }
  }

  public var cleanCases: [CleanCase<Subject>] {
    func both(_ name: String, _ steps: @escaping @Sendable (Int) -> Double) -> [CleanCase<Subject>]
    {
      [("|x|", Self.line), ("‖A x‖₁", Self.plane)].map { function, matrix in
        CleanCase(
          "\(name) on \(function)",
          Subject(label: "\(name) on \(function)", matrix: matrix, steps: steps))
      }
    }
    return both("constant steps") { _ in 0.1 }
      + both("steps 1/√k") { 0.3 / Double($0).squareRoot() }
      + both("steps 1/k") { 0.5 / Double($0) }
      + both("steps that oscillate") { 0.1 * (1 + 0.5 * sin(Double($0))) }
      + both("steps of which few are long") { $0 & ($0 - 1) == 0 ? 0.1 : 0.5 / Double($0) }
      + [
        CleanCase(
          "steps 1/k² within reach",
          Subject(label: "1/k² on |x|", matrix: Self.line, steps: { 1 / Double($0 * $0) })),
        CleanCase(
          "steps 1/k² from too far", expected: .premiseFails,
          Subject(
            label: "1/k² on |x|", matrix: Self.line, steps: { 1 / Double($0 * $0) },
            starts: [[3.3]])),
        CleanCase(
          "a start on the lattice", expected: .premiseFails,
          Subject(
            label: "constant on |x|", matrix: Self.line, steps: { _ in 0.125 }, starts: [[0.5]])),
        CleanCase(
          "steps that vanish too slowly to see", expected: .inconclusive,
          Subject(
            label: "1/log k on |x|", matrix: Self.line,
            steps: { 0.1 / log(2 + Double($0)) })),
      ]
  }
}

/// A rule whose moves are made up from k, x and v.
private struct MadeUpRule: UpdateRule {
  let name: String
  let move: @Sendable (_ k: Int, _ x: Vector, _ v: Vector) -> Vector

  func initialState<P: Problem>(for problem: P) -> Int { 0 }

  func step<P: Problem>(_ x: inout Vector, _ k: inout Int, on problem: P) {
    k += 1
    x = move(k, x, problem.gradient(at: x))
  }
}
