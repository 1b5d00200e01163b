import Foundation
import OptCheck
import Testing

/// Our own cases of the rules whose layers have weights; separate weights, but for one of each kind.
let unfoldedNames = [
  "lista_small", "listacp_small", "listacpss_small", "listacpssstep_small",
  "listacpsswonly_small", "alista_small", "steplista_small", "adalista_small",
]

/// The cases themselves: d = 6, b = 4, four instances, three layers.
func unfoldedCases() throws -> [ReferenceCase] {
  func lista<Rule: InitializedUnfoldedRule>(
    _ type: Rule.Type, _ algorithm: String, seed: UInt64, shared: Set<String> = []
  ) throws -> ReferenceCase {
    let problem = try dictionaryProblem(seed: seed)
    return try unfoldedCase(
      "\(algorithm.lowercased())_small", algorithm, problem, seed: seed,
      weights: try perturbed(
        Rule.initialParameters(for: problem, layers: 3, shared: shared), seed: seed),
      hyper: [
        "percent": .number(0.2), "max_percent": .number(0.5), "sgd_lr": .number(0.01),
        "staged_lr": .number(1e-3), "meta_steps": .number(3),
      ])
  }
  let many = try Lasso.generated(
    seed: 27, size: .init(instances: 3, rows: 4, columns: 6, sparsity: 2))
  return [
    try lista(LISTA.self, "LISTA", seed: 20),
    try lista(LISTACP.self, "LISTACP", seed: 21, shared: ["theta"]),
    try lista(LISTACPSS.self, "LISTACPSS", seed: 22),
    try lista(LISTACPSSStep.self, "LISTACPSSSTEP", seed: 23, shared: ["We", "theta"]),
    try lista(LISTACPSSWOnly.self, "LISTACPSSWOnly", seed: 24),
    try lista(ALISTA.self, "ALISTA", seed: 25),
    try lista(StepLISTA.self, "StepLISTA", seed: 26),
    try unfoldedCase(
      "adalista_small", "AdaLISTA", many, seed: 27,
      weights: try perturbed(AdaLISTA.initialParameters(for: many, layers: 3), seed: 27),
      hyper: [
        "init_lr": .number(2e-3), "steps_per_stage": .number(2), "staged_layers": .number(3),
      ]),
  ]
}

private func dictionaryProblem(seed: UInt64) throws -> Lasso {
  try Lasso.generated(
    seed: seed, size: .init(instances: 4, rows: 4, columns: 6, sparsity: 2), isShared: true)
}

/// Weights moved a little, so that layers differ.
private func perturbed(_ parameters: Parameters, seed: UInt64) -> Parameters {
  var (result, rng) = (parameters, SplitMix64(seed: seed + 300))
  for i in result.tensors.indices {
    for j in result.tensors[i].elements.indices {
      result.tensors[i].elements[j] += 0.02 * rng.normal()
    }
  }
  return result
}

private func unfoldedCase(
  _ name: String, _ algorithm: String, _ problem: Lasso, seed: UInt64, weights: Parameters,
  hyper: [String: JSONValue]
) throws -> ReferenceCase {
  let (n, b, d) = (
    problem.instanceCount, problem.map.blockRows, problem.coordinatesPerInstance
  )
  var rng = SplitMix64(seed: seed + 200)
  var x = Tensor(zeros: [4, n, d])
  for j in 0..<(n * d) { x.elements[j] = rng.normal() / 4 }
  let matrices = problem.map.distinctMatrices
  var arrays = [
    "M": Tensor(shape: [matrices.count, b, d], elements: matrices.flatMap(\.elements)),
    "Y": Tensor(shape: [n, b], elements: problem.target.elements),
    "Xgt": Tensor(shape: [n, d], elements: try #require(problem.generatingPoint).elements),
    "X": x,
  ]
  for (name, tensor) in zip(weights.names, weights.tensors) { arrays["w0.\(name)"] = tensor }
  var settings = hyper
  settings["rho"] = .number(problem.weight)
  settings["lr_decay_layer"] = .number(0.3)
  settings["lr_decay_stage2"] = .number(0.2)
  settings["lr_decay_stage3"] = .number(0.02)
  let header = ReferenceCase.Header(
    algorithm: algorithm, problem: "LASSO",
    dims: ["N": n, "b": b, "d": d, "T": 3, "layers": 3], hyper: settings, source: "OptCheck",
    seed: Int(seed))
  let inputs = ReferenceCase(name: name, header: header, arrays: arrays)
  let replayer = try #require(Replay.algorithms().first { $0.covers(header) })
  let outputs = try replayer.outputs(of: inputs)
    .filter { replayer.isRequired($0.key, in: inputs) }
  return ReferenceCase(
    name: name, header: header, arrays: arrays.merging(outputs) { _, output in output })
}
