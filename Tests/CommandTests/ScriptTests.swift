import Foundation
import OptCheck
import TestSupport
import Testing

@testable import EventFiles
@testable import OptCheckCommands

/// The settings of the reference programs, and what runs leave behind.
@Suite struct ScriptTests {
  static let configs = Fixtures.packageFolder.appendingPathComponent("Fixtures/Configs")

  static let scripts: [(file: String, script: Script)] = [
    ("1_qp_training_train_anlys", .mainTrainAnlys), ("2_qp_testing", .mainTrainAnlys),
    ("0_lasso_toy", .main), ("1_lasso_training", .main), ("2_lasso_testing", .main),
    ("3_lasso_testing_real", .main), ("logistic_training", .main), ("logistic_testing", .main),
  ]

  private func settings(
    _ file: String? = nil, _ flags: [(name: String, value: String)] = []
  ) throws -> TrainSettings {
    try TrainSettings(
      config: file.map { Self.configs.appendingPathComponent("\($0).yaml").path }, flags: flags)
  }

  @Test(arguments: scripts)
  func everyConfigLoads(_ file: String, _ script: Script) throws {
    let settings = try settings(file)
    #expect(settings.script == script)
    // Everything in the published files has an effect, but for the heads that paper A's rule lacks
    // and the settings of other classes in the files for tests.
    let note = settings.note ?? ""
    for word in note.split(separator: ": ").last?.components(separatedBy: ", ") ?? []
    where !note.isEmpty {
      #expect(word.hasPrefix("a-"), "\(file): \(note)")
    }
  }

