import Catalog
import Engine
public import Foundation
public import Optimization
import Storage

/// Rules by name, ready to be verified.
public enum CandidateCatalog {
  /// A rule that can be asked for, with an option after a colon where it takes one.
  public struct Entry: Sendable {
    /// What it is asked for by.
    public var name: String
    /// What it is.
    public var summary: String
    /// The option after the colon, in words; nil if there is none.
    public var option: String?
    /// Whether it has weights, which a checkpoint after an at sign may give.
    public var hasWeights = false
    let make: @Sendable (_ option: Double?, _ weights: Weights?) throws -> any Candidate
  }

  /// Where weights come from.
  public struct Weights: Sendable {
    /// A safetensors file, or the name of a rule in `folder`.
    public var checkpoint: String
    /// The trained rules of the package.
    public var folder: URL?

    /// Names a checkpoint.
    public init(checkpoint: String, folder: URL?) {
      self.checkpoint = checkpoint
      self.folder = folder
    }
  }

  /// All built-in rules; a new one needs a line here.
  public static let entries: [Entry] = [
    Entry(
      name: "gradient-descent", summary: "step 1/L", option: "factor on the step"
    ) { factor, _ in
      NativeCandidate(GradientDescent(stepRule: .instance, relaxation: factor ?? 1))
    },
    Entry(name: "heavy-ball", summary: "momentum on x", option: "momentum, 0.9 without") {
      momentum, _ in
      NativeCandidate(
        MomentumDescent(.heavyBall, stepRule: .instance, momentum: momentum ?? 0.9))
    },
    Entry(
      name: "nesterov", summary: "momentum before the gradient",
      option: "momentum, 0.9 without"
    ) { momentum, _ in
      NativeCandidate(
        MomentumDescent(.nesterov, stepRule: .instance, momentum: momentum ?? 0.9))
    },
    Entry(name: "proximal-gradient", summary: "ISTA", option: nil) { _, _ in
      NativeCandidate(ProximalGradient())
    },
    Entry(name: "fista", summary: "proximal gradient with momentum", option: nil) { _, _ in
      NativeCandidate(FISTA())
    },
    Entry(name: "subgradient-descent", summary: "steps 1/(L √k)", option: nil) { _, _ in
      NativeCandidate(SubgradientDescent())
    },
    Entry(name: "adam", summary: "on subgradients", option: "step, 1e-3 without") { step, _ in
      NativeCandidate(Adam(stepRule: .constant(step ?? 1e-3)))
    },
    Entry(name: "adam-hd", summary: "Adam that moves its step", option: "step, 1e-3 without") {
      step, _ in
      NativeCandidate(
        Adam(stepRule: .constant(step ?? 1e-3), hyperDescent: Adam.HyperDescent(rate: 1e-7)))
    },
    Entry(name: "l-bfgs", summary: "the yardstick on smooth problems", option: nil) { _, _ in
      NativeCandidate(LBFGS())
    },
    Entry(
      name: "CoordMathDNN", summary: "learned step scales (paper A)", option: nil, hasWeights: true
    ) { _, weights in
      try named(coordMathDNN(weights), weights)
    },
    Entry(
      name: "CoordMathLSTM", summary: "L2O-PA (paper B), from a checkpoint", option: nil,
      hasWeights: true
    ) { _, weights in
      guard let weights else {
        throw RuleError.unsupported(
          setting: "CoordMathLSTM without a checkpoint", value: "verified",
          accepted: "CoordMathLSTM@NAME with NAME in Fixtures/Trained, or a path without ending")
      }
      let trained = try weights.trainedRule()
      return named(trained.rule, weights, as: "CoordMathLSTM-\(trained.record.variant)")
    },
    Entry(
      name: "CoordBlackboxLSTM", summary: "L2O-DM, at its first weights or trained", option: nil,
      hasWeights: true
    ) { _, weights in
      named(try TrainedRule.blackbox(weights?.parameters()), weights)
    },
    Entry(
      name: "RNNprop", summary: "at its first weights or trained", option: nil, hasWeights: true
    ) { _, weights in
      named(try TrainedRule.rnnprop(weights?.parameters()), weights)
    },
    Entry(
      name: "LISTACPSSWOnly", summary: "16 layers for the suite's LASSO, or from a checkpoint",
      option: nil, hasWeights: true
    ) { _, weights in
      if let stored = try weights?.parameters() {
        let layers = max(1, stored.names.count { $0.hasPrefix("W") })
        return named(try LISTACPSSWOnly(layers: layers, parameters: stored), weights)
      }
      // At its first weights, for the dictionary of the suite's LASSO.
      guard
        let problem = try ProblemSuite.families.first(where: { $0.name == "lasso" })?.problem()
          .problem as? any LinearModelProblem
      else { preconditionFailure("the suite has a LASSO") }
      return NativeCandidate(
        try LISTACPSSWOnly(
          layers: 16,
          parameters: initialWeights(for: problem)))
    },
  ]

