import ArgumentParser

// Texts rather than numbers: a flag and a line of YAML are then read by the same code.

/// Settings of rule and problem.
struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Learned rule (with --test, any rule); default CoordMathDNN.", valueName: "name"))
  var optimizer: String?

  @Option(help: ArgumentHelp("Problem; default QuadraticUnconstrained.", valueName: "name"))
  var optimizeeType: String?

  @Option(help: ArgumentHelp("Unknowns of an instance.", valueName: "d"))
  var inputDim: String?

  @Option(help: ArgumentHelp("Rows of an instance; at most d.", valueName: "b"))
  var outputDim: String?

  @Option(help: ArgumentHelp("Instances; default 128.", valueName: "N"))
  var trainBatchSize: String?

  @Option(help: ArgumentHelp("Width of the last hidden layer; default 256.", valueName: "H"))
  var lstmHiddenSize: String?

  @Option(
    help: ArgumentHelp(
      "Widths of all hidden layers, such as 2,1024; default 2,H.", valueName: "list"))
  var widths: String?

  @Option(
    help: ArgumentHelp(
      "Scale of the initial weights, at least 1; default 100.", valueName: "e"))
  var e: String?

  @Option(
    name: .customLong("init"),
    help: ArgumentHelp(
      "qr, qrNonnegative or orthogonal (the authors'); default orthogonal.", valueName: "kind"))
  var initialization: String?

  @Option(
    help: ArgumentHelp(
      "in-out or out-in, for --init orthogonal; default in-out.", valueName: "layout"))
  var weightLayout: String?

  @Flag(inversion: .prefixedNo, help: "Learn the step scale P.")
  var pUse: Bool?

  @Option(help: ArgumentHelp("sigmoid, exp, softplus, eye or Gaussian.", valueName: "map"))
  var pNorm: String?

  @Option(help: ArgumentHelp("Factor on P; default 1.", valueName: "s"))
  var pScale: String?

  @Flag(inversion: .prefixedNo, help: "Train the factor too.")
  var pScaleLearned: Bool?

  @Option(help: ArgumentHelp("Step size; without it, by --step-rule.", valueName: "s"))
  var stepSize: String?

  @Option(
    help: ArgumentHelp(
      "reference (0.9999/L) or theory (1/beta); default reference.", valueName: "rule"))
  var stepRule: String?

  @Option(help: ArgumentHelp("detached or full; default detached.", valueName: "kind"))
  var backward: String?

  @Option(help: ArgumentHelp("automatic, dense or angular; default automatic.", valueName: "kind"))
  var evaluator: String?

  @Option(
    help: ArgumentHelp(
      "smooth_grad, subgrad or bp_grad; the same on these problems; default subgrad.",
      valueName: "kind"))
  var gradMethod: String?

  @Option(
    help: ArgumentHelp(
      "Weights from this seed, problems from seed + 777; default 118.", valueName: "n"))
  var seed: String?

  /// The settings that were given.
  var given: [(name: String, value: String)] {
    pairs([
      ("optimizer", optimizer),
      ("optimizee-type", optimizeeType),
      ("input-dim", inputDim),
      ("output-dim", outputDim),
      ("train-batch-size", trainBatchSize),
      ("lstm-hidden-size", lstmHiddenSize),
      ("widths", widths),
      ("e", e),
      ("init", initialization),
      ("weight-layout", weightLayout),
      ("p-use", pUse.map(String.init)),
      ("p-norm", pNorm),
      ("p-scale", pScale),
      ("p-scale-learned", pScaleLearned.map(String.init)),
      ("step-size", stepSize),
      ("step-rule", stepRule),
      ("backward", backward),
      ("evaluator", evaluator),
      ("grad-method", gradMethod),
      ("seed", seed),
    ])
  }
}

/// Settings of training.
struct TrainingOptions: ParsableArguments {
  @Option(help: ArgumentHelp("SGD or Adam; default SGD.", valueName: "name"))
  var metaOptimizer: String?

  @Option(help: ArgumentHelp("Training steps in an epoch; default 1000.", valueName: "n"))
  var globalTrainingSteps: String?

