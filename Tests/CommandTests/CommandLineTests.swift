import Foundation
import OptCheck
import Testing

@testable import OptCheckCommands

@Suite struct CommandLineTests {
  @Test func versionNamesWhatRuns() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let output = try tool.run("--version")
    #expect(output.status == 0)
    for word in ["commit", "Swift", BLAS.coreName, "checkpoint \(Checkpoint.formatVersion)"] {
      #expect(output.standardOutput.contains(word))
    }
    let json = try JSONFile.decode(
      [String: JSONValue].self, from: Data(try tool.run("--version --json").standardOutput.utf8),
      path: "output")
    #expect(json["blasCore"] == .text(BLAS.coreName))
  }

  @Test(arguments: ["", "report", "train", "replay", "history", "bench", "list"])
  func helpHasAnExample(command: String) throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let output = try tool.run("\(command) --help")
    #expect(output.status == 0)
    #expect(output.standardOutput.contains("Example"))
    #expect(output.standardOutput.contains("  optcheck \(command.isEmpty ? "list" : command)"))
  }

  /// The example of `train --help`, cut to a few steps, is accepted.
  @Test func trainExampleRuns() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let help = try tool.run("train --help").standardOutput
    let tail = try #require(help.components(separatedBy: "Example:").dropFirst().first)
    let example = try #require(tail.components(separatedBy: "USAGE").first)
    let words = example.split(whereSeparator: \.isWhitespace).map(String.init)
    #expect(words.first == "optcheck")
    let output = try tool.run(words.dropFirst() + ["--global-training-steps", "2"])
    #expect(output.status == 0, "\(output.standardError)")
    #expect(tool.contents.contains("results/example/train_loss"))
  }

  @Test func listNamesOursAndYours() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    let text = try tool.run("list").standardOutput
    #expect(text.contains("CoordMathDNN") && text.contains("QuadraticUnconstrained"))
    let mine = Registry(
      rules: [GradientDescent(relaxation: 1.5)],
      problems: [try LeastSquares.generated(seed: 1, rows: 2, columns: 3)])
    OptCheckCommand.$registry.withValue(mine) {
      let names = (ListCommand.output.rules + ListCommand.output.problems).map(\.name)
      #expect(names.contains("gradient-descent-p1.5"))
      #expect(names.contains("generated-1-d3-b2-N1"))
      #expect(names.contains("CoordMathDNN"))
    }
  }

  @Test func namesMayNotRepeat() async {
    let twice = Registry(rules: [GradientDescent(), GradientDescent()])
    let status = await OptCheckCommand.$registry.withValue(twice) {
      await OptCheckCommand.run(["list"])
    }
    #expect(status == .usage)
  }

  @Test(arguments: [
    ("frobnicate", ["frobnicate"]), ("list --frob", ["--frob"]), ("replay", ["dir"]),
    ("report --all --data nowhere", ["nowhere", "bsds500_lasso.safetensors"]),
    ("replay nowhere", ["nowhere"]), ("train --config nowhere.yaml", ["nowhere.yaml"]),
    ("\(smallRun) --e 0", ["e cannot be '0'", "from 1"]),
    ("\(smallRun) --e nan", ["e cannot be 'nan'", "from 1"]),
    ("\(smallRun) --output-dim 9", ["b", "9", "1...8"]),
    ("\(smallRun) --init-lr nan", ["init-lr", "nan"]),
    ("\(smallRun) --p-norm tanh", ["p-norm", "tanh", "softplus", "Gaussian"]),
    ("\(smallRun) --optimizer Nobody", ["optimizer", "Nobody", "CoordMathDNN"]),
    ("\(smallRun) --optimizee-type Nothing", ["optimizee-type", "QuadraticUnconstrained"]),
    ("\(smallRun) --no-p-use", ["p-use"]),
    ("\(smallRun) --identical-dict", ["identical-dict", "not built"]),
    ("\(smallRun) --loss-func mean --unroll-length 3", ["unroll-length", "'3'"]),
    ("\(smallRun) --widths 2,0", ["widths", "2,0"]),
    ("\(smallRun) --widths 3,8 --evaluator angular", ["evaluator", "angular"]),
    ("\(smallRun) --test", ["test-batch-size"]),
    ("\(smallRun) --input-dim 1000000 --output-dim 1000000", ["1000000 x 1000000"]),
    ("\(smallRun) --epochs 99999999999", ["epochs", "1 to 1000000000"]),
    ("train --p-use --p-norm eye --loss-func last --output-dim 3", ["input-dim", "not set"]),
  ])
  func badArgumentsLeaveNothing(line: String, words: [String]) throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    expectRefusal(try tool.run(line), naming: words)
    #expect(tool.contents.isEmpty)
  }

  @Test(arguments: [
    ("optput-dim: 5", ["run.yaml", "optput-dim", "'output-dim'"]),
    ("e: 0", ["run.yaml", "e cannot be '0'"]),
    ("e: .nan", ["run.yaml", "e cannot be '.nan'"]),
    ("input-dim: [1", ["run.yaml", "YAML"]), ("- 1", ["run.yaml", "YAML"]),
    ("seed: 1\nseed: 2", ["run.yaml", "seed"]), ("fixed-dict: true", ["run.yaml", "fixed-dict"]),
    ("e: {a: 1}", ["run.yaml", "e cannot be"]),
  ])
  func badConfigLeavesNothing(yaml: String, words: [String]) throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    try tool.write(yaml, to: "run.yaml")
    expectRefusal(try tool.run("train -c run.yaml"), naming: words)
    #expect(tool.contents == ["run.yaml"])
  }

  @Test func unwritableFolderIsNamed() throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    // A file where the folder should be: this stops root too, unlike permissions.
    try tool.write("", to: "results")
    expectRefusal(try tool.run("\(smallRun) --global-training-steps 3"), naming: ["results/temp"])
    #expect(tool.contents == ["results"])
  }

  /// Before hours of work, not after.
  @Test(arguments: [
    "experiment e250-T20 --out results/here", "experiment e250-T20 --cache results",
    "report theory-vs-experiment --out results", "baseline save main --folder results",
  ])
  func unwritableFolderIsNamedFirst(command: String) throws {
    let tool = try Tool()
    defer { tool.cleanUp() }
    try tool.write("", to: "results")
    expectRefusal(try tool.run(command), naming: ["results"])
    #expect(tool.contents == ["results"])
  }

  @Test func distancesAreThoseOfLevenshtein() {
    #expect(editDistance("kitten", "sitting") == 3)
    #expect(editDistance("", "abc") == 3)
    #expect(editDistance("seed", "SEED") == 0)
    #expect(nearest("unrol-lenght", among: ["seed", "unroll-length"]) == "unroll-length")
  }

  @Test func clockShowsHoursOnlyWhereThereAreAny() {
    #expect(ProgressBar.clock(59.6) == "1:00")
    #expect(ProgressBar.clock(3725) == "1:02:05")
    #expect(ProgressBar.clock(.infinity) == "0:00")
  }
}
