import Catalog
import Dispatch
import Engine
import Optimization

extension LearnedBenchmarks {
  /// What recording and differentiating one operation costs.
  public struct Overhead: Sendable, Hashable, Codable {
    /// Rows and columns of the operands.
    public var side: Int
    /// ns per operation, forward and backward.
    public var tape: Double
    /// ns per operation of a loop over plain arrays that computes value and gradient by hand.
    public var loop: Double
  }

  /// What a recorded run holds in memory.
  public struct Memory: Sendable, Hashable, Codable {
    /// T.
    public var horizon: Int
    /// Bytes of values on the tape where every step is stored.
    public var stored: Int
    /// The same where the run is stored every ⌈√T⌉ steps and recomputed between.
    public var recomputed: Int
  }

  /// Chains of x ← x ∘ w, differentiated by w.
  static func overhead(side: Int) -> Overhead {
    let length = 2000
    var rng = SplitMix64(seed: 1)
    let w = rng.matrix(side, side) { 0.999 + 0.002 * $0.uniform() }
    let one = Matrix(
      rows: side, columns: side, elements: .init(repeating: 1, count: side * side))
    let tape = Tape()
    let taped = best {
      tape.reset()
      let variable = tape.variable(w)
      var x = tape.constant(one)
      for _ in 0..<length { x = x * variable }
      tape.pullback([(x, one)])
    }
    let looped = best {
      var values = [one.elements]
      for _ in 0..<length {
        values.append(zip(values[values.count - 1], w.elements).map { $0 * $1 })
      }
      var (bar, gradient) = (one.elements, [Double](repeating: 0, count: side * side))
      for k in (0..<length).reversed() {
        for i in bar.indices {
          gradient[i] += bar[i] * values[k][i]
          bar[i] *= w.elements[i]
        }
      }
      precondition(gradient[0] > 0)
    }
    return Overhead(side: side, tape: taped / Double(length), loop: looped / Double(length))
  }

  /// The shortest of some times, in ns.
  private static func best(_ body: () -> Void) -> Double {
    (0..<20).map { _ in
      let begin = DispatchTime.now().uptimeNanoseconds
      body()
      return Double(DispatchTime.now().uptimeNanoseconds - begin)
    }.min() ?? .nan
  }

  /// Runs of CoordMathLSTM (PA) on one LASSO instance of 25 x 50.
  static func memory(_ horizons: [Int]) throws -> [Memory] {
    let problem = try Lasso.generated(
      seed: 1, size: SparseRegressionSize(instances: 1, rows: 25, columns: 50, sparsity: 5))
    guard let architecture = RecurrentParts.Architecture.variant("PA") else { return [] }
    let rule = CoordMathLSTM(
      try RecurrentParts(architecture, parameters: architecture.initialParameters(seed: 118)))
    return horizons.map { horizon in
      func bytes(_ storedSteps: Int) -> Int {
        let objective = FormulaObjective(
          rule, on: problem, from: Vector(zeros: problem.dimension), horizon: horizon,
          loss: .objective(MetaLoss.mean.weights(horizon: horizon)))
        objective.storedSteps = storedSteps
        var gradient = rule.parameters.zeros
        _ = objective.evaluate(rule.parameters, gradient: &gradient)
        return objective.recordedBytes
      }
      return Memory(
        horizon: horizon, stored: bytes(horizon), recomputed: bytes(min(horizon - 1, 100)))
    }
  }
}