  @Option(
    help: ArgumentHelp(
      "Steps of the rule in one training step; default 100.", valueName: "T"))
  var optimizerTrainingSteps: String?

  @Option(help: ArgumentHelp("At least T; default 1000.", valueName: "n"))
  var unrollLength: String?

  @Option(help: ArgumentHelp("Initial step size of training; default 0.1.", valueName: "rate"))
  var initLr: String?

  @Option(
    help: ArgumentHelp(
      "constant, step or cosine; once an epoch; default constant.", valueName: "kind"))
  var scheduler: String?

  @Option(help: ArgumentHelp("Epochs; default 5.", valueName: "n"))
  var epochs: String?

  @Flag(inversion: .prefixedNo, help: "Clip gradients to norm 1.")
  var clipGrad: Bool?

  @Option(help: ArgumentHelp("last, mean or weighted_sum.", valueName: "kind"))
  var lossFunc: String?

  @Option(help: ArgumentHelp("Threads of the angular evaluator; default 1.", valueName: "n"))
  var threads: String?

  /// The settings that were given.
  var given: [(name: String, value: String)] {
    pairs([
      ("meta-optimizer", metaOptimizer),
      ("global-training-steps", globalTrainingSteps),
      ("optimizer-training-steps", optimizerTrainingSteps),
      ("unroll-length", unrollLength),
      ("init-lr", initLr),
      ("scheduler", scheduler),
      ("epochs", epochs),
      ("clip-grad", clipGrad.map(String.init)),
      ("loss-func", lossFunc),
      ("threads", threads),
    ])
  }
}

/// Settings of outputs and tests.
struct FileOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Folder for outputs; a relative one lies under results; default temp.", valueName: "dir"))
  var saveDir: String?

  @Option(help: ArgumentHelp("Training steps between checkpoints; default 200.", valueName: "n"))
  var valFreq: String?

  @Option(help: ArgumentHelp("The same; counts before --val-freq.", valueName: "n"))
  var checkpointEvery: String?

  @Flag(inversion: .prefixedNo, help: "Test instead of training: test_losses.txt.")
  var test: Bool?

  @Option(
    help: ArgumentHelp(
      "Weights to test; default <save-dir>/<rule>.safetensors.", valueName: "file"))
  var ckptPath: String?

  @Option(help: ArgumentHelp("Where test losses go.", valueName: "file"))
  var lossSavePath: String?

  @Option(help: ArgumentHelp("Instances to test on; default 2048.", valueName: "n"))
  var testSize: String?

  @Option(help: ArgumentHelp("Instances in a batch.", valueName: "n"))
  var testBatchSize: String?

  @Option(help: ArgumentHelp("Steps to test; default 100.", valueName: "n"))
  var testLength: String?

  /// The settings that were given.
  var given: [(name: String, value: String)] {
    pairs([
      ("save-dir", saveDir),
      ("val-freq", valFreq),
      ("checkpoint-every", checkpointEvery),
      ("test", test.map(String.init)),
      ("ckpt-path", ckptPath),
      ("loss-save-path", lossSavePath),
      ("test-size", testSize),
      ("test-batch-size", testBatchSize),
      ("test-length", testLength),
    ])
  }
}

/// Settings by the names of the reference code, beyond those above.
struct OtherOptions: ParsableArguments {
  @Argument(
    parsing: .allUnrecognized,
    help: ArgumentHelp(
      """
      Any other setting of the reference programs, such as --rho 0.1 --sparsity 50 --a-use --a-norm \
      sigmoid --unroll-length 20 --layers 16; --script NAME, --reference, --gap, --data DIR.
      """, valueName: "settings"))
  var settings: [String] = []

  /// The settings that were given.
  var given: [(name: String, value: String)] {
    get throws { try TrainSettings.flags(in: settings) }
  }
}

/// Those of `entries` that have a value.
private func pairs(_ entries: [(String, String?)]) -> [(name: String, value: String)] {
  entries.compactMap { name, value in value.map { (name, $0) } }
}
