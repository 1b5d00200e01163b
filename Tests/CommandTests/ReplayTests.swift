import Foundation
import OptCheck
import TestSupport
import Testing

private let fixtures = Fixtures.folder.appendingPathComponent("Reference")

@Suite struct ReplayTests {
  /// `OPTCHECK_UPDATE_FIXTURES=1 swift test --filter ReplayTests` writes the cases anew.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["OPTCHECK_UPDATE_FIXTURES"] == "1"))
  func updateFixtures() throws {
    try FileManager.default.createDirectory(at: fixtures, withIntermediateDirectories: true)
    for reference in try ownCases() { try reference.write(to: fixtures) }
  }

  @Test func fixturesAgree() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let output = try tool.run(["replay", fixtures.path])
    #expect(output.status == 0, "\(output.standardOutput)")
    let count = try ownCases().count
    #expect(
      output.standardOutput.contains(
        "replayed \(count) of \(count) cases, \(count) agree, worst relative error"))
  }

  /// The evaluators share no code on their way to losses and gradients.
  @Test(arguments: CoordMathDNN.Evaluator.allCases)
  func everyEvaluatorAgrees(evaluator: CoordMathDNN.Evaluator) throws {
    let replay = Replay(replayers: Replay.algorithms(evaluator: evaluator))
    for name in ["dnn_qp_gaussian", "dnn_qp_sigmoid_zero"] {
      let row = replay.row(name, in: fixtures)
      #expect(row.status == .agrees, "\(row)")
    }
  }

  @Test(.enabled(if: Fixtures.sharedFolder != nil, "needs ../shared"))
  func authorsCasesAgree() throws {
    let folder = try #require(Fixtures.sharedFolder).appendingPathComponent("reference/open")
    let tool = try Tool()
    defer { tool.cleanUp() }
    let some = try tool.run(["replay", folder.path, "--only", "dnn_qp_*"])
    #expect(some.status == 0, "\(some.standardOutput)")
    #expect(some.standardOutput.contains("replayed 6 of 6 cases, 6 agree"))
    let all = try tool.run(["replay", folder.path, "--json"])
    #expect(all.status == 0)
    let json = try JSONFile.decode(
      [String: JSONValue].self, from: Data(all.standardOutput.utf8), path: "output")
    #expect(json["caseCount"] == .number(29))
    #expect(json["replayed"] == .number(29) && json["agreeing"] == .number(29))
  }

  /// One entry off by 1e-6 of the largest, in each output of each case: it is seen and named.
  @Test(
    arguments: ["dnn_qp_gaussian", "dnn_qp_sigmoid_zero", "dnn_qp_exp_scale_deep", "pgd_qp"]
      + unfoldedNames + classicalNames)
  func plantedFaultIsNamed(name: String) throws {
    let reference = try ReferenceCase(named: name, in: fixtures)
    let outputs = reference.arrays.keys.filter { !ReferenceCase.isInput($0) }.sorted()
    #expect(outputs.count >= 5)
    for array in outputs {
      var faulty = reference
      var tensor = try #require(faulty.arrays[array])
      let size = Vector(tensor.elements).maxMagnitude
      // The last entry: of X, the first ones are the start, which is an input.
      tensor.elements[tensor.elements.count - 1] += 1e-6 * (size > 0 ? size : 1)
      faulty.arrays[array] = tensor
      let row = Replay().row(for: faulty)
      #expect(row.status == .disagrees, "\(array)")
      #expect(row.worst?.array == array)
      #expect(row.reason?.contains("'\(array)'") == true)
    }
  }

  /// A damaged case is named with its culprit, and the others still run.
  @Test func damageStaysInItsCase() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    func place(
      _ name: String, _ change: (inout ReferenceCase) throws -> Void = { _ in }
    ) throws {
      var reference = try ReferenceCase(named: "pgd_qp", in: fixtures)
      reference.name = name
      try change(&reference)
      try reference.write(to: tool.folder)
    }
    try place("a_sound")
    try place("b_off") { $0.arrays["obj"]?.elements[3] *= 1 + 1e-5 }
    try place("c_lacking") { $0.arrays["obj"] = nil }
    try place("d_lacking_both") {
      $0.arrays["obj"] = nil
      $0.header.arrays["obj"] = nil
    }
    try place("e_unknown_array") {
      $0.arrays["extra"] = Tensor(1)
      $0.header.arrays["extra"] = .init(shape: [])
    }
    try place("f_unknown_algorithm") { $0.header.algorithm = "Magic" }
    try place("g_nan_data") { $0.arrays["M"]?.elements[0] = .nan }
    try place("h_nan_output") { $0.arrays["obj"]?.elements[0] = .nan }
    try place("i_no_input") {
      $0.arrays["Y"] = nil
      $0.header.arrays["Y"] = nil
    }
    try place("j_truncated")
    let file = tool.url("j_truncated.safetensors")
    try Data(contentsOf: file).dropLast(4).write(to: file)
    try place("k_bad_json")
    try tool.write("{\"algorithm\": ", to: "k_bad_json.json")
    try place("l_alone")
    try FileManager.default.removeItem(at: tool.url("l_alone.json"))

    let output = try tool.run(["replay", tool.folder.path])
    #expect(output.status == 1)
    let lines = output.standardOutput.split(separator: "\n").map(String.init)
    let expected = [
      ("a_sound", ["agrees", "lipschitz"]), ("b_off", ["disagrees", "'obj'"]),
      ("c_lacking", ["not replayed", "'obj'", "missing"]),
      ("d_lacking_both", ["not replayed", "'obj'", "missing"]),
      ("e_unknown_array", ["not replayed", "'extra'", "unknown"]),
      ("f_unknown_algorithm", ["not built yet", "Magic"]),
      ("g_nan_data", ["not replayed", "'M'", "NaN"]), ("h_nan_output", ["disagrees", "'obj'"]),
      ("i_no_input", ["not replayed", "'Y'", "missing"]),
      ("j_truncated", ["not replayed", "truncated"]),
      ("k_bad_json", ["not replayed", "k_bad_json.json"]),
      ("l_alone", ["not replayed", "l_alone.json"]),
    ]
    #expect(lines.count == expected.count + 1)
    for (line, (name, words)) in zip(lines, expected) {
      #expect(line.hasPrefix(name))
      // The first case's worst array is up to rounding; it only has to be there.
      for word in words where word != "lipschitz" {
        #expect(line.contains(word), "'\(word)' in: \(line)")
      }
    }
    #expect(
      lines.last?.hasPrefix("replayed 3 of 12 cases, 1 agree, worst relative error inf") == true)
  }

  @Test func onlySelectsByGlob() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let some = try tool.run(["replay", fixtures.path, "--only", "dnn_qp_[gs]*"])
    #expect(some.status == 0)
    #expect(some.standardOutput.contains("replayed 2 of 2 cases, 2 agree"))
    expectRefusal(
      try tool.run(["replay", fixtures.path, "--only", "nothing"]), naming: ["nothing"])
    expectRefusal(try tool.run(["replay", tool.folder.path]), naming: ["holds no cases"])
  }

  /// A user's own rule is replayed under its own name.
  @Test func anyRuleCanBeReplayed() throws {
    let rule = GradientDescent(stepRule: .reference, relaxation: 1.5)
    var reference = try ReferenceCase(named: "pgd_qp", in: fixtures)
    reference.header.algorithm = rule.name
    reference.arrays["step_size"] = nil
    let replay = Replay(replayers: Replay.algorithms(rules: [rule]))
    let row = replay.row(for: reference)
    // Recorded with factor 1, so the run differs: what matters is that it was compared.
    #expect(row.status == .disagrees && row.compared == 5, "\(row)")
  }
}

