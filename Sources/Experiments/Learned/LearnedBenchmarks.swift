import Catalog
import Dispatch
import Engine
public import Foundation
import Optimization

/// Times of the rules that run on the tape: of training steps, and on fresh instances.
public struct LearnedBenchmarks: Sendable, Hashable, Codable {
  /// One training step, forward and backward and the update of the weights.
  public struct Row: Sendable, Hashable, Codable {
    /// What was run.
    public var name: String
    /// Threads.
    public var threads: Int
    /// Times in ms.
    public var timing: Timing
    /// What the authors' code takes in float64, in ms, where it was measured.
    public var published: Double?
    /// What it may take on two idle cores, in ms.
    public var limit: Double?
  }

  /// The measurements.
  public var rows: [Row]
  /// The cost of one recorded operation.
  public var overhead: [Overhead]
  /// What recorded runs hold, against T.
  public var memory: [Memory]
  /// A trained rule beside AdamHD and FISTA.
  public var inference: [Inference]

  /// Measures; about two minutes, or a few seconds if `quick`.
  ///
  /// - Parameter trained: the folder with trained rules.
  /// - Throws: `StorageError` where the trained rule is not there.
  public static func run(trained: URL, quick: Bool = false) throws -> LearnedBenchmarks {
    let recurrentRows = try [2, 1].map { try recurrent(threads: $0, quick: quick) }
    let unfoldedRows = try SupportSelection.Group.allCases.map {
      try unfolded($0, threads: 2, quick: quick)
    }
    return LearnedBenchmarks(
      rows: recurrentRows + unfoldedRows,
      overhead: [1, 8].map { overhead(side: $0) },
      memory: try memory(quick ? [25, 50] : [25, 50, 100, 200, 400]),
      inference: try inference(trained: trained, quick: quick))
  }

  /// One minibatch of paper B's training: LASSO 250 x 500, 64 instances, T = 100 in 5 segments.
  private static func recurrent(threads: Int, quick: Bool) throws -> Row {
    let size =
      quick
      ? SparseRegressionSize(instances: 4, rows: 25, columns: 50, sparsity: 5)
      : SparseRegressionSize(instances: 64, rows: 250, columns: 500, sparsity: 50)
    let problem = try Lasso.generated(seed: 1, size: size)
    guard let architecture = RecurrentParts.Architecture.variant("PA") else {
      preconditionFailure("PA is a variant")
    }
    let rule = CoordMathLSTM(
      try RecurrentParts(architecture, parameters: architecture.initialParameters(seed: 118)))
    let plan = TruncatedTraining(stepSize: 1e-3, horizon: 100, segment: 20)
    var state = plan.initialState(rule.parameters)
    let start = Vector(zeros: problem.dimension)
    let times = (0..<(quick ? 2 : 4)).map { k -> Double in
      let begin = DispatchTime.now().uptimeNanoseconds
      plan.advance(
        &state, rule, on: problem, from: start, seed: UInt64(k), threads: threads)
      return Double(DispatchTime.now().uptimeNanoseconds - begin) * 1e-6
    }
    return Row(
      name: "CoordMathLSTM (PA), d=\(size.columns) m=\(size.rows) N=\(size.instances) T=100",
      threads: threads, timing: Timing(Array(times.dropFirst())),
      published: quick ? nil : 13_000, limit: quick || threads != 2 ? nil : 2_500)
  }
}
