import OptCheck

/// One of the reference repositories' five programs: its defaults, and which settings it obeys.
enum Script: String, CaseIterable, Sendable {
  /// NetX: one fixed batch, full backpropagation, SGD.
  case mainTrainAnlys = "main_train_anlys"
  /// NetX: the weights of a neural network; the iterate goes on.
  case mainTrainNN = "main_train_nn"
  /// NetX: layer by layer, without solutions.
  case mainUnrollListas = "main_unroll_listas"
  /// MS4L2O: fresh problems, truncated backpropagation, Adam, validation.
  case main
  /// MS4L2O: layer by layer, supervised by solutions.
  case mainUnroll = "main_unroll"

  /// The program that trains `optimizer` on `problem`; `keys` are the settings that were given.
  ///
  /// Settings of layers (`layers`, `eval-metric`, ...) tell NetX's two programs for LISTA apart.
  static func following(optimizer: String, problem: String, keys: Set<String>) -> Script {
    if problem == "MnistCNN" { return .mainTrainNN }
    switch optimizer {
    case "AdaLISTA": return .mainUnroll
    case _ where optimizer.hasPrefix("LISTA"):
      let layerwise: Set = ["layers", "eval-metric", "train-size", "lr-decay-layer"]
      let isLayerwise = problem == "LASSO_LISTA" || !keys.isDisjoint(with: layerwise)
      return isLayerwise ? .mainUnrollListas : .mainTrainAnlys
    case "CoordMathDNN": return .mainTrainAnlys
    default: return problem == "LASSO" || problem == "LogisticL1" ? .main : .mainTrainAnlys
    }
  }

  /// Defaults that differ from those in the table of settings.
  var defaults: [String: String] {
    switch self {
    case .mainTrainAnlys: ["rho": "0.2"]
    case .mainTrainNN: ["rho": "0.2", "train-batch-size": "200"]
    case .main: ["rho": "0.1", "meta-optimizer": "Adam", "step-rule": "instance"]
    case .mainUnrollListas:
      [
        "rho": "0.2", "meta-optimizer": "Adam", "layers": "20", "train-size": "32000",
        "val-size": "128", "test-size": "1024", "train-batch-size": "256", "test-batch-size": "32",
        "test-length": "20", "step-rule": "instance",
      ]
    case .mainUnroll:
      [
        "rho": "0.1", "meta-optimizer": "Adam", "layers": "20", "train-size": "32000",
        "val-size": "128", "test-size": "1024", "train-batch-size": "256", "test-batch-size": "32",
        "test-length": "20", "step-rule": "instance", "optimizer": "AdaLISTA",
        "optimizee-type": "LASSO",
      ]
    }
  }

  private static let everywhere: Set = [
    "optimizer", "optimizee-type", "input-dim", "output-dim", "seed", "save-dir", "ckpt-path",
    "loss-save-path", "threads", "test", "test-size", "test-batch-size", "test-length",
    "train-batch-size", "init-lr", "rho", "sparsity", "step-size", "step-rule", "reference",
    "script", "momentum1", "momentum2", "eps", "hyper-step", "gap", "tensorboard", "data",
    "checkpoint-every", "problem", "optimizee-dir", "load-mat", "save-to-mat", "load-sol",
    "save-sol", "ood", "ood-s", "ood-t",
  ]

  private static let heads: Set<String> = Set(
    ["p", "a", "b", "b1", "b2"].flatMap { head in
      ["use", "norm", "scale", "scale-learned"].map { "\(head)-\($0)" }
    })

  private static let recurrent: Set = ["lstm-layers", "lstm-hidden-size", "state-scale"]

  private static let network: Set = [
    "lstm-hidden-size", "widths", "e", "init", "weight-layout", "p-use", "p-norm", "p-scale",
    "p-scale-learned", "backward", "evaluator", "grad-method",
  ]

  private static let lista: Set = ["w-shared", "s-shared", "theta-shared", "lamb", "p", "max-p"]

  private static let fixedBatch: Set = [
    "meta-optimizer", "global-training-steps", "optimizer-training-steps", "unroll-length",
    "scheduler", "epochs", "clip-grad", "loss-func", "val-freq",
  ]

  /// The settings that this program obeys when it trains or tests `optimizer`.
  func live(_ optimizer: String) -> Set<String> {
    let own: Set<String> =
      switch self {
      case .mainTrainAnlys: Self.fixedBatch.union(Self.settings(of: optimizer))
      case .mainTrainNN: Self.fixedBatch.union(Self.network)
      case .mainUnrollListas: Self.layerwise.union(Self.lista).union(["eval-metric"])
      case .main:
        Self.settings(of: optimizer).union([
          "global-training-steps", "optimizer-training-steps", "unroll-length", "val-size",
          "val-length", "val-freq",
        ])
      case .mainUnroll: Self.layerwise.union(["val-size", "best-wait"])
      }
    return own.union(Self.everywhere)
  }

  private static let layerwise: Set = [
    "layers", "train-size", "lr-decay-layer", "lr-decay-stage2", "lr-decay-stage3",
  ]

  private static func settings(of optimizer: String) -> Set<String> {
    switch optimizer {
    case "CoordMathDNN": network
    case "CoordMathLSTM": heads.union(recurrent).union(["grad-method"])
    case "CoordBlackboxLSTM": recurrent.union(["grad-method"])
    case "RNNprop": recurrent.union(["grad-method", "rnnprop-beta1", "rnnprop-beta2"])
    case _ where optimizer.hasPrefix("LISTA"): lista
    // A user's own rule may make sense of any of them.
    default: ["grad-method"]
    }
  }
}