// MARK: Making the fixtures

/// The cases under Fixtures/Reference: small, one per algorithm and kind of network.
private func ownCases() throws -> [ReferenceCase] {
  let deep = CoordMathDNN.Architecture(widths: [3, 4, 5], map: .exp, learnsScale: true)
  return [
    try ownCase("pgd_qp", "PGD", seed: 1, horizon: 8, weights: nil, hyper: [:]),
    try ownCase(
      "dnn_qp_sigmoid_zero", "CoordMathDNN", seed: 2, horizon: 5,
      weights: try CoordMathDNN.initialParameters(
        .init(widths: [2, 8]), .qr, scale: 50, seed: 2),
      hyper: ["p_norm": .text("sigmoid"), "e": .number(50), "sgd_lr": .number(1e-7)]),
    try ownCase(
      "dnn_qp_gaussian", "CoordMathDNN", seed: 3, horizon: 5,
      weights: try drawnWeights(.init(widths: [2, 8], map: .gaussian), seed: 3),
      hyper: ["p_norm": .text("Gaussian"), "sgd_lr": .number(1e-3)]),
    try ownCase(
      "dnn_qp_exp_scale_deep", "CoordMathDNN", seed: 4, horizon: 4,
      weights: try drawnWeights(deep, seed: 4),
      hyper: ["p_norm": .text("exp"), "sgd_lr": .number(1e-3)]),
  ] + (try unfoldedCases()) + (try classicalCases())
}

/// Weights as at initialisation, but with a last layer that is not zero.
private func drawnWeights(
  _ architecture: CoordMathDNN.Architecture, seed: UInt64
) throws -> Parameters {
  var weights = try CoordMathDNN.initialParameters(architecture, .qr, scale: 1, seed: seed)
  let last = architecture.depth - 1
  var rng = SplitMix64(seed: seed + 100)
  for j in weights.tensors[last].elements.indices {
    weights.tensors[last].elements[j] = rng.normal() / 10
  }
  return weights
}

private func ownCase(
  _ name: String, _ algorithm: String, seed: UInt64, horizon: Int, weights: Parameters?,
  hyper: [String: JSONValue]
) throws -> ReferenceCase {
  let (n, b, d) = (2, 4, 6)
  let problem = try LeastSquares.generated(
    seed: seed, instances: n, rows: b, columns: d, smoothness: 2)
  var rng = SplitMix64(seed: seed + 200)
  let point = try #require(problem.generatingPoint)
  var x = Tensor(zeros: [horizon + 1, n, d])
  for j in 0..<(n * d) { x.elements[j] = rng.normal() }
  var arrays = [
    "M": Tensor(shape: [n, b, d], elements: problem.matrix.blocks.flatMap(\.elements)),
    "Y": Tensor(shape: [n, b], elements: problem.target.elements),
    "Xgt": Tensor(shape: [n, d], elements: point.elements), "X": x,
  ]
  var settings = hyper
  settings["step_size"] = .text("0.9999/lipschitz per instance")
  if let weights {
    for (name, tensor) in zip(weights.names, weights.tensors) { arrays["w0.\(name)"] = tensor }
    settings["adam_lr"] = .number(1e-3)
    settings["meta_steps"] = .number(3)
  }
  let header = ReferenceCase.Header(
    algorithm: algorithm, problem: "QP", dims: ["N": n, "b": b, "d": d, "T": horizon],
    hyper: settings, source: "OptCheck, dense evaluator", seed: Int(seed))
  let inputs = ReferenceCase(name: name, header: header, arrays: arrays)
  let replayer = try #require(Replay.algorithms().first { $0.covers(header) })
  let outputs = try replayer.outputs(of: inputs)
  return ReferenceCase(
    name: name, header: header, arrays: arrays.merging(outputs) { _, output in output })
}
