import Catalog
import Dispatch
import Engine
import Optimization

extension LearnedBenchmarks {
  /// A training step of LISTA-CPSS: LASSO 250 x 500 with one dictionary, 256 instances, 16 layers.
  ///
  /// With the support selected across the batch all instances share one tape, hence one thread.
  static func unfolded(
    _ group: SupportSelection.Group, threads: Int, quick: Bool
  ) throws -> Row {
    let (instances, rows, columns) = quick ? (8, 25, 50) : (256, 250, 500)
    let layers = 16
    let problem = try Lasso.authors(
      seed: 118, instances: instances, rows: rows, columns: columns, weight: 0.2, isShared: true)
    let rule = try LISTACPSS(
      layers: layers,
      parameters: LISTACPSS.initialParameters(for: problem, layers: layers, start: .reference()),
      selection: SupportSelection(group: group))
    let objective = try rule.objective(
      on: problem, from: Vector(zeros: problem.dimension), horizon: layers,
      loss: .objective(MetaLoss.last.weights(horizon: layers)))
    objective.threads = threads
    let plan = MetaTraining(optimizer: .adam(), stepSize: 1e-7, stepsPerEpoch: quick ? 2 : 6)
    var state = plan.initialState(rule.parameters)
    var memory = MetaTraining.Memory(for: rule.parameters)
    var times: [Double] = []
    while !state.isFinished(plan) {
      let begin = DispatchTime.now().uptimeNanoseconds
      plan.advance(&state, objective, memory: &memory)
      times.append(Double(DispatchTime.now().uptimeNanoseconds - begin) * 1e-6)
    }
    return Row(
      name: "LISTACPSS, support by \(group.rawValue), d=\(columns) m=\(rows) N=\(instances) T=16",
      threads: threads, timing: Timing(Array(times.dropFirst())),
      published: quick ? nil : 520, limit: quick ? nil : 300)
  }
}
