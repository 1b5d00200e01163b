import Catalog
import Engine
import Optimization

/// Replays any rule under its own name: iterates and values.
///
/// The weights of a learned rule are inputs of the case, `w0.<name>` each; without any it keeps its own.
struct RuleReplayer: CaseReplayer {
  let rule: any UpdateRule

  func covers(_ header: ReferenceCase.Header) -> Bool {
    header.algorithm == rule.name
  }

  func outputs(of reference: ReferenceCase) throws -> [String: Tensor] {
    try outputs(of: reference, on: try reference.problem())
  }

  private func outputs(
    of reference: ReferenceCase, on problem: some Problem
  ) throws -> [String: Tensor] {
    let (x, horizon) = try reference.start(on: problem)
    let run = unroll(
      try rule(with: reference), on: problem, from: x, horizon: horizon, recordingIterates: true)
    return CommonOutputs(problem, run, horizon: horizon).arrays
  }

  private func rule(with reference: ReferenceCase) throws -> any UpdateRule {
    let weights = reference.arrays.keys.filter { $0.hasPrefix("w0.") }
    guard !weights.isEmpty else { return rule }
    guard var learned = rule as? any LearnedUpdateRule else {
      throw ReplayError.unknownArray(weights.min() ?? "w0.")
    }
    let names = learned.parameters.names
    if let stranger = weights.sorted().first(where: { !names.contains(String($0.dropFirst(3))) }) {
      throw ReplayError.unknownArray(stranger)
    }
    learned.parameters = Parameters(
      try zip(names, learned.parameters.tensors).map { name, tensor in
        (name, try reference.array("w0.\(name)", shape: tensor.shape))
      })
    return learned
  }

  /// Iterates and values at least.
  func isRequired(_ array: String, in reference: ReferenceCase) -> Bool {
    ["X", "obj"].contains(array)
  }
}
