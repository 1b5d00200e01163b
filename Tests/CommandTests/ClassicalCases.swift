import Foundation
import OptCheck
import Testing

/// Our own cases of the classical rules: every rule once, every problem at least once.
let classicalNames = [
  "pgd_small", "fista_small", "subgd_small", "adam_small", "adamhd_small", "shampoo_small",
]

/// The cases themselves: d = 6, b = 4, two instances, six steps.
func classicalCases() throws -> [ReferenceCase] {
  let size = SparseRegressionSize(instances: 2, rows: 4, columns: 6, sparsity: 2)
  func lasso(_ seed: UInt64) throws -> Lasso { try Lasso.generated(seed: seed, size: size) }
  func logistic(_ seed: UInt64) throws -> LogisticL1 {
    try LogisticL1.generated(seed: seed, size: size)
  }
  func moments(step: Double, _ more: [String: JSONValue] = [:]) -> [String: JSONValue] {
    [
      "step_size": .number(step), "momentum1": .number(0.8), "momentum2": .number(0.99),
      "eps": .number(1e-8),
    ].merging(more) { $1 }
  }
  return [
    try classicalCase("PGD", "LogisticL1", try logistic(30), seed: 30),
    try classicalCase("FISTA", "LASSO", try lasso(31), seed: 31),
    try classicalCase("SubGD", "LASSO", try lasso(32), seed: 32),
    try classicalCase(
      "Adam", "QP",
      try LeastSquares.generated(
        seed: 33, instances: 2, rows: 4, columns: 6, gradientForm: .residual), seed: 33,
      hyper: moments(step: 0.02)),
    // So large a rate that the two instances' common correction shows in every digit.
    try classicalCase(
      "AdamHD", "LogisticL1", try logistic(34), seed: 34,
      hyper: moments(step: 0.05, ["hyper_step": .number(1e-3)])),
    try classicalCase(
      "Shampoo", "LASSO", try lasso(35), seed: 35, hyper: ["step_size": .number(0.1)]),
  ]
}

private func classicalCase(
  _ algorithm: String, _ problemName: String, _ problem: some LinearModelProblem, seed: Int,
  hyper: [String: JSONValue] = [:]
) throws -> ReferenceCase {
  let (n, b, d, horizon) = (
    problem.instanceCount, problem.map.blockRows, problem.coordinatesPerInstance, 6
  )
  var rng = SplitMix64(seed: UInt64(seed) + 200)
  var x = Tensor(zeros: [horizon + 1, n, d])
  for j in 0..<(n * d) { x.elements[j] = rng.normal() }
  let arrays = [
    "M": Tensor(
      shape: [n, b, d], elements: problem.map.distinctMatrices.flatMap(\.elements)),
    "Y": Tensor(shape: [n, b], elements: problem.target.elements),
    "Xgt": Tensor(shape: [n, d], elements: try #require(problem.generatingPoint).elements),
    "X": x,
  ]
  var settings: [String: JSONValue] = ["step_size": .text("0.9999/lipschitz per instance")]
  if let l1 = problem.regularizer as? L1Norm { settings["rho"] = .number(l1.weight) }
  let header = ReferenceCase.Header(
    algorithm: algorithm, problem: problemName, dims: ["N": n, "b": b, "d": d, "T": horizon],
    hyper: settings.merging(hyper) { $1 }, source: "OptCheck", seed: seed)
  let inputs = ReferenceCase(
    name: "\(algorithm.lowercased())_small", header: header, arrays: arrays)
  let replayer = try #require(Replay.algorithms().first { $0.covers(header) })
  // One of the two names of the reported values is enough.
  let outputs = try replayer.outputs(of: inputs).filter { $0.key != "obj_total" }
  return ReferenceCase(
    name: inputs.name, header: header, arrays: arrays.merging(outputs) { _, output in output })
}