  /// The rule called `text`: NAME, NAME:OPTION, NAME@CHECKPOINT.
  ///
  /// - Throws: ``RuleError`` naming what is accepted, `StorageError` for a bad checkpoint.
  public static func candidate(
    _ text: String, trained folder: URL?, others: [any UpdateRule] = []
  ) throws -> any Candidate {
    let parts = text.split(separator: "@", maxSplits: 1).map(String.init)
    let words = (parts.first ?? "").split(separator: ":", maxSplits: 1).map(String.init)
    let name = words.first ?? ""
    let own = others.first { $0.name == name }.map { rule in
      Entry(name: name, summary: "", option: nil) { _, _ in candidate(rule) }
    }
    guard let entry = own ?? entries.first(where: { $0.name == name }) else {
      throw RuleError.unsupported(
        setting: "rule", value: "'\(name)'",
        accepted: (entries.map(\.name) + others.map(\.name)).joined(separator: ", "))
    }
    var option: Double?
    if words.count > 1 {
      guard let number = Double(words[1]), number.isFinite, entry.option != nil else {
        throw RuleError.unsupported(
          setting: "option of \(name)", value: "'\(words[1])'",
          accepted: entry.option.map { "a number: \($0)" } ?? "none")
      }
      option = number
    }
    guard parts.count > 1 else { return try entry.make(option, nil) }
    guard entry.hasWeights else {
      throw RuleError.unsupported(
        setting: "weights of \(name)", value: "'\(parts[1])'", accepted: "none")
    }
    return try entry.make(option, Weights(checkpoint: parts[1], folder: folder))
  }

  /// `rule` under the name of its weights, so that one table can show it with several.
  private static func named(
    _ rule: some UpdateRule, _ weights: Weights?, as name: String? = nil
  ) -> any Candidate {
    let name = name ?? rule.name
    guard let weights else { return NativeCandidate(rule, name: name) }
    let file = URL(fileURLWithPath: weights.checkpoint)
    let label =
      file.pathExtension == "safetensors"
      ? file.deletingPathExtension().lastPathComponent : file.lastPathComponent
    return NativeCandidate(rule, name: "\(name)@\(label)")
  }

  private static func initialWeights(for problem: some LinearModelProblem) throws -> Parameters {
    try LISTACPSSWOnly.initialParameters(for: problem, layers: 16)
  }

  private static func candidate<R: UpdateRule>(_ rule: R) -> any Candidate {
    NativeCandidate(rule)
  }

  private static func coordMathDNN(_ weights: Weights?) throws -> CoordMathDNN {
    if let stored = try weights?.parameters() {
      // Shapes are input by output, so the hidden widths are the second sides of all but the last.
      let names = stored.names.filter { $0.hasPrefix("dnn.") }.sorted() + ["linear.weight"]
      let widths = names.compactMap { stored[$0]?.shape.last }
      guard !widths.isEmpty else { throw RuleError.missingParameter("linear.weight") }
      let architecture = CoordMathDNN.Architecture(
        widths: widths, learnsScale: stored["p_scale"] != nil)
      return try CoordMathDNN(architecture: architecture, parameters: stored, stepRule: .instance)
    }
    let architecture = CoordMathDNN.Architecture(widths: [2, 64])
    return try CoordMathDNN(
      architecture: architecture,
      parameters: CoordMathDNN.initialParameters(architecture, .qr, scale: 50, seed: 1),
      stepRule: .instance)
  }
}

extension CandidateCatalog.Weights {
  /// The weights in the file, under PyTorch's names.
  func parameters() throws -> Parameters {
    let named = URL(fileURLWithPath: checkpoint)
    let file =
      FileManager.default.fileExists(atPath: named.path)
      ? named : stem.appendingPathExtension("safetensors")
    let stored = try Safetensors.read(from: file).tensors
    return Parameters(stored.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
  }

  /// The trained rule with its record.
  func trainedRule() throws -> TrainedRule {
    try TrainedRule(named: stem.lastPathComponent, in: stem.deletingLastPathComponent())
  }

  /// The checkpoint without its ending: a path that there is or that can be nothing else, else a name in the
  /// folder of trained rules.
  private var stem: URL {
    let ending = ".safetensors"
    let isFile = checkpoint.hasSuffix(ending)
    let path = isFile ? String(checkpoint.dropLast(ending.count)) : checkpoint
    let exists = FileManager.default.fileExists(atPath: path + ending)
    guard let folder, !exists, !isFile, !path.hasPrefix("/") else {
      return URL(fileURLWithPath: path)
    }
    return folder.appendingPathComponent(path)
  }
}