  @Test func namesOfTheFilesAreThoseListed() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.configs.path)
      .filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }
    #expect(Set(files) == Set(Self.scripts.map(\.file)))
  }

  @Test(arguments: [
    ("CoordMathDNN", "QuadraticUnconstrained", [], Script.mainTrainAnlys),
    ("CoordMathDNN", "MnistCNN", [], .mainTrainNN), ("CoordMathLSTM", "LASSO", [], .main),
    ("RNNprop", "LogisticL1", [], .main),
    ("CoordMathLSTM", "QuadraticUnconstrained", [], .mainTrainAnlys),
    ("LISTACPSSWOnly", "QuadraticUnconstrained", [], .mainTrainAnlys),
    ("LISTA", "LASSO_LISTA", [], .mainUnrollListas),
    ("LISTACPSS", "LASSO", ["layers"], .mainUnrollListas), ("AdaLISTA", "LASSO", [], .mainUnroll),
    ("Adam", "LASSO", [], .main),
  ])
  func theScriptFollows(
    _ optimizer: String, _ problem: String, _ keys: [String], _ script: Script
  ) throws {
    #expect(Script.following(optimizer: optimizer, problem: problem, keys: Set(keys)) == script)
  }

  @Test func anExplicitScriptWins() throws {
    let settings = try settings(
      nil,
      [("optimizer", "CoordMathLSTM"), ("optimizee-type", "LASSO"), ("script", "main_train_anlys")])
    #expect(settings.script == .mainTrainAnlys)
    // rho has another default there.
    #expect(settings.values["rho"] == "0.2")
    #expect(try self.settings("0_lasso_toy").values["rho"] == "0.1")
    #expect(throws: SettingError.self) { _ = try self.settings(nil, [("script", "main2")]) }
  }

  @Test func deadSettingsAreNoted() throws {
    let settings = try settings("1_lasso_training", [("scheduler", "cosine"), ("e", "50")])
    #expect(settings.note?.contains("--scheduler, --e") == true)
  }

  @Test func otherSettingsAreReadByKind() throws {
    let flags = try TrainSettings.flags(
      in: ["--rho", "0.5", "--a-use", "--no-b-use", "--eps=1e-3", "--cpu", "--device", "cuda:0"])
    #expect(flags.map(\.name) == ["rho", "a-use", "b-use", "eps", "cpu", "device"])
    #expect(flags.map(\.value) == ["0.5", "true", "false", "1e-3", "true", "cuda:0"])
    #expect(throws: UsageError.self) { _ = try TrainSettings.flags(in: ["--rho"]) }
    #expect(throws: UsageError.self) { _ = try TrainSettings.flags(in: ["rho"]) }
    let error = #expect(throws: SettingError.self) {
      _ = try TrainSettings.flags(in: ["--sparcity", "3"])
    }
    #expect(error.map { "\($0)" }?.contains("'sparsity'") == true)
  }

  @Test(arguments: [
    ("rho", "-1", ["rho", "-1", "from 0"]), ("a-norm", "relu", ["sigmoid", "softplus", "eye"]),
    ("unroll-length", "0", ["whole numbers from 1"]), ("layers", "x", ["whole numbers"]),
    ("meta-optimizer", "RMSprop", ["SGD, Adam"]), ("grad-method", "grad", ["smooth_grad"]),
  ])
  func wrongValuesNameTheRightOnes(_ key: String, _ value: String, _ words: [String]) throws {
    let error = #expect(throws: SettingError.self) { _ = try settings(nil, [(key, value)]) }
    let text = error.map { "\($0)" } ?? ""
    for word in words { #expect(text.contains(word), "\(text)") }
  }

  /// What MS4L2O's program leaves: names, number of lines, format of numbers, NumPy twins.
  @Test func filesOfTrainingOnFreshProblems() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let line =
      "train -c \(Self.configs.path)/0_lasso_toy.yaml --global-training-steps 4 --val-size 3 "
      + "--val-freq 2 --train-batch-size 3 --optimizer-training-steps 40 --lstm-hidden-size 4"
    let output = try tool.run("\(line) --save-dir a")
    #expect(output.status == 0, "\(output.standardError)")
    #expect(output.standardError.contains("script: main\n"))
    #expect(
      tool.contents.filter { $0.hasPrefix("results/a/") }.map { String($0.dropFirst(10)) }.sorted()
        == [
          "CoordMathLSTM.json", "CoordMathLSTM.safetensors", "checkpoint-8.safetensors",
          "checkpoint.json", "config.yaml", "train.log", "train_loss", "train_loss.npy",
          "validation",
          "validation.npy",
        ])
    // savetxt's %.18e, one value a line.
    let text = try String(contentsOf: tool.url("results/a/train_loss"), encoding: .utf8)
    let lines = text.split(separator: "\n")
    #expect(lines.count == 8)
    #expect(lines.allSatisfy { $0.wholeMatch(of: /-?\d\.\d{18}e[+-]\d{2}/) != nil })
    #expect(
      try NpyFile.read(from: tool.url("results/a/train_loss.npy")).elements
        == TextColumn.read(from: tool.url("results/a/train_loss")))
    #expect(try TextColumn.read(from: tool.url("results/a/validation")).count == 2)
    let names = try Safetensors.read(from: tool.url("results/a/CoordMathLSTM.safetensors")).names
    #expect(names.contains("lstm.weight_ih_l1") && names.contains("linear_p.bias"))
    // The command that makes these weights, wherever they are put.
    let record = try JSONFile.read(
      TrainedRule.Record.self, from: tool.url("results/a/CoordMathLSTM.json"))
    #expect(record.command.hasPrefix("optcheck \(line)") && !record.command.contains("save-dir"))

    // Stopped half-way and resumed: the same bytes.
    let half = try tool.run(
      "\(line) --save-dir b".replacing(
        "--global-training-steps 4", with: "--global-training-steps 2"))
    #expect(half.status == 0)
    let refused = try tool.run("\(line) --save-dir b --resume")
    expectRefusal(refused, naming: ["global-training-steps = 2", "4"])

    let test = try tool.run(
      "evaluate -c \(Self.configs.path)/0_lasso_toy.yaml --lstm-hidden-size 4 --test-size 4 "
        + "--test-batch-size 2 --test-length 5 --gap --save-dir a")
    #expect(test.status == 0, "\(test.standardError)")
    let gaps = try TextColumn.read(from: tool.url("results/a/test_losses.txt"))
    #expect(gaps.count == 6 && gaps.allSatisfy { $0 > 0 })
    #expect(try NpyFile.read(from: tool.url("results/a/test_losses.npy")).elements == gaps)

    // Weights of another architecture, and a PyTorch file.
    expectRefusal(
      try tool.run(
        "evaluate -c \(Self.configs.path)/0_lasso_toy.yaml --test-size 1 --test-batch-size 1 "
          + "--ckpt-path results/a/CoordMathLSTM.safetensors"),
      naming: ["lstm.weight_ih_l0", "[16, 2]", "[80, 2]"])
    try tool.write("x", to: "w.pth")
    expectRefusal(
      try tool.run(
        "evaluate -c \(Self.configs.path)/0_lasso_toy.yaml --test-batch-size 1 --ckpt-path w.pth"),
      naming: ["w.pth", "safetensors"])
  }

  /// The layer-wise programs, supervised and not.
  @Test(arguments: [
    "--optimizer LISTACPSS --optimizee-type LASSO_LISTA --train-size 1",
    "--optimizer LISTA --optimizee-type LASSO --layers 2 --reference",
    "--optimizer AdaLISTA --optimizee-type LASSO --train-size 8 --best-wait 1 --val-size 2",
  ])
  func filesOfLayerwiseTraining(_ options: String) throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let output = try tool.run(
      "train \(options) --layers 2 --input-dim 12 --output-dim 6 --sparsity 2 --rho 0.1 "
        + "--train-batch-size 4 --init-lr 1e-3 --save-dir a")
    #expect(output.status == 0, "\(output.standardError)")
    let name = String(options.split(separator: " ")[1])
    for file in ["config.yaml", "train_loss", "train_loss.npy", "\(name).safetensors"] {
      #expect(tool.contents.contains("results/a/\(file)"), "\(file)")
    }
    #expect(try TextColumn.read(from: tool.url("results/a/obj_train_iter_0")).count == 2)
    let test = try tool.run(
      "evaluate \(options) --layers 2 --input-dim 12 --output-dim 6 --sparsity 2 --rho 0.1 "
        + "--test-size 2 --test-batch-size 2 --test-length 2 --save-dir a --eval-metric nmse")
    #expect(test.status == 0, "\(test.standardError)")
  }

  @Test(
    .enabled(if: Fixtures.sharedFolder != nil, "needs ../shared"), arguments: [true, false])
  func networkTraining(_ isReference: Bool) throws {
    let data = try #require(Fixtures.sharedFolder).appendingPathComponent("data")
    let tool = try Tool()
    defer { tool.cleanUp() }
    let output = try tool.run(
      "train --optimizee-type MnistCNN --data \(data.path) --train-batch-size 10 --p-use --p-norm "
        + "sigmoid --loss-func last --lstm-hidden-size 8 --e 10 --init-lr 1e-3 --step-size 0.01 "
        + "--optimizer-training-steps 4 --global-training-steps 2 --epochs 1 --save-dir a"
        + (isReference ? " --reference" : ""))
    #expect(output.status == 0, "\(output.standardError)")
    #expect(output.standardError.contains("script: main_train_nn"))
    #expect(output.standardError.contains("did not move") == isReference)
    #expect(try TextColumn.read(from: tool.url("results/a/train_loss")).count == 2)
  }

  /// CRC-32C of the standard's test vectors, and what protoc itself reads in a record.
  @Test func eventFilesAreFramed() throws {
    #expect(EventFile.checksum(Data("123456789".utf8)) == 0xE306_9283)
    #expect(EventFile.checksum(Data(repeating: 0, count: 32)) == 0x8A91_36AA)
    var file = EventFile(time: Date(timeIntervalSince1970: 1.5))
    file.add("loss", 0.25, step: 3)
    let bytes = [UInt8](file.data)
    // Length 24: field 1 (9 bytes) and field 3 with 13 characters (15 bytes).
    #expect(Array(bytes[..<8]) == [24, 0, 0, 0, 0, 0, 0, 0])
    #expect(Array(bytes[21..<23]) == [0x1A, 13])
    #expect(String(decoding: bytes[23..<36], as: UTF8.self) == "brain.Event:2")
    // Time, step 3, summary { value { tag "loss", 0.25 as float32 } }.
    let start: Int = 8 + 4 + 24 + 4 + 12
    let second: [UInt8] = Array(bytes[start...].dropLast(4))
    var expected: [UInt8] = [9, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F, 16, 3, 42, 13, 10, 11, 10, 4]
    expected += Array("loss".utf8)
    expected += [21, 0, 0, 0x80, 0x3E]
    #expect(second == expected)
  }

  @Test func tensorBoardIsWrittenWhereAskedFor() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let output = try tool.run(
      "\(smallRun) --global-training-steps 3 --tensorboard --save-dir a")
    #expect(output.status == 0, "\(output.standardError)")
    #expect(tool.contents.contains { $0.contains("events.out.tfevents.") })
  }

  @Test func classicalRulesAreTested() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    for name in RuleName.classical {
      let output = try tool.run(
        "evaluate --optimizer \(name) --optimizee-type LASSO --input-dim 10 --output-dim 5 "
          + "--sparsity 2 --test-size 2 --test-batch-size 1 --test-length 8 --step-size 0.01 "
          + "--hyper-step 1e-7 --save-dir \(name)")
      #expect(output.status == 0, "\(name): \(output.standardError)")
      let values = try TextColumn.read(from: tool.url("results/\(name)/test_losses.txt"))
      #expect(values[8] < values[0], "\(name)")
    }
  }
}

