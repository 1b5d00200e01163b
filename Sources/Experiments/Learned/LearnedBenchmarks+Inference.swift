import Catalog
import Dispatch
import Engine
import Foundation
import Optimization

extension LearnedBenchmarks {
  /// What a rule takes on fresh instances, per iteration and to a gap (paper B, table 2).
  public struct Inference: Sendable, Hashable, Codable {
    /// The rule.
    public var rule: String
    /// What it runs on.
    public var problem: String
    /// One iteration of all instances on one thread, ms.
    public var iteration: Timing
    /// Mean relative gaps, falling.
    public var levels: [Double]
    /// Iterations to each of them; nil where the horizon ends before.
    public var iterations: [Int?]

    /// Iterations times the shortest time of one, ms.
    public var times: [Double?] {
      iterations.map { $0.map { Double($0) * iteration.minimum } }
    }
  }

  /// The rule trained on LASSO, AdamHD and FISTA on 32 fresh instances of LASSO 250 x 500.
  ///
  /// The iterations are the same on every machine, the times are not.
  static func inference(trained: URL, quick: Bool) throws -> [Inference] {
    let size =
      quick
      ? SparseRegressionSize(instances: 4, rows: 25, columns: 50, sparsity: 5)
      : SparseRegressionSize(instances: 32, rows: 250, columns: 500, sparsity: 50)
    let source = FreshProblems(.lasso, size: size, weight: 0.1, seed: 118)
    let problem = try source.test(0, instances: size.instances)
    let entries: [GapExperiment.Entry] = [
      .trained("coordmathlstm-pa-lasso", in: trained, label: "L2O-PA, trained"), .adamHD, .fista(),
    ]
    let levels = [1e-2, 1e-4]
    return try entries.map { entry in
      let rule = try entry.rule { _ in }
      let gaps = try GapExperiment.gaps(of: rule, on: problem, horizon: quick ? 50 : 2000)
      return Inference(
        rule: entry.label, problem: "d=\(size.columns) m=\(size.rows) N=\(size.instances)",
        iteration: time(rule, on: problem, repetitions: quick ? 2 : 10), levels: levels,
        iterations: levels.map { level in gaps.firstIndex { $0 <= level } })
    }
  }

  /// Iterations from 0 without the values that a curve asks for, 20 at a time, after 5 to warm up.
  private static func time(
    _ rule: any UpdateRule, on problem: any Problem, repetitions: Int
  ) -> Timing {
    func measure(_ rule: some UpdateRule, _ problem: some Problem) -> Timing {
      var x = Vector(zeros: problem.dimension)
      var state = rule.initialState(for: problem)
      for _ in 0..<5 { rule.step(&x, &state, on: problem) }
      return Timing(
        (0..<repetitions).map { _ in
          let begin = DispatchTime.now().uptimeNanoseconds
          for _ in 0..<20 { rule.step(&x, &state, on: problem) }
          return Double(DispatchTime.now().uptimeNanoseconds - begin) * 1e-6 / 20
        })
    }
    return measure(rule, problem)
  }
}
