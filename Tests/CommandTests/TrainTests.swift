import Foundation
import OptCheck
import Testing

@testable import OptCheckCommands

@Suite struct TrainTests {
  @Test func filesAreThoseOfTheReferenceCode() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let output = try tool.run("\(smallRun) --global-training-steps 250 --save-dir a --json")
    #expect(output.status == 0, "\(output.standardError)")
    let outcome = try JSONFile.decode(
      [String: JSONValue].self, from: Data(output.standardOutput.utf8), path: "output")
    #expect(outcome["steps"] == .number(250))
    let losses = try TextColumn.read(from: tool.url("results/a/train_loss"))
    #expect(losses.count == 250)
    for k in [0, 100, 200] {
      let curve = try TextColumn.read(from: tool.url("results/a/obj_train_iter_\(k)"))
      #expect(curve.count == 7)
      // F(X_T) before update k is the loss of step k; the two sums run in different orders.
      #expect(abs(curve[6] - losses[k]) <= 1e-12 * losses[k])
    }
    // Iteration 0 is gradient descent: the last layer starts at 0.
    let problem = try LeastSquares.authors(seed: 895, instances: 4, rows: 5, columns: 8)
    let descent = unroll(
      GradientDescent(stepRule: .reference), on: problem, from: Vector(zeros: 32), horizon: 6)
    let first = try TextColumn.read(from: tool.url("results/a/obj_train_iter_0"))
    #expect(zip(first, descent.totals).allSatisfy { abs($0 - $1) <= 1e-12 * $1 })
    let weights = try Safetensors.read(from: tool.url("results/a/CoordMathDNN.safetensors"))
    #expect(weights.names == ["dnn.0.weight", "linear.weight", "linear_p.weight"])
    let log = try String(contentsOf: tool.url("results/a/train_loss.log"), encoding: .utf8)
    #expect(log.hasPrefix("Epoch 0 Iteration 0, training loss \(losses[0])\n\n"))
    // The config that was left replays the run.
    let again = try tool.run("train -c results/a/config.yaml --save-dir b")
    #expect(again.status == 0, "\(again.standardError)")
    #expect(
      try Data(contentsOf: tool.url("results/a/train_loss"))
        == Data(contentsOf: tool.url("results/b/train_loss")))
  }

  @Test func commandLineBeatsConfigBeatsDefault() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    try tool.write("e: 7\nseed: 3\np-use: false\nclip-grad: true\nstate-scale: 1\n", to: "c.yaml")
    let settings = try TrainSettings(
      config: tool.url("c.yaml").path, flags: [("seed", "4"), ("p-use", "true")])
    #expect(settings.values["e"] == "7.0")
    #expect(settings.values["seed"] == "4")
    #expect(settings.values["p-use"] == "true")
    #expect(settings.values["clip-grad"] == "true")
    #expect(settings.values["epochs"] == "5")
    #expect(settings.note?.contains("state-scale") == true)
  }

  /// Figures that the shipped classes printed for the test seed 7895 (float32, 8 digits).
  @Test func testModeRepeatsTheAuthorsBaseline() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let output = try tool.run(
      "train --test --optimizer ProximalGradientDescent --input-dim 512 --output-dim 400 "
        + "--test-size 32 --test-batch-size 32 --test-length 2 --save-dir t")
    #expect(output.status == 0, "\(output.standardError)")
    let values = try TextColumn.read(from: tool.url("results/t/test_losses.txt"))
    let expected = [8530.4514, 2508.3157, 1298.4845]
    #expect(values.count == 3)
    for (a, b) in zip(values, expected) { #expect(abs(a - b) <= 1e-6 * b) }
  }

  @Test func divergenceIsAFinding() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    // |1 - s λ| >= 10 for some λ: 1e200 is passed within 400 steps of the rule.
    let output = try tool.run(
      "\(smallRun) --global-training-steps 5 --optimizer-training-steps 400 --step-size 10")
    #expect(output.status == 0, "\(output.standardError)")
    #expect(output.standardOutput.contains("step 0 is not finite"))
    let losses = try TextColumn.read(from: tool.url("results/temp/train_loss"))
    #expect(losses.count == 1 && !losses[0].isFinite)
  }

  @Test func damagedCheckpointIsRefused() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let line = "\(smallRun) --global-training-steps 4 --resume"
    #expect(try tool.run(line).status == 0)
    let arrays = tool.url("results/temp/checkpoint-4.safetensors")
    let manifest = tool.url("results/temp/checkpoint.json")
    let (data, text) = (try Data(contentsOf: arrays), try Data(contentsOf: manifest))

    expectRefusal(
      try tool.run("\(line) --e 3"), naming: ["checkpoint.json", "e = 2.0", "3.0"])
    try data.dropLast(8).write(to: arrays)
    expectRefusal(try tool.run(line), naming: ["checkpoint-4.safetensors", "truncated"])
    var changed = data
    changed[changed.count - 1] ^= 1
    try changed.write(to: arrays)
    expectRefusal(try tool.run(line), naming: ["checkpoint-4.safetensors", "checksum"])
    try FileManager.default.removeItem(at: arrays)
    expectRefusal(try tool.run(line), naming: ["checkpoint-4.safetensors"])
    try data.write(to: arrays)
    try text.dropLast(20).write(to: manifest)
    expectRefusal(try tool.run(line), naming: ["checkpoint.json"])
    try text.write(to: manifest)
    #expect(try tool.run(line).status == 0)
  }

  @Test func interruptFinishesTheStepAndKeepsIt() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    // Far more steps than anybody waits for; the signal comes once the run has begun.
    let script = """
      \(try Tool.executable.path) \(smallRun) --global-training-steps 100000000 & pid=$!
      while ! test -e results/temp/obj_train_iter_0; do sleep 0.01; done
      kill -INT $pid; wait $pid
      """
    let output = try ChildProcess.run("env", ["-C", tool.folder.path, "sh", "-c", script])
    #expect(output.status == 130, "\(output.standardError)")
    #expect(output.standardOutput.contains("--resume"))
    let losses = try TextColumn.read(from: tool.url("results/temp/train_loss"))
    #expect(tool.contents.contains("results/temp/checkpoint-\(losses.count).safetensors"))
  }

  /// Thirty kills at random times, each in the midst of a run: what is left always continues to
  /// the same bits.
  @Test func resumesBitIdenticallyAfterKills() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let steps = 250
    let line =
      "\(smallRun) --global-training-steps \(steps) --checkpoint-every 1 --resume --save-dir"
    func secondsOfWholeRun() throws -> Double {
      let start = ContinuousClock.now
      let output = try tool.run("\(line) whole")
      #expect(output.status == 0, "\(output.standardError)")
      return (ContinuousClock.now - start) / .seconds(1)
    }
    // The second time there is nothing left to do.
    let (duration, overhead) = (try secondsOfWholeRun(), try secondsOfWholeRun())
    let expected = try files(in: tool.url("results/whole"))
    #expect(expected.count == 10, "\(expected.keys.sorted())")

    var rng = SplitMix64(seed: 30)
    // A kill should come while steps are taken; how fast the machine is now, the last kill tells.
    var window = max(duration - overhead, overhead) / 4
    var kills = 0
    var victims = 0
    var insideWrite = 0
    while kills < 30 {
      victims += 1
      let folder = tool.url("results/victim\(victims)")
      var isFinished = false
      while !isFinished {
        // The last kill over, the victim may finish.
        let prefix =
          kills < 30 ? ["timeout", "-s", "KILL", "\(overhead / 2 + rng.uniform() * window)"] : []
        let output = try tool.run(
          prefix: prefix, "\(line) victim\(victims)".split(separator: " ").map(String.init))
        isFinished = output.status == 0
        if isFinished {
          window *= 0.9
          continue
        }
        #expect(output.status == 137, "\(output.standardError)")
        guard let step = lastStep(folder), step > 0 else {
          window *= 1.1
          continue
        }
        kills += 1
        if isInsideWrite(folder) { insideWrite += 1 }
      }
      // Resuming what is finished changes nothing, and sweeps up after processes that were still
      // dying when their successor looked.
      #expect(try tool.run("\(line) victim\(victims)").status == 0)
      let found = try files(in: folder)
      let differing = Set(found.keys).union(expected.keys).filter { found[$0] != expected[$0] }
      #expect(differing.isEmpty, "victim \(victims) after \(kills) kills")
    }
    // A checkpoint every step: most of the time goes into writing them.
    #expect(insideWrite >= 1, "\(victims) victims")
  }

  /// The step of the checkpoint in `folder`; nil if there is none.
  private func lastStep(_ folder: URL) -> Int? {
    struct Manifest: Decodable { var step: Int }
    return try? JSONFile.read(Manifest.self, from: Checkpoint.manifest(in: folder)).step
  }

  /// All files of `folder` with their bytes.
  private func files(in folder: URL) throws -> [String: Data] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    var result: [String: Data] = [:]
    // The settings name the folder, and the record says how long it took.
    for name in names where !["config.yaml", "CoordMathDNN.json"].contains(name) {
      result[name] = try Data(contentsOf: folder.appendingPathComponent(name))
    }
    return result
  }

  /// Whether a write was under way: a draft, or arrays that the JSON does not name yet or any more.
  private func isInsideWrite(_ folder: URL) -> Bool {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.contains { $0.contains(".draft.") }
      || names.count { $0.hasPrefix("checkpoint-") } > 1
  }
}