/// A user's own data, files of the reference code, and shifted instances.
@Suite struct DataTests {
  private static let line =
    "evaluate --optimizer ProximalGradientDescentMomentum --optimizee-type LASSO --test-size 2 "
    + "--test-batch-size 1 --test-length 30 --step-rule instance"

  @Test(arguments: ["problem.npz", "problem.mat", "problem.csv"])
  func aProblemOfOnesOwn(_ name: String) throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let file = Fixtures.packageFolder.appendingPathComponent("Fixtures/Data/\(name)")
    let output = try tool.run(
      "\(Self.line) --problem \(file.path) --rho 0.05 --gap --save-dir a")
    #expect(output.status == 0, "\(output.standardError)")
    let gaps = try TextColumn.read(from: tool.url("results/a/test_losses.txt"))
    #expect(gaps[30] < 0.1 * gaps[0] && gaps.allSatisfy { $0 > -1e-12 })
    expectRefusal(
      try tool.run("\(Self.line) --problem \(file.path) --rho -1"), naming: ["rho", "-1"])
    expectRefusal(
      try tool.run("\(Self.line) --problem absent.npz"), naming: ["absent.npz"])
  }

  /// Saved by one run, loaded by the next: the same curve up to float32, which the files hold.
  @Test func matFilesGoBothWays() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let sizes = "--input-dim 20 --output-dim 10 --sparsity 3 --gap --optimizee-dir mats"
    let first = try tool.run("\(Self.line) \(sizes) --save-to-mat --save-sol --save-dir a")
    #expect(first.status == 0, "\(first.standardError)")
    for file in ["0.mat", "1.mat", "sol_0.mat", "sol_1.mat"] {
      #expect(tool.contents.contains("mats/\(file)"))
    }
    let second = try tool.run("\(Self.line) \(sizes) --load-mat --load-sol --save-dir b")
    #expect(second.status == 0, "\(second.standardError)")
    let (a, b) = (
      try TextColumn.read(from: tool.url("results/a/test_losses.txt")),
      try TextColumn.read(from: tool.url("results/b/test_losses.txt"))
    )
    // M, Y and rho are rounded to 24 bits: values move by a few 1e-7 of themselves, gaps by as much
    // of F / F*, which is below 100 here.
    for (x, y) in zip(a, b) { #expect(abs(x - y) <= 1e-4) }
  }

  @Test func shiftedInstances() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let sizes = "--input-dim 20 --output-dim 10 --sparsity 3 --ood"
    func values(_ more: String) throws -> [Double] {
      let output = try tool.run("\(Self.line) \(sizes) \(more) --save-dir a")
      #expect(output.status == 0, "\(output.standardError)")
      return try TextColumn.read(from: tool.url("results/a/test_losses.txt"))
    }
    let plain = try values("")
    // F(x + t) from x = -t is F from 0.
    let moved = try values("--ood-t 3 --ood-s -3")
    for (x, y) in zip(plain, moved) { #expect(abs(x - y) <= 1e-10 * max(1, abs(x))) }
    // The reference code's prox is another one.
    let quirk = try values("--ood-t 3 --ood-s -3 --reference")
    #expect(abs(quirk[30] - plain[30]) > 1e-6)
  }
}
